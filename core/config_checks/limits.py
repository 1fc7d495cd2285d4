"""Checks of the limits in policy.yaml: do they agree, and can an account of the stated size trade at all?"""

from collections.abc import Iterator
from decimal import Decimal

from core.config_checks.findings import Check, ConfigView, FindingSeverity, Problem

ERROR, WARNING = FindingSeverity.ERROR, FindingSeverity.WARNING
RISK = "policy.risk."

HIGH_EXPOSURE_PCT = 50
NEGATIVE_KEYS = (
    "policy.risk.daily_stop_pnl_pct",
    "policy.risk.weekly_stop_pnl_pct",
    "signals.regime.bear_24h_pct",
    "signals.regime.crash_24h_pct",
    "signals.regime.crash_60m_pct",
)


def _sign(view: ConfigView) -> Iterator[Problem]:
    for path in _percent_paths(view):
        value = view.number(path)
        if path in NEGATIVE_KEYS and value >= 0:
            yield Problem(path=path, message="a loss or a fall must be below zero", fix=f"write -{abs(value) or 3}")
        if path not in NEGATIVE_KEYS and value < 0:
            yield Problem(path=path, message="a share or a distance cannot be negative", fix=f"write {abs(value)}")


def _percent_paths(view: ConfigView) -> Iterator[str]:
    """Yield every number whose key, or whose section's key, ends in `_pct` or `_bps`."""
    pending = [(name, False) for name in view.documents]
    while pending:
        path, is_percent = pending.pop(0)
        value = view.get(path)
        is_percent = is_percent or path.endswith(("_pct", "_bps"))
        if isinstance(value, dict):
            pending.extend((f"{path}.{key}", is_percent) for key in value)
        elif is_percent and isinstance(value, int | Decimal):
            yield path


def _position_over_total(view: ConfigView) -> Iterator[Problem]:
    total = view.number(RISK + "max_total_at_risk_pct")
    if view.number(RISK + "max_position_size_pct") > total:
        yield Problem(
            path=RISK + "max_position_size_pct",
            message=f"one position may be larger than everything at risk (risk.max_total_at_risk_pct = {total})",
            fix=f"set it to {total} or less",
        )


def _positions_over_total(view: ConfigView) -> Iterator[Problem]:
    total = view.number(RISK + "max_total_at_risk_pct")
    size = view.number(RISK + "max_position_size_pct")
    count = view.number(RISK + "max_open_positions")
    if count * size > total:
        yield Problem(
            path=RISK + "max_open_positions",
            message=f"{count} positions of {size} % are {count * size} %, over risk.max_total_at_risk_pct = {total}",
            fix=f"set it to {int(total / size)} or less, or lower risk.max_position_size_pct",
        )


def _daily_stop(view: ConfigView) -> Iterator[Problem]:
    weekly = view.number(RISK + "weekly_stop_pnl_pct")
    if abs(view.number(RISK + "daily_stop_pnl_pct")) >= abs(weekly):
        yield Problem(
            path=RISK + "daily_stop_pnl_pct",
            message=f"the daily stop is not tighter than risk.weekly_stop_pnl_pct = {weekly}",
            fix=f"set it between 0 and {weekly}",
        )


def _weekly_stop(view: ConfigView) -> Iterator[Problem]:
    drawdown = view.number(RISK + "max_drawdown_pct")
    if abs(view.number(RISK + "weekly_stop_pnl_pct")) >= drawdown:
        yield Problem(
            path=RISK + "weekly_stop_pnl_pct",
            message=f"the weekly stop is not tighter than risk.max_drawdown_pct = {drawdown}",
            fix=f"set it between 0 and -{drawdown}",
        )


def _min_order_over_max(view: ConfigView) -> Iterator[Problem]:
    largest = view.number(RISK + "max_order_notional_usd")
    if view.number(RISK + "min_trade_notional_usd") > largest:
        yield Problem(
            path=RISK + "min_trade_notional_usd",
            message=f"the smallest order is larger than the largest (risk.max_order_notional_usd = {largest})",
            fix=f"set it to {largest} or less",
        )


def _position_min_over_max(view: ConfigView) -> Iterator[Problem]:
    largest = view.number(RISK + "max_position_size_pct")
    if view.number(RISK + "min_position_size_pct") > largest:
        yield Problem(
            path=RISK + "min_position_size_pct",
            message=f"the smallest position is larger than the largest (risk.max_position_size_pct = {largest})",
            fix=f"set it to {largest} or less",
        )


def _notional_over_smallest_position(view: ConfigView) -> Iterator[Problem]:
    notional = view.number(RISK + "min_trade_notional_usd")
    for capital, position in _smallest_positions(view):
        if notional > position:
            yield Problem(
                path=RISK + "min_trade_notional_usd",
                message=f"larger than the smallest position of an account of {capital} "
                f"(risk.min_position_size_pct of it is {position} USD)",
                fix=f"set it to {position} or less, or raise {capital.split(' ')[0]}",
            )


def _order_cap_below_smallest_position(view: ConfigView) -> Iterator[Problem]:
    cap = view.number(RISK + "max_order_notional_usd")
    for capital, position in _smallest_positions(view):
        if cap < position:
            yield Problem(
                path=RISK + "max_order_notional_usd",
                message=f"smaller than the smallest position of an account of {capital} "
                f"(risk.min_position_size_pct of it is {position} USD): every entry would be refused",
                fix=f"set it to {position} or more",
            )


def _smallest_positions(view: ConfigView) -> Iterator[tuple[str, Decimal]]:
    """Yield the name and amount of each stated capital, with the smallest position that it may hold."""
    share = view.number(RISK + "min_position_size_pct") / 100
    for path in (RISK + "min_capital_usd", "app.paper.starting_cash_usd", "app.live.capital_usd"):
        capital = view.number(path)
        yield f"{path.partition('.')[2]} = {capital}", share * capital


def _paper_cash(view: ConfigView) -> Iterator[Problem]:
    least = view.number(RISK + "min_capital_usd")
    if view.number("app.paper.starting_cash_usd") < least:
        yield Problem(
            path="app.paper.starting_cash_usd",
            message=f"below risk.min_capital_usd = {least} of policy.yaml: a paper account would never trade",
            fix=f"set it to {least} or more",
        )


def _dust(view: ConfigView) -> Iterator[Problem]:
    notional = view.number(RISK + "min_trade_notional_usd")
    if view.number(RISK + "dust_threshold_usd") > notional:
        yield Problem(
            path=RISK + "dust_threshold_usd",
            message=f"a position as small as risk.min_trade_notional_usd = {notional} would count as dust, unguarded",
            fix=f"set it to {notional} or less",
        )


def _high_exposure(view: ConfigView) -> Iterator[Problem]:
    if view.number(RISK + "max_total_at_risk_pct") > HIGH_EXPOSURE_PCT:
        yield Problem(
            path=RISK + "max_total_at_risk_pct",
            message="more than half of the account may be at risk at once",
            fix=f"set it to {HIGH_EXPOSURE_PCT} or less, unless this is meant",
        )


def _new_positions(view: ConfigView) -> Iterator[Problem]:
    most = view.number(RISK + "max_open_positions")
    if view.number(RISK + "max_new_positions_per_cycle") > most:
        yield Problem(
            path=RISK + "max_new_positions_per_cycle",
            message=f"one cycle may open more than may be open (risk.max_open_positions = {most})",
            fix=f"set it to {most} or less",
        )


def _cooldown_order(view: ConfigView) -> Iterator[Problem]:
    base, loss, stop = (RISK + f"per_symbol_cooldown{suffix}_minutes" for suffix in ("", "_after_loss", "_after_stop"))
    for path, at_least in ((loss, base), (stop, loss)):
        if view.number(path) < view.number(at_least):
            yield Problem(
                path=path,
                message=f"shorter than the milder case {at_least.partition('.')[2]} = {view.text(at_least)}",
                fix=f"set it to {view.text(at_least)} or more",
            )


def _hourly_trades(view: ConfigView) -> Iterator[Problem]:
    daily = view.number(RISK + "max_trades_per_day")
    if view.number(RISK + "max_trades_per_hour") > daily:
        yield Problem(
            path=RISK + "max_trades_per_hour",
            message=f"over risk.max_trades_per_day = {daily}",
            fix=f"set it to {daily} or less",
        )


LIMIT_CHECKS = (
    Check("UNSAFE_SIGN", ERROR, "U2", "a negative share or distance; a stop or a fall that is not negative", _sign),
    Check(
        "UNSAFE_POSITION_OVER_TOTAL", ERROR, "U3", "one position larger than everything at risk", _position_over_total
    ),
    Check("UNSAFE_POSITIONS_OVER_TOTAL", ERROR, "U4", "positions x size over the total at risk", _positions_over_total),
    Check("UNSAFE_DAILY_STOP_NOT_TIGHTER", ERROR, "U5", "daily stop not tighter than the weekly one", _daily_stop),
    Check("UNSAFE_MIN_ORDER_OVER_MAX", ERROR, "U6", "smallest order over the largest", _min_order_over_max),
    Check("UNSAFE_POSITION_MIN_OVER_MAX", ERROR, "U7", "smallest position over the largest", _position_min_over_max),
    Check("WARNING_HIGH_EXPOSURE", WARNING, "M1", "more than 50 % at risk", _high_exposure),
    Check("WEEKLY_STOP_NOT_TIGHTER", ERROR, "", "weekly stop not tighter than the drawdown limit", _weekly_stop),
    Check(
        "NOTIONAL_OVER_SMALLEST_POSITION",
        ERROR,
        "",
        "smallest order over the smallest position of the stated accounts",
        _notional_over_smallest_position,
    ),
    Check(
        "ORDER_CAP_BELOW_SMALLEST_POSITION",
        ERROR,
        "",
        "largest order below the smallest position of the stated accounts",
        _order_cap_below_smallest_position,
    ),
    Check("PAPER_CASH_BELOW_MIN_CAPITAL", ERROR, "", "a paper account too small for the profile", _paper_cash),
    Check("DUST_OVER_NOTIONAL", ERROR, "", "a tradable position that would count as dust", _dust),
    Check("NEW_POSITIONS_OVER_OPEN", ERROR, "", "more new positions a cycle than may be open", _new_positions),
    Check("COOLDOWN_ORDER", ERROR, "", "cooldowns: after a stop >= after a loss >= after any close", _cooldown_order),
    Check("HOURLY_TRADES_OVER_DAILY", ERROR, "", "more entries an hour than a day", _hourly_trades),
)
