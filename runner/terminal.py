"""What is printed for people. A terminal that is gone, full, or without some character never stops the bot."""

import contextlib
import os
import sys
from typing import TextIO


class Terminal:
    """A stream that takes what it can: also the one that the log's terminal handler writes to."""

    def __init__(self, stream: TextIO | None) -> None:
        """`stream` is None when the process was started with it closed."""
        self._stream = stream

    def write(self, text: str) -> None:
        """Print at once; without effect when nobody takes it."""
        if self._stream is None:
            return
        encoding = self._stream.encoding or "utf-8"
        try:
            self._stream.write(text.encode(encoding, "replace").decode(encoding))
            self._stream.flush()
        except (OSError, ValueError):
            _send_to_nowhere(self._stream)

    def flush(self) -> None:
        """Do nothing: nothing is ever held back."""


def say(text: str) -> None:
    """Print a line to standard output."""
    Terminal(sys.stdout).write(f"{text}\n")


def complain(text: str) -> None:
    """Print a line to standard error."""
    Terminal(sys.stderr).write(f"{text}\n")


def _send_to_nowhere(stream: TextIO) -> None:
    """Let all further output vanish, what the stream still holds as well: Python flushes it once more at its end."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
