"""Anchors through the whole loop: written by it, right, going on after a restart, and never in its way."""

import json
from pathlib import Path
from typing import Any

import pytest

from runner.records.merkle import Tree
from tests.scenarios.stage import Line, Stage, set_stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return set_stage(tmp_path)


def anchor_file(stage: Stage) -> Path:
    return stage.folder / "logs" / "247trader-v2_anchors.jsonl"


def anchors(stage: Stage) -> list[dict[str, Any]]:
    return [json.loads(line) for line in anchor_file(stage).read_text().splitlines()]


def root_after(lines: list[Line], size: int) -> str:
    tree = Tree()
    for line in lines[:size]:
        tree.add(line["hash"])
    return tree.root()


def test_the_loop_keeps_anchors_each_hour_and_at_its_end(stage: Stage) -> None:
    lines = stage.play(130)

    kept = anchors(stage)
    assert [item["size"] for item in kept] == [1, 61, 121, 130]
    assert [item["root"] for item in kept] == [root_after(lines, item["size"]) for item in kept]
    assert {item["first"] for item in kept} == {lines[0]["hash"][:16]}


def test_the_end_of_a_run_says_its_anchor_in_the_text_log(stage: Stage) -> None:
    lines = stage.play(3)

    assert f"stopped: done; anchor audit:3:{root_after(lines, 3)}" in stage.log()


def test_the_next_run_goes_on_with_the_same_tree(stage: Stage) -> None:
    stage.play(3)
    stage.play(2)

    lines = stage.lines()
    assert [(item["size"], item["root"]) for item in anchors(stage)] == [
        (size, root_after(lines, size)) for size in (1, 3, 3, 5)
    ]


def test_an_audit_that_was_torn_by_a_crash_is_anchored_over_both_files(stage: Stage) -> None:
    before = stage.play(3)
    with stage.audit_file.open("ab") as file:
        file.write(b'{"alerts":[')

    stage.loop(1).run()

    assert [item["size"] for item in anchors(stage)] == [1, 3, 3, 4]
    assert anchors(stage)[-1]["root"] == root_after([*before, *stage.lines()], 4)


def test_an_audit_that_was_emptied_begins_a_new_tree(stage: Stage) -> None:
    stage.play(3)
    stage.audit_file.write_bytes(b"")

    lines = stage.play(2)

    assert [item["size"] for item in anchors(stage)] == [1, 3, 1, 2]
    assert anchors(stage)[-1]["root"] == root_after(lines, 2)
    assert anchors(stage)[-1]["first"] == lines[0]["hash"][:16]


def test_anchors_that_cannot_be_written_stop_nothing(stage: Stage) -> None:
    anchor_file(stage).parent.mkdir(parents=True)
    anchor_file(stage).mkdir()

    lines = stage.play(3)

    assert len(lines) == 3
    assert "anchors of the audit are not kept" in stage.log()


def test_anchors_that_were_removed_are_begun_again(stage: Stage) -> None:
    stage.play(3)
    anchor_file(stage).unlink()

    stage.play(1)

    assert [item["size"] for item in anchors(stage)] == [3, 4]
