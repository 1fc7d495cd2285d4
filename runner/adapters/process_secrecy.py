"""What a process that holds an API key does so that it leaves nothing of it behind (L15)."""

import resource
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from core.errors import TraderError
from runner.terminal import complain


def keep_secret(redact: Callable[[str], str]) -> None:
    """Leave no core file from now on, and print what ends the process only after `redact` has been over it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))

    def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        complain(redact("".join(traceback.format_exception(kind, error, trace))).rstrip())

    sys.excepthook = report


@contextmanager
def censored_errors(redact: Callable[[str], str] | None) -> Iterator[None]:
    """Take secrets out of the words of an error that ends the start or the run: they are printed as they are."""
    try:
        yield
    except TraderError as error:
        if redact is not None:
            error.args = (redact(str(error)),)
        raise
