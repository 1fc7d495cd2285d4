"""What a real account must look like before real orders are sent to it (design 8)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from core.errors import BrokerUnavailable, StartRefused
from core.model.orders import Balance
from runner.adapters.coinbase import fields
from runner.adapters.coinbase.errors import ApiError
from runner.adapters.coinbase.fields import BadField
from runner.adapters.coinbase.private_api import PrivateApi
from runner.adapters.coinbase.routes import BASE

KEY_PERMISSIONS = f"{BASE}/key_permissions"

_NEW_KEY = "make a key with View and Trade, and nothing else, on the CDP portal, and give the bot that one"


def portfolio_of_safe_key(api: PrivateApi, *, to_trade: bool = True) -> str:
    """
    Return the id of the portfolio that the API key is bound to, once the key may view and trade and NOT transfer.

    Without `to_trade` it need not trade: it is only read with.

    Raises:
        StartRefused: The key may do too little or too much, or the exchange does not know it.
        BrokerUnavailable: The exchange could not be asked.
    """
    try:
        answer = fields.row_of(api.get(KEY_PERMISSIONS), "key permissions")
        may_view, may_trade = fields.flag(answer, "can_view"), fields.flag(answer, "can_trade")
        may_transfer = fields.flag(answer, "can_transfer")
        portfolio = fields.text(answer, "portfolio_uuid")
    except ApiError as error:
        if error.status in (401, 403):
            raise StartRefused(
                f"the exchange does not take the API key ({error}): on the CDP portal, check that it exists, is meant "
                "for Advanced Trade and allows this address; here, that the secret is whole and the clock is right"
            ) from error
        raise BrokerUnavailable(f"key permissions: {error}") from error
    except BadField as error:
        raise BrokerUnavailable(f"what the API key may do cannot be read: {error}") from error
    if may_transfer:
        raise StartRefused(f"the API key may move money out of the account, which this bot never needs: {_NEW_KEY}")
    if not (may_view and (may_trade or not to_trade)):
        lacking = " and ".join(name for name, has in (("view", may_view), ("trade", may_trade)) if not has)
        raise StartRefused(f"the API key may not {lacking}: {_NEW_KEY}")
    return portfolio


def opening_cash(balances: Mapping[str, Balance], currencies: Sequence[str], capital: Decimal) -> tuple[str, Decimal]:
    """
    Return what the bot may count as its own at its first start: a currency, and `capital` or what is there of it.

    The first of `currencies` of which something is available counts; what open orders hold is not available.

    Raises:
        StartRefused: There is nothing of any of them.
    """
    for currency in currencies:
        balance = balances.get(currency)
        if balance is not None and balance.available > 0:
            return currency, min(balance.available, capital)
    raise StartRefused(f"nothing to trade with: the account holds none of {', '.join(currencies)} that is available")
