"""Takes secrets out of text, by value and by shape (L15): the last thing before anything is written or raised."""

import re
from collections.abc import Sequence
from urllib.parse import quote, quote_plus

HIDDEN = "[secret]"
PIECE = 12
"""So many characters of a secret in a row give it away; fewer are taken for chance."""

_SHAPES = re.compile(
    r"-----BEGIN [A-Z ]*KEY-----.*?(?:-----END [A-Z ]*KEY-----|\Z)"  # a key, also one that was cut off
    r"|eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}",  # a token: base64 of {" and what follows
    re.DOTALL,
)
_WORD = re.compile(rf"[A-Za-z0-9+/=_-]{{{PIECE},}}")


class Redactor:
    """Knows the secrets of this run."""

    def __init__(self, secrets: Sequence[str]) -> None:
        given = [secret for secret in secrets if secret]
        spellings = {
            form
            for secret in given
            for form in (secret, repr(secret)[1:-1], quote(secret), quote(secret, safe=""), quote_plus(secret))
        }
        # Longest first, or a spelling inside another would leave the rest of it.
        self._spellings = sorted(spellings, key=lambda spelling: (-len(spelling), spelling))
        self._pieces = frozenset(
            word[at : at + PIECE]
            for secret in given
            for word in _WORD.findall(re.sub(r"-----[A-Z ]+-----", "\n", secret))
            for at in range(len(word) - PIECE + 1)
        )

    def redact(self, text: str) -> str:
        """Return the text with every secret, piece of a secret, key block and token replaced."""
        for spelling in self._spellings:
            text = text.replace(spelling, HIDDEN)
        text = _SHAPES.sub(HIDDEN, text)
        return _WORD.sub(self._hidden_or_same, text) if self._pieces else text

    def _hidden_or_same(self, found: re.Match[str]) -> str:
        word = found.group()
        tells = any(word[at : at + PIECE] in self._pieces for at in range(len(word) - PIECE + 1))
        return HIDDEN if tells else word
