"""Do something in a process of its own, for what it would leave behind in ours."""

import os
import pickle
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

READ_BYTES = 65536


def in_child(work: Callable[[], T]) -> T | None:
    """
    Return what `work` returns in a forked child, whose memory ends with it; None when the child did not get to an end.

    Call it while this process has one thread. The result must be picklable and not None.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _work_and_leave(work, writing)
    os.close(writing)
    try:
        data = b"".join(iter(lambda: os.read(reading, READ_BYTES), b""))
    finally:
        os.close(reading)
        _, status = os.waitpid(child, 0)
    result: T | None = pickle.loads(data) if status == 0 else None  # noqa: S301 - from ourselves, over our own pipe
    return result


def _work_and_leave(work: Callable[[], object], writing: int) -> None:
    """Never return into the program: the child ends here, whatever happens."""
    code = 1
    try:
        data = pickle.dumps(work())
        while data:
            data = data[os.write(writing, data) :]
        code = 0
    finally:
        os._exit(code)
