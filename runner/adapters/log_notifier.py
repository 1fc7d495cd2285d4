"""Alerts as log lines: `ALERT type=<code> severity=<...> key=<...> <message>`."""

import logging
from datetime import datetime, timedelta

from core.ports import Severity

_LEVELS = {Severity.INFO: logging.INFO, Severity.WARNING: logging.WARNING, Severity.CRITICAL: logging.CRITICAL}


class LogNotifier:
    """
    Port `Notifier` on the text log.

    A problem is known by code + key, never by its message: changing numbers do not make it a new one. It is
    reported once within `dedupe_seconds`; `resolve` ends it, and its next alert is a new problem.
    """

    def __init__(self, log: logging.Logger, dedupe_seconds: int) -> None:
        self._log = log
        self._window = timedelta(seconds=dedupe_seconds)
        self._reported_at: dict[tuple[str, str], datetime] = {}

    def alert(self, code: str, key: str, severity: Severity, message: str, at: datetime) -> bool:
        known_since = self._reported_at.get((code, key))
        if known_since is not None and abs(at - known_since) < self._window:
            return False
        self._reported_at[code, key] = at
        self._log.log(_LEVELS[severity], "ALERT type=%s severity=%s key=%s %s", code, severity.value, key, message)
        return True

    def resolve(self, code: str, key: str, at: datetime) -> None:
        if self._reported_at.pop((code, key), None) is not None:
            self._log.info("ALERT type=%s severity=INFO key=%s resolved at %s", code, key, at.strftime("%H:%M:%SZ"))
