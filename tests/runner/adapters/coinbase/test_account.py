"""Fills, balances, fee rates and what a key may do, as Coinbase tells them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from core.errors import BrokerUnavailable, StartRefused
from core.model.market import ProductId
from core.model.orders import Balance, ClientOrderId, FeeRates, Fill, Liquidity, OrderId, Side
from runner.adapters.coinbase.account_checks import KEY_PERMISSIONS, opening_cash, portfolio_of_safe_key
from runner.adapters.coinbase.coinbase_broker import (
    ACCOUNTS,
    FEES,
    FEES_FRESH_SECONDS,
    FEES_USABLE_SECONDS,
    FILLS,
    CoinbaseBroker,
)
from runner.adapters.coinbase.errors import ApiUnavailable
from runner.adapters.coinbase.pages import PAGES_MAX
from runner.adapters.virtual_clock import VirtualClock
from tests.builders import NOON
from tests.fakes.scripted_account_api import Answer, ScriptedAccountApi
from tests.runner.adapters.coinbase.coinbase_answers import (
    ORDER_ID,
    make_account,
    make_account_page,
    make_broker,
    make_fill_page,
    make_fill_row,
)

DOWN = ApiUnavailable("timeout")


def fills_of(*answers: Answer) -> list[Fill]:
    return list(make_broker(ScriptedAccountApi({FILLS: answers})).fills(NOON))


def full_page(first: int = 0, *, cursor: str = "c") -> dict[str, object]:
    return make_fill_page(*(make_fill_row(f"e-{number:04}") for number in range(first, first + 100)), cursor=cursor)


# --- fills ------------------------------------------------------------------------------------------------------------


def test_a_fill_is_known_by_its_entry_and_by_the_exchange_s_order_id_only() -> None:
    assert fills_of(make_fill_page(make_fill_row())) == [
        Fill(
            fill_id="entry-1",
            order_id=OrderId(ORDER_ID),
            client_order_id=ClientOrderId(""),
            product_id=ProductId("BTC", "USD"),
            side=Side.BUY,
            price=Decimal("100.5"),
            size=Decimal("0.25"),
            fee=Decimal("0.125"),
            liquidity=Liquidity.MAKER,
            at=datetime(2026, 1, 5, 12, 0, 5, 500000, tzinfo=UTC),
        )
    ]


def test_fills_are_asked_for_since_a_moment() -> None:
    api = ScriptedAccountApi({FILLS: [make_fill_page()]})

    assert make_broker(api).fills(NOON) == []
    assert api.calls[0].params == (("start_sequence_timestamp", "2026-01-05T12:00:00Z"), ("limit", "100"))


def test_fills_come_oldest_first_and_each_once() -> None:
    late = make_fill_row("b", trade_time="2026-01-05T12:00:09Z")
    twin = make_fill_row("c")

    fills = fills_of(make_fill_page(late, twin, make_fill_row("a"), twin))

    assert [fill.fill_id for fill in fills] == ["a", "c", "b"]


@pytest.mark.parametrize("indicator", ["TAKER", "UNKNOWN_LIQUIDITY_INDICATOR", "", None, "OF_2028"])
def test_a_fill_that_is_not_said_to_be_a_makers_is_a_takers(indicator: str | None) -> None:
    (fill,) = fills_of(make_fill_page(make_fill_row(liquidity_indicator=indicator)))

    assert fill.liquidity is Liquidity.TAKER


def test_a_size_in_money_is_divided_by_the_price() -> None:
    (fill,) = fills_of(make_fill_page(make_fill_row(size_in_quote=True, size="201", price="100.5")))

    assert fill.size == 2


@pytest.mark.parametrize("trade_type", ["REVERSAL", "CORRECTION", "SYNTHETIC"])
def test_what_is_no_execution_is_no_fill(trade_type: str) -> None:
    fills = fills_of(make_fill_page(make_fill_row("a", trade_type=trade_type), make_fill_row("b")))

    assert [fill.fill_id for fill in fills] == ["b"]


def test_a_derivative_s_fill_is_none_of_ours() -> None:
    assert fills_of(make_fill_page(make_fill_row(product_id="BTC-PERP-INTX"))) == []


def test_fills_are_read_to_the_page_that_has_nothing_new() -> None:
    api = ScriptedAccountApi(
        {FILLS: [full_page(cursor="c1"), full_page(100, cursor="c2"), make_fill_page(cursor="c3")]}
    )

    fills = make_broker(api).fills(NOON)

    assert len(fills) == 200
    assert [call.values("cursor") for call in api.calls] == [[], ["c1"], ["c2"]]


def test_a_page_that_moved_between_two_calls_repeats_fills_and_loses_none() -> None:
    fills = fills_of(full_page(), make_fill_page(make_fill_row("e-0099"), make_fill_row("e-0100")))

    assert len(fills) == 101


def test_a_server_that_gives_fewer_rows_than_asked_is_followed() -> None:
    fills = fills_of(make_fill_page(make_fill_row("a"), cursor="c1"), make_fill_page(make_fill_row("b")))

    assert [fill.fill_id for fill in fills] == ["a", "b"]


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(make_fill_page(make_fill_row("a"), cursor="c1"), id="the same page and cursor"),
        pytest.param(make_fill_page(make_fill_row("a"), cursor="c2"), id="the same page, another cursor"),
        pytest.param(make_fill_page(cursor="c1"), id="nothing, the same cursor"),
        pytest.param(make_fill_page(cursor=None), id="nothing"),
    ],
)
def test_a_cursor_that_leads_back_behind_a_short_page_is_the_end(second: object) -> None:
    fills = fills_of(make_fill_page(make_fill_row("a"), cursor="c1"), second)

    assert [fill.fill_id for fill in fills] == ["a"]


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([full_page()], id="a full page that leads back to itself"),
        pytest.param([full_page(cursor="c"), full_page(100, cursor="c")], id="a repeated cursor"),
        pytest.param([full_page(cursor="c"), full_page(cursor="d")], id="a page without news"),
        pytest.param(
            [full_page(cursor="c"), make_fill_page(make_fill_row("e-0001"), cursor="d")], id="a short page without news"
        ),
        pytest.param(
            [make_fill_page(make_fill_row("a"), cursor="c"), full_page(cursor="c")], id="a full page that leads back"
        ),
        pytest.param([full_page(100 * n, cursor=f"c{n}") for n in range(PAGES_MAX + 2)], id="no end"),
        pytest.param([full_page(), DOWN], id="second page not readable"),
        pytest.param([{}], id="no list"),
        pytest.param([{"fills": None, "cursor": ""}], id="null for the list"),
        pytest.param([make_fill_page(None)], id="null for a fill"),
        pytest.param([make_fill_page(make_fill_row(entry_id=""))], id="no entry id"),
        pytest.param([make_fill_page(make_fill_row(order_id=None))], id="no order"),
        pytest.param([make_fill_page(make_fill_row(price="0"))], id="price 0"),
        pytest.param([make_fill_page(make_fill_row(size="0"))], id="size 0"),
        pytest.param([make_fill_page(make_fill_row(size=None))], id="null size"),
        pytest.param([make_fill_page(make_fill_row(commission="-0.01"))], id="negative fee"),
        pytest.param([make_fill_page(make_fill_row(commission=None))], id="null fee"),
        pytest.param([make_fill_page(make_fill_row(side=""))], id="no side"),
        pytest.param([make_fill_page(make_fill_row(trade_type="OF_2028"))], id="an unknown type of trade"),
        pytest.param([make_fill_page(make_fill_row(trade_time=None))], id="no time"),
        pytest.param([make_fill_page(make_fill_row(product_id="btc-usd"))], id="a product that cannot be"),
        pytest.param([make_fill_page(make_fill_row("a"), make_fill_row("a", size="1"))], id="one id, two fills"),
    ],
)
def test_one_unusable_fill_makes_the_answer_unusable(answers: list[Answer]) -> None:
    with pytest.raises(BrokerUnavailable):
        fills_of(*answers)


# --- balances ---------------------------------------------------------------------------------------------------------


def balances_of(*answers: Answer) -> dict[str, Balance]:
    return dict(make_broker(ScriptedAccountApi({ACCOUNTS: answers})).balances())


def test_balances_are_read_from_all_pages() -> None:
    first = [make_account(f"C{number}") for number in range(49)]
    api = ScriptedAccountApi(
        {
            ACCOUNTS: [
                make_account_page(*first, cursor="next", has_next=True),
                make_account_page(make_account("USD", "12.34", "0.66"), make_account("C48", "7")),
            ]
        }
    )

    balances = make_broker(api).balances()

    assert len(balances) == 50
    assert balances["USD"] == Balance(currency="USD", available=Decimal("12.34"), hold=Decimal("0.66"))
    assert balances["C48"].total == 7  # came twice, counts as it came last
    assert [call.params for call in api.calls] == [(("limit", "250"),), (("limit", "250"), ("cursor", "next"))]


def test_accounts_of_one_currency_add_up_exactly() -> None:
    tiny, huge = "0.000000000000000001", "123456789012345678"
    page = make_account_page(make_account("PEPE", tiny, uuid="1"), make_account("PEPE", huge, tiny, uuid="2"))

    balance = balances_of(page)["PEPE"]

    assert (balance.available, balance.hold) == (Decimal("123456789012345678.000000000000000001"), Decimal(tiny))


@pytest.mark.parametrize("platform", ["", None, "ACCOUNT_PLATFORM_UNSPECIFIED"])
def test_an_account_whose_platform_is_not_named_counts(platform: str | None) -> None:
    assert balances_of(make_account_page(make_account(platform=platform)))["USD"].total == 100


@pytest.mark.parametrize(
    "account",
    [
        pytest.param(make_account(type="ACCOUNT_TYPE_VAULT", available_balance=None), id="vault"),
        pytest.param(make_account(type="ACCOUNT_TYPE_PERP_FUTURES"), id="futures"),
        pytest.param(make_account(type="ACCOUNT_TYPE_UNSPECIFIED"), id="unspecified"),
        pytest.param(make_account(type="ACCOUNT_TYPE_OF_2028"), id="unknown type"),
        pytest.param(make_account(active=False), id="not active"),
        pytest.param(make_account(ready=False), id="not ready"),
        pytest.param(make_account(platform="ACCOUNT_PLATFORM_CFM_CONSUMER"), id="another platform"),
    ],
)
def test_what_no_order_can_spend_is_not_counted(account: object) -> None:
    assert balances_of(make_account_page(account)) == {}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(DOWN, id="no answer"),
        pytest.param({}, id="no list"),
        pytest.param(make_account_page(make_account(active=None)), id="active null"),
        pytest.param(make_account_page(make_account(ready="true")), id="ready as a text"),
        pytest.param(make_account_page(make_account(type=None)), id="no type"),
        pytest.param(make_account_page(make_account(uuid=None)), id="no id"),
        pytest.param(make_account_page(make_account(currency="")), id="no currency"),
        pytest.param(make_account_page(make_account(available_balance=None)), id="null balance"),
        pytest.param(make_account_page({**make_account(), "hold": None}), id="null hold"),
        pytest.param(make_account_page(make_account(available="-1")), id="below zero"),
        pytest.param(
            make_account_page({**make_account(), "hold": {"value": "1", "currency": "BTC"}}), id="another currency"
        ),
        pytest.param(make_account_page(make_account(), cursor="c", has_next=True), id="a page that leads back"),
    ],
)
def test_balances_that_cannot_be_read_are_not_zero(answer: Answer) -> None:
    with pytest.raises(BrokerUnavailable):
        balances_of(answer)


# --- fee rates --------------------------------------------------------------------------------------------------------


def make_fees(taker: object = "0.012", maker: object = "0.006") -> dict[str, object]:
    return {"total_volume": 0, "fee_tier": {"taker_fee_rate": taker, "maker_fee_rate": maker, "usd_to": ""}}


def broker_after(seconds: int, *answers: Answer) -> tuple[CoinbaseBroker, ScriptedAccountApi]:
    """Return a broker whose rates were read so many seconds ago."""
    clock = VirtualClock(NOON)
    api = ScriptedAccountApi({FEES: answers})
    broker = make_broker(api, clock)
    broker.fee_rates()
    clock.wait_until(NOON + timedelta(seconds=seconds), lambda: True)
    return broker, api


def test_rates_are_those_of_the_account_s_tier() -> None:
    api = ScriptedAccountApi({FEES: [make_fees()]})

    assert make_broker(api).fee_rates() == FeeRates(maker_fraction=Decimal("0.006"), taker_fraction=Decimal("0.012"))


def test_rates_are_asked_for_again_after_ten_minutes() -> None:
    broker, api = broker_after(FEES_FRESH_SECONDS - 1, make_fees(), make_fees(taker="0.009"))
    assert broker.fee_rates().taker_fraction == Decimal("0.012")
    assert len(api.calls) == 1

    broker, api = broker_after(FEES_FRESH_SECONDS, make_fees(), make_fees(taker="0.009"))
    assert broker.fee_rates().taker_fraction == Decimal("0.009")
    assert len(api.calls) == 2


@pytest.mark.parametrize("bad", [DOWN, {}, make_fees(taker=""), make_fees(maker="-0.1")])
def test_rates_that_cannot_be_read_may_be_two_hours_old(bad: Answer) -> None:
    broker, _ = broker_after(FEES_USABLE_SECONDS - 1, make_fees(), bad)
    assert broker.fee_rates().taker_fraction == Decimal("0.012")

    broker, _ = broker_after(FEES_USABLE_SECONDS, make_fees(), bad)
    with pytest.raises(BrokerUnavailable):
        broker.fee_rates()


@pytest.mark.parametrize("rate", ["1", "1.2", "-0.001", "0.6%", None])
def test_a_rate_that_is_no_fraction_is_not_believed(rate: str | None) -> None:
    with pytest.raises(BrokerUnavailable):
        make_broker(ScriptedAccountApi({FEES: [make_fees(taker=rate)]})).fee_rates()


# --- the key ----------------------------------------------------------------------------------------------------------


def make_permissions(**changes: object) -> dict[str, object]:
    granted = {"can_view": True, "can_trade": True, "can_transfer": False, "portfolio_uuid": "p-1"}
    return {**granted, "portfolio_type": "DEFAULT", **changes}


def checked(answer: Answer) -> str:
    return portfolio_of_safe_key(ScriptedAccountApi({KEY_PERMISSIONS: [answer]}))


def test_a_key_that_may_view_and_trade_only_names_its_portfolio() -> None:
    assert checked(make_permissions()) == "p-1"


def test_a_key_that_is_only_read_with_need_not_trade_and_must_not_withdraw() -> None:
    def read_with(answer: Answer) -> str:
        return portfolio_of_safe_key(ScriptedAccountApi({KEY_PERMISSIONS: [answer]}), to_trade=False)

    assert read_with(make_permissions(can_trade=False)) == "p-1"
    with pytest.raises(StartRefused, match="move money out"):
        read_with(make_permissions(can_trade=False, can_transfer=True))
    with pytest.raises(StartRefused, match="may not view"):
        read_with(make_permissions(can_view=False))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(make_permissions(can_transfer=True), "move money out", id="may withdraw"),
        pytest.param(make_permissions(can_trade=False), "may not trade", id="may not trade"),
        pytest.param(make_permissions(can_view=False, can_trade=False), "view and trade", id="may do nothing"),
        pytest.param(ApiUnavailable("401 Unauthorized", status=401), "CDP portal.*clock", id="unknown key"),
        pytest.param(ApiUnavailable("403", status=403), "allows this address", id="forbidden"),
    ],
)
def test_a_key_that_is_not_fit_refuses_the_start_and_says_what_to_change(answer: Answer, words: str) -> None:
    with pytest.raises(StartRefused, match=words):
        checked(answer)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(make_permissions(can_transfer=None), id="withdrawing not mentioned"),
        pytest.param(make_permissions(can_transfer="false"), id="withdrawing denied in a text"),
        pytest.param(make_permissions(can_trade=1), id="a number for true"),
        pytest.param(make_permissions(portfolio_uuid=""), id="no portfolio"),
        pytest.param([], id="list"),
        pytest.param(DOWN, id="no answer"),
    ],
)
def test_a_key_of_which_nothing_certain_is_known_does_not_start(answer: Answer) -> None:
    with pytest.raises(BrokerUnavailable):
        checked(answer)


# --- opening cash -----------------------------------------------------------------------------------------------------


def make_balances(**available: str) -> dict[str, Balance]:
    return {
        currency: Balance(currency=currency, available=Decimal(amount), hold=Decimal(5))
        for currency, amount in available.items()
    }


@pytest.mark.parametrize(
    ("balances", "cash"),
    [
        pytest.param(make_balances(USD="499.99", USDC="900"), ("USD", "499.99"), id="less than the capital"),
        pytest.param(make_balances(USD="500"), ("USD", "500"), id="the capital"),
        pytest.param(make_balances(USD="500.01"), ("USD", "500"), id="more than the capital"),
        pytest.param(make_balances(USD="0", USDC="900"), ("USDC", "500"), id="the first is held or empty"),
    ],
)
def test_the_bot_s_own_money_is_the_capital_or_what_is_there(
    balances: dict[str, Balance], cash: tuple[str, str]
) -> None:
    currency, amount = opening_cash(balances, ["USD", "USDC"], Decimal(500))

    assert (currency, amount) == (cash[0], Decimal(cash[1]))


def test_an_account_without_money_refuses_the_start() -> None:
    with pytest.raises(StartRefused, match="USD, USDC"):
        opening_cash(make_balances(USD="0", BTC="3"), ["USD", "USDC"], Decimal(500))
