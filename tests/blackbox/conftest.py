"""Bots for tests: each with folders of its own, none left running, and the real `data/` and `logs/` untouched."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.blackbox.bot import REAL_TIME, Bot
from tests.config_files import ROOT, shipped_documents, write_config
from tests.profiles import BUSY, QUIET

NO_TRADE = "no_candidates_from_triggers"


@pytest.fixture(scope="session", autouse=True)
def _real_folders_stay_untouched() -> Iterator[None]:
    before = _listing()
    yield
    assert _listing() == before, "a test wrote into the real data/ or logs/"


def _listing() -> dict[str, tuple[int, int]]:
    paths = [path for name in ("data", "logs") for path in sorted((ROOT / name).rglob("*"))]
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in paths}


@pytest.fixture(scope="session")
def quiet_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_config(tmp_path_factory.mktemp("quiet"), shipped_documents(QUIET))


@pytest.fixture(scope="session")
def busy_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    changes = {**BUSY, "app.simulation.products": 20}
    return write_config(tmp_path_factory.mktemp("busy"), shipped_documents(changes))


@pytest.fixture
def bot(tmp_path: Path, quiet_config: Path) -> Iterator[Bot]:
    """A bot that never trades."""
    yield from _bot(tmp_path, quiet_config)


@pytest.fixture
def busy_bot(tmp_path: Path, busy_config: Path) -> Iterator[Bot]:
    """A bot that trades in most minutes."""
    yield from _bot(tmp_path, busy_config)


@pytest.fixture(scope="session", autouse=True)
def _ten_seconds_started(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, quiet_config: Path
) -> Iterator[Bot | None]:
    """Start the long real-time run with the session, if a test asks for it: the others run meanwhile."""
    if not any("ten_seconds" in getattr(item, "fixturenames", ()) for item in request.session.items):
        yield None
        return
    bot = Bot(tmp_path_factory.mktemp("ten_seconds"), quiet_config)
    bot.start([*REAL_TIME, "--loop"])
    yield bot
    bot.end_all()


@pytest.fixture
def ten_seconds(_ten_seconds_started: Bot | None) -> Bot:
    """A bot that has been running in real time since the session began."""
    assert _ten_seconds_started is not None
    return _ten_seconds_started


def _bot(folder: Path, config_dir: Path) -> Iterator[Bot]:
    bot = Bot(folder, config_dir)
    yield bot
    bot.end_all()
