"""
The error tree. A name says what to do next; a refusal to trade is a value, never one of these.

TraderError
├── ConfigError              fix the configuration, start again (exit 78)
├── StartRefused             a condition of the start does not hold (exit 77)
│   └── AlreadyRunning       another process owns the data directory (exit 75)
├── StateUnusable            state or journal cannot be trusted: call a person (exit 65)
├── RecordNotDurable         a record could not be written: stop the process (exit 74)
│   └── DiskFailed           fsync failed, or what was written is not there: never tried again (exit 71)
├── MarketDataUnavailable    no new risk this cycle; ask again next cycle
└── BrokerError
    ├── BrokerUnavailable    a question to the broker got no answer: asking again is safe
    ├── OrderNotSent         no byte left: the order does not exist
    ├── OrderRejected        the exchange said no: never send it again
    └── OrderOutcomeUnknown  sent, no usable answer: look it up before anything else (L4)
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells its supervisor (numbers from sysexits.h where one fits)."""

    OK = 0
    USAGE = 2
    DATA = 65
    VENUE_UNAVAILABLE = 69
    INTERNAL = 70
    DISK = 71
    IO = 74
    ALREADY_RUNNING = 75
    REFUSED = 77
    CONFIG = 78


class TraderError(Exception):
    """Base of every error that this program raises on purpose."""

    exit_code = ExitCode.INTERNAL


class ConfigError(TraderError):
    """The configuration cannot be used; the message names file, key, value and fix."""

    exit_code = ExitCode.CONFIG


class StartRefused(TraderError):
    """A condition of the start does not hold; the message says which and what to do."""

    exit_code = ExitCode.REFUSED


class AlreadyRunning(StartRefused):
    """Another process owns the data directory (L14)."""

    exit_code = ExitCode.ALREADY_RUNNING


class StateUnusable(TraderError):
    """State or journal is unreadable, foreign or contradicting: halt, never default (L11)."""

    exit_code = ExitCode.DATA


class RecordNotDurable(TraderError):
    """A journal or audit record could not be written whole: the process ends (L2)."""

    exit_code = ExitCode.IO


class DiskFailed(RecordNotDurable):
    """
    The disk did not keep what it took: fsync failed, or reading back gave something else.

    Nothing is tried again: after a failed fsync the kernel holds pages for clean that never reached the disk. Only the
    next start, which reads the disk anew, knows what is there.

    Attributes:
        file_name: Of the file that failed; "" where it is none that goes on.
    """

    exit_code = ExitCode.DISK

    def __init__(self, message: str, file_name: str = "") -> None:
        super().__init__(message)
        self.file_name = file_name


class MarketDataUnavailable(TraderError):
    """The market did not answer, or not usably. No new risk this cycle (L8)."""

    exit_code = ExitCode.VENUE_UNAVAILABLE


class BrokerError(TraderError):
    """The broker's side of the tree."""

    exit_code = ExitCode.VENUE_UNAVAILABLE


class BrokerUnavailable(BrokerError):
    """A question got no usable answer. Asking again is safe; an error is never an empty list."""


class OrderNotSent(BrokerError):
    """No byte of the order left this process: it does not exist."""


class OrderRejected(BrokerError):
    """
    The exchange refused the order for good.

    Attributes:
        reason: The exchange's machine code, e.g. `INSUFFICIENT_FUND`.
    """

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(f"{reason}: {message}" if message else reason)
        self.reason = reason


class OrderOutcomeUnknown(BrokerError):
    """Sent, but no usable answer: it counts as filled until evidence says otherwise (L4)."""
