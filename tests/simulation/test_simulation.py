"""
A few short seeds for every commit, every schedule that once broke a law, and proof that a broken law is seen.

Longer: `python -m tests.simulation --seeds 1..100`.
"""

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

from core.model.orders import Order, OrderId, Outcome
from runner.orders.planned import Answer
from runner.orders.sending import Sender
from tests.simulation.__main__ import main
from tests.simulation.campaign import play_all
from tests.simulation.plan import Disturbance, Plan, load, save
from tests.simulation.run import Result, folder_of, run
from tests.simulation.shrink import shrink
from tests.simulation.swarm import draw_plan
from tests.simulation.world import open_world

REGRESSIONS = sorted((Path(__file__).parent / "regressions").glob("*.json"))
MINUTES = 60
NOTHING_HAPPENED = Result(
    seed=40, minutes=600, root="", violations=[], cycles=0, cpu_seconds=0.0, reached=Counter(), strikes=[]
)


@pytest.mark.parametrize("seed", [1, 3, 20])
def test_no_law_is_broken_in_a_short_run_of_a_seed(seed: int) -> None:
    result = run(draw_plan(seed, MINUTES))

    assert result.violations == []
    assert result.cycles > MINUTES


def test_what_once_broke_a_law_was_kept() -> None:
    assert REGRESSIONS, "tests/simulation/regressions is empty: its schedules are not in this checkout"


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_what_once_broke_a_law_breaks_none(path: Path) -> None:
    assert run(load(path)).violations == []


def test_a_seed_repeats_to_the_byte() -> None:
    plan = draw_plan(2, 30)

    assert run(plan).root == run(plan).root


def test_a_plan_depends_on_seed_and_length_alone() -> None:
    assert draw_plan(5, 1440) == draw_plan(5, 1440)
    assert draw_plan(5, 1440) != draw_plan(6, 1440)
    assert draw_plan(5, 1440) != draw_plan(5, 2880)


def test_a_plan_that_was_saved_is_the_same_when_it_is_read(tmp_path: Path) -> None:
    plan = draw_plan(12, 1440)

    save(plan, tmp_path / "plan.json", law="none", command="none")

    assert load(tmp_path / "plan.json") == plan


def test_a_lost_answer_that_is_taken_for_a_no_is_seen() -> None:
    """A planted bug: what is UNKNOWN counts as REJECTED, so that an order is forgotten."""
    loses = {"fault": "lost_after", "probability": 0.3, "endpoints": ["orders"]}
    plan = draw_plan(4, 60).with_only([Disturbance(kind="fault", minute=0.0, until=60.0, salt=3, args=loses)])
    note = Sender._note

    def forget(sender: Sender, order: Order, outcome: Outcome, order_id: OrderId | None, reason: str) -> Answer:
        return note(sender, order, Outcome.REJECTED if outcome is Outcome.UNKNOWN else outcome, order_id, reason)

    with patch.object(Sender, "_note", forget):
        result = run(plan)

    assert "audit/fill_of_dead_order" in result.laws, result.violations


def test_a_failing_plan_is_shrunk_to_what_it_needs() -> None:
    """Played by a model: it fails when the second echo comes after an order was lost; nothing else matters."""
    plan = draw_plan(40, 600).with_only(
        [
            *(Disturbance(kind="owner", minute=float(minute)) for minute in range(0, 600, 7)),
            Disturbance(kind="fault", minute=10.0, until=300.0, args={"fault": "lost_after", "probability": 0.1}),
            *(Disturbance(kind="echo", minute=minute) for minute in (50.0, 215.0, 220.0)),
        ]
    )

    def play(played: Plan) -> Result:
        kinds = {item.minute: item.kind for item in played.disturbances}
        lost = [minute for minute, kind in kinds.items() if kind in ("fault", "strike")]
        fails = 215.0 in kinds and any(minute < 215.0 for minute in lost)
        strikes = [(minute, "lost_after", "orders") for minute in (90.0, 120.0) if "fault" in kinds.values()]
        return replace(NOTHING_HAPPENED, violations=["law: broken"] if fails else [], strikes=strikes)

    small = shrink(plan, play(plan), lambda _words: None, play=play)

    assert [(item.kind, item.minute) for item in small.disturbances] == [("strike", 120.0), ("echo", 215.0)]
    assert small.minutes == 216


def test_a_campaign_goes_on_where_its_file_ends(tmp_path: Path) -> None:
    file, played = tmp_path / "results.jsonl", []

    play_all([1, 2], 3, 1, file, lambda _campaign, result: played.append(result.seed))
    with file.open("a") as stream:
        stream.write('{"seed": 3, "minutes"')  # the process was killed in the middle of a line
    whole = play_all([1, 2, 3], 3, 1, file, lambda _campaign, result: played.append(result.seed))

    assert played == [1, 2, 3]
    assert whole.seeds == 3
    with pytest.raises(ValueError, match="choose another file"):
        play_all([1], 4, 1, file, lambda _campaign, _result: None)


def test_a_seed_that_broke_a_law_is_played_again_when_the_judges_were_changed_and_no_other(tmp_path: Path) -> None:
    file, played = tmp_path / "results.jsonl", []
    play_all([1, 2], 3, 1, file, lambda _campaign, _result: None)
    head, good, bad = file.read_text().splitlines()
    broken = json.dumps({**json.loads(bad), "violations": ["audit: positions_cap"]})
    by_others = json.dumps({**json.loads(broken), "judge": "others"})

    file.write_text("\n".join([head, good, broken, ""]))
    of_these = play_all([1, 2], 3, 1, file, lambda _campaign, result: played.append(result.seed))
    file.write_text("\n".join([head, json.dumps({**json.loads(good), "judge": "others"}), by_others, ""]))
    again = play_all([1, 2], 3, 1, file, lambda _campaign, result: played.append(result.seed))
    at_last = play_all([1, 2], 3, 1, file, lambda _campaign, result: played.append(result.seed))

    assert list(of_these.failed) == [2]
    assert played == [2]
    assert [(campaign.failed, campaign.judged_before, campaign.seeds) for campaign in (again, at_last)] == [
        ({}, 1, 2)
    ] * 2


def test_an_end_that_comes_early_is_ordered_anew() -> None:
    plan = draw_plan(2, 30).with_only([])
    with folder_of(plan.seed, None) as folder, open_world(plan, folder) as world:
        clock = world.desk.clock
        cut_short = plan.begins_at + timedelta(minutes=3)
        world.desk.at(2.5, lambda: clock.wait_until(cut_short, lambda: False))
        world.desk.at(9.0, lambda: pytest.fail("it runs on, although minute 3 has passed"))

        world.play_until(3)

        assert world.desk.starts == 2, "its end did not come early"
        assert world.desk.minutes() >= 3


def test_wrong_use_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "7..3"]) == 2
    assert "write two numbers" in capsys.readouterr().err
