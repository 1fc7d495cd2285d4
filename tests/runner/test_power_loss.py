"""
What power losses have taken: schedules that the crash sweep found, each with the least that shows it.

Longer: `python -m tests.crash_sweep --help`.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from core.model.codec import encode_event
from runner.recovery import Identity
from tests.event_builders import make_cash_flow, make_run
from tests.fakes.disk import Disk
from tests.fakes.spy_os import Call, Crash
from tests.recovered import recover

PAPER = Identity(mode="PAPER", account="paper", venue="simulated")


def die_after(name: str, path: str) -> Callable[[Call], None]:
    """Let the process end at the call after one."""
    was_there = False

    def hook(call: Call) -> None:
        nonlocal was_there
        if was_there:
            raise Crash
        was_there = (call.name, call.path) == (name, path)

    return hook


def test_a_journal_whose_maker_died_before_its_name_was_synced_survives_from_the_next_start_on(tmp_path: Path) -> None:
    """Else what the next run writes and syncs, intents among it, is lost with the name of its file."""
    with Disk(tmp_path).installed() as disk:
        disk.on_call = die_after("replace", "journal.jsonl")
        with pytest.raises(Crash):
            recover(tmp_path, PAPER).journal.append(encode_event(make_run()), durable=True)
        disk.end_process()
        disk.on_call = lambda _call: None

        recover(tmp_path, PAPER).journal.append(encode_event(make_cash_flow()), durable=True)

        assert disk.on_disk()["journal.jsonl"].count(b"\n") == 2


def test_a_file_has_its_name_only_with_a_first_record_that_is_on_the_disk(tmp_path: Path) -> None:
    """An empty or torn one under the journal's name would be somebody else's work, and halt the next start."""
    with Disk(tmp_path).installed() as disk:
        disk.on_call = die_after("replace", "journal.jsonl")
        with pytest.raises(Crash):
            recover(tmp_path, PAPER).journal.append(encode_event(make_run()), durable=True)
        disk.end_process()
        whole = (tmp_path / "journal.jsonl").read_bytes()

        left = [state.files.get("journal.jsonl", whole) for state in disk.power_loss_states()]

    assert whole.endswith(b"\n")
    assert None in left
    assert [content for content in left if content not in (None, whole)] == []


def test_a_new_data_folder_survives_with_what_is_in_it(tmp_path: Path) -> None:
    """Else a power loss on the first day takes folder, journal and all, however well the journal was synced."""
    with Disk(tmp_path).installed() as disk:
        (tmp_path / "new").mkdir()

        recover(tmp_path / "new", PAPER).journal.append(encode_event(make_run()), durable=True)

        assert "new/journal.jsonl" in disk.on_disk()
