"""
The folders that records live in: ours alone, or the start says what is wrong with them.

Whoever can write to a folder can exchange the journal in it and take the kill file away, so that refuses the start;
whoever can only read learns what we own, which is said. A folder that nobody has used yet (a fresh clone has one, with
whatever rights its umask gave) is made private instead. A link to a folder is followed: it may be on a bigger disk, and
lock and record files notice when it is turned elsewhere.
"""

import os
import stat
from pathlib import Path

from core.errors import StartRefused
from runner.records.durable_files import READABLE_BY_OTHERS, WRITABLE_BY_OTHERS

_NOT_USED_YET = (".gitkeep", "KILL_SWITCH")
_PRIVATE = 0o700
_PASSABLE = READABLE_BY_OTHERS | stat.S_IXGRP | stat.S_IXOTH


def take_folder(folder: Path) -> str | None:
    """
    Make a folder, or take one that is there; return what a person should know about it, None when all is well.

    Raises:
        StartRefused: It cannot be made or used, belongs to somebody else, or others may write to it.
    """
    try:
        folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        facts = os.stat(folder)
        if facts.st_uid == os.geteuid() and stat.S_IMODE(facts.st_mode) != _PRIVATE and _is_unused(folder):
            os.chmod(folder, _PRIVATE)
            facts = os.stat(folder)
    except OSError as error:
        raise StartRefused(
            f"{folder} cannot be made or used: {error.strerror}; choose another --data-dir or --logs-dir"
        ) from error
    return _judged(folder, facts)


def _judged(folder: Path, facts: os.stat_result) -> str | None:
    mode = stat.S_IMODE(facts.st_mode)
    is_root = os.geteuid() == 0
    if facts.st_uid != os.geteuid() and not is_root:
        raise StartRefused(f"{folder} belongs to user {facts.st_uid}, not to us; correct its owner, or choose another")
    if mode & WRITABLE_BY_OTHERS:
        raise StartRefused(
            f"{folder} can be written by others (mode {mode:04o}): they could exchange the records or take the kill "
            f"file away. Fix: choose a folder of its own (--data-dir, --logs-dir), or chmod 700 {folder}"
        )
    if facts.st_uid != os.geteuid():
        return f"warning: {folder} belongs to user {facts.st_uid}, who can change everything in it"
    if mode & _PASSABLE:
        return f"warning: {folder} can be read by others (mode {mode:04o}). Fix: chmod 700 {folder}"
    return None


def _is_unused(folder: Path) -> bool:
    return all(name in _NOT_USED_YET for name in os.listdir(folder))
