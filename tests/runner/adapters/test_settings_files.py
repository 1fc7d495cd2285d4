"""The configuration on disk: what may be loaded, and which edits the watch reports while running."""

import os
import shutil
from pathlib import Path

import pytest

from core.errors import ConfigError, ExitCode
from runner.adapters.configuration.settings_files import (
    FILE_BYTES_MAX,
    ConfigWatch,
    document_hashes,
    examine,
    load_documents,
    settings_of,
)
from tests.config_files import SHIPPED, shipped_documents, write_config

NAMES = ("app", "policy", "signals", "universe")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    for name in NAMES:
        shutil.copy(SHIPPED / f"{name}.yaml", folder)
    return folder


def test_the_shipped_configuration_loads_and_trades_on_paper() -> None:
    settings = settings_of(load_documents(SHIPPED))

    assert settings.app.app.mode.value == "PAPER"
    assert settings.app.exchange.read_only is True
    assert settings.policy.profile == "conservative"


def test_an_error_of_a_check_blocks_and_says_what_to_do(tmp_path: Path) -> None:
    write_config(tmp_path, shipped_documents({"policy.risk.max_open_positions": 6}))

    with pytest.raises(ConfigError) as caught:
        settings_of(load_documents(tmp_path))

    assert str(caught.value).startswith(
        "ERROR UNSAFE_POSITIONS_OVER_TOTAL policy.yaml: risk.max_open_positions = 6: 6 positions of 5.0 % are 30.0 %"
    )
    assert "Fix: set it to 5 or less" in str(caught.value)
    assert caught.value.exit_code == ExitCode.CONFIG


def test_a_warning_does_not_block(tmp_path: Path) -> None:
    write_config(tmp_path, shipped_documents({"policy.risk.max_total_at_risk_pct": 80}))

    settings = settings_of(load_documents(tmp_path))

    assert settings.policy.risk.max_total_at_risk_fraction > 0
    assert [finding.code for finding in examine(tmp_path)] == ["WARNING_HIGH_EXPOSURE"]


@pytest.mark.parametrize("path", ["policy.risk.max_drawdown_pct", "policy.risk", "signals.triggers.min_score"])
def test_a_limit_that_is_not_set_blocks_by_name(tmp_path: Path, path: str) -> None:
    write_config(tmp_path, shipped_documents({path: None}))

    with pytest.raises(ConfigError, match="MISSING_KEY") as caught:
        settings_of(load_documents(tmp_path))

    assert f"{path.partition('.')[2]} = (missing): there is no default. Fix: set it: " in str(caught.value)


def test_an_old_key_is_explained_instead_of_called_unknown(tmp_path: Path) -> None:
    write_config(tmp_path, shipped_documents({"policy.risk.max_exposure_pct": 25, "universe.cache_ttl_seconds": 3600}))

    found = examine(tmp_path)

    assert [finding.code for finding in found] == ["DEPRECATED_MAX_EXPOSURE", "DEPRECATED_CACHE_TTL"]
    assert "max_total_at_risk_pct" in found[0].fix
    assert "refresh_interval_seconds" in found[1].fix


def test_an_old_key_does_not_hide_other_findings(tmp_path: Path) -> None:
    changes = {"policy.risk.max_exposure_pct": 25, "policy.risk.max_open_positions": 6}
    write_config(tmp_path, shipped_documents(changes))

    codes = [finding.code for finding in examine(tmp_path)]

    assert codes == ["DEPRECATED_MAX_EXPOSURE", "UNSAFE_POSITIONS_OVER_TOTAL"]


def test_a_missing_breaker_section_is_reported_once(tmp_path: Path) -> None:
    write_config(tmp_path, shipped_documents({"policy.circuit_breakers": None}))

    assert [finding.code for finding in examine(tmp_path)] == ["MISSING_CIRCUIT_BREAKERS"]


def test_every_unreadable_file_is_named(config: Path) -> None:
    (config / "app.yaml").unlink()
    (config / "signals.yaml").write_text("a: yes\n")

    with pytest.raises(ConfigError) as caught:
        load_documents(config)

    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert "app.yaml" in lines[0]
    assert "No such file" in lines[0]
    assert lines[1].startswith("ERROR UNREADABLE signals.yaml: line 1: a: 'yes' has more than one meaning")


def test_a_file_of_256_kib_is_read_and_one_byte_more_is_refused(config: Path) -> None:
    path = config / "app.yaml"
    text = path.read_text("utf-8")
    path.write_text(text + "#" * (FILE_BYTES_MAX - len(text.encode())))

    assert examine(config) == ()

    path.write_text(path.read_text("utf-8") + "#")
    with pytest.raises(ConfigError, match="larger than 262144 bytes"):
        load_documents(config)


def test_a_fifo_is_refused_without_waiting_for_a_writer(config: Path) -> None:
    (config / "app.yaml").unlink()
    os.mkfifo(config / "app.yaml")

    with pytest.raises(ConfigError, match="not a regular file"):
        load_documents(config)


def test_a_folder_in_place_of_a_file_is_refused(config: Path) -> None:
    (config / "app.yaml").unlink()
    (config / "app.yaml").mkdir()

    with pytest.raises(ConfigError, match=r"app\.yaml"):
        load_documents(config)


def test_a_file_that_is_not_utf8_is_refused_by_line(config: Path) -> None:
    (config / "app.yaml").write_bytes(b"a: 1\nb: \xff\n")

    with pytest.raises(ConfigError, match=r"app\.yaml: line 2: not UTF-8"):
        load_documents(config)


def watch_of(config: Path) -> ConfigWatch:
    return ConfigWatch(config, document_hashes(load_documents(config)))


def edit(path: Path, old: str, new: str) -> None:
    """Replace text in a file and move its time on, as an editor does later on."""
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    moved = path.stat().st_mtime_ns + 1_000_000_000
    os.utime(path, ns=(moved, moved))


def test_untouched_files_are_no_drift(config: Path) -> None:
    watch = watch_of(config)

    assert watch.changed() is None
    assert watch.changed() is None


ORDER = "max_open_positions: 5\n  max_new_positions_per_cycle: 1"
OTHER_ORDER = "max_new_positions_per_cycle: 1\n  max_open_positions: 5"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("# What", "# That", id="comment"),
        pytest.param("max_drawdown_pct: 10.0", "max_drawdown_pct: 10.00", id="same number"),
        pytest.param(ORDER, OTHER_ORDER, id="order of keys"),
    ],
)
def test_an_edit_without_effect_is_no_drift(config: Path, old: str, new: str) -> None:
    watch = watch_of(config)

    edit(config / "policy.yaml", old, new)

    assert watch.changed() is None


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("app", "seed: 7", "seed: 8"),
        ("policy", "max_open_positions: 5", "max_open_positions: 6"),
        ("signals", "min_score: 0.2", "min_score: 0.3"),
        ("universe", '"BNB"', '"BNX"'),
    ],
)
def test_an_edit_with_effect_is_reported_every_time_until_it_is_undone(
    config: Path, name: str, old: str, new: str
) -> None:
    watch = watch_of(config)
    assert watch.changed() is None

    edit(config / f"{name}.yaml", old, new)

    for _ in range(2):
        message = watch.changed()
        assert message is not None
        assert f"{name}.yaml differs from the loaded configuration" in message
    edit(config / f"{name}.yaml", new, old)
    assert watch.changed() is None


def test_an_edit_between_loading_and_the_first_look_is_seen(config: Path) -> None:
    hashes = document_hashes(load_documents(config))
    edit(config / "policy.yaml", "max_open_positions: 5", "max_open_positions: 6")

    watch = ConfigWatch(config, hashes)

    assert "policy.yaml differs" in str(watch.changed())


def test_an_edit_that_keeps_size_and_time_is_seen_when_the_file_was_replaced(config: Path, tmp_path: Path) -> None:
    watch = watch_of(config)
    watch.changed()
    path = config / "policy.yaml"
    before = path.stat()

    replacement = tmp_path / "new"
    replacement.write_text(path.read_text("utf-8").replace("max_trades_per_hour: 5", "max_trades_per_hour: 9"))
    os.utime(replacement, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(replacement, path)

    assert path.stat().st_size == before.st_size
    assert "policy.yaml differs" in str(watch.changed())


def test_a_missing_file_is_drift_until_it_is_back(config: Path) -> None:
    watch = watch_of(config)

    (config / "universe.yaml").rename(config / "aside")
    message = watch.changed()
    (config / "aside").rename(config / "universe.yaml")

    assert message is not None
    assert "universe.yaml cannot be read" in message
    assert watch.changed() is None


def test_a_file_that_is_no_longer_valid_is_drift(config: Path) -> None:
    watch = watch_of(config)

    edit(config / "signals.yaml", "enabled: true", "enabled: yes")

    assert "signals.yaml line" in str(watch.changed())


def test_all_changed_files_are_named(config: Path) -> None:
    watch = watch_of(config)

    edit(config / "app.yaml", "seed: 7", "seed: 8")
    (config / "signals.yaml").unlink()

    message = str(watch.changed())
    assert "app.yaml" in message
    assert "signals.yaml" in message
    assert "policy.yaml" not in message
