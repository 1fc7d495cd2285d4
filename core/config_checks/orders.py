"""Checks of how orders are sent and guarded: can an exit widen, does a guard sell, is there time, may LIVE begin?"""

from collections.abc import Iterator
from decimal import Decimal

from core.config_checks.findings import Check, ConfigView, FindingSeverity, Problem
from core.config_checks.trading import BREAKERS, EXECUTION, STOP_PCT_MAX, STRATEGIES, TIERS

ERROR, WARNING = FindingSeverity.ERROR, FindingSeverity.WARNING
EXITS = "policy.exits."
OFFSET = "policy.protection.stop_limit_offset_bps"


def _exit_slippage_order(view: ConfigView) -> Iterator[Problem]:
    first = view.number(EXITS + "max_exit_slippage_bps")
    if view.number(EXITS + "exit_slippage_limit_bps") < first:
        yield Problem(
            path=EXITS + "exit_slippage_limit_bps",
            message=f"the first attempt may already sell lower (exits.max_exit_slippage_bps = {first})",
            fix=f"set it to {first} or more",
        )


def _exit_slippage_step(view: ConfigView) -> Iterator[Problem]:
    first, limit = view.number(EXITS + "max_exit_slippage_bps"), view.number(EXITS + "exit_slippage_limit_bps")
    if view.number(EXITS + "exit_slippage_step_bps") <= 0 and limit > first:
        yield Problem(
            path=EXITS + "exit_slippage_step_bps",
            message=f"an exit that does not fill would never widen towards exits.exit_slippage_limit_bps = {limit}",
            fix=f"set it above 0, or set exits.exit_slippage_limit_bps to {first}",
        )


def _stop_limit_too_tight(view: ConfigView) -> Iterator[Problem]:
    first = view.number(EXITS + "max_exit_slippage_bps")
    if view.text("policy.protection.kind") != "bracket" and view.number(OFFSET) < first:
        yield Problem(
            path=OFFSET,
            message="a small gap would leave the guard behind: it gives up sooner than the bot's own first exit "
            f"(exits.max_exit_slippage_bps = {first})",
            fix=f"set it to {first} or more",
        )


def _stop_limit_too_wide(view: ConfigView) -> Iterator[Problem]:
    widest = max(view.number(f"{STRATEGIES}.{name}.stop_pct") for name in view.names(STRATEGIES))
    if widest + view.number(OFFSET) / 100 > STOP_PCT_MAX:
        yield Problem(
            path=OFFSET,
            message=f"a guard could sell {STOP_PCT_MAX} % and more below the entry (the widest stop is {widest} %)",
            fix=f"set it to {(STOP_PCT_MAX - widest) * 100} or less",
        )


def _edge_unreachable(view: ConfigView) -> Iterator[Problem]:
    least = _least_target_pct(view)
    for strategy in view.names(STRATEGIES):
        path = f"{STRATEGIES}.{strategy}.target_pct"
        if view.flag(f"{STRATEGIES}.{strategy}.enabled") and view.number(path) < least:
            yield Problem(
                path=path,
                message=f"the strategy would never trade: even without a spread an entry needs {least} % "
                "(2 x taker_fee_bps + the smallest max_slippage_bps + min_net_edge_bps)",
                fix=f"set it to {least} or more, or disable the strategy",
            )


def _least_target_pct(view: ConfigView) -> Decimal:
    """Return the least target with which `core.risk` lets a strategy buy, in the best tier and without a spread."""
    slippage = min(view.number(f"{EXECUTION}max_slippage_bps.{tier}") for tier in TIERS)
    return (2 * view.number(EXECUTION + "taker_fee_bps") + slippage + view.number(EXECUTION + "min_net_edge_bps")) / 100


def _maker_ttl_over_deadline(view: ConfigView) -> Iterator[Problem]:
    deadline = view.number("app.loop.cycle_deadline_seconds")
    quotes = 1 + view.number(EXECUTION + "max_requotes")
    sent = quotes + 1  # the crossing order at the end
    settling = view.number(EXECUTION + "post_trade_reconcile_wait_seconds") * sent
    if view.number(EXECUTION + "maker_ttl_seconds") * quotes + settling >= deadline:
        yield Problem(
            path=EXECUTION + "maker_ttl_seconds",
            message=f"resting {quotes} times (max_requotes + 1) and settling ({settling} s) does not fit into a cycle "
            f"(loop.cycle_deadline_seconds = {deadline} in app.yaml)",
            fix=f"set it below {(deadline - settling) / quotes:.1f}, or lower max_requotes",
        )


def _late_requests(view: ConfigView) -> Iterator[Problem]:
    deadline = view.number("app.loop.cycle_deadline_seconds")
    for path in ("app.loop.market_data_seconds", "app.exchange.request_timeout_seconds"):
        if view.number(path) >= deadline:
            yield Problem(
                path=path,
                message=f"questions alone could use up the cycle (loop.cycle_deadline_seconds = {deadline})",
                fix=f"set it below {deadline}",
            )


def _clock_skew_order(view: ConfigView) -> Iterator[Problem]:
    halting = view.number("app.exchange.max_clock_skew_seconds")
    if view.number(BREAKERS + "max_clock_skew_seconds") > halting:
        yield Problem(
            path=BREAKERS + "max_clock_skew_seconds",
            message=f"the bot would halt before it reduces (exchange.max_clock_skew_seconds = {halting} in app.yaml)",
            fix=f"set it to {halting} or less",
        )


def _live_capital(view: ConfigView) -> Iterator[Problem]:
    least = view.number("policy.risk.min_capital_usd")
    if view.text("app.app.mode") == "LIVE" and view.number("app.live.capital_usd") < least:
        yield Problem(
            path="app.live.capital_usd",
            message=f"below risk.min_capital_usd = {least} of policy.yaml: LIVE would never trade",
            fix=f"set it to {least} or more",
        )


def _live_on_loopback(view: ConfigView) -> Iterator[Problem]:
    if view.text("app.app.mode") == "LIVE" and view.text("app.exchange.api_url").startswith("http://127.0.0.1:"):
        yield Problem(
            path="app.exchange.api_url",
            message="app.mode is LIVE, but this exchange is a program on this machine: no order reaches Coinbase",
            fix='set it to "https://api.coinbase.com", unless this is a test',
        )


ORDER_CHECKS = (
    Check("EXIT_SLIPPAGE_ORDER", ERROR, "", "an exit's widest slippage below its first", _exit_slippage_order),
    Check("EXIT_SLIPPAGE_STEP", ERROR, "", "an exit that never widens", _exit_slippage_step),
    Check("STOP_LIMIT_TOO_TIGHT", ERROR, "", "a stop-limit that a small gap leaves behind", _stop_limit_too_tight),
    Check("STOP_LIMIT_TOO_WIDE", ERROR, "", "a stop-limit that sells over 20 % below the entry", _stop_limit_too_wide),
    Check("EDGE_UNREACHABLE", ERROR, "", "an enabled strategy whose target can never pay", _edge_unreachable),
    Check("MAKER_TTL_OVER_DEADLINE", ERROR, "", "resting and settling longer than a cycle", _maker_ttl_over_deadline),
    Check("REQUESTS_OVER_DEADLINE", ERROR, "", "questions that may take a whole cycle", _late_requests),
    Check("CLOCK_SKEW_ORDER", ERROR, "", "halting before reducing on a clock skew", _clock_skew_order),
    Check("LIVE_CAPITAL_BELOW_MIN", ERROR, "", "mode LIVE with too little capital for the profile", _live_capital),
    Check("LIVE_ON_LOOPBACK", WARNING, "", "mode LIVE against an exchange on this machine", _live_on_loopback),
)
