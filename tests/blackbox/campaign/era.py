"""
One era, in a process of its own: `python -m tests.blackbox.campaign.era FOLDER CHECKOUT [--small-disk]`.

FOLDER has the plan (`plan.json`: number, seed, mode, storm, settles); what happens is printed as JSON lines, and the
result is written to `result.json`.
"""

import argparse
import json
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.errors import ExitCode
from tests.blackbox.campaign import judge
from tests.blackbox.campaign.aftermath import ask_tools
from tests.blackbox.campaign.background import OWNER, Background
from tests.blackbox.campaign.deeds import do
from tests.blackbox.campaign.market import CAPITAL, DEPOSITED, PAPER_CASH, SETTLE_SECONDS, TRADING, lively_market
from tests.blackbox.campaign.plan import LIVE, EraPlan, plan_era
from tests.blackbox.campaign.scene import Scene
from tests.blackbox.exchange import start_again, start_exchange

QUIET_SECONDS = 300.0
"""
So long at most after the last fault until the bot is as it should be: seconds, but a fault may cost a whole cycle of
45 s, and a busy machine many.
"""

LOOK_SECONDS = 0.2
"""From one look at all records to the next."""

SETTLED_LINES = 3
LATCHED = ("HALTED", "CANCEL_ONLY", "REDUCE_ONLY")


def play(plan: EraPlan, folder: Path, disk: Path, checkout: Path, *, is_small_disk: bool) -> dict[str, Any]:
    """Play one era and judge it."""
    tape = lively_market(folder / "tape", plan.seed)
    lags = [word for name, seconds in plan.lags.items() for word in ("--lag", f"{name}={seconds}")]
    seed = ("--seed", str(plan.seed % 10_000))
    exchange = start_exchange(folder / "exchange", "--market", f"replay:{tape}", "--cash", str(DEPOSITED), *seed, *lags)
    scene = Scene(plan, folder=folder, disk=disk, checkout=checkout, exchange=exchange, is_small_disk=is_small_disk)
    try:
        key = {} if plan.with_key else {"app.exchange.key_file": ""}
        exchange.config(folder / "config", {**TRADING, "app.exchange.api_url": scene.line.url, **key})
        _storm(scene)
        found = _amnesia(scene) if plan.forgets else _quiet(scene)
        after = ask_tools(scene.bot, checkout)
        return _result(scene, [*scene.violations, *found, *after.violations], after.figures)
    finally:
        scene.close()


def _storm(scene: Scene) -> None:
    background = Background(scene, list(scene.plan.events))
    scene.ensure_up(by_launcher=True)
    scene.began = scene.now()  # an exchange and a first start take seconds on a busy machine: they are no storm
    scene.on_tick = background.run
    for deed in scene.plan.deeds:
        if scene.seconds() >= scene.plan.storm:
            break
        do(scene, deed)
    background.end_all()
    scene.on_tick = lambda: None
    scene.bot.kill_file.unlink(missing_ok=True)
    scene.tell("the storm is over")


# --- the end ----------------------------------------------------------------------------------------------------------


def _quiet(scene: Scene) -> list[str]:
    """Let everything be as it should, see the bot come back, end it, and judge all that it left."""
    scene.ensure_up()
    if not _comes_back(scene):
        scene.violate("not_back", f"{QUIET_SECONDS:.0f} s after the last fault: {_standing(scene)}")
    is_live = scene.plan.mode == LIVE
    found = []
    if is_live and scene.plan.settles and _doubts(scene):
        scene.tell(f"waiting for the proof about {_doubts(scene)}")
        scene.wait_until(
            lambda: not _doubts(scene),
            "the proof about orders in doubt",
            patience=SETTLE_SECONDS + QUIET_SECONDS,
            pause=LOOK_SECONDS,
        )
    if is_live and not _doubts(scene):
        scene.wait_until(
            lambda: not _unguarded(scene), "every position to be guarded", patience=QUIET_SECONDS, pause=LOOK_SECONDS
        )
    _stop_everything(scene)
    story = judge.read_story(scene.bot.journal())
    found += _records(scene, story)
    if is_live:
        state, asked = scene.exchange.state(), scene.line.orders_asked()
        found += judge.judge_orders(story, state, asked)
        found += judge.judge_fills(story, state)
        found += judge.judge_money(scene.bot.lines(), scene.bot.journal(), state, scene.deposited)
        found += judge.judge_settled(story, state, looks=judge.looks_of(scene.bot.lines()))
    return found


def _records(scene: Scene, story: judge.Story) -> list[str]:
    key = scene.exchange.key()
    return [
        *judge.judge_records(scene.bot, story, CAPITAL if scene.plan.mode == LIVE else PAPER_CASH),
        *judge.judge_words(scene.bot, judge.printed_texts(scene.folder), key),
        *judge.judge_kills(story, scene.line.orders_asked(), scene.kill_windows),
    ]


def _comes_back(scene: Scene) -> bool:
    """Wait until some lines in a row say that nothing is wrong; a HALTED bot is started again, once, as by a person."""
    began, seen, has_restarted = scene.now(), scene.bot.count_lines(), False
    while scene.now() < began + QUIET_SECONDS * (2 if has_restarted else 1):
        scene.wait(0.2)
        if not scene.is_up():
            scene.ensure_up()
        lines = scene.bot.lines()[seen:]
        if len(lines) >= SETTLED_LINES and all(_is_sound(line) for line in lines[-SETTLED_LINES:]):
            return True
        if lines and lines[-1]["trading_state"] == "HALTED" and not has_restarted:
            has_restarted = True
            scene.figures.ends["latched at the end"] += 1
            if "ALERT type=" not in scene.bot.log():
                scene.violate("silent_latch", "HALTED, and no alert in the log")
            scene.signal(signal.SIGTERM)
            scene.wait_for_end((ExitCode.OK,), "terminate")
            seen = scene.bot.count_lines()
    return False


def _is_sound(line: dict[str, Any]) -> bool:
    """Tell whether a line has nothing amiss; an order in doubt alone is no fault of the present."""
    reconcile = line["reconcile"]
    if line["trading_state"] != "ARMED" or line["breakers"] or line["error"] or reconcile is None:
        return False
    return not reconcile.get("differences")


def _standing(scene: Scene) -> str:
    lines = scene.bot.lines()
    if not lines:
        return "no line"
    names = ("slot", "status", "no_trade_reason", "trading_state", "breakers", "reconcile", "alerts")
    return json.dumps({name: lines[-1][name] for name in names})


def _doubts(scene: Scene) -> list[str]:
    story = judge.read_story(scene.bot.journal())
    return [name for name in story.intents if story.in_doubt(name)]


def _unguarded(scene: Scene) -> list[str]:
    return list(judge.judge_guards(scene.bot, scene.exchange.state()))


def _stop_everything(scene: Scene) -> None:
    """Take every order away with a kill file, so that nothing moves any more, and end in order."""
    scene.ensure_up()
    scene.bot.kill_file.write_text("cancel-all\n")
    window: list[float | None] = [scene.now(), None]
    scene.kill_windows.append(window)
    seen = scene.bot.count_lines()

    def is_still() -> bool:
        lines = scene.bot.lines()[seen:]
        return len(lines) >= SETTLED_LINES and not _open_orders(scene) and lines[-1]["reconcile"] is not None

    def has_settled() -> bool:
        return is_still() and not _to_be_found(scene)

    what = "the end of all orders under the kill file"
    scene.wait_until(has_settled, what, patience=QUIET_SECONDS, pause=LOOK_SECONDS)
    scene.signal(signal.SIGTERM)
    scene.wait_for_end((ExitCode.OK,), "terminate")
    window[1] = scene.now()


def _to_be_found(scene: Scene) -> list[str]:
    """Return the orders in doubt that are there: some cycle finds them."""
    if scene.plan.mode != LIVE:
        return []
    there = [order["client_order_id"] for order in scene.exchange.state()["orders"]]
    return [name for name in _doubts(scene) if name in there]


def _open_orders(scene: Scene) -> list[str]:
    """Return our orders that are open at the exchange of LIVE, or in the bot's own book."""
    story = judge.read_story(scene.bot.journal())
    mine = [
        name for name in story.intents if name not in story.closed and story.outcomes.get(name, [])[-1:] == ["ACCEPTED"]
    ]
    if scene.plan.mode != LIVE:
        return mine
    there = [order for order in scene.exchange.state()["orders"] if order["status"] in ("OPEN", "PENDING")]
    return mine + [order["client_order_id"] for order in there if not order["client_order_id"].startswith(OWNER)]


def _amnesia(scene: Scene) -> list[str]:
    """
    Let the exchange end and come back without the account: what the bot holds is not there any more.

    It must stop buying and say so; what it has written down until then must be sound.
    """
    scene.ensure_up()
    scene.wait(3.0)
    scene.line.cut()
    before = scene.exchange.state()
    has_something = any(
        not order["client_order_id"].startswith(OWNER) and order["fill_count"] for order in before["orders"]
    )
    scene.exchange.kill()
    start_again(scene.exchange)
    scene.line.restore()
    lines = scene.bot.lines()
    if has_something and lines and lines[-1]["portfolio"]["positions"]:
        scene.wait_until(
            lambda: _is_latched(scene),
            "HALTED after the exchange forgot the account",
            patience=QUIET_SECONDS,
            pause=LOOK_SECONDS,
        )
        at = scene.now()
        scene.wait(4.0)
        bought = [one for one in scene.line.orders_asked() if one.at > at]
        if bought:
            scene.violate("order_when_halted", f"{len(bought)} orders were sent to an exchange without our coins")
        if "reconcile_mismatch severity=CRITICAL" not in scene.bot.log():
            scene.violate("silent_latch", "HALTED, and no alert says why")
    scene.figures.events["the exchange forgot the account"] += 1
    scene.signal(signal.SIGTERM)
    scene.wait_for_end((ExitCode.OK,), "terminate")
    story = judge.read_story(scene.bot.journal())
    return _records(scene, story)


def _is_latched(scene: Scene) -> bool:
    return bool(scene.bot.lines()) and scene.bot.lines()[-1]["trading_state"] in LATCHED[:1]


# --- the result -------------------------------------------------------------------------------------------------------


def _result(scene: Scene, violations: Sequence[str], verified: Counter[str]) -> dict[str, Any]:
    bot, figures = scene.bot, scene.figures
    story = judge.read_story(bot.journal())
    lines = bot.lines()
    doubtful = [name for name in story.intents if story.was_in_doubt(name)]
    last = Counter(story.outcomes.get(name, ["in doubt"])[-1] for name in doubtful)
    return {
        "violations": list(violations),
        "counts": {
            "starts": {"processes": figures.starts},
            "ends": figures.ends,
            "exit codes": figures.codes,
            "deeds": figures.stages,
            "events": figures.events,
            "cycles": {scene.plan.mode: len(lines)},
            "no trade": Counter(line["no_trade_reason"] for line in lines if line["no_trade_reason"]),
            "trading state": Counter(line["trading_state"] for line in lines),
            "breakers": Counter(name for line in lines for name in line["breakers"]),
            "alerts": Counter(code for line in lines for code in line["alerts"]),
            "orders": Counter(str(record["order"]["purpose"]) for record in story.intents.values()),
            "outcomes": Counter(told for every in story.outcomes.values() for told in every),
            "fills": {scene.plan.mode: sum(len(fills) for fills in story.fills.values())},
            "orders once in doubt, in the end": last,
            "faults": _faults(scene),
            "verified": verified,
            "kills": figures.kills,
        },
        "slowest end": round(figures.slowest_end, 2),
        "capital": CAPITAL,
    }


def _faults(scene: Scene) -> dict[str, int]:
    return dict(scene.exchange.state()["faults"]) if scene.exchange.process.poll() is None else {}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tests.blackbox.campaign.era", description="Play one era of a campaign.")
    parser.add_argument("folder", type=Path, help="has plan.json")
    parser.add_argument("checkout", type=Path, help="the bot's program")
    parser.add_argument("--small-disk", action="store_true", help="FOLDER/disk is a small disk of its own")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever gives up lets us leave no process behind
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a bot would inherit that it is ignored: from a shell
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # that runs this in the background, or from nohup
    folder: Path = options.folder
    plan = plan_era(**json.loads((folder / "plan.json").read_text()))
    disk = folder / "disk"
    disk.mkdir(exist_ok=True)
    result = play(plan, folder, disk, options.checkout, is_small_disk=options.small_disk)
    if result["violations"]:
        (disk / "ballast").unlink(missing_ok=True)
        shutil.copytree(disk, folder / "kept", symlinks=True, dirs_exist_ok=True)
    (folder / "result.json").write_text(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
