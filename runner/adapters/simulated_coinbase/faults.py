"""
What can go wrong between a request and its answer, when it does, and how often it did.

One generator decides, in the order of the requests: the same seed, rules and requests give the same faults.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from runner.adapters.simulated_coinbase.routes import Endpoint

ORDER_LISTS = frozenset({Endpoint.ORDER, Endpoint.ORDERS})
BOOKS = frozenset({Endpoint.BOOK, Endpoint.BEST_BID_ASK, Endpoint.PRODUCTS, Endpoint.PRODUCT})


class Phase(Enum):
    """Where a fault strikes: before the exchange acts, in what it says, or on the way back."""

    BEFORE = "before"  # the request has no effect
    WITHIN = "within"  # the endpoint itself answers differently
    AFTER = "after"  # the request has its effect, the answer is spoilt
    LATER = "later"  # no answer now; the effect comes a while later


class Fault(Enum):
    """Values are the names on the command line."""

    REFUSED = "refused"
    LOST_BEFORE = "lost_before"
    RESET_BEFORE = "reset_before"
    RATE_LIMITED = "rate_limited"
    RATE_LIMITED_HTML = "rate_limited_html"
    RESOURCE_EXHAUSTED = "resource_exhausted"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    SERVER_ERROR = "server_error"
    BAD_GATEWAY = "bad_gateway"
    UNAVAILABLE = "unavailable"
    REDIRECT = "redirect"

    POST_ONLY_REJECT = "post_only_reject"
    FAILED_LATER = "failed_later"
    REJECT_WITH_ID = "reject_with_id"
    SUCCESS_WITHOUT_ID = "success_without_id"
    OTHER_ORDER = "other_order"
    CANCEL_REFUSED = "cancel_refused"
    CANCEL_FORGOTTEN = "cancel_forgotten"
    ORDER_ALTERED = "order_altered"
    ORDER_MISSING = "order_missing"
    FILLS_REPEATED = "fills_repeated"
    FILLS_SHUFFLED = "fills_shuffled"
    FILLS_MISSING = "fills_missing"
    CURSOR_REPEATED = "cursor_repeated"
    CANDLES_STALE = "candles_stale"
    CANDLE_REVISED_LATE = "candle_revised_late"
    CANDLE_MISSING = "candle_missing"
    CANDLE_FROM_FUTURE = "candle_from_future"
    CANDLES_OLDEST_FIRST = "candles_oldest_first"
    BOOK_EMPTY = "book_empty"
    BOOK_ONE_SIDED = "book_one_sided"
    BOOK_CROSSED = "book_crossed"

    LOST_AFTER = "lost_after"
    RESET_AFTER = "reset_after"
    LATE_ANSWER = "late_answer"
    DRIPPED_BODY = "dripped_body"
    DRIPPED_HEADERS = "dripped_headers"
    TRUNCATED_BODY = "truncated_body"
    ENDLESS_BODY = "endless_body"
    RATE_LIMITED_AFTER = "rate_limited_after"
    BAD_GATEWAY_AFTER = "bad_gateway_after"
    GATEWAY_TIMEOUT_AFTER = "gateway_timeout_after"
    EMPTY_BODY = "empty_body"
    NO_CONTENT = "no_content"
    HTML_BODY = "html_body"
    NULL_BODY = "null_body"
    LIST_BODY = "list_body"
    BROKEN_JSON = "broken_json"
    DEEP_JSON = "deep_json"
    DUPLICATE_KEYS = "duplicate_keys"
    NAN_NUMBERS = "nan_numbers"
    HUGE_NUMBERS = "huge_numbers"
    NULL_FIELDS = "null_fields"
    EXTRA_FIELDS = "extra_fields"
    UNKNOWN_ENUMS = "unknown_enums"
    WRONG_TYPES = "wrong_types"

    ACCEPTED_LATE = "accepted_late"

    @property
    def phase(self) -> Phase:
        return _PHASES[self]

    def applies_to(self, endpoint: Endpoint) -> bool:
        """Tell whether this fault means anything there."""
        only = _ONLY.get(self)
        return only is None or endpoint in only


_ONLY: Mapping[Fault, frozenset[Endpoint]] = {
    Fault.POST_ONLY_REJECT: frozenset({Endpoint.CREATE}),
    Fault.FAILED_LATER: frozenset({Endpoint.CREATE}),
    Fault.REJECT_WITH_ID: frozenset({Endpoint.CREATE}),
    Fault.SUCCESS_WITHOUT_ID: frozenset({Endpoint.CREATE}),
    Fault.OTHER_ORDER: frozenset({Endpoint.CREATE}),
    Fault.CANCEL_REFUSED: frozenset({Endpoint.CANCEL}),
    Fault.CANCEL_FORGOTTEN: frozenset({Endpoint.CANCEL}),
    Fault.ORDER_ALTERED: ORDER_LISTS,
    Fault.ORDER_MISSING: ORDER_LISTS,
    Fault.FILLS_REPEATED: frozenset({Endpoint.FILLS}),
    Fault.FILLS_SHUFFLED: frozenset({Endpoint.FILLS}),
    Fault.FILLS_MISSING: frozenset({Endpoint.FILLS}),
    Fault.CURSOR_REPEATED: frozenset({Endpoint.FILLS, Endpoint.ORDERS, Endpoint.ACCOUNTS}),
    Fault.CANDLES_STALE: frozenset({Endpoint.CANDLES}),
    Fault.CANDLE_REVISED_LATE: frozenset({Endpoint.CANDLES}),
    Fault.CANDLE_MISSING: frozenset({Endpoint.CANDLES}),
    Fault.CANDLE_FROM_FUTURE: frozenset({Endpoint.CANDLES}),
    Fault.CANDLES_OLDEST_FIRST: frozenset({Endpoint.CANDLES}),
    Fault.BOOK_EMPTY: BOOKS,
    Fault.BOOK_ONE_SIDED: BOOKS,
    Fault.BOOK_CROSSED: BOOKS,
    Fault.ACCEPTED_LATE: frozenset({Endpoint.CREATE, Endpoint.CANCEL}),
}
"""Faults of certain endpoints; all others may strike anywhere."""

_PHASES: Mapping[Fault, Phase] = {
    **dict.fromkeys(Fault, Phase.AFTER),
    **dict.fromkeys(_ONLY, Phase.WITHIN),
    **dict.fromkeys(
        (
            Fault.REFUSED,
            Fault.LOST_BEFORE,
            Fault.RESET_BEFORE,
            Fault.RATE_LIMITED,
            Fault.RATE_LIMITED_HTML,
            Fault.RESOURCE_EXHAUSTED,
            Fault.UNAUTHORIZED,
            Fault.FORBIDDEN,
            Fault.SERVER_ERROR,
            Fault.BAD_GATEWAY,
            Fault.UNAVAILABLE,
            Fault.REDIRECT,
        ),
        Phase.BEFORE,
    ),
    Fault.ACCEPTED_LATE: Phase.LATER,
}


@dataclass(slots=True, kw_only=True)
class _Rule:
    fault: Fault
    endpoints: frozenset[Endpoint] | None
    probability: float
    skip: int
    times: int | None

    def matches(self, endpoint: Endpoint) -> bool:
        return self.fault.applies_to(endpoint) and (self.endpoints is None or endpoint in self.endpoints)


class FaultPlan:
    """Decide for each request whether, and how, it goes wrong; `counts` says what did so far."""

    def __init__(self, seed: int = 0) -> None:
        self._draw = random.Random(seed).random  # noqa: S311 (no secret depends on it)
        self._rules: list[_Rule] = []
        self.counts: Counter[Fault] = Counter()

    def add(self, fault: Fault, probability: float, endpoints: Sequence[Endpoint] = ()) -> None:
        """
        Let a fault strike that share of the requests to these endpoints (none named: all that it can strike).

        Raises:
            ValueError: Not a probability.
        """
        if not 0 <= probability <= 1:
            raise ValueError(f"{fault.value}: {probability} is not a probability")
        self._rules.append(_Rule(fault=fault, endpoints=_some(endpoints), probability=probability, skip=0, times=None))

    def script(self, fault: Fault, *endpoints: Endpoint, skip: int = 0, times: int = 1) -> None:
        """Let a fault strike the next `times` requests to these endpoints, after `skip` that pass."""
        self._rules.append(_Rule(fault=fault, endpoints=_some(endpoints), probability=1.0, skip=skip, times=times))

    def clear(self) -> None:
        """Let nothing go wrong any more; what was counted stays."""
        self._rules.clear()

    def draw(self, endpoint: Endpoint) -> Fault | None:
        """Return the fault of this request, or None; the rule that was given first wins."""
        if not self._rules:
            return None
        struck = [rule for rule in self._rules if rule.matches(endpoint) and _strikes(rule, self._draw)]
        if not struck:
            return None
        rule = struck[0]
        if rule.times is not None:
            rule.times -= 1
            if rule.times == 0:
                self._rules.remove(rule)
        self.counts[rule.fault] += 1
        return rule.fault


def _strikes(rule: _Rule, draw: Callable[[], float]) -> bool:
    """Decide one rule for one request; a rule draws each time it is asked, whatever the others say."""
    if rule.times is None:
        return draw() < rule.probability
    if rule.skip > 0:
        rule.skip -= 1
        return False
    return True


def _some(endpoints: Sequence[Endpoint]) -> frozenset[Endpoint] | None:
    return frozenset(endpoints) or None
