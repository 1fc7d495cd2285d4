import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.codec import decode, decode_event, encode, encode_event
from core.model.guards import Breaker, BreakerState, TradingState
from core.model.market import ProductId
from core.model.orders import LotId, Outcome, Side
from core.model.records import EVENT_TYPES, BreakerChanged, CancelRequested, Event, LookedUp, Noted, RunStopped, Sent
from tests.builders import BTC, NOON
from tests.event_builders import (
    make_cash_flow,
    make_closed,
    make_fill,
    make_intent,
    make_mark,
    make_outcome,
    make_run,
    make_tick,
)


class Pair(NamedTuple):
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    amount: Decimal
    maybe: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    name: LotId
    side: Side
    level: TradingState
    on: bool
    at: datetime
    product_id: ProductId
    inner: Inner
    many: tuple[Inner, ...]
    ids: frozenset[str]
    by_product: Mapping[ProductId, Inner]
    pair: Pair


def make_sample() -> Sample:
    return Sample(
        name=LotId("lot"),
        side=Side.BUY,
        level=TradingState.CANCEL_ONLY,
        on=True,
        at=NOON + timedelta(microseconds=5),
        product_id=BTC,
        inner=Inner(amount=Decimal("-0.00000001")),
        many=(Inner(amount=Decimal("1E+3"), maybe=2),),
        ids=frozenset({"b", "a"}),
        by_product={ProductId("DOGE", "USDC"): Inner(amount=Decimal(0)), BTC: Inner(amount=Decimal(1))},
        pair=Pair(-1.5, 2.0),
    )


STATE = BreakerState(tripped=True, level=TradingState.HALTED, detail="x", since=NOON, until=None, trips=3)
EVENTS: list[Event] = [
    make_run(),
    RunStopped(at=NOON, reason="signal"),
    make_tick(1),
    make_mark("10.5", peaks={LotId("a"): Decimal(3)}),
    make_cash_flow(),
    make_intent(),
    Sent(at=NOON, client_order_id=make_intent().order.client_order_id),
    make_outcome(),
    LookedUp(at=NOON, client_order_id=make_intent().order.client_order_id),
    make_fill(),
    CancelRequested(at=NOON, client_order_id=make_intent().order.client_order_id),
    make_closed(),
    BreakerChanged(at=NOON, breaker=Breaker.DAILY_STOP, state=STATE),
    Noted(at=NOON, code="older_snapshot_used", text="x"),
]


def test_a_value_is_written_in_the_documented_form() -> None:
    assert encode(make_sample()) == {
        "name": "lot",
        "side": "BUY",
        "level": 2,
        "on": True,
        "at": "2026-01-05T12:00:00.000005Z",
        "product_id": "BTC-USD",
        "inner": {"amount": "-0.00000001", "maybe": None},
        "many": [{"amount": "1000", "maybe": 2}],
        "ids": ["a", "b"],
        "by_product": {"DOGE-USDC": {"amount": "0", "maybe": None}, "BTC-USD": {"amount": "1", "maybe": None}},
        "pair": [-1.5, 2.0],
    }


def test_a_value_comes_back_as_it_was_in_the_order_it_had() -> None:
    value = make_sample()

    back = decode(Sample, json.loads(json.dumps(encode(value))))

    assert back == value
    assert list(back.by_product) == list(value.by_product)
    assert back.at.tzinfo is UTC


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: str(event.kind))
def test_every_kind_of_event_comes_back_as_it_was(event: Event) -> None:
    body = json.loads(json.dumps(encode_event(event), sort_keys=True))

    assert body["kind"] == event.kind
    assert decode_event(body) == event


def test_no_kind_of_event_was_left_out_above() -> None:
    assert [event.kind for event in EVENTS] == list(EVENT_TYPES)


@settings(derandomize=True)
@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**18), max_value=10**18, places=18))
def test_every_amount_comes_back_equal(amount: Decimal) -> None:
    assert decode(Inner, encode(Inner(amount=amount))).amount == amount


@settings(derandomize=True)
@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(2000, 1, 1)))  # noqa: DTZ001
def test_every_time_comes_back_equal(at: datetime) -> None:
    tick = make_tick(1, at=at)

    assert decode_event(encode_event(tick)) == tick


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        pytest.param("name", 5, "Sample.name: expected text, found 5", id="text"),
        pytest.param("on", 1, "Sample.on: expected true or false, found 1", id="one is not true"),
        pytest.param("level", True, "Sample.level: not a TradingState: True", id="true is not one"),
        pytest.param("side", "LONG", "Sample.side: not a Side: 'LONG'", id="enum"),
        pytest.param("side", [], r"Sample.side: not a Side: \[\]", id="enum of a list"),
        pytest.param("at", "2026-01-05T12:00:00+00:00", "ending in Z", id="time without Z"),
        pytest.param("at", "2026-01-05 12:00:00Z", "as we write it", id="time with a blank"),
        pytest.param("at", "noonZ", "not an ISO 8601 time", id="no time"),
        pytest.param("product_id", "btc-usd", "not a product id", id="product"),
        pytest.param("inner", {"amount": 1.5, "maybe": None}, "Sample.inner.amount: expected a plain", id="number"),
        pytest.param("inner", {"amount": "1e5", "maybe": None}, "Sample.inner.amount", id="exponent"),
        pytest.param("inner", {"amount": "NaN", "maybe": None}, "Sample.inner.amount", id="NaN"),
        pytest.param("inner", {"amount": "1\n", "maybe": None}, "Sample.inner.amount", id="newline"),
        pytest.param("inner", {"amount": "1"}, "Sample.inner: key 'maybe' is missing", id="missing key"),
        pytest.param("inner", {"amount": "1", "maybe": None, "x": 1}, "Sample.inner: unknown key 'x'", id="extra"),
        pytest.param("inner", {"amount": "1", "maybe": True}, "Sample.inner.maybe: expected a whole", id="bool"),
        pytest.param("many", [{"amount": "1", "maybe": ""}], r"Sample.many\[0\].maybe", id="in a list"),
        pytest.param("many", {}, "Sample.many: expected a list", id="no list"),
        pytest.param("ids", ["a", "a"], "Sample.ids: an item is in the list twice", id="repeated item"),
        pytest.param("by_product", {"BTC-USD": 1}, r"Sample.by_product\[BTC-USD\]: expected an object", id="mapping"),
        pytest.param("by_product", [], "Sample.by_product: expected an object", id="no mapping"),
        pytest.param("pair", [1.0], "Sample.pair: expected a list of 2", id="tuple too short"),
        pytest.param("pair", [1.0, float("inf")], "Sample.pair: expected a finite float", id="infinite"),
    ],
)
def test_reading_says_where_a_value_is_wrong(key: str, value: object, complaint: str) -> None:
    data = encode(make_sample()) | {key: value}

    with pytest.raises(ValueError, match=complaint):
        decode(Sample, data)


def test_writing_refuses_what_could_not_be_read_back() -> None:
    for amount in (Decimal("NaN"), Decimal("Infinity"), Decimal("1e-41"), 1.5):
        with pytest.raises(ValueError, match=r"Inner\.amount"):
            encode(Inner(amount=amount))  # type: ignore[arg-type]
    for at in (NOON.replace(tzinfo=None), NOON.replace(tzinfo=timezone(timedelta(hours=1)))):
        with pytest.raises(ValueError, match=r"CycleStarted\.at: expected a time in UTC"):
            encode(make_tick(1, at=at))


def test_an_unknown_kind_of_event_is_refused() -> None:
    body = encode_event(make_outcome(outcome=Outcome.UNKNOWN))

    kinds: tuple[object, ...] = ("OUTCOMES", None, [])
    for kind in kinds:
        with pytest.raises(ValueError, match="unknown kind"):
            decode_event(body | {"kind": kind})
