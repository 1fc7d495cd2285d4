"""
How a call to Coinbase may end badly. Market and broker translate these into the errors of their ports.

ApiError
├── ApiUnavailable     a question got no usable answer: ask again later
├── ApiNotSent         no byte of the request left: it has no effect
├── ApiRefused         Coinbase said no, for certain
└── ApiOutcomeUnknown  sent, no usable answer: look it up before anything else (L4)

No message holds a secret: key and tokens are removed before an error is made (L15).
"""

from core.errors import ExitCode, TraderError


class ApiError(TraderError):
    """
    Base of this package's errors.

    Attributes:
        status: The HTTP status, None when there was no answer.
        body_text: The beginning of the answer's body as text, "" when there was none.
    """

    exit_code = ExitCode.VENUE_UNAVAILABLE

    def __init__(self, message: str, *, status: int | None = None, body_text: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body_text = body_text


class ApiUnavailable(ApiError):
    """A question got no usable answer (or was refused: see `status`). It had no effect."""


class ApiNotSent(ApiError):
    """No byte of the request left this process."""


class ApiRefused(ApiError):
    """
    Coinbase refused the request for certain: nothing was created or changed.

    Attributes:
        code: Coinbase's machine code (`INVALID_ARGUMENT`), or `HTTP_401` when the body has none.
        message: Coinbase's words, cut.
    """

    def __init__(self, status: int, code: str, message: str, *, body_text: str = "") -> None:
        super().__init__(f"{status} {code}: {message}" if message else f"{status} {code}", status=status)
        self.code = code
        self.message = message
        self.body_text = body_text


class ApiOutcomeUnknown(ApiError):
    """The request may have arrived; nothing that came back says what became of it."""
