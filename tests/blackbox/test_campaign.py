"""One short era on real processes (many: `python -m tests.blackbox.campaign`), and what its judge can see."""

import json
import random
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from runner.adapters.simulated_coinbase.routes import Endpoint
from tests.blackbox.bot import copy_checkout
from tests.blackbox.campaign import judge
from tests.blackbox.campaign.__main__ import Campaign, left_out, plan_campaign
from tests.blackbox.campaign.era import SETTLED_LINES
from tests.blackbox.campaign.line import ANSWERED, ASKED, Line, Passed, Trap
from tests.blackbox.campaign.market import SETTLE_SECONDS
from tests.blackbox.campaign.plan import AIMS, DAMAGES, DEEDS, LIVE, PAPER, plan_era

SEED, STORM_SECONDS = 573, 6.0
"""A kill at an intent, one at a cancel, a second instance, a torn audit; nothing beside that."""


def test_some_seconds_of_kills_and_torn_files_leave_nothing_wrong(tmp_path: Path) -> None:
    plan = plan_era(1, SEED, mode=LIVE, storm=STORM_SECONDS, settles=False)
    campaign = Campaign(tmp_path, copy_checkout(tmp_path / "checkout"), is_small_disk=False, is_verbose=False)

    campaign.play(plan)

    assert campaign.violations == []
    assert campaign.counts["kills"].total() >= 1
    assert campaign.counts["cycles"][LIVE] >= SETTLED_LINES
    verified = campaign.counts["verified"]
    assert verified["cycles decided again"] + verified["cut-off cycles told again"] == campaign.counts["cycles"][LIVE]


# --- the plan ---------------------------------------------------------------------------------------------------------


def test_a_seed_gives_the_same_plan_and_another_seed_another() -> None:
    texts = [[plan.text() for lane in plan_campaign(seed, 20, 2) for plan in lane] for seed in (1, 1, 2)]

    assert texts[0] == texts[1] != texts[2]


def test_the_plans_of_a_campaign_have_every_deed_and_every_damage() -> None:
    plans = [plan for seed in range(8) for lane in plan_campaign(seed, 60, 2) for plan in lane]

    deeds = [deed for plan in plans for deed in plan.deeds]
    assert {deed.name for deed in deeds} == set(DEEDS)
    assert {deed.detail for deed in deeds if deed.name == "damage"} == set(DAMAGES)
    assert {deed.moment for deed in deeds if deed.name == "kill"} >= set(AIMS)
    assert {plan.mode for plan in plans} == {LIVE, PAPER}
    assert any(plan.forgets for plan in plans)


def test_what_a_machine_does_not_allow_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    missing = left_out(tmp_path)

    assert missing["full disk"] == "there is no unshare"
    assert missing["failing fsync"] == "strace is not there, or may not trace"
    assert list(tmp_path.iterdir()) == []


def test_only_papers_exchange_is_killed_while_it_is_needed() -> None:
    plans = [plan_era(1, seed, mode=mode, storm=100, settles=True) for seed in range(40) for mode in (LIVE, PAPER)]

    killed = {plan.mode for plan in plans if any(event.name == "kill the exchange" for event in plan.events)}
    assert killed == {PAPER}


# --- the line ---------------------------------------------------------------------------------------------------------

ORDER = json.dumps({"client_order_id": "an-id"}).encode()
ORDERS = "/api/v3/brokerage/orders"


@pytest.fixture
def answering() -> Iterator[int]:
    """A server that answers each request with what it was asked; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()
    listener.settimeout(0.05)

    def serve() -> None:
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(2)
                try:
                    asked = connection.recv(65536)
                    body = asked.partition(b"\r\n")[0]
                    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    stop.set()
    thread.join()
    listener.close()


@pytest.fixture
def line(answering: int) -> Iterator[Line]:
    line = Line(answering)
    yield line
    line.close()


def _ask(line: Line, path: str = ORDERS, body: bytes | None = ORDER) -> str:
    request = urllib.request.Request(f"{line.url}{path}", data=body)  # noqa: S310
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
        return str(answer.read().decode())


def test_the_line_passes_requests_on_and_shows_them(line: Line) -> None:
    assert _ask(line) == f"POST {ORDERS} HTTP/1.1"

    assert [(one.endpoint, one.phase, one.client_order_id) for one in line.passed] == [
        (Endpoint.CREATE, ASKED, "an-id"),
        (Endpoint.CREATE, ANSWERED, "an-id"),
    ]
    assert len(line.orders_asked()) == 1


def test_a_line_that_is_cut_refuses_and_is_as_before_when_it_is_restored(line: Line) -> None:
    line.cut()
    with pytest.raises(urllib.error.URLError, match="refused"):
        _ask(line)
    line.cut()

    line.restore()
    line.restore()

    assert _ask(line) == f"POST {ORDERS} HTTP/1.1"


def test_a_line_that_is_frozen_answers_when_it_is_restored(line: Line) -> None:
    line.freeze()
    timer = threading.Timer(0.4, line.restore)
    timer.start()

    began = time.monotonic()
    assert _ask(line) == f"POST {ORDERS} HTTP/1.1"
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize(("phase", "reaches"), [(ASKED, False), (ANSWERED, True)])
def test_a_trap_springs_once_at_its_request_which_may_be_lost(line: Line, phase: str, reaches: bool) -> None:
    sprung: list[int] = []
    line.arm("t", Trap(endpoint=Endpoint.CREATE, phase=phase, left=2, loses=True, act=lambda: sprung.append(1)))

    assert "GET" in _ask(line, "/api/v3/brokerage/time", None)
    _ask(line)
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        _ask(line)
    _ask(line)

    assert sprung == [1]
    assert len([one for one in line.passed if one.phase == ANSWERED]) == 3 + reaches


# --- the judge: what it is told, it must see -------------------------------------------------------------------------

AT = "2026-11-21T16:00:0{}Z"
MEANT: dict[str, Any] = {
    "client_order_id": "a",
    "product_id": "ETH-USD",
    "side": "BUY",
    "order_type": "limit_ioc",
    "purpose": "entry",
    "size": "0.1",
    "limit_price": "200",
    "stop_price": None,
}
FILL: dict[str, Any] = {
    "fill_id": "f1",
    "client_order_id": "a",
    "product_id": "ETH-USD",
    "side": "BUY",
    "size": "0.1",
    "price": "199",
    "fee": "0.01",
}
THERE: dict[str, Any] = {
    "client_order_id": "a",
    "product_id": "ETH-USD",
    "side": "BUY",
    "kind": "LIMIT",
    "time_in_force": "IMMEDIATE_OR_CANCEL",
    "size": "0.1",
    "limit_price": "200",
    "stop_price": None,
    "status": "FILLED",
    "filled_size": "0.1",
    "filled_value": "19.9",
    "fees": "0.01",
    "fill_count": 1,
    "created_at": AT.format(3),
}
JOURNAL: list[dict[str, Any]] = [
    {"kind": "TICK", "at": AT.format(1), "slot": 5},
    {"kind": "INTENT", "at": AT.format(2), "order": MEANT},
    {"kind": "SENT", "at": AT.format(2), "client_order_id": "a"},
    {"kind": "OUTCOME", "at": AT.format(3), "client_order_id": "a", "outcome": "ACCEPTED"},
    {"kind": "FILL", "at": AT.format(4), "fill": FILL},
    {"kind": "CLOSED", "at": AT.format(4), "client_order_id": "a", "status": "FILLED"},
]


def _found(
    journal: list[dict[str, Any]], *orders: dict[str, Any], looks: Sequence[float] = (2e9, 2e9, 2e9)
) -> set[str]:
    story = judge.read_story(journal)
    state = {"orders": list(orders), "book_faults": []}
    found = [
        *story.problems,
        *judge.judge_orders(story, state, []),
        *judge.judge_fills(story, state),
        *judge.judge_settled(story, state, looks=looks),
        *judge.judge_caps(journal, 2000),
    ]
    return {text.partition(":")[0] for text in found}


def _without(kind: str) -> list[dict[str, Any]]:
    return [record for record in JOURNAL if record["kind"] != kind]


def _order(**changes: object) -> dict[str, Any]:
    return {**THERE, **changes}


def test_a_sound_story_has_nothing_to_be_found() -> None:
    assert _found(JOURNAL, THERE) == set()


@pytest.mark.parametrize(
    ("journal", "orders", "code"),
    [
        pytest.param([], [THERE], "order_without_intent", id="an order that nobody meant"),
        pytest.param(JOURNAL, [THERE, THERE], "order_twice", id="two orders of one intent"),
        pytest.param([*JOURNAL, JOURNAL[1]], [THERE], "intent_twice", id="an intent twice"),
        pytest.param([*JOURNAL, JOURNAL[2]], [THERE], "sent_twice", id="sent twice"),
        pytest.param(JOURNAL, [_order(size="0.2")], "order_differs", id="another size"),
        pytest.param(JOURNAL, [_order(created_at=AT.format(1))], "order_before_intent", id="sent before written"),
        pytest.param([*JOURNAL, JOURNAL[4]], [THERE], "fill_twice", id="a fill booked twice"),
        pytest.param(_without("FILL"), [THERE], "fills_differ", id="a fill not booked"),
        pytest.param(JOURNAL, [_order(fees="0.02")], "fills_differ", id="another fee"),
        pytest.param(JOURNAL, [], "fill_invented", id="a fill of no order"),
        pytest.param(_without("CLOSED"), [THERE], "open_here_only", id="open in the journal only"),
        pytest.param(JOURNAL, [_order(status="OPEN")], "open_there_only", id="open at the exchange only"),
        pytest.param(JOURNAL[:3], [THERE], "still_unknown", id="in doubt, and there"),
        pytest.param(JOURNAL[:3], [], "still_unknown", id="in doubt for too long"),
        pytest.param(
            [*JOURNAL[:3], {**JOURNAL[3], "outcome": "ABSENT"}], [THERE], "order_denied", id="absent, and there"
        ),
        pytest.param(
            [*JOURNAL[:3], {**JOURNAL[1], "order": {**MEANT, "client_order_id": "b"}}],
            [],
            "bought_in_doubt",
            id="bought while in doubt",
        ),
        pytest.param(
            [{**JOURNAL[1], "order": {**MEANT, "limit_price": "700"}}], [], "cap", id="more than a product's share"
        ),
        pytest.param(
            JOURNAL,
            [THERE, _order(client_order_id="owner-1", status="CANCELLED")],
            "foreign_order_touched",
            id="an order of the owner's cancelled",
        ),
    ],
)
def test_the_judge_finds(journal: list[dict[str, Any]], orders: list[dict[str, Any]], code: str) -> None:
    assert code in _found(journal, *orders)


@pytest.mark.parametrize(("looks", "is_wrong"), [(2, False), (3, True)])
def test_an_order_that_is_not_there_may_be_in_doubt_until_it_was_looked_for_often_enough(
    looks: int, is_wrong: bool
) -> None:
    meant_at = judge.looks_of([{"timestamp": AT.format(2), "reconcile": {}, "error": None}])[0]
    over = meant_at + SETTLE_SECONDS + judge.SETTLE_MARGIN_SECONDS

    found = _found(JOURNAL[:3], looks=[over, over, over, *[over + 0.1] * looks])

    assert ("still_unknown" in found) is is_wrong


@pytest.mark.parametrize(("sent_at", "is_wrong"), [(-0.01, False), (0.01, True), (7.9, True), (8.1, False)])
def test_an_order_that_is_let_go_while_the_kill_file_is_there_is_found(sent_at: float, is_wrong: bool) -> None:
    story = judge.Story(sent_at={"a": 100.0 + sent_at})

    assert bool(list(judge.judge_kills(story, [], [[100.0, 108.0]]))) is is_wrong


@pytest.mark.parametrize(
    ("moments", "is_wrong"), [([100.5], False), ([99.9, 100.5], False), ([100.5, 100.6], True), ([161.0], True)]
)
def test_only_one_order_may_be_on_its_way_when_the_kill_file_comes(moments: list[float], is_wrong: bool) -> None:
    asked = [Passed(at=at, endpoint=Endpoint.CREATE, phase=ASKED, client_order_id="a") for at in moments]

    assert bool(list(judge.judge_kills(judge.Story(), asked, [[100.0, None]]))) is is_wrong


def _lost_coin(lines: list[dict[str, Any]]) -> None:
    lines[-1]["portfolio"]["positions"] = []


def _lost_cent(lines: list[dict[str, Any]]) -> None:
    lines[-1]["portfolio"]["cash"]["USD"] = "1980.08"


@pytest.mark.parametrize(
    ("spoil", "count"), [(lambda lines: None, 0), (_lost_coin, 1), (_lost_cent, 1)], ids=["sound", "coin", "cent"]
)
def test_money_and_coins_are_counted_to_the_last_digit(
    spoil: Callable[[list[dict[str, Any]]], None], count: int
) -> None:
    lines = [
        {
            "portfolio": {"cash": {"USD": "1980.09"}, "positions": [{"product": "ETH-USD", "quantity": "0.1"}]},
            "journal_seq": 5,
        }
    ]
    owners = _order(client_order_id="owner-1", filled_size="1", filled_value="200", fees="1")
    usd, eth = Decimal(10_000) + 50 - Decimal("19.91") - 201, "1.1"
    state = {
        "orders": [THERE, owners],
        "balances": {"USD": {"available": str(usd - 3), "hold": "3"}, "ETH": {"available": eth, "hold": "0"}},
    }
    spoil(lines)

    assert len(list(judge.judge_money(lines, [{"seq": 5, **JOURNAL[4]}], state, deposited=50))) == count


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_what_was_booked_after_the_last_line_counts_too(side: str) -> None:
    """As a bot does that waits under a kill file, and is ended there."""
    lines = [{"portfolio": {"cash": {"USD": "2000"}, "positions": []}, "journal_seq": 5}]
    fill = {"seq": 6, "kind": "FILL", "fill": {**FILL, "side": side}}
    usd, eth = ("9980.09", "0.1") if side == "BUY" else ("10019.89", "-0.1")
    state = {
        "orders": [THERE],
        "balances": {"USD": {"available": usd, "hold": "0"}, "ETH": {"available": eth, "hold": "0"}},
    }

    assert list(judge.judge_money(lines, [fill], state, deposited=0)) == []
    assert len(list(judge.judge_money(lines, [{**fill, "seq": 5}], state, deposited=0))) == 2


def test_the_seeded_draws_use_no_global_generator() -> None:
    before = random.getstate()
    plan_era(1, 7, mode=LIVE, storm=90, settles=True)

    assert random.getstate() == before
