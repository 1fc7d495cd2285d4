"""The snapshot: replaced as a whole, read strictly, never replaced by a default."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import DiskFailed, RecordNotDurable, StateUnusable
from core.ledger.fold import Ledger, fold
from runner.adapters.state_store import StateStore
from runner.records.chain import Place
from tests.event_builders import make_bought, make_cash_flow, make_mark, make_run, make_tick

PLACE = Place(segment=2, offset=1234, seq=9, hash="ab" * 32)


def make_traded_ledger(slot: int = 1) -> Ledger:
    return fold(Ledger(), [make_run(), make_cash_flow(), make_tick(slot), *make_bought(), make_mark("10000")])


@pytest.fixture
def store(tmp_path: Path) -> StateStore:
    return StateStore(tmp_path, synced=True)


def test_without_a_file_there_is_no_snapshot(store: StateStore) -> None:
    assert store.load() is None


def test_a_snapshot_comes_back_as_it_was(store: StateStore) -> None:
    ledger = make_traded_ledger()

    store.save(ledger, PLACE)

    snapshot = store.load()
    assert snapshot is not None
    assert (snapshot.ledger, snapshot.place) == (ledger, PLACE)


def test_the_file_says_what_it_is_and_is_for_us_alone(store: StateStore, tmp_path: Path) -> None:
    store.save(make_traded_ledger(), PLACE)

    path = tmp_path / ".state.json"
    document = json.loads(path.read_bytes())
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(document) == ["schema", "mode", "account", "venue", "journal", "ledger", "sha256"]
    assert (document["schema"], document["mode"], document["account"]) == (1, "PAPER", "paper")
    assert document["journal"] == {"segment": 2, "offset": 1234, "seq": 9, "hash": "ab" * 32}


def test_the_snapshot_before_is_kept_and_nothing_else(store: StateStore, tmp_path: Path) -> None:
    for slot in (1, 2, 3):
        store.save(make_traded_ledger(slot), PLACE)

    assert sorted(file.name for file in tmp_path.iterdir()) == [".state.json", ".state.json.bak"]
    assert json.loads((tmp_path / ".state.json.bak").read_bytes())["ledger"]["last_slot"] == 2


def test_an_interrupted_save_does_not_hinder_the_next_one(store: StateStore, tmp_path: Path) -> None:
    leftover = tmp_path / ".state.json.tmp"
    assert store.leftover == leftover
    leftover.write_bytes(b"{half")

    store.save(make_traded_ledger(), PLACE)

    assert store.load() is not None
    assert not leftover.exists()


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        pytest.param(b'"schema":1', b'"schema":2', "schema is 2, this program reads 1", id="newer schema"),
        pytest.param(b'"last_slot":1', b'"last_slot":0', "hash is wrong", id="edited"),
        pytest.param(b'"mode":"PAPER","account"', b'"mode":"LIVE","account"', "hash is wrong", id="other mode"),
        pytest.param(b'"ledger":', b'"ledger"', "cannot be used", id="not JSON"),
        pytest.param(b'{"schema"', b'[{"schema"', "cannot be used", id="a list"),
        pytest.param(b'"}\n', b'"}', "hash is wrong", id="without its newline"),
    ],
)
def test_a_damaged_snapshot_is_refused_and_left_as_it_is(
    store: StateStore, tmp_path: Path, old: bytes, new: bytes, complaint: str
) -> None:
    store.save(make_traded_ledger(), PLACE)
    path = tmp_path / ".state.json"
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    damaged = path.read_bytes()

    with pytest.raises(StateUnusable, match=complaint) as caught:
        store.load()

    assert path.read_bytes() == damaged
    assert "from a backup, or move .state.json and .state.json.bak aside" in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"\0" * 500, b"[]", b"null", b"[" * 100_000, b'{"schema":1}'])
def test_a_file_that_is_no_snapshot_is_refused(store: StateStore, tmp_path: Path, data: bytes) -> None:
    (tmp_path / ".state.json").write_bytes(data)

    with pytest.raises(StateUnusable, match=r"\.state\.json cannot be used"):
        store.load()


@pytest.fixture
def two(store: StateStore, tmp_path: Path) -> Path:
    """Save two generations, of slots 1 and 2, and return the path of the newest."""
    for slot in (1, 2):
        store.save(make_traded_ledger(slot), replace(PLACE, seq=slot))
    return tmp_path / ".state.json"


@pytest.mark.parametrize("data", [b"", b"{", b"\0" * 500, b"[]"])
def test_a_damaged_newest_generation_gives_way_to_the_one_before_and_is_not_touched(
    store: StateStore, two: Path, data: bytes
) -> None:
    two.write_bytes(data)

    snapshot = store.load()

    assert snapshot is not None
    assert (snapshot.ledger.last_slot, snapshot.place.seq, snapshot.is_older) == (1, 1, True)
    assert snapshot.damage
    assert two.read_bytes() == data


def test_every_flipped_byte_of_the_newest_generation_is_noticed(store: StateStore, two: Path) -> None:
    good = two.read_bytes()

    for i in range(0, len(good), 7):
        two.write_bytes(good[:i] + bytes([good[i] ^ 0x20]) + good[i + 1 :])
        try:
            snapshot = store.load()
        except StateUnusable:
            continue  # a flip in the schema's number
        assert snapshot is not None
        assert snapshot.is_older, i


def test_a_missing_newest_generation_gives_way_without_damage(store: StateStore, two: Path) -> None:
    two.unlink()

    snapshot = store.load()

    assert snapshot is not None
    assert (snapshot.place.seq, snapshot.is_older, snapshot.damage) == (1, True, "")


def test_two_damaged_generations_are_refused(store: StateStore, two: Path) -> None:
    two.write_bytes(b"{")
    two.with_name(".state.json.bak").write_bytes(b"{")

    with pytest.raises(StateUnusable, match=r"\.state\.json\.bak cannot be used"):
        store.load()


def test_a_newest_generation_of_a_newer_program_is_not_got_round(store: StateStore, two: Path) -> None:
    two.write_bytes(two.read_bytes().replace(b'"schema":1', b'"schema":2'))

    with pytest.raises(StateUnusable, match="schema is 2"):
        store.load()


def test_damaged_generations_are_kept_under_names_of_their_own(store: StateStore, two: Path) -> None:
    names = []
    for data in (b"first", b"second"):
        two.write_bytes(data)
        names.append(store.set_damaged_aside())

    assert names == [".state.json.damaged-1", ".state.json.damaged-2"]
    assert [two.with_name(name).read_bytes() for name in names if name] == [b"first", b"second"]
    assert store.set_damaged_aside() is None


def test_a_snapshot_that_the_disk_did_not_keep_is_not_put_in_place(
    store: StateStore, two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = two.read_bytes()
    monkeypatch.setattr(
        "runner.records.durable_files.write_whole", lambda descriptor, _data: os.write(descriptor, b"?")
    )

    with pytest.raises(DiskFailed, match="something else"):
        store.save(make_traded_ledger(3), PLACE)

    assert two.read_bytes() == before


def test_a_link_in_the_place_of_the_snapshot_is_refused(store: StateStore, tmp_path: Path) -> None:
    (tmp_path / ".state.json").symlink_to(tmp_path / "nowhere")

    with pytest.raises(StateUnusable):
        store.load()


def test_a_folder_that_is_gone_is_an_error(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "gone", synced=True)

    with pytest.raises(RecordNotDurable, match="could not be replaced"):
        store.save(make_traded_ledger(), PLACE)
