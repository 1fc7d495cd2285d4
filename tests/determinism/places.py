"""Two places to run a program in: everything that a process inherits differs, and nothing of it may be seen."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Environment, umask, and the name of the working directory (below a folder of the run's own)."""

    name: str
    environment: Mapping[str, str]
    umask: int


HERE = Place(
    name="here",
    environment={
        "PYTHONHASHSEED": "1",
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
        "LANG": "C.UTF-8",
        "PYTHONUTF8": "1",
        "USER": "here",
        "LOGNAME": "here",
        "USERNAME": "here",
        "HOME": "/nonexistent/here",
        "COLUMNS": "80",
    },
    umask=0o022,
)

ELSEWHERE = Place(
    name="else where, é",
    environment={
        "PYTHONHASHSEED": "4242",
        "TZ": "<+2330>-23:30",  # its midnight is half an hour after that of UTC
        "LC_ALL": "C",
        "LANG": "tr_TR.UTF-8",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "USER": "somebody else",
        "LOGNAME": "somebody else",
        "USERNAME": "somebody else",
        "HOME": "/nonexistent/elsewhere",
        "COLUMNS": "200",
    },
    umask=0o000,
)

PLACES = (HERE, ELSEWHERE)
