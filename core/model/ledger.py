"""The ledger as a value: everything we own and remember. `core/ledger/fold.py` is the only one to make a new one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from core.model.guards import Breaker, BreakerState
from core.model.market import ProductId
from core.model.money import ZERO
from core.model.orders import ClientOrderId, LotId
from core.model.portfolio import LastClose, Lot, OrderState, Oversold, Period

CLOSED_ORDERS_KEPT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryMark:
    """One entry counted in the pacing limits, at its first INTENT whatever became of it."""

    at: datetime
    product_id: ProductId
    lot_id: LotId
    is_add: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """
    Fold of the journal so far.

    `run_id`, `config_hash` and `code_hash` are those of the latest run. `cash` by currency; `lots` are only coins that
    we bought; `open_orders` have no final status yet (UNKNOWN ones included); `closed_orders` keeps the latest
    `CLOSED_ORDERS_KEPT` for late fills, and all of `last_slot`; `fill_ids` every fill ever booked. `fills_cursor` is
    the time of the latest booked fill. `equity` is the last mark, `high_water_mark` the highest one, moved along by
    cash flows. `entries` reaches back at least 24 hours. `open_slot` is a cycle that started and whose run has not
    stopped in an orderly way. `oversold` is what was sold beyond our lots and not bought back yet.
    """

    mode: str = ""
    account: str = ""
    venue: str = ""
    run_id: str = ""
    config_hash: str = ""
    code_hash: str = ""
    last_slot: int | None = None
    open_slot: int | None = None
    cash: Mapping[str, Decimal] = field(default_factory=dict)
    lots: Mapping[LotId, Lot] = field(default_factory=dict)
    open_orders: Mapping[ClientOrderId, OrderState] = field(default_factory=dict)
    closed_orders: Mapping[ClientOrderId, OrderState] = field(default_factory=dict)
    oversold: Mapping[ProductId, Oversold] = field(default_factory=dict)
    fill_ids: frozenset[str] = frozenset()
    fills_cursor: datetime | None = None
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    equity: Decimal | None = None
    high_water_mark: Decimal | None = None
    day: Period | None = None
    week: Period | None = None
    entries: tuple[EntryMark, ...] = ()
    last_closes: Mapping[ProductId, LastClose] = field(default_factory=dict)
    loss_streak: int = 0
    last_loss_at: datetime | None = None
    breakers: Mapping[Breaker, BreakerState] = field(default_factory=dict)
