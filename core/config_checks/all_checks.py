"""
The logical checks of the configuration: what each file may say, but all of them together must not.

Seventeen of them are the list that the project began with (3 contradictions, 9 unsafe values, 2 deprecated keys, 3 of
mode and section), each one on a key that the program reads. `DOCUMENT_CHECKS` look at the files as they are, before
the schemas, so that a renamed key or a missing section gets a better answer than "unknown key"; all others need files
whose shape is right.
"""

from collections.abc import Iterator, Mapping

from core.config_checks.findings import Check, ConfigView, Finding, FindingSeverity, Problem
from core.config_checks.limits import LIMIT_CHECKS
from core.config_checks.market import MARKET_CHECKS
from core.config_checks.orders import ORDER_CHECKS
from core.config_checks.sizing import SIZING_CHECKS
from core.config_checks.trading import TRADING_CHECKS
from core.settings_builder import Document

ERROR = FindingSeverity.ERROR
OLD_EXPOSURE_KEY = "policy.risk.max_exposure_pct"
OLD_CACHE_KEY = "universe.cache_ttl_seconds"
BREAKER_SECTION = "policy.circuit_breakers"


def check_documents(documents: Mapping[str, Document]) -> tuple[Finding, ...]:
    """Return what is wrong with the files as parsed, whatever their shape: old keys, a lost section."""
    return _run(DOCUMENT_CHECKS, documents)


def without_reported_keys(documents: Mapping[str, Document]) -> Mapping[str, Document]:
    """Return the files without the old keys, which `check_documents` has reported better than a schema can."""
    policy, universe = documents["policy"], documents["universe"]
    risk = policy.get("risk")
    if isinstance(risk, Mapping):
        policy = {**policy, "risk": _without(risk, OLD_EXPOSURE_KEY)}
    return {**documents, "policy": policy, "universe": _without(universe, OLD_CACHE_KEY)}


def check(documents: Mapping[str, Document]) -> tuple[Finding, ...]:
    """
    Return what is wrong with the four files taken together.

    The schemas must have accepted them: keys exist and have their types.
    """
    return _run(LOGICAL_CHECKS, documents)


def _run(checks: tuple[Check, ...], documents: Mapping[str, Document]) -> tuple[Finding, ...]:
    view = ConfigView(documents)
    return tuple(finding for one in checks for finding in one.run(view))


def _without(section: Mapping[str, object], path: str) -> Mapping[str, object]:
    old_key = path.rpartition(".")[2]
    return {key: value for key, value in section.items() if key != old_key}


def _old_exposure_key(view: ConfigView) -> Iterator[Problem]:
    if view.get(OLD_EXPOSURE_KEY) is not None:
        yield Problem(
            path=OLD_EXPOSURE_KEY,
            message="this old name is read by nobody: the limit is risk.max_total_at_risk_pct",
            fix="move its value to risk.max_total_at_risk_pct and remove the key",
        )


def _old_cache_key(view: ConfigView) -> Iterator[Problem]:
    if view.get(OLD_CACHE_KEY) is not None:
        yield Problem(
            path=OLD_CACHE_KEY,
            message="this old key is read by nobody: the pace is refresh_interval_seconds",
            fix="set refresh_interval_seconds and remove the key",
        )


def _breakers_missing(view: ConfigView) -> Iterator[Problem]:
    if not view.names(BREAKER_SECTION):
        yield Problem(
            path=BREAKER_SECTION,
            message="the section is missing: nothing would stop the bot when data or the exchange fail",
            fix="restore the section circuit_breakers (plural) from the repository's policy.yaml",
        )


DOCUMENT_CHECKS = (
    Check("DEPRECATED_MAX_EXPOSURE", ERROR, "D1", "old key risk.max_exposure_pct", _old_exposure_key),
    Check("DEPRECATED_CACHE_TTL", ERROR, "D2", "old key cache_ttl_seconds in universe.yaml", _old_cache_key),
    Check("MISSING_CIRCUIT_BREAKERS", ERROR, "M2", "section circuit_breakers missing", _breakers_missing),
)

LOGICAL_CHECKS = (*SIZING_CHECKS, *LIMIT_CHECKS, *TRADING_CHECKS, *ORDER_CHECKS, *MARKET_CHECKS)

ALL_CHECKS = (*DOCUMENT_CHECKS, *LOGICAL_CHECKS)
