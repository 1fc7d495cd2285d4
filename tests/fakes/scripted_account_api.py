"""The account's side of the API with answers from a script: per path, one after the other, the last one for ever."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.adapters.coinbase.api import PostKind
from runner.adapters.coinbase.errors import ApiUnavailable

Answer = object
"""JSON as the client would return it, or an exception to raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    path: str
    params: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, object] | None = None
    kind: PostKind | None = None

    def values(self, name: str) -> list[str]:
        """Return the values of a query parameter."""
        return [value for key, value in self.params if key == name]


class ScriptedAccountApi:
    """Stand in for `CoinbaseApi`. A path without a script answers 404."""

    is_signed = True

    def __init__(self, answers: Mapping[str, Sequence[Answer]] | None = None) -> None:
        self.calls: list[Call] = []
        self._answers = {path: list(script) for path, script in (answers or {}).items()}

    def script(self, path: str, *answers: Answer) -> None:
        """Answer a path so from now on."""
        self._answers[path] = list(answers)

    def get(self, path: str, params: Sequence[tuple[str, str]] = ()) -> object:
        self.calls.append(Call(path=path, params=tuple(params)))
        return self._next(path)

    def post(self, path: str, body: Mapping[str, object], *, kind: PostKind) -> object:
        self.calls.append(Call(path=path, body=body, kind=kind))
        return self._next(path)

    def _next(self, path: str) -> object:
        script = self._answers.get(path)
        if script is None:
            raise ApiUnavailable("404 Not Found", status=404)
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer
