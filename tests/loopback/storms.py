"""When the exchange misbehaves, and how: seeded storms with calm between them, so that the bot trades on."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from runner.adapters.simulated_coinbase.faults import Fault, FaultPlan
from runner.adapters.simulated_coinbase.routes import Endpoint

Rules = Mapping[Fault, tuple[float, tuple[Endpoint, ...]]]

_ORDERS = (Endpoint.CREATE,)
_CANCELS = (Endpoint.CANCEL,)
_POSTS = (Endpoint.CREATE, Endpoint.CANCEL)
_LOOKS = (Endpoint.ORDER, Endpoint.ORDERS)
_ANY: tuple[Endpoint, ...] = ()

MALFORMED = (
    Fault.EMPTY_BODY,
    Fault.NO_CONTENT,
    Fault.HTML_BODY,
    Fault.NULL_BODY,
    Fault.LIST_BODY,
    Fault.BROKEN_JSON,
    Fault.DEEP_JSON,
    Fault.DUPLICATE_KEYS,
    Fault.NAN_NUMBERS,
    Fault.HUGE_NUMBERS,
    Fault.NULL_FIELDS,
    Fault.EXTRA_FIELDS,
    Fault.UNKNOWN_ENUMS,
    Fault.WRONG_TYPES,
)

STORMS: Mapping[str, Rules] = {
    "orders lost before or after acceptance": {
        Fault.LOST_AFTER: (0.4, _POSTS),
        Fault.LOST_BEFORE: (0.15, _POSTS),
        Fault.RESET_AFTER: (0.1, _POSTS),
        Fault.GATEWAY_TIMEOUT_AFTER: (0.1, _POSTS),
        Fault.BAD_GATEWAY_AFTER: (0.1, _POSTS),
        Fault.ACCEPTED_LATE: (0.1, _POSTS),
    },
    "429": {
        Fault.RATE_LIMITED: (0.2, _ANY),
        Fault.RATE_LIMITED_HTML: (0.2, _ANY),
        Fault.RESOURCE_EXHAUSTED: (0.1, _ANY),
        Fault.RATE_LIMITED_AFTER: (0.2, _POSTS),
    },
    "5xx": {
        Fault.SERVER_ERROR: (0.1, _ANY),
        Fault.BAD_GATEWAY: (0.1, _ANY),
        Fault.UNAVAILABLE: (0.1, _ANY),
        Fault.REDIRECT: (0.03, _ANY),
    },
    "401 and 403": {Fault.UNAUTHORIZED: (0.1, _ANY), Fault.FORBIDDEN: (0.1, _ANY)},
    "connections": {
        Fault.REFUSED: (0.05, _ANY),
        Fault.RESET_BEFORE: (0.05, _ANY),
        Fault.LOST_AFTER: (0.05, _ANY),
        Fault.TRUNCATED_BODY: (0.05, _ANY),
    },
    "malformed bodies": dict.fromkeys(MALFORMED, (0.02, _ANY)),
    "contradicting answers": {
        Fault.SUCCESS_WITHOUT_ID: (0.2, _ORDERS),
        Fault.REJECT_WITH_ID: (0.2, _ORDERS),
        Fault.FAILED_LATER: (0.2, _ORDERS),
        Fault.ORDER_MISSING: (0.2, _LOOKS),
        Fault.CANCEL_REFUSED: (0.2, _CANCELS),
        Fault.CANCEL_FORGOTTEN: (0.2, _CANCELS),
    },
    "post-only rejects": {Fault.POST_ONLY_REJECT: (0.7, _ORDERS)},
    "fills": {
        Fault.FILLS_REPEATED: (0.2, _ANY),
        Fault.FILLS_SHUFFLED: (0.2, _ANY),
        Fault.FILLS_MISSING: (0.2, _ANY),
        Fault.CURSOR_REPEATED: (0.1, _ANY),
    },
    "market data": {
        Fault.CANDLES_STALE: (0.1, _ANY),
        Fault.CANDLE_REVISED_LATE: (0.1, _ANY),
        Fault.CANDLE_MISSING: (0.1, _ANY),
        Fault.CANDLE_FROM_FUTURE: (0.05, _ANY),
        Fault.CANDLES_OLDEST_FIRST: (0.1, _ANY),
        Fault.BOOK_EMPTY: (0.05, _ANY),
        Fault.BOOK_ONE_SIDED: (0.05, _ANY),
        Fault.BOOK_CROSSED: (0.05, _ANY),
    },
    "slow answers": {
        Fault.LATE_ANSWER: (0.1, _ANY),
        Fault.DRIPPED_BODY: (0.05, _ANY),
        Fault.DRIPPED_HEADERS: (0.05, _ANY),
        Fault.ENDLESS_BODY: (0.02, _ANY),
    },
}

LOSING = (
    Fault.LOST_AFTER,
    Fault.LOST_BEFORE,
    Fault.RESET_AFTER,
    Fault.GATEWAY_TIMEOUT_AFTER,
    Fault.BAD_GATEWAY_AFTER,
    Fault.RATE_LIMITED_AFTER,
    Fault.ACCEPTED_LATE,
)

STEADY: Rules = {
    **dict.fromkeys(LOSING, (0.02, _POSTS)),
    Fault.SUCCESS_WITHOUT_ID: (0.02, _ORDERS),
    Fault.REJECT_WITH_ID: (0.02, _ORDERS),
    Fault.FAILED_LATER: (0.02, _ORDERS),
    Fault.POST_ONLY_REJECT: (0.05, _ORDERS),
    Fault.CANCEL_REFUSED: (0.05, _CANCELS),
    Fault.CANCEL_FORGOTTEN: (0.05, _CANCELS),
}
"""What happens to orders and cancels also between the storms."""

LIES: Rules = {Fault.OTHER_ORDER: (0.3, _ORDERS), Fault.ORDER_ALTERED: (0.3, _LOOKS)}
"""The exchange says that another order is ours: the bot must notice, and may stop for good."""


def tour(minutes: float, faults: FaultPlan, at: Callable[[float, Callable[[], None]], None]) -> None:
    """
    Enter every fault but the lies into a diary once: it strikes the next request that it can strike.

    Those of orders and cancels come first, as those are the rarest requests.
    """
    once = sorted((fault for fault in Fault if fault not in LIES), key=lambda fault: fault.applies_to(Endpoint.TIME))
    for place, fault in enumerate(once, 1):
        at(minutes * place / len(once), lambda fault=fault: faults.script(fault))  # type: ignore[misc]


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """From `begin` to `end`, in minutes from the start."""

    begin: float
    end: float
    name: str
    rules: Rules


def storms_of(seed: int, minutes: int, kinds: Mapping[str, Rules], *, calm: float = 12.0) -> Sequence[Storm]:
    """Return storms of two to five minutes, each after about `calm` minutes of peace; each kind in its turn."""
    draw = random.Random(seed)  # noqa: S311 - a schedule
    names = list(kinds)
    draw.shuffle(names)
    found: list[Storm] = []
    moment = draw.uniform(1.0, 3.0)
    while moment < minutes:
        name = names[len(found) % len(names)]
        end = min(moment + draw.uniform(2.0, 5.0), minutes)
        found.append(Storm(begin=moment, end=end, name=name, rules=kinds[name]))
        moment = end + draw.uniform(0.5, 1.5) * calm
    return found


def schedule(
    storms: Sequence[Storm],
    steady: Rules,
    minutes: float,
    faults: FaultPlan,
    at: Callable[[float, Callable[[], None]], None],
) -> None:
    """Enter storms into a diary, and what is steady between them; after so many minutes there is peace."""

    def rage(*rules: Rules) -> None:
        faults.clear()
        for fault, (probability, endpoints) in (item for some in rules for item in some.items()):
            faults.add(fault, probability, endpoints)

    at(0.0, lambda: rage(steady))
    for storm in storms:
        at(storm.begin, lambda storm=storm: rage(storm.rules, steady))  # type: ignore[misc]
        at(storm.end, lambda: rage(steady))
    at(minutes, faults.clear)
