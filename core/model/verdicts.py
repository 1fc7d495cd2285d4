"""What risk says to a proposal or an order, and why a lot must be closed. Values go to the audit, never renamed."""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from core.model.market import ProductId
from core.model.orders import LotId, Order
from core.model.portfolio import ExitPlan
from core.model.signals import Proposal


class Reason(Enum):
    """Why a cycle opened nothing. The closed list of `no_trade_reason`; values are never renamed."""

    KILL_SWITCH = "kill_switch"
    HALTED = "halted"
    BREAKER = "circuit_breaker_tripped"
    DATA_UNAVAILABLE = "data_unavailable"
    BROKER_UNAVAILABLE = "broker_unavailable"
    STALE_DATA = "stale_data"
    WARMING_UP = "warming_up"
    EMPTY_UNIVERSE = "empty_universe"
    NO_TRIGGERS = "no_candidates_from_triggers"
    NO_PROPOSALS = "no_proposals_from_rules"
    ALL_REFUSED = "all_proposals_refused"
    NOT_PLANNABLE = "no_legal_order"
    ORDERS_REFUSED = "orders_refused"
    UNKNOWN_ORDER = "unknown_order_outstanding"
    DEADLINE = "deadline"
    STOPPING = "stopping"
    DRY_RUN = "dry_run"
    EXCEPTION = "exception"
    INTERRUPTED = "interrupted"


class Refusal(Enum):
    """Why something may not be bought (or, the last seven, not sent)."""

    # The whole cycle: each proposal gets the same code.
    KILL_SWITCH = "kill_switch"
    TRADING_STATE = "trading_state"
    LIMIT_UNUSABLE = "limit_unusable"
    FEES_UNKNOWN = "fees_unknown"
    EQUITY_UNKNOWN = "equity_unknown"
    BELOW_MIN_CAPITAL = "below_min_capital"
    LOSS_LIMITS_UNKNOWN = "loss_limits_unknown"
    DAILY_STOP = "daily_stop"
    WEEKLY_STOP = "weekly_stop"
    DRAWDOWN = "max_drawdown"
    REGIME_UNKNOWN = "regime_unknown"
    REGIME_CRASH = "regime_crash"
    LOSS_STREAK = "loss_streak_pause"
    TRADE_SPACING = "trade_spacing"
    TRADES_PER_HOUR = "trades_per_hour"
    TRADES_PER_DAY = "trades_per_day"

    # One product.
    PROPOSAL_UNUSABLE = "proposal_unusable"
    NOT_ELIGIBLE = "not_eligible"
    MARKET_CLOSED = "market_closed"
    STALE_PRODUCT = "stale_product"
    UNKNOWN_ORDER = "unknown_order_outstanding"
    OPEN_ORDER = "open_order"
    OVERSOLD = "oversold_coins"
    SELF_CROSS = "self_cross"
    QUOTE_MISSING = "quote_missing"
    QUOTE_STALE = "quote_stale"
    SPREAD = "spread"
    PRICE_COLLAR = "price_collar"
    SOURCES_DISAGREE = "sources_disagree"
    EDGE_BELOW_COSTS = "edge_below_costs"
    ALREADY_HELD = "already_held"
    ADDS_PER_DAY = "adds_per_day"
    ADD_COOLDOWN = "add_cooldown"
    SYMBOL_COOLDOWN = "symbol_cooldown"
    SYMBOL_SPACING = "symbol_spacing"
    NEW_POSITIONS_PER_CYCLE = "new_positions_per_cycle"
    MAX_POSITIONS = "max_open_positions"

    # No legal size is left; the code names what bound.
    WANTED_SIZE = "wanted_size"
    TOTAL_CAP = "total_at_risk_cap"
    PRODUCT_CAP = "position_cap"
    THEME_CAP = "theme_cap"
    CASH = "insufficient_cash"
    ORDER_NOTIONAL = "order_notional_cap"
    BOOK_DEPTH = "book_depth"
    VENUE_MAX = "venue_max_size"

    # A finished order, at the last hop.
    INVALID_ORDER = "invalid_order"
    OFF_INCREMENT = "off_increment"
    VENUE_MIN = "venue_min_size"
    NOT_OUR_LOT = "not_our_lot"
    OVERSELL = "oversell"
    COVER_EXCESS = "cover_excess"
    EXIT_PRICE = "exit_price"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """One limit that stands in the way: what was seen, and the limit."""

    reason: Refusal
    observed: str
    limit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A proposal that may not be followed."""

    proposal: Proposal
    reason: Refusal
    observed: str
    limit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRefused:
    """A finished order that may not be sent."""

    order: Order
    reason: Refusal
    observed: str
    limit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """
    A proposal with the money it may spend.

    `notional` is in the product's quote currency, without fees; `bound_by` the cap that set it (`wanted_size`
    when none did). `adds_to` is the lot that it grows, None for a new position.
    """

    proposal: Proposal
    notional: Decimal
    bound_by: Refusal
    adds_to: LotId | None

    @property
    def product_id(self) -> ProductId:
        return self.proposal.product_id

    @property
    def exit_plan(self) -> ExitPlan:
        return ExitPlan(
            strategy=self.proposal.strategy,
            stop_fraction=self.proposal.stop_fraction,
            target_fraction=self.proposal.target_fraction,
            max_hold_seconds=self.proposal.max_hold_seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What may be bought, and what may not; each proposal is in exactly one of them."""

    approved: tuple[Approved, ...]
    refused: tuple[Refused, ...]


class ExitReason(Enum):
    """Why a lot must be closed, most urgent first."""

    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    TRAILING_STOP = "trailing_stop"
    MAX_HOLD = "max_hold"
    UNGUARDED = "unguarded"
