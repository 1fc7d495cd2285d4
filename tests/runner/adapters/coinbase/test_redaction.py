"""No text keeps a secret: whole, in pieces, in any spelling, or only by its looks."""

import json
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.adapters.coinbase.redaction import HIDDEN, PIECE, Redactor
from runner.adapters.log_files import LOG_NAME, close_log, open_log
from tests.builders import NOON
from tests.runner.adapters.coinbase.made_keys import KEY_NAME, ec_pem, ed25519_base64

PEM = ec_pem().strip()
RAW = ed25519_base64(with_public_half=True)
TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJvcmcifQ.c2lnbmF0dXJl-_x"  # noqa: S105 (made up)
REDACTOR = Redactor((PEM, RAW, KEY_NAME))

BODY = "".join(PEM.splitlines()[1:-1])


def telling(text: str) -> list[str]:
    """Return the pieces of the secrets that a text still has."""
    secrets = (*PEM.splitlines()[1:-1], RAW)
    pieces = [secret[at : at + PIECE] for secret in secrets for at in range(len(secret) - PIECE + 1)]
    return [piece for piece in pieces if piece in text]


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param(PEM, id="as it is"),
        pytest.param(repr(PEM), id="as Python shows it"),
        pytest.param(json.dumps({"k": PEM}), id="as JSON"),
        pytest.param(repr(repr(PEM)), id="shown twice"),
        pytest.param(repr(PEM.encode()), id="as bytes"),
        pytest.param(quote(PEM), id="in an address"),
        pytest.param(quote_plus(PEM), id="in a query"),
        pytest.param(PEM.replace("\n", ""), id="without lines"),
        pytest.param(PEM.replace("\n", "\r\n"), id="with other lines"),
        pytest.param(PEM[:90], id="its beginning"),
        pytest.param(PEM[-90:], id="its end"),
        pytest.param(BODY, id="its body"),
        pytest.param(BODY[40:60], id="a piece of its body"),
        pytest.param(PEM.splitlines()[2], id="a line"),
        pytest.param(RAW, id="a raw key"),
        pytest.param(RAW[5:25], id="a piece of a raw key"),
        pytest.param(quote(RAW, safe=""), id="a raw key in an address"),
        pytest.param(f"Bearer {TOKEN}", id="a token"),
        pytest.param(TOKEN[:30], id="half a token"),
        pytest.param(f"{TOKEN.split('.', maxsplit=1)[0]}.", id="a token's head"),
    ],
)
def test_a_secret_is_gone_in_every_spelling(spelling: str) -> None:
    text = REDACTOR.redact(f"before {spelling} after")

    assert telling(text) == []
    assert "eyJ" not in text
    assert HIDDEN in text
    assert text.startswith("before ")
    assert text.endswith(" after") or "BEGIN" in spelling


def test_the_name_of_the_key_is_gone_too() -> None:
    assert KEY_NAME[14:40] not in REDACTOR.redact(f"key {KEY_NAME} has expired")


def test_another_key_is_known_by_its_looks() -> None:
    text = Redactor(()).redact(f"found\n{PEM}\nand went on")

    assert text == f"found\n{HIDDEN}\nand went on"


def test_a_key_that_is_cut_off_is_known_by_its_looks() -> None:
    assert Redactor(()).redact(f"found {PEM[:100]}") == f"found {HIDDEN}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "GET /market/products/{id}: 404 not found",
        "order 11111111-2222-4333-8444-555555555555 of BTC-USD: INSUFFICIENT_FUND",
        '{"error":"INVALID_ARGUMENT","message":"unknown field \\"client_order_identifier\\""}',
    ],
)
def test_any_other_text_stays(text: str) -> None:
    assert REDACTOR.redact(text) == text


@given(st.integers(0, len(RAW) - PIECE), st.integers(PIECE, len(RAW)), st.text(max_size=20), st.text(max_size=20))
def test_no_piece_of_a_secret_survives_in_any_text(start: int, length: int, before: str, after: str) -> None:
    text = REDACTOR.redact(before + RAW[start : start + length] + after)

    assert telling(text) == []


def test_a_line_of_the_text_log_with_its_traceback_has_lost_its_secrets(tmp_path: Path) -> None:
    log = open_log(
        tmp_path,
        level="INFO",
        max_bytes=100_000,
        backup_count=1,
        now=lambda: NOON,
        to_terminal=False,
        redact=REDACTOR.redact,
    )
    try:
        raise ValueError(f"cannot read {PEM!r}")
    except ValueError:
        log.exception("token %s", TOKEN, stack_info=True)
    close_log(log)

    text = (tmp_path / LOG_NAME).read_text()

    assert telling(text) == []
    assert "eyJ" not in text
    assert f"token {HIDDEN}\nTraceback" in text
    assert "ValueError" in text
