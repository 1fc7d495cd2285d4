"""What the account endpoints answer: balances, rights of the key, fees (coinbase_api 2.1, 2.6, 2.8)."""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache

from core.model.money import ZERO, plain
from core.model.orders import Balance
from runner.adapters.simulated_coinbase.access import ApiKey
from runner.adapters.simulated_coinbase.answers import Refusal, bad_request, error, json_answer
from runner.adapters.simulated_coinbase.behaviour import Behaviour
from runner.adapters.simulated_coinbase.faults import Fault
from runner.adapters.simulated_coinbase.listed_market import ListedMarket
from runner.adapters.simulated_coinbase.market_answers import number_in, only
from runner.adapters.simulated_coinbase.order_rows import PORTFOLIO_ID
from runner.adapters.simulated_coinbase.routes import Endpoint, Route
from runner.matching.engine import MatchingEngine
from runner.wire import HttpResponse

ACCOUNTS_MAX = 250
_ACCOUNTS_NAMESPACE = uuid.UUID("5a7d1c0e-0000-5000-8000-000000000004")
_FIAT = ("EUR", "GBP", "USD")

Balances = Mapping[str, Balance]


class AccountAnswers:
    """Balances as the exchange shows them, which may be a while behind what the engine knows."""

    def __init__(self, engine: MatchingEngine, market: ListedMarket, behaviour: Behaviour, now: datetime) -> None:
        self._engine = engine
        self._behaviour = behaviour
        self._currencies = sorted({currency for product in market.products() for currency in product.product_id})
        self._history: list[tuple[datetime, Balances]] = [(now, engine.balances())]

    def note(self, now: datetime) -> None:
        """Remember the balances as they are now; call it after everything that may have changed them."""
        balances = self._engine.balances()
        if self._behaviour.lags.balances == timedelta(0):
            self._history = [(now, balances)]
        elif balances != self._history[-1][1]:
            self._history.append((now, balances))

    def answer(self, route: Route, key: ApiKey, now: datetime, fault: Fault | None) -> HttpResponse:
        """
        Answer one request.

        Raises:
            Refusal: The request is answered with an error status.
        """
        if route.endpoint is Endpoint.KEY_PERMISSIONS:
            return json_answer(
                {
                    "can_view": key.can_view,
                    "can_trade": key.can_trade,
                    "can_transfer": key.can_transfer,
                    "portfolio_uuid": key.portfolio_id,
                    "portfolio_type": "DEFAULT",
                }
            )
        if route.endpoint is Endpoint.TRANSACTION_SUMMARY:
            return json_answer(self._summary())
        self.note(now)  # what the market has brought to pass since the last request is in the balances, too
        rows = self._rows(now)
        if route.endpoint is Endpoint.ACCOUNT:
            row = next((row for row in rows if row["uuid"] == route.argument), None)
            if row is None:
                raise Refusal(error(404, "NOT_FOUND", "account not found"))
            return json_answer({"account": row})
        return self._page(rows, route, fault)

    def _page(self, rows: list[dict[str, object]], route: Route, fault: Fault | None) -> HttpResponse:
        limit = min(number_in(route.params, "limit", self._behaviour.accounts_page), ACCOUNTS_MAX)
        if limit == 0:
            raise bad_request("limit must be at least 1")
        cursor = only(route.params, "cursor")
        first = number_in(route.params, "cursor", 0)
        page = rows[first : first + limit]
        has_next = first + limit < len(rows)
        following = str(first + limit) if has_next else ""
        if fault is Fault.CURSOR_REPEATED:
            has_next, following = True, cursor or "0"
        return json_answer({"accounts": page, "has_next": has_next, "cursor": following, "size": len(page)})

    def _rows(self, now: datetime) -> list[dict[str, object]]:
        """Return a row for each currency that is held or can be traded, those held first."""
        balances = self._shown(now)
        empty = {
            currency: Balance(currency=currency, available=ZERO, hold=ZERO)
            for currency in self._currencies
            if currency not in balances
        }
        return [_account_row(balance) for balance in (*balances.values(), *empty.values())]

    def _shown(self, now: datetime) -> Balances:
        """Return the balances of a moment `lags.balances` ago, and forget those before it."""
        as_of = now - self._behaviour.lags.balances
        while len(self._history) > 1 and self._history[1][0] <= as_of:
            del self._history[0]
        return self._history[0][1]

    def _summary(self) -> dict[str, object]:
        fees = self._engine.fee_rates
        rates = {"taker_fee_rate": plain(fees.taker_fraction), "maker_fee_rate": plain(fees.maker_fraction)}
        tier = {"pricing_tier": "Intro 1", "usd_from": "0", "usd_to": "", **rates, "aop_from": "", "aop_to": ""}
        return {
            "total_volume": 0,
            "total_fees": 0,
            "fee_tier": tier,
            "margin_rate": None,
            "goods_and_services_tax": None,
            "advanced_trade_only_volume": 0,
            "advanced_trade_only_fees": 0,
            "coinbase_pro_volume": 0,
            "coinbase_pro_fees": 0,
            "total_balance": "",
            "has_promo_fee": False,
            "has_cost_plus_commission": False,
            "volume_breakdown": [],
        }


@lru_cache(maxsize=2048)
def _uuid_of(currency: str) -> str:
    return str(uuid.uuid5(_ACCOUNTS_NAMESPACE, currency))


def _account_row(balance: Balance) -> dict[str, object]:
    currency = balance.currency
    return {
        "uuid": _uuid_of(currency),
        "name": f"{currency} Wallet",
        "currency": currency,
        "available_balance": {"value": plain(balance.available), "currency": currency},
        "default": True,
        "active": True,
        "created_at": "2023-01-01T00:00:00Z",
        "updated_at": "2023-01-01T00:00:00Z",
        "deleted_at": None,
        "type": "ACCOUNT_TYPE_FIAT" if currency in _FIAT else "ACCOUNT_TYPE_CRYPTO",
        "ready": True,
        "hold": {"value": plain(balance.hold), "currency": currency},
        "retail_portfolio_id": PORTFOLIO_ID,
        "platform": "ACCOUNT_PLATFORM_CONSUMER",
    }
