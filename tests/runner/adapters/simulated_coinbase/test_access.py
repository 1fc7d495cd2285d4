"""Checklist item 13: whose token is good, and what its key may do."""

import base64
from collections.abc import Mapping
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from runner.adapters.simulated_coinbase.account_keys import AccountKey, make_ed25519_key, make_key
from runner.adapters.simulated_coinbase.behaviour import Behaviour
from runner.wire import HttpRequest
from tests.builders import NOON
from tests.runner.adapters.simulated_coinbase.venue_desk import (
    BASE,
    HOST,
    KEY,
    VenueDesk,
    create_body,
    make_token,
    make_venue,
)

PATH = f"{BASE}/accounts"
NOW = int(NOON.timestamp())


def ask(venue: VenueDesk, token: str, *, method: str = "GET", target: str = PATH, host: str = HOST) -> int:
    headers = {"authorization": f"Bearer {token}"}
    return venue.send(HttpRequest(method=method, host=host, target=target, headers=headers, body=b"{}")).status


def status_with(changes: Mapping[str, object], venue: VenueDesk | None = None) -> int:
    return ask(venue or make_venue(), make_token("GET", PATH, now=NOW, changes=changes))


def test_13_a_good_token_is_taken_and_the_query_is_no_part_of_it() -> None:
    token = make_token("GET", PATH, now=NOW)

    assert ask(make_venue(), token, target=f"{PATH}?limit=5") == 200


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"uri": f"GET {HOST}{PATH}?limit=5"}, id="uri with query"),
        pytest.param({"uri": f"POST {HOST}{PATH}"}, id="uri of another method"),
        pytest.param({"uri": f"GET other.example{PATH}"}, id="uri of another host"),
        pytest.param({"uri": f"GET {HOST}{BASE}/orders"}, id="uri of another path"),
        pytest.param({"sub": "organizations/x/apiKeys/y"}, id="another subject"),
        pytest.param({"iss": "coinbase-cloud"}, id="another issuer"),
        pytest.param({"exp": NOW}, id="expired this second"),
        pytest.param({"nbf": NOW + 1, "exp": NOW + 60}, id="not valid for another second"),
        pytest.param({"exp": NOW + 121}, id="valid for too long"),
        pytest.param({"exp": None}, id="without an end"),
        pytest.param({"exp": float(NOW + 60)}, id="end is a float"),
    ],
)
def test_13_a_token_with_a_wrong_claim_is_a_401(changes: Mapping[str, object]) -> None:
    assert status_with(changes) == 401


def test_13_a_token_is_good_in_its_last_second() -> None:
    assert status_with({"exp": NOW + 1}) == 200


def test_13_a_token_without_a_nonce_is_a_401() -> None:
    assert ask(make_venue(), make_token("GET", PATH, now=NOW, nonce="")) == 401


def test_13_another_keys_signature_under_our_name_is_a_401() -> None:
    thief = AccountKey(name=KEY.name, secret=make_key("thief").secret, api_key=KEY.api_key)

    assert ask(make_venue(), make_token("GET", PATH, now=NOW, key=thief)) == 401


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "e30.e30.e30", "....", "\u00e9.\u00e9.\u00e9"])
def test_13_garbage_is_a_401_with_the_documented_text(token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    request = HttpRequest(method="GET", host=HOST, target=PATH, headers=headers, body=b"")

    reply = make_venue().send(request)

    assert (reply.status, reply.text) == (401, "Unauthorized\n")


def test_13_a_token_that_was_changed_on_the_way_is_a_401() -> None:
    head, claims, signature = make_token("GET", PATH, now=NOW).split(".")
    flipped = signature[:10] + ("A" if signature[10] != "A" else "B") + signature[11:]

    assert ask(make_venue(), f"{head}.{claims}.{flipped}") == 401


def test_13_no_token_is_a_401_and_nothing_happens() -> None:
    venue = make_venue()

    assert venue.post("/orders", create_body(), signed=False).status == 401
    assert venue.exchange.orders() == []


def test_13_an_ed25519_key_signs_with_eddsa() -> None:
    key = make_ed25519_key()
    venue = make_venue(keys=[key])
    # Coinbase hands it out as base64 of 64 raw bytes; the library wants a PEM.
    private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(key.secret)[:32])
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    signer = AccountKey(name=key.name, secret=pem, api_key=key.api_key)
    token = make_token("GET", PATH, now=NOW, key=signer, algorithm="EdDSA")

    assert ask(venue, token) == 200
    assert ask(venue, make_token("GET", PATH, now=NOW)) == 401


@pytest.mark.parametrize(("skew", "status"), [(0, 200), (-1, 401), (119, 200), (120, 401)])
def test_13_a_clock_that_is_off_makes_good_tokens_bad(skew: int, status: int) -> None:
    venue = make_venue(behaviour=Behaviour(clock_skew=timedelta(seconds=skew)))

    assert status_with({}, venue) == status


def test_13_a_key_without_the_right_to_trade_reads_and_previews_but_sends_nothing() -> None:
    key = make_key(can_trade=False)
    venue = make_venue(keys=[key])
    preview = {name: value for name, value in create_body().items() if name != "client_order_id"}

    reply = venue.create()

    assert reply.status == 403
    assert '"error_details":"Missing required scopes"' in reply.text
    assert venue.post("/orders/batch_cancel", {"order_ids": ["x"]}).status == 403
    assert venue.get("/accounts").status == 200
    assert venue.post("/orders/preview", preview).json["errs"] == []


def test_13_the_rights_of_a_key_can_be_asked_for_and_change_while_running() -> None:
    venue = make_venue()
    before = venue.get("/key_permissions").json
    venue.exchange.access.grant(make_key(can_trade=False, can_transfer=True).api_key)
    after = venue.get("/key_permissions").json

    assert (before["can_view"], before["can_trade"], before["can_transfer"]) == (True, True, False)
    assert (after["can_trade"], after["can_transfer"]) == (False, True)
    assert before["portfolio_type"] == "DEFAULT"


def test_13_a_revoked_key_is_a_401() -> None:
    venue = make_venue()
    venue.exchange.access.revoke(KEY.name)

    assert venue.get("/accounts").status == 401


def test_fee_rates_are_strings_in_the_summary() -> None:
    tier = make_venue().get("/transaction_summary").json["fee_tier"]

    assert (tier["maker_fee_rate"], tier["taker_fee_rate"], tier["usd_to"]) == ("0.005", "0.009", "")


def test_a_key_does_not_print_its_secret() -> None:
    assert KEY.secret not in repr(KEY)
    assert "PRIVATE" not in repr(KEY)
    assert make_key("a").name == make_key("a").name != make_key("b").name


def test_tokens_may_be_judged_by_another_clock_than_the_markets() -> None:
    """The official SDK stamps them in real time, also for a bot in virtual time."""
    venue, long_ago = make_venue(token_now=lambda: NOON - timedelta(days=500)), NOW - 500 * 86400

    assert ask(venue, make_token("GET", PATH, now=long_ago)) == 200
    assert ask(venue, make_token("GET", PATH, now=NOW)) == 401
