"""Bots for tests: each with folders of its own, none left running, and the real `data/` and `logs/` untouched."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.blackbox.bot import REAL_TIME, Bot
from tests.blackbox.exchange import NOWHERE, Exchange, rising_market, start_exchange
from tests.config_files import ROOT, shipped_documents, write_config
from tests.profiles import BUSY, QUIET

NO_TRADE = "no_candidates_from_triggers"
Opened = Callable[..., Exchange]
OFFLINE = {"app.exchange.api_url": NOWHERE}


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
    return write_config(tmp_path_factory.mktemp("quiet"), shipped_documents({**QUIET, **OFFLINE}))


@pytest.fixture(scope="session")
def busy_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    changes = {**BUSY, **OFFLINE, "app.simulation.products": 20}
    return write_config(tmp_path_factory.mktemp("busy"), shipped_documents(changes))


@pytest.fixture
def bot(tmp_path: Path, quiet_config: Path) -> Iterator[Bot]:
    """A bot that never trades."""
    yield from _bot(tmp_path, quiet_config)


@pytest.fixture
def busy_bot(tmp_path: Path, busy_config: Path) -> Iterator[Bot]:
    """A bot that trades in most minutes."""
    yield from _bot(tmp_path, busy_config)


@pytest.fixture(scope="session")
def rising_tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rising_market(tmp_path_factory.mktemp("rising"))


@pytest.fixture
def open_exchange(tmp_path: Path, rising_tape: Path) -> Iterator[Opened]:
    """How to open an exchange with flags of its own: 10,000 USD, and a market in which ETH and SOL rise."""
    opened: list[Exchange] = []

    def start(*arguments: str) -> Exchange:
        folder = tmp_path / f"exchange{len(opened) or ''}"
        opened.append(start_exchange(folder, "--market", f"replay:{rising_tape}", *arguments))
        return opened[-1]

    yield start
    for exchange in opened:
        exchange.kill()


@pytest.fixture
def exchange(open_exchange: Opened) -> Exchange:
    """An exchange in another process, for this test alone."""
    return open_exchange()


@pytest.fixture(scope="module")
def shared_exchange(tmp_path_factory: pytest.TempPathFactory, rising_tape: Path) -> Iterator[Exchange]:
    """An exchange for tests that leave it as it is."""
    exchange = start_exchange(tmp_path_factory.mktemp("exchange"), "--market", f"replay:{rising_tape}")
    yield exchange
    exchange.kill()


@pytest.fixture
def live_bot(bot: Bot, exchange: Exchange) -> Bot:
    """A bot that LIVE leads to the exchange."""
    bot.config_dir = exchange.config(bot.folder / "config")
    return bot


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
