"""Fills, balances and fee rates as the exchange lists them (coinbase_api 2.6, 2.8, 2.14), in our words."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, localcontext

from core.model.money import EXACT_DIGITS
from core.model.orders import Balance, ClientOrderId, FeeRates, Fill, Liquidity
from runner.adapters.coinbase import fields
from runner.adapters.coinbase.fields import BadField, Row
from runner.adapters.coinbase.order_answers import order_id_of
from runner.adapters.coinbase.order_rows import is_of_another_kind, side_of

_OTHER_TRADES = ("REVERSAL", "CORRECTION", "SYNTHETIC")
_SPENDABLE_TYPES = ("ACCOUNT_TYPE_CRYPTO", "ACCOUNT_TYPE_FIAT")
_SPENDABLE_PLATFORMS = (None, "ACCOUNT_PLATFORM_UNSPECIFIED", "ACCOUNT_PLATFORM_CONSUMER")


def fills_of(rows: Iterable[Row]) -> Sequence[Fill]:
    """
    Read fills, each once, oldest first. They name the exchange's order id only.

    Left out: derivatives, and rows that are no execution (REVERSAL, CORRECTION, SYNTHETIC). The exchange books those
    beside the orders, so no order explains them; what they change shows when balances are compared.

    Raises:
        BadField: A row is unusable, or came twice with different contents. No fill is lost in silence.
    """
    found: dict[str, Fill] = {}
    for row in rows:
        if is_of_another_kind(row) or not _is_execution(row):
            continue
        fill = _fill(row)
        if found.setdefault(fill.fill_id, fill) != fill:
            raise BadField("entry_id", "one fill for each id", fill.fill_id)
    return sorted(found.values(), key=lambda fill: (fill.at, fill.fill_id))


def balances_of(rows: Iterable[Row]) -> Mapping[str, Balance]:
    """
    Add up the accounts of each currency that can be spent in an order.

    Left out: vaults, derivatives' accounts, and what is not active or not ready: there, but not for orders. An account
    that came twice counts as it came last.

    Raises:
        BadField
    """
    accounts = {fields.text(row, "uuid"): row for row in rows}
    found: dict[str, Balance] = {}
    with localcontext(prec=EXACT_DIGITS):
        for row in accounts.values():
            if not _is_spendable(row):
                continue
            currency = fields.text(row, "currency")
            balance = found.get(currency) or Balance(currency=currency, available=Decimal(0), hold=Decimal(0))
            found[currency] = Balance(
                currency=currency,
                available=balance.available + _amount(row, "available_balance", currency),
                hold=balance.hold + _amount(row, "hold", currency),
            )
    return found


def fee_rates_of(answer: object) -> FeeRates:
    """
    Read the account's present rates.

    Raises:
        BadField
    """
    tier = fields.row(fields.row_of(answer, "answer"), "fee_tier")
    return FeeRates(maker_fraction=_rate(tier, "maker_fee_rate"), taker_fraction=_rate(tier, "taker_fee_rate"))


def _is_execution(row: Row) -> bool:
    kind = fields.text_or_none(row, "trade_type")
    if kind in _OTHER_TRADES:
        return False
    if kind not in (None, "FILL"):
        raise BadField("trade_type", "FILL", kind)
    return True


def _fill(row: Row) -> Fill:
    price, size = fields.positive(row, "price"), fields.positive(row, "size")
    is_maker = fields.text_or_none(row, "liquidity_indicator") == "MAKER"
    return Fill(
        fill_id=fields.text(row, "entry_id"),
        order_id=order_id_of(row),
        client_order_id=ClientOrderId(""),
        product_id=fields.product_id(row),
        side=side_of(row),
        price=price,
        # Only orders that are sized in money have such fills: never ours, so the quotient may be rounded.
        size=size / price if fields.flag_or_none(row, "size_in_quote") else size,
        fee=fields.not_negative(row, "commission"),
        liquidity=Liquidity.MAKER if is_maker else Liquidity.TAKER,
        at=fields.moment(row, "trade_time"),
    )


def _is_spendable(row: Row) -> bool:
    return (
        fields.flag(row, "active")
        and fields.flag(row, "ready")
        and fields.text(row, "type") in _SPENDABLE_TYPES
        and fields.text_or_none(row, "platform") in _SPENDABLE_PLATFORMS  # older answers name none
    )


def _amount(row: Row, name: str, currency: str) -> Decimal:
    money = fields.row(row, name)
    if fields.text(money, "currency") != currency:
        raise BadField(f"{name}.currency", currency, money.get("currency"))
    return fields.not_negative(money, "value")


def _rate(tier: Row, name: str) -> Decimal:
    rate = fields.not_negative(tier, name)
    if rate >= 1:
        raise BadField(name, "a fraction, e.g. 0.012", rate)
    return rate
