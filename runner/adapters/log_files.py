"""The text log: `logs/live_247trader-v2.log`, rotated by size, and the same lines on the terminal."""

import contextlib
import logging
import logging.handlers
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from core.errors import StartRefused
from runner.records.durable_files import create_if_missing
from runner.terminal import Terminal

LOG_NAME = "live_247trader-v2.log"


def open_log(
    logs_dir: Path,
    *,
    level: str,
    max_bytes: int,
    backup_count: int,
    now: Callable[[], datetime],
    to_terminal: bool,
    redact: Callable[[str], str] | None = None,
) -> logging.Logger:
    """
    Return the program's logger, writing to the rotated file and, when asked, to standard output.

    Rotated files are `live_247trader-v2.1.log` and so on, so that `logs/live_*.log` finds them all.
    Times are the loop's own clock, in UTC. `redact` takes secrets out of every line, of tracebacks, too (L15).

    Raises:
        StartRefused: The file cannot be opened.
        StateUnusable: It is a link, a FIFO, somebody else's.
    """
    logging.raiseExceptions = False  # a full disk or a closed terminal must not fill stderr with tracebacks
    log = logger_of(logs_dir)
    log.setLevel(level)
    log.propagate = False
    close_log(log)
    formatter = _Format(redact)
    path = logs_dir / LOG_NAME
    try:
        create_if_missing(path)  # a planted FIFO would let the opening below wait for ever
        to_file = logging.handlers.RotatingFileHandler(
            path, maxBytes=max_bytes, backupCount=backup_count, encoding="utf-8"
        )
    except OSError as error:
        raise StartRefused(f"{path} cannot be opened: {error.strerror}; choose another --logs-dir") from error
    to_file.namer = _rotated_name
    handlers: list[logging.Handler] = [to_file]
    if to_terminal:
        handlers.append(logging.StreamHandler(Terminal(sys.stdout)))

    def stamp(record: logging.LogRecord) -> bool:
        record.utc = now().strftime("%Y-%m-%dT%H:%M:%SZ")
        return True

    for handler in handlers:
        handler.setFormatter(formatter)
        handler.addFilter(stamp)
        log.addHandler(handler)
    return log


def logger_of(logs_dir: Path) -> logging.Logger:
    """Return the logger of a run, which is known by its folder; it is silent until `open_log`."""
    return logging.getLogger(f"247trader-v2.{logs_dir}")


class _Format(logging.Formatter):
    """The format of a line, with whatever must not be written taken out last."""

    def __init__(self, redact: Callable[[str], str] | None) -> None:
        super().__init__("%(utc)s %(levelname)-8s %(message)s")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if self._redact is None else self._redact(text)


def close_log(log: logging.Logger) -> None:
    """Flush and close every handler of the logger. What a full disk cannot take is lost: the records count."""
    for handler in list(log.handlers):
        log.removeHandler(handler)
        with contextlib.suppress(OSError):
            handler.close()


def _rotated_name(default: str) -> str:
    stem, _, number = default.rpartition(".")
    return f"{stem.removesuffix('.log')}.{number}.log"
