"""What the venue's codes of a rejected order mean for us (coinbase_api 2.9). A preview says them with a prefix."""

from core.model.verdicts import ExitReason

PREVIEW_PREFIX = "PREVIEW_"

_POST_ONLY = frozenset({"INVALID_LIMIT_PRICE_POST_ONLY"})

_STOP_REACHED = frozenset(
    {
        "STOP_ALREADY_TRIGGERED",
        "STOP_PRICE_ABOVE_LAST_TRADE_PRICE",
        "STOP_LOSS_PRICE_TOO_HIGH",
        "INVALID_BRACKET_STOP_TRIGGER_PRICE",
        "STOP_TRIGGER_PRICE_OUT_OF_BOUNDS",
    }
)

_TARGET_REACHED = frozenset({"INVALID_BRACKET_LIMIT_PRICE", "TAKE_PROFIT_PRICE_TOO_LOW"})

_UNSUPPORTED = frozenset(
    {
        "BRACKET_ORDER_NOT_SUPPORTED",
        "UNSUPPORTED_ORDER_CONFIGURATION",
        "INVALID_ORDER_CONFIG",
        "ORDER_TYPE_NOT_SUPPORTED",
    }
)

_CLOSED = frozenset({"ORDER_ENTRY_DISABLED", "TRADING_DISABLED", "PRODUCT_TRADING_HALTED", "UNTRADABLE_PRODUCT"})


def would_have_crossed(code: str) -> bool:
    """Tell whether a post-only order was refused because the market had moved to its price."""
    return _bare(code) in _POST_ONLY


def exit_reached(code: str) -> ExitReason | None:
    """Return which side of a guard the price has reached already, so that it was refused; None for other codes."""
    if _bare(code) in _STOP_REACHED:
        return ExitReason.STOP_LOSS
    return ExitReason.TAKE_PROFIT if _bare(code) in _TARGET_REACHED else None


def is_kind_unsupported(code: str) -> bool:
    """Tell whether the venue takes no order of this kind at all; every other refusal is about the moment."""
    return _bare(code) in _UNSUPPORTED


def is_market_closed(code: str) -> bool:
    """Tell whether the venue takes no order at all of a product, so that a sell would be refused like a guard."""
    return _bare(code) in _CLOSED


def _bare(code: str) -> str:
    return code.removeprefix(PREVIEW_PREFIX)
