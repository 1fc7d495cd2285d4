"""LIVE starts only when everything holds; what is missing is said all at once, each with what to do."""

from collections.abc import Mapping

import pytest

from core.errors import StartRefused
from core.settings import Mode, Settings
from core.settings_builder import build_settings
from runner.options import RunOptions
from runner.venues.live_gate import is_loopback, refuse_live_unless_ready
from tests.config_files import shipped_documents

READY = {"app.exchange.read_only": False, "app.exchange.api_url": "http://127.0.0.1:8080"}


def settings_with(changes: Mapping[str, object]) -> Settings:
    return build_settings(shipped_documents({**READY, **changes}))


def test_a_loopback_exchange_with_a_key_and_orders_allowed_may_be_traded_on() -> None:
    refuse_live_unless_ready(settings_with({}), RunOptions(mode=Mode.LIVE), has_key=True)


@pytest.mark.parametrize(
    ("changes", "options", "has_key", "words"),
    [
        pytest.param({}, RunOptions(), True, "the flag --live", id="the file alone does not make it live"),
        pytest.param({}, RunOptions(mode=Mode.PAPER), True, "the flag --live", id="another mode was asked for"),
        pytest.param({"app.exchange.read_only": True}, RunOptions(mode=Mode.LIVE), True, "read_only", id="read only"),
        pytest.param({}, RunOptions(mode=Mode.LIVE, market="simulated"), True, "a real market", id="simulated"),
        pytest.param({}, RunOptions(mode=Mode.LIVE, market="replay:x"), True, "a real market", id="replay"),
        pytest.param({}, RunOptions(mode=Mode.LIVE, speed="max"), True, "real time", id="virtual time"),
        pytest.param({}, RunOptions(mode=Mode.LIVE), False, "an API key", id="no key"),
        pytest.param(
            {"app.exchange.api_url": "https://api.coinbase.com"},
            RunOptions(mode=Mode.LIVE),
            True,
            "rehearsal certificate",
            id="the real host without a certificate",
        ),
    ],
)
def test_live_is_refused_for(changes: Mapping[str, object], options: RunOptions, has_key: bool, words: str) -> None:
    with pytest.raises(StartRefused, match=words) as caught:
        refuse_live_unless_ready(settings_with(changes), options, has_key=has_key)

    assert caught.value.args[0].count(";") == 0, "nothing else is missing"


def test_everything_that_is_missing_is_said_at_once() -> None:
    shipped = build_settings(shipped_documents())

    with pytest.raises(StartRefused) as caught:
        refuse_live_unless_ready(shipped, RunOptions(mode=Mode.LIVE), has_key=False)

    for words in ("read_only: false", "an API key", "rehearsal certificate"):
        assert words in str(caught.value)


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "http://127.0.0.1.example.org:80", "https://api.coinbase.com"])
def test_only_the_plain_address_of_this_machine_is_loopback(url: str) -> None:
    assert not is_loopback(url)
    assert is_loopback("http://127.0.0.1:1")
