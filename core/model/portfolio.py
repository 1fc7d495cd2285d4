"""What we own, what we have asked for, and what we remember of profit and loss. All Decimal."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from core.model.market import ProductId
from core.model.money import ZERO
from core.model.orders import LotId, Order, OrderId, OrderKey, OrderStatus, Outcome, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitPlan:
    """How a lot is to be closed; decided at entry, carried by the entry's INTENT."""

    strategy: str
    stop_fraction: Decimal
    target_fraction: Decimal
    max_hold_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """
    Coins that this bot bought with one entry (and its adds), and may therefore sell (L9).

    `quantity` is what is left; `cost` is what that rest cost in quote currency, entry fees included.
    `bought_quantity` and `bought_value` (without fees) are totals of the entry fills.
    `peak_price` is the highest bid seen since the entry, for the trailing stop.
    `realised` is the profit of the part already sold, after all fees. `exit_attempts` counts the exits that were
    intended, whatever became of them: each one may sell lower than the one before.
    """

    lot_id: LotId
    product_id: ProductId
    plan: ExitPlan
    opened_at: datetime
    quantity: Decimal
    cost: Decimal
    bought_quantity: Decimal
    bought_value: Decimal
    peak_price: Decimal
    realised: Decimal = ZERO
    exit_reason: str | None = None
    exit_attempts: int = 0

    @property
    def average_price(self) -> Decimal:
        """Average entry price without fees (quote per base), for stop and target."""
        return self.bought_value / self.bought_quantity

    @property
    def stop_price(self) -> Decimal:
        return self.average_price * (1 - self.plan.stop_fraction)

    @property
    def target_price(self) -> Decimal:
        return self.average_price * (1 + self.plan.target_fraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderState:
    """
    One of our orders from INTENT to its end.

    `outcome` is None between INTENT and OUTCOME; such an order, like an UNKNOWN one, counts as fully
    filled in every limit (L4, L7). `status` is final once the exchange has said so (or absence is proven).
    `lookups` counts the searches that did not find an UNKNOWN order.
    """

    order: Order
    plan: ExitPlan | None
    reason: str
    slot: int
    intent_at: datetime
    outcome: Outcome | None = None
    order_id: OrderId | None = None
    status: OrderStatus = OrderStatus.PENDING
    filled_size: Decimal = ZERO
    filled_value: Decimal = ZERO
    fees: Decimal = ZERO
    cancel_requested: bool = False
    lookups: int = 0

    @property
    def key(self) -> OrderKey:
        return OrderKey(
            client_order_id=self.order.client_order_id,
            order_id=self.order_id,
            product_id=self.order.product_id,
            since=self.intent_at,
        )

    @property
    def is_unknown(self) -> bool:
        return self.outcome in (None, Outcome.UNKNOWN)

    @property
    def remaining_size(self) -> Decimal:
        return ZERO if self.status.is_final else self.order.size - self.filled_size

    @property
    def worst_case_cost(self) -> Decimal:
        """Return what the unfilled rest of a buy may still cost, without fees; 0 for a sell."""
        if self.order.side is not Side.BUY:
            return ZERO
        return self.remaining_size * self.order.limit_price


@dataclass(frozen=True, slots=True, kw_only=True)
class Oversold:
    """
    Coins of one product that orders of ours sold beyond the lot that they were for, and that are to be bought back.

    It happens when both sides of a race fill, such as a guard and the exit that replaced it. The coins were not ours to
    sell, so nothing is earned by them yet: `proceeds` is what they brought after fees, set against the price of the
    cover. `quantity` is positive; a product of which nothing is missing has no entry.
    """

    quantity: Decimal
    proceeds: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """
    Profit and loss of one UTC day or ISO week, measured on marked equity.

    `key` is the period's first day (`YYYY-MM-DD`); `equity_open` the last mark before it (the first
    mark inside it for a new account); `cash_flow` what was paid in (+) or out (-) since.
    """

    key: str
    equity_open: Decimal
    cash_flow: Decimal = ZERO
    realised: Decimal = ZERO

    def pnl(self, equity: Decimal) -> Decimal:
        return equity - self.equity_open - self.cash_flow

    def pnl_fraction(self, equity: Decimal) -> Decimal:
        """Return profit over the opening equity plus money paid in; 0 when there was none."""
        base = self.equity_open + max(self.cash_flow, ZERO)
        return self.pnl(equity) / base if base > 0 else ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class LastClose:
    """How the last lot of a product ended; cooldowns are computed from it."""

    at: datetime
    was_loss: bool
    reason: str
