"""The tape's text: what is told is written down, and played back to who asks in the same order."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import (
    BrokerUnavailable,
    MarketDataUnavailable,
    OrderNotSent,
    OrderOutcomeUnknown,
    OrderRejected,
)
from core.model.market import Book, Candle, Level, ProductId, Quote
from core.model.orders import (
    Balance,
    ClientOrderId,
    Fill,
    Liquidity,
    OrderId,
    OrderReport,
    OrderStatus,
    OrderType,
    Side,
)
from core.ports import KillCommand
from runner.adapters.virtual_clock import VirtualClock
from runner.tape import text
from runner.tape.played import PlayedClock, PlayedKillSwitch
from runner.tape.player import Player, TapeDiffers, TapeOver
from runner.tape.recorded import RecordedClock, RecordedKillSwitch
from runner.tape.recorder import Frame, Recorder
from tests.builders import BTC, ETH, make_product

AT = datetime(2026, 1, 5, tzinfo=UTC)


class Sink:
    """A tape in memory; a file is full when a test says so."""

    def __init__(self) -> None:
        self.frames: list[tuple[bytes, int, str]] = []
        self.headers: list[str] = []
        self.full = False
        self.closed = False

    def begin(self, header: str, at: datetime) -> None:
        self.headers.append(header)

    def is_full(self, at: datetime) -> bool:
        return self.full

    def write(self, kind: bytes, slot: int, record: bytes) -> None:
        self.frames.append((kind, slot, record.decode()))

    def sync(self) -> None: ...

    def close(self) -> None:
        self.closed = True

    def texts(self) -> Iterator[str | None]:
        return iter([record for _, _, record in self.frames])


class Kill:
    """A kill switch whose readings are scripted."""

    def __init__(self, *commands: KillCommand | None) -> None:
        self._commands = list(commands)

    def read(self) -> KillCommand | None:
        return self._commands.pop(0)


class RealClock:
    """A clock that moves by itself with every reading, as the machine's does."""

    def __init__(self) -> None:
        self.nanoseconds = 5_123_456_789_012

    def now(self) -> datetime:
        self.nanoseconds += 1_234_567
        return AT + timedelta(microseconds=self.nanoseconds // 1000)

    def monotonic(self) -> float:
        self.nanoseconds += 7_654_321
        return self.nanoseconds / 1e9

    def wait_until(self, moment: datetime, keep_waiting: Callable[[], bool]) -> None:
        while keep_waiting():
            pass


def recorder(sink: Sink, redact: Callable[[str], str] = str) -> Recorder:
    return Recorder(sink, lambda memory: '{"is": "first"}' if memory is None else '{"is": "later"}', AT, redact)


def player(sink: Sink) -> Player:
    found = Player(sink.texts(), AT)
    found.start()
    return found


# --- facts that mostly stay -------------------------------------------------------------------------------------------


def test_a_change_is_found_at_the_reading_at_which_it_was_seen() -> None:
    sink, commands = Sink(), [None, None, None, KillCommand.STOP, KillCommand.STOP, None, KillCommand.CANCEL_ALL, None]
    tape = recorder(sink)
    switch = RecordedKillSwitch(Kill(*commands), tape)
    for _ in range(3):
        switch.read()
    tape.line("sguard")  # something else is told meanwhile
    for _ in range(5):
        switch.read()
    tape.end_cycle(7)

    playing = player(sink)
    played = PlayedKillSwitch(playing)
    seen = [played.read() for _ in range(3)]
    playing.expect("sguard")
    seen += [played.read() for _ in range(5)]

    assert seen == commands
    playing.end_cycle(7)


def test_a_reading_that_finds_what_it_found_before_leaves_no_line() -> None:
    sink = Sink()
    tape = recorder(sink)
    switch = RecordedKillSwitch(Kill(*[None] * 100), tape)
    for _ in range(100):
        switch.read()
    tape.end_cycle(7)

    assert sink.frames[0][2] == "fkill 0 null\ncut 7\n"


def test_silent_readings_are_counted_anew_in_every_record() -> None:
    sink = Sink()
    tape = recorder(sink)
    switch = RecordedKillSwitch(Kill(*[None] * 9, KillCommand.STOP), tape)
    for _ in range(8):
        switch.read()
    tape.end_cycle(7)
    for _ in range(2):
        switch.read()
    tape.end_cycle(8)

    assert sink.frames[1][2] == 'fkill 1 "stop"\ncut 8\n'


def test_a_fact_that_was_never_told_is_not_guessed() -> None:
    sink = Sink()
    recorder(sink).end_cycle(7)

    with pytest.raises(TapeDiffers, match="fact kill"):
        PlayedKillSwitch(player(sink)).read()


# --- clocks and waits -------------------------------------------------------------------------------------------------


def test_a_clock_that_moves_at_every_reading_comes_back_to_the_microsecond_and_to_the_bit() -> None:
    sink = Sink()
    tape = recorder(sink)
    clock = RecordedClock(RealClock(), tape)
    told = [reading() for _ in range(20) for reading in (clock.now, clock.monotonic, clock.now)]
    tape.end_cycle(7)

    again = PlayedClock(player(sink))
    assert [reading() for _ in range(20) for reading in (again.now, again.monotonic, again.now)] == told


def test_a_monotonic_time_that_is_no_whole_number_of_nanoseconds_comes_back_to_the_bit() -> None:
    sink, odd = Sink(), [0.1 + 0.2, 1e-12, 12345.000000000001, 3.0, 1e9 / 3]
    tape = recorder(sink)
    readings = iter(odd)

    class Odd(RealClock):
        def monotonic(self) -> float:
            return next(readings)

    clock = RecordedClock(Odd(), tape)
    told = [clock.monotonic() for _ in odd]
    tape.end_cycle(7)

    again = PlayedClock(player(sink))
    assert [again.monotonic() for _ in odd] == told == odd


def test_a_clock_that_went_back_and_one_that_stood_still_come_back() -> None:
    sink, clock = Sink(), VirtualClock(AT)
    tape = recorder(sink)
    recorded = RecordedClock(clock, tape)
    told = [recorded.now(), recorded.now()]
    clock.jump(timedelta(seconds=-90))
    told += [recorded.now(), recorded.now(), recorded.now()]
    tape.end_cycle(7)

    again = PlayedClock(player(sink))
    assert [again.now() for _ in range(5)] == told


def test_a_wait_asks_as_often_as_it_asked_then_also_when_another_wait_is_inside_it() -> None:
    sink = Sink()
    tape = recorder(sink)
    clock = RecordedClock(RealClock(), tape)

    def waits(clock: RecordedClock | PlayedClock, times: int) -> list[str]:
        seen: list[str] = []

        def inner() -> bool:
            seen.append("inner")
            return seen.count("inner") % 2 == 1

        def outer() -> bool:
            seen.append("outer")
            if seen.count("outer") == 2:
                clock.wait_until(AT, inner)
            return seen.count("outer") < times

        clock.wait_until(AT, outer)
        return seen

    told = waits(clock, 5)
    tape.end_cycle(7)

    assert sink.frames[0][2] == "w\na2\nw\na2\ne\na3\ne\ncut 7\n"
    assert waits(PlayedClock(player(sink)), 5) == told


# --- records ----------------------------------------------------------------------------------------------------------


def test_what_was_told_is_on_the_tape_before_an_order_leaves() -> None:
    sink = Sink()
    tape = recorder(sink)
    tape.line("sexecution")
    tape.flush()

    assert sink.frames == [(Frame.PART, 0, "sexecution\n")]
    tape.end_cycle(7)
    assert sink.frames[1:] == [(Frame.CYCLE, 7, "cut 7\n")]


def test_the_digest_is_of_the_whole_record_in_how_many_parts_ever_it_was_written() -> None:
    def digest(parts: int) -> str:
        tape = recorder(Sink())
        for _ in range(parts):
            tape.line("sguard")
            tape.flush()
        for _ in range(3 - parts):
            tape.line("sguard")
        return tape.end_cycle(7)

    assert digest(0) == digest(1) == digest(3)


def test_the_first_digest_of_a_file_vouches_for_its_header_and_the_second_does_not() -> None:
    def digests(header: str) -> list[str]:
        tape = Recorder(Sink(), lambda _memory: header, AT, str)
        return [tape.end_cycle(7), tape.end_cycle(7)]

    one, other, longer = digests('{"run": 1, "cycles": 5}'), digests('{"run": 2}'), digests('{"run": 1, "cycles": 9}')
    assert one[0] != other[0]
    assert one == longer  # no cycle knows when its run will end
    assert one[1] == other[1]


def test_a_new_file_tells_every_fact_anew() -> None:
    sink = Sink()
    tape = recorder(sink)
    switch, clock = RecordedKillSwitch(Kill(None, None), tape), RecordedClock(VirtualClock(AT), tape)
    switch.read()
    clock.monotonic()
    tape.end_cycle(7)
    sink.full = True
    tape.turn_over(dict)
    switch.read()
    clock.monotonic()
    tape.end_cycle(8)

    assert sink.headers == ['{"is": "first"}', '{"is": "later"}']
    assert sink.frames[1][2] == "fkill 0 null\nm0\ncut 8\n"


def test_the_end_of_a_run_hands_on_the_rest() -> None:
    sink = Sink()
    tape = recorder(sink)
    tape.line("sguard")

    tape.close()

    assert (sink.frames, sink.closed) == ([(Frame.PART, 0, "sguard\n")], True)


def test_an_answer_that_is_the_one_before_is_not_repeated() -> None:
    sink = Sink()
    tape = recorder(sink)
    for row in ("a", "a", "b", "a"):
        tape.told("l", "", lambda row=row: [row], lambda answer: answer[0])  # type: ignore[misc]
    tape.end_cycle(7)

    assert sink.frames[0][2] == "l\ta\nl\t=\nl\tb\nl\ta\ncut 7\n"
    playing = player(sink)
    assert [playing.answer("l", "") for _ in range(4)] == ["a", "a", "b", "a"]


def test_no_secret_of_the_run_gets_onto_the_tape_with_an_error() -> None:
    sink = Sink()
    tape = recorder(sink, redact=lambda words: words.replace("hunter2", "***"))

    def fails() -> object:
        raise BrokerUnavailable("401 for hunter2")

    with pytest.raises(BrokerUnavailable, match="hunter2"):
        tape.told("b", "", fails, str)
    tape.end_cycle(7)

    assert "hunter2" not in sink.frames[0][2]
    assert "401 for ***" in sink.frames[0][2]


# --- the player finds what does not fit -------------------------------------------------------------------------------


@pytest.fixture
def told() -> Sink:
    sink = Sink()
    tape = recorder(sink)
    tape.line("sguard")
    tape.told("q", "BTC-USD", lambda: "1", str)
    tape.end_cycle(7)
    return sink


def test_another_question_is_told_with_both(told: Sink) -> None:
    playing = player(told)
    playing.expect("sguard")

    with pytest.raises(TapeDiffers) as found:
        playing.answer("q", "ETH-USD")
    assert (found.value.recorded, found.value.asked) == ("qBTC-USD", "qETH-USD")


def test_after_the_end_nobody_knows_anything(told: Sink) -> None:
    playing = player(told)
    playing.expect("sguard")
    playing.answer("q", "BTC-USD")
    playing.end_cycle(7)

    with pytest.raises(TapeOver):
        playing.read_now()


def test_a_cycle_can_be_left_out(told: Sink) -> None:
    playing = player(told)
    playing.skip_cycle()

    with pytest.raises(TapeOver):
        playing.expect("sguard")


# --- answers, there and back ------------------------------------------------------------------------------------------

floats = st.floats(min_value=1e-9, max_value=1e12, allow_nan=False)
decimals = st.decimals(min_value="0.00000001", max_value="1e12", allow_nan=False, allow_infinity=False)


@given(candles=st.lists(st.builds(Candle, st.integers(0, 2**31), floats, floats, floats, floats, floats), max_size=4))
def test_candles_come_back_to_the_bit(candles: list[Candle]) -> None:
    since = 1_767_571_234
    answer = {ETH: candles}

    row = text.candles_text([BTC, ETH], since, answer)

    assert text.candles_of([BTC, ETH], since, row) == answer


@given(bid=decimals, step=decimals, size=decimals, micros=st.integers(-(10**9), 10**9))
def test_quotes_come_back_to_the_last_digit(bid: Decimal, step: Decimal, size: Decimal, micros: int) -> None:
    ask = bid + step
    if not bid < ask:
        return
    now = text.micros_of(AT)
    quote = Quote(
        product_id=BTC, bid=bid, ask=ask, bid_size=size, ask_size=size, at=AT + timedelta(microseconds=micros)
    )

    (found,) = text.quotes_of([ETH, BTC], now, text.quotes_text([ETH, BTC], now, {BTC: quote})).values()

    assert [str(one) for one in (found.bid, found.ask, found.bid_size)] == [str(bid), str(ask), str(size)]
    assert found == quote


def test_books_one_sided_ones_and_absent_ones_come_back() -> None:
    now = text.micros_of(AT)
    books = {
        BTC: Book(product_id=BTC, bids=(Level(Decimal("1.10"), Decimal("1E+3")),), asks=(), at=AT),
        ETH: Book(product_id=ETH, bids=(), asks=(), at=AT - timedelta(seconds=1)),
    }
    asked = [BTC, ProductId("SOL", "USD"), ETH]

    assert text.books_of(asked, now, text.books_text(asked, now, books)) == books


def test_products_come_back_with_their_flags_and_without_a_volume() -> None:
    products = [make_product(BTC, post_only=True), make_product(ETH, volume=None, blocked_by="offline")]

    assert text.products_of(text.products_text(products)) == products
    assert text.products_of("") == []


def report(name: str, *, order_type: OrderType | None, stop_price: Decimal | None = None) -> OrderReport:
    return OrderReport(
        order_id=OrderId(f"at the exchange: {name}"),
        client_order_id=ClientOrderId(name),
        product_id=ETH,
        side=Side.BUY,
        size=Decimal("0.50"),
        limit_price=Decimal(2000),
        status=OrderStatus.OPEN,
        filled_size=Decimal("0.10"),
        created_at=AT,
        order_type=order_type,
        stop_price=stop_price,
    )


def test_orders_fills_and_balances_come_back_whatever_a_name_holds() -> None:
    name = 'a "quoted"\n\ttab, ünïcode | ; name'
    reports = [report(name, order_type=OrderType.BRACKET, stop_price=Decimal("1.20")), report("", order_type=None)]
    fills = [
        Fill(
            fill_id=name,
            order_id=OrderId(name),
            client_order_id=ClientOrderId(""),
            product_id=BTC,
            side=Side.SELL,
            price=Decimal("50000.10"),
            size=Decimal("1E-8"),
            fee=Decimal("0.000"),
            liquidity=Liquidity.TAKER,
            at=AT + timedelta(microseconds=1),
        )
    ]
    balances = {name: Balance(currency=name, available=Decimal("1.50"), hold=Decimal(0))}

    assert text.list_of(text.report_of)(text.list_text(text.report_text)(reports)) == reports
    assert text.list_of(text.fill_of)(text.list_text(text.fill_text)(fills)) == fills
    assert text.balances_of(text.balances_text(balances)) == balances
    assert text.report_of(json.loads(text.report_text(None))) is None


@pytest.mark.parametrize(
    "error",
    [
        MarketDataUnavailable("no answer"),
        BrokerUnavailable(""),
        OrderNotSent("refused"),
        OrderOutcomeUnknown("lost: {}"),
        OrderRejected("INSUFFICIENT_FUND", "too little: 5"),
        OrderRejected("UNKNOWN"),
    ],
)
def test_our_errors_come_back_as_what_they_were(error: Exception) -> None:
    again = text.error_of(text.error_text(error, str))

    assert (type(again), str(again)) == (type(error), str(error))
    assert getattr(again, "reason", None) == getattr(error, "reason", None)


def test_a_foreign_error_comes_back_by_name_and_words_and_is_caught_as_none_of_ours() -> None:
    again = text.error_of(text.error_text(KeyError("x"), str))

    assert (type(again).__name__, str(again)) == ("KeyError", "'x'")
    assert not isinstance(again, KeyError | LookupError)
