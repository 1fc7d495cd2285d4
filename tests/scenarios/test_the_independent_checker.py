"""The independent checker can fail: what it watches over is broken in a real run's file, and each gets its name."""

import ast
import copy
import hashlib
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.config_files import ROOT, SHIPPED, shipped_documents, write_config
from tests.independent_checker import check
from tests.independent_checker.__main__ import main
from tests.independent_checker.books import Books
from tests.independent_checker.caps import before_buys
from tests.independent_checker.check import EQUITY_KEPT_LINES
from tests.program_runs import Line, Run

Lines = list[Line]
Edit = Callable[[Lines], None]
NO_HASH = "0" * 64


@pytest.fixture(scope="module")
def morning(day: Run) -> Lines:
    """The day's lines up to a while after its second sale: a prefix of a run is a run."""
    lines = day.lines()
    sales = [place for place, line in enumerate(lines) if any(f["side"] == "SELL" for f in line["execution"]["fills"])]
    return lines[: sales[1] + 20]


def codes_of(path: Path, config_dir: Path = SHIPPED) -> list[str]:
    """Check a file, with only each 8th of its quiet lines against the schema: among them the one that EDITS change."""
    return check(path, config_dir, schema_sample=8).codes


def sealed(lines: Lines, path: Path) -> Path:
    """Write lines as a chain that is right, whatever they say: only their content can give them away."""
    prev, raw = NO_HASH, b""
    for seq, line in enumerate(lines, 1):
        body = {key: value for key, value in line.items() if key not in ("seq", "prev", "hash")}
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        start = f'{text[:-1]},"seq":{seq},"prev":"{prev}"'.encode()
        prev = hashlib.sha256(start).hexdigest()
        raw += start + f',"hash":"{prev}"}}\n'.encode()
    path.write_bytes(raw)
    return path


def with_fill(lines: Lines, side: str = "BUY") -> Line:
    return next(line for line in lines if any(fill["side"] == side for fill in line["execution"]["fills"]))


def fill_of(lines: Lines, side: str = "BUY") -> dict[str, Any]:
    return next(fill for line in lines for fill in line["execution"]["fills"] if fill["side"] == side)


def order_of(lines: Lines, side: str = "BUY") -> dict[str, Any]:
    """The order behind the first fill of that side."""
    name = fill_of(lines, side)["client_order_id"]
    return next(o for line in lines for o in line["execution"]["orders"] if o["client_order_id"] == name)


def more(amount: str) -> str:
    """The same amount with its last digit changed."""
    return amount[:-1] + ("8" if amount[-1] == "9" else str(int(amount[-1]) + 1))


def times(amount: str, factor: str) -> str:
    return format(Decimal(amount) * Decimal(factor), "f")


def changed(item: dict[str, Any], **values: object) -> None:
    item.update(values)


def held(lines: Lines) -> Line:
    return next(line for line in lines if line["portfolio"]["positions"])


def busy_place(lines: Lines) -> int:
    return lines.index(with_fill(lines))


def drop_fill(lines: Lines) -> None:
    with_fill(lines)["execution"]["fills"].clear()


def repeat_fill(lines: Lines) -> None:
    lines[busy_place(lines) + 1]["execution"]["fills"].append(dict(fill_of(lines)))


def repeat_order(lines: Lines) -> None:
    lines[busy_place(lines) + 1]["execution"]["orders"].append(dict(order_of(lines)))


def reuse_order_id(lines: Lines) -> None:
    order = dict(order_of(lines), client_order_id="another")
    lines[busy_place(lines) + 1]["execution"]["orders"].append(order)


def reorder(lines: Lines) -> None:
    lines[4], lines[5] = lines[5], lines[4]


def two_runs(lines: Lines) -> None:
    for line in lines[5:9]:
        line["run_id"] = "another"


def add_position(lines: Lines) -> None:
    line = held(lines)
    line["portfolio"]["positions"].append(dict(line["portfolio"]["positions"][0]))


def sell_twice(lines: Lines) -> None:
    """The sale of a lot again, with ids of its own, in a later minute."""
    line = with_fill(lines, "SELL")
    later = lines[lines.index(line) + 5]
    order = dict(order_of(lines, "SELL"), client_order_id="again", order_id="again")
    later["execution"]["orders"].append(order)
    later["execution"]["fills"].append(
        dict(fill_of(lines, "SELL"), client_order_id="again", order_id="again", fill_id="again", at=later["timestamp"])
    )


EDITS: dict[str, Edit] = {
    "fill_fee": lambda lines: changed(fill_of(lines), fee=more(fill_of(lines)["fee"])),
    "fees": lambda lines: changed(lines[-1]["pnl"], fees=more(lines[-1]["pnl"]["fees"])),
    "realised": lambda lines: changed(lines[-1]["pnl"], realised=more(lines[-1]["pnl"]["realised"])),
    "cash": lambda lines: changed(lines[-1]["portfolio"]["cash"], USD=more(lines[-1]["portfolio"]["cash"]["USD"])),
    "equity": lambda lines: changed(lines[-1]["portfolio"], equity=more(lines[-1]["portfolio"]["equity"])),
    "positions": lambda lines: changed(
        held(lines)["portfolio"]["positions"][0], cost=more(held(lines)["portfolio"]["positions"][0]["cost"])
    ),
    "positions (a lot twice)": add_position,
    "cash (a fill left out)": drop_fill,
    "oversold (a buy left out)": drop_fill,
    "oversold (sold twice)": sell_twice,
    "fill_repeated": repeat_fill,
    "fill_without_order": lambda lines: changed(fill_of(lines), client_order_id="nobody's"),
    "fill_mismatch": lambda lines: changed(fill_of(lines), product="BTC-USD"),
    "fill_mismatch (lot)": lambda lines: changed(fill_of(lines), lot="another"),
    "fill_price": lambda lines: changed(order_of(lines), limit_price=times(fill_of(lines)["price"], "0.9999")),
    "fill_price (sale)": lambda lines: changed(
        order_of(lines, "SELL"), limit_price=times(fill_of(lines, "SELL")["price"], "1.0001")
    ),
    "fill_size": lambda lines: changed(order_of(lines), size=times(fill_of(lines)["size"], "0.5")),
    "fill_shape": lambda lines: changed(fill_of(lines), fee="-1"),
    "fill_liquidity": lambda lines: changed(
        fill_of(lines), liquidity={"MAKER": "TAKER", "TAKER": "MAKER"}[fill_of(lines)["liquidity"]]
    ),
    "fill_of_dead_order": lambda lines: changed(order_of(lines), outcome="REJECTED"),
    "fill_before_order": lambda lines: changed(fill_of(lines), at="2020-01-01T00:00:00Z"),
    "order_repeated": repeat_order,
    "order_id_repeated": reuse_order_id,
    "order_shape": lambda lines: changed(order_of(lines), purpose="exit"),
    "slot": reorder,
    "missed_slots": lambda lines: changed(lines[7], missed_slots=1),
    "missed_slots (a line left out)": lambda lines: lines.__delitem__(7),
    "timestamp": lambda lines: changed(lines[7], timestamp=lines[6]["timestamp"]),
    "config_hash": lambda lines: changed(lines[7], config_hash="0123456789abcdef"),
    "code_hash": lambda lines: changed(lines[7], code_hash="0123456789abcdef"),
    "venue": lambda lines: changed(lines[7], venue="coinbase"),
    "run_id": two_runs,
    "schema": lambda lines: changed(lines[7], config_hash=None),
    "schema (a new reason)": lambda lines: changed(lines[7], no_trade_reason="felt like it"),
    "schema (a field left out)": lambda lines: lines[7].__delitem__("alerts"),
    "status": lambda lines: changed(with_fill(lines), status="NO_TRADE", no_trade_reason="stale_data"),
    "no_trade_reason": lambda lines: changed(lines[7], no_trade_reason=None),
    "order_type": lambda lines: changed(with_fill(lines)["execution"], order_type="limit_gtc"),
    "breakers": lambda lines: changed(lines[7], circuit_breaker_tripped=True),
    "bought_while_stopped": lambda lines: changed(with_fill(lines), trading_state="REDUCE_ONLY"),
    "metrics": lambda lines: changed(lines[7]["metrics"]["trader_cycle_total"], NO_TRADE=7000),
    "metrics (positions)": lambda lines: changed(held(lines)["metrics"], trader_open_positions=9),
    "metrics (exposure)": lambda lines: changed(held(lines)["metrics"]["trader_exposure_pct"], at_risk=0.5),
    "at_risk": lambda lines: changed(held(lines)["portfolio"], at_risk="1"),
}


def test_a_morning_of_a_real_run_is_clean(morning: Lines, tmp_path: Path) -> None:
    assert check(sealed(morning, tmp_path / "audit.jsonl"), SHIPPED).violations == []


@pytest.mark.parametrize("name", EDITS)
def test_a_changed_line_is_named(name: str, morning: Lines, tmp_path: Path) -> None:
    lines = copy.deepcopy(morning)
    EDITS[name](lines)

    codes = codes_of(sealed(lines, tmp_path / "audit.jsonl"))

    assert name.partition(" (")[0] in codes


def test_the_line_of_a_violation_is_its_line_in_the_file(morning: Lines, tmp_path: Path) -> None:
    lines = copy.deepcopy(morning)
    lines[7]["missed_slots"] = 1

    violations = check(sealed(lines, tmp_path / "audit.jsonl"), SHIPPED).violations

    assert [(violation.line, violation.code) for violation in violations] == [(8, "missed_slots")]


# --- bytes ------------------------------------------------------------------------------------------------------------


def swap_lines(raw: list[bytes]) -> None:
    raw[3], raw[4] = raw[4], raw[3]


def change_a_byte(raw: list[bytes]) -> None:
    place = raw[3].index(b'"mode":"PAPER"') + 9
    raw[3] = raw[3][:place] + b"Q" + raw[3][place + 1 :]


def tear(raw: list[bytes]) -> None:
    raw[-1] = raw[-1][:-20]


def say_it_in_other_bytes(raw: list[bytes]) -> None:
    """The same JSON with a blank more: the record was not written by its writer."""
    raw[3] = raw[3].replace(b'"alerts":', b'"alerts": ', 1)


def unseal(raw: list[bytes]) -> None:
    raw[3] = raw[3][:-76] + b"}\n"


BYTE_EDITS: dict[str, Callable[[list[bytes]], None]] = {
    "hash": change_a_byte,
    "hash (a blank more)": say_it_in_other_bytes,
    "prev": swap_lines,
    "seq": swap_lines,
    "seq (the first lines cut off)": lambda raw: raw.__delitem__(slice(0, 3)),
    "prev (one line cut out)": lambda raw: raw.__delitem__(3),
    "not_json": lambda raw: raw.insert(3, b"{oops\n"),
    "torn": tear,
    "unsealed": unseal,
}


@pytest.mark.parametrize("name", BYTE_EDITS)
def test_a_changed_byte_is_named(name: str, day: Run, tmp_path: Path) -> None:
    raw = day.audit.read_bytes().splitlines(keepends=True)[:30]
    BYTE_EDITS[name](raw)
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"".join(raw))

    assert name.partition(" (")[0] in codes_of(path)


# --- limits: the same run against tighter ones ------------------------------------------------------------------------

TIGHTER: dict[str, tuple[str, object]] = {
    "total_cap": ("policy.risk.max_total_at_risk_pct", 2.0),
    "product_cap": ("policy.risk.max_position_size_pct", 1.0),
    "theme_cap": ("policy.risk.max_per_theme_pct", dict.fromkeys(("LAYER1", "LAYER2", "DEFI", "MEME"), 0.5)),
    "positions_cap": ("policy.risk.max_open_positions", 0),
    "positions_cap (regime)": ("policy.regime", {name: {"max_open_positions": 0} for name in ("bull", "chop")}),
    "new_positions": ("policy.risk.max_new_positions_per_cycle", 0),
    "min_notional": ("policy.risk.min_trade_notional_usd", 5000),
    "order_notional": ("policy.risk.max_order_notional_usd", 10),
    "per_hour": ("policy.risk.max_trades_per_hour", 0),
    "per_day": ("policy.risk.max_trades_per_day", 1),
    "spacing": ("policy.risk.min_seconds_between_trades", 86400),
    "overdue": (
        "signals.strategies",
        {name: {"max_hold_minutes": 5} for name in ("price_move", "momentum", "mean_reversion")},
    ),
    "fill_fee": ("policy.execution.taker_fee_bps", 91),
    "timestamp": ("app.loop.interval_seconds", 30),
}


@pytest.mark.parametrize("name", TIGHTER)
def test_a_run_that_passed_a_limit_is_named(name: str, morning: Lines, tmp_path: Path) -> None:
    key, value = TIGHTER[name]
    config = write_config(tmp_path / "config", shipped_documents({key: value}))

    assert name.partition(" (")[0] in codes_of(sealed(morning, tmp_path / "audit.jsonl"), config)


@pytest.mark.parametrize(("open_beside_guards", "is_named"), [(1, False), (2, True)])
def test_an_order_that_has_filled_may_be_the_one_that_is_open_where_the_exchange_is_slow(
    morning: Lines, tmp_path: Path, open_beside_guards: int, is_named: bool
) -> None:
    lines = copy.deepcopy(morning)
    place, order = next(
        (place, order)
        for place, line in enumerate(lines)
        for order in line["execution"]["orders"]
        for fill in line["execution"]["fills"]
        if place > 1 and order["side"] == "BUY"
        if fill["client_order_id"] == order["client_order_id"] and fill["size"] == order["size"]
    )
    before, line = lines[place - 1], lines[place]
    left = {**order, "client_order_id": "before", "order_id": "before", "lot": "before"}
    left["size"] = str(Decimal(order["size"]) * 10)
    before["execution"]["orders"].append(left)
    changed(line["execution"], orders=[order])
    guards = [sum(item["guards"] for item in shown["protection"] or ()) for shown in (before, line)]
    changed(before["reconcile"], open_orders=guards[0] + 1)
    changed(line["reconcile"], open_orders=guards[1] + open_beside_guards)
    path = sealed(lines, tmp_path / "audit.jsonl")

    violations = check(path, SHIPPED, fills_may_lag=True).violations

    found = [(violation.line, violation.code) for violation in violations]
    assert (place, "product_cap") in found, "the order before is not one that counts"
    assert ((place + 1, "product_cap") in found) is is_named


@pytest.mark.parametrize("is_cut_off", [False, True])
def test_a_purchase_needs_an_equity_that_was_known_but_a_cut_off_line_cannot_tell(
    morning: Lines, tmp_path: Path, is_cut_off: bool
) -> None:
    lines = copy.deepcopy(morning)
    places = [place for place, line in enumerate(lines) if any(f["side"] == "BUY" for f in line["execution"]["fills"])]
    place = next(place for place in places if place > EQUITY_KEPT_LINES + 2)
    for line in lines[place - EQUITY_KEPT_LINES - 1 : place + 1]:
        changed(line["portfolio"], equity=None)
    if is_cut_off:
        error = {"type": "Interrupted", "message": "the process ended inside this cycle"}
        changed(lines[place], status="ERROR", no_trade_reason="interrupted", error=error)

    codes = codes_of(sealed(lines, tmp_path / "audit.jsonl"))

    assert "schema" not in codes
    assert ("equity_unknown" in codes) is not is_cut_off


def test_entries_of_one_product_keep_their_distance(morning: Lines, tmp_path: Path) -> None:
    """A purchase that is repeated under new names, two hours of slots later squeezed to the next minute."""
    lines = copy.deepcopy(morning)
    place = busy_place(lines)
    again = copy.deepcopy(lines[place]["execution"]["orders"][0])
    changed(again, client_order_id="again", order_id="again", lot="again")
    lines[place + 1]["execution"]["orders"].append(again)

    codes = codes_of(sealed(lines, tmp_path / "audit.jsonl"))

    assert {"spacing", "product_spacing"} <= set(codes)


def test_a_product_rests_after_its_close(morning: Lines, tmp_path: Path) -> None:
    lines = copy.deepcopy(morning)
    sale = with_fill(lines, "SELL")
    fill = fill_of(lines, "SELL")
    again = dict(order_of(lines), client_order_id="again", order_id="again", lot="again", product=fill["product"])
    lines[lines.index(sale) + 5]["execution"]["orders"].append(again)

    assert "cooldown" in codes_of(sealed(lines, tmp_path / "audit.jsonl"))


def test_entries_pause_after_a_losing_streak(day: Run, tmp_path: Path) -> None:
    document = shipped_documents({"policy.risk.cooldown_after_loss_trades": 1, "policy.risk.cooldown_minutes": 1440})

    assert "loss_pause" in codes_of(day.audit, write_config(tmp_path / "config", document))


def test_money_that_is_not_there_is_not_spent(morning: Lines, tmp_path: Path) -> None:
    lines = copy.deepcopy(morning)
    changed(lines[0]["portfolio"]["cash_flows"][0], amount="100")

    assert {"cash_negative", "cash_cap"} <= set(codes_of(sealed(lines, tmp_path / "audit.jsonl")))


# --- the arithmetic, by hand ------------------------------------------------------------------------------------------


def make_fill(side: str, size: str, price: str, fee: str) -> dict[str, Any]:
    return {
        "side": side,
        "product": "A-USD",
        "lot": "L",
        "size": size,
        "price": price,
        "fee": fee,
        "at": "2026-01-05T00:00:00Z",
    }


def test_a_part_of_a_lot_takes_its_share_of_the_cost_and_the_last_part_the_rest() -> None:
    books = Books()
    books.book(make_fill("BUY", "3", "10", "0.1"), "momentum")  # costs 30.1

    books.book(make_fill("SELL", "1", "11", "0"), "max_hold")
    assert (books.lots["L"].cost, books.realised) == (Decimal("20.06666667"), Decimal("0.96666667"))

    books.book(make_fill("SELL", "2", "11", "0.5"), "max_hold")
    assert (books.lots, books.realised, books.fees) == ({}, Decimal("2.4"), Decimal("0.6"))
    assert books.cash == {"USD": Decimal("2.4")}


@pytest.mark.parametrize(("cost", "share"), [("0.00000001", "0"), ("0.00000003", "0.00000002")])
def test_a_share_of_the_cost_is_rounded_half_to_even(cost: str, share: str) -> None:
    books = Books()
    books.book(make_fill("BUY", "2", "0", cost), "")

    books.book(make_fill("SELL", "1", "0", "0"), "")

    assert books.realised == -Decimal(share)


# --- what it is -------------------------------------------------------------------------------------------------------


def test_what_an_earlier_order_bought_is_there_before_a_line_buys_and_its_own_purchases_are_not() -> None:
    def fill(name: str, side: str, size: str, lot: str = "old") -> dict[str, str]:
        body = {"client_order_id": name, "side": side, "size": size, "lot": lot, "product": "ETH-USD"}
        return {**body, "price": "100", "fee": "0", "at": "2026-01-05T10:00:00Z"}

    books = Books()
    books.book(fill("before", "BUY", "1"), "momentum")
    told = [fill("earlier", "BUY", "2"), fill("exit", "SELL", "3"), fill("entry", "BUY", "4", lot="new")]

    lots, cash = before_buys(books, (), told, own=["exit", "entry"])
    kept, _ = before_buys(books, (), told[:1], own=[])

    assert (lots, cash) == ({}, {"USD": Decimal(0)})
    assert kept["old"].quantity == 3
    assert books.lots["old"].quantity == 1


def test_it_imports_nothing_of_the_program() -> None:
    for path in (ROOT / "tests" / "independent_checker").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.partition(".")[0] not in ("core", "runner", "tools"), path
                assert not name.startswith("tests.") or name.startswith("tests.independent_checker"), path


def test_its_command_ends_with_0_or_1(
    day: Run, morning: Lines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = copy.deepcopy(morning)
    lines[7]["missed_slots"] = 1
    bad = sealed(lines, tmp_path / "audit.jsonl")

    assert main([str(day.audit), "--config-dir", str(SHIPPED)]) == 0
    assert "violations: 0" in capsys.readouterr().out
    assert main([str(bad)]) == 1
    assert "line 8: missed_slots" in capsys.readouterr().out


def test_an_empty_file_is_not_a_clean_one(tmp_path: Path) -> None:
    empty = tmp_path / "audit.jsonl"
    empty.touch()

    assert main([str(empty)]) == 1
