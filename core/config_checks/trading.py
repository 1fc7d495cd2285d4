"""Checks of strategies, execution, pace and breakers: can a trade pay its costs, and does each wait fit its frame?"""

from collections.abc import Iterator
from decimal import Decimal

from core.config_checks.findings import Check, ConfigView, FindingSeverity, Problem

ERROR, WARNING = FindingSeverity.ERROR, FindingSeverity.WARNING
TIERS = ("tier_1", "tier_2", "tier_3")
STRATEGIES = "signals.strategies"
EXECUTION = "policy.execution."
BREAKERS = "policy.circuit_breakers."

SLIPPAGE_BPS_MAX = 500
STOP_PCT_MAX = 20
CANDLE_AGE_SECONDS_MAX = 300
QUOTE_AGE_SECONDS_MAX = 60
CANDLE_SECONDS = 60
DAY_SECONDS = 86400
AUDIT_LINE_BYTES = 4096  # a quiet cycle's line has under 1.5 KB; a day with trades has to fit, too
TOKEN_LIFE_SECONDS = 120  # a signed order request is accepted for so long after it was made


def _stop_not_below_target(view: ConfigView) -> Iterator[Problem]:
    for strategy in view.names(STRATEGIES):
        path, target = f"{STRATEGIES}.{strategy}.stop_pct", view.number(f"{STRATEGIES}.{strategy}.target_pct")
        if view.number(path) >= target:
            yield Problem(
                path=path,
                message=f"the loss taken is not smaller than the profit wanted (target_pct = {target})",
                fix=f"set it below {target}",
            )


def _target_below_costs(view: ConfigView) -> Iterator[Problem]:
    costs = _round_trip_pct(view)
    for strategy in view.names(STRATEGIES):
        path = f"{STRATEGIES}.{strategy}.target_pct"
        if view.number(path) <= costs:
            yield Problem(
                path=path,
                message=f"a won trade would lose money: entry and exit cost up to {costs} % "
                "(maker_fee_bps + taker_fee_bps + the largest max_slippage_bps)",
                fix=f"set it above {costs}",
            )


def _round_trip_pct(view: ConfigView) -> Decimal:
    fees = view.number(EXECUTION + "maker_fee_bps") + view.number(EXECUTION + "taker_fee_bps")
    return (fees + max(view.number(f"{EXECUTION}max_slippage_bps.{tier}") for tier in TIERS)) / 100


def _stop_inside_spread(view: ConfigView) -> Iterator[Problem]:
    spread = max(view.number(f"universe.tiers.{tier}.max_spread_bps") for tier in TIERS) / 100
    for strategy in view.names(STRATEGIES):
        path = f"{STRATEGIES}.{strategy}.stop_pct"
        if view.number(path) <= spread:
            yield Problem(
                path=path,
                message=f"the stop would be hit by the spread alone (tiers allow {spread} %)",
                fix=f"set it above {spread}",
            )


def _stop_too_wide(view: ConfigView) -> Iterator[Problem]:
    for strategy in view.names(STRATEGIES):
        path = f"{STRATEGIES}.{strategy}.stop_pct"
        if view.number(path) > STOP_PCT_MAX:
            yield Problem(
                path=path,
                message="a stop this far away guards nothing",
                fix=f"set it to {STOP_PCT_MAX} or less",
            )


def _no_strategy(view: ConfigView) -> Iterator[Problem]:
    names = view.names(STRATEGIES)
    if not any(view.flag(f"{STRATEGIES}.{name}.enabled") for name in names):
        yield Problem(
            path=f"{STRATEGIES}.{names[0]}.enabled",
            message="no strategy is enabled: the bot would never buy",
            fix="set `enabled: true` for one strategy at least",
        )


def _trailing(view: ConfigView) -> Iterator[Problem]:
    arms_at = view.number("policy.exits.trailing_arms_at_pct")
    if view.flag("policy.exits.trailing_stop_enabled") and view.number("policy.exits.trailing_stop_pct") >= arms_at:
        yield Problem(
            path="policy.exits.trailing_stop_pct",
            message=f"the trailing stop would begin at or below the entry (exits.trailing_arms_at_pct = {arms_at})",
            fix=f"set it below {arms_at}, or set exits.trailing_stop_enabled to false",
        )


def _trailing_never_arms(view: ConfigView) -> Iterator[Problem]:
    arms_at = view.number("policy.exits.trailing_arms_at_pct")
    for strategy in view.names(STRATEGIES):
        target = view.number(f"{STRATEGIES}.{strategy}.target_pct")
        if view.flag("policy.exits.trailing_stop_enabled") and arms_at >= target:
            yield Problem(
                path="policy.exits.trailing_arms_at_pct",
                message=f"the target of {strategy} ({target} %) is reached before the trailing stop wakes",
                fix=f"set it below {target}",
            )


def _slippage(view: ConfigView) -> Iterator[Problem]:
    paths = [f"{EXECUTION}max_slippage_bps.{tier}" for tier in TIERS]
    for path in (*paths, "policy.exits.max_exit_slippage_bps", "policy.exits.exit_slippage_limit_bps"):
        if view.number(path) > SLIPPAGE_BPS_MAX:
            yield Problem(
                path=path,
                message="more than 5 % may be lost to the price moving away",
                fix=f"set it to {SLIPPAGE_BPS_MAX} or less",
            )


def _slippage_over_collar(view: ConfigView) -> Iterator[Problem]:
    for tier in TIERS:
        path, collar = f"{EXECUTION}max_slippage_bps.{tier}", view.number(f"{EXECUTION}price_collar_bps.{tier}")
        if view.number(path) > collar:
            yield Problem(
                path=path,
                message=f"the collar would refuse the order (execution.price_collar_bps.{tier} = {collar})",
                fix=f"set it to {collar} or less",
            )


def _fees(view: ConfigView) -> Iterator[Problem]:
    taker = view.number(EXECUTION + "taker_fee_bps")
    if view.number(EXECUTION + "maker_fee_bps") > taker:
        yield Problem(
            path=EXECUTION + "maker_fee_bps",
            message=f"a maker never pays more than a taker (taker_fee_bps = {taker})",
            fix="copy both rates from the account's fee page; the smaller is the maker's",
        )


def _poll_over_ttl(view: ConfigView) -> Iterator[Problem]:
    ttl = view.number(EXECUTION + "maker_ttl_seconds")
    if view.number(EXECUTION + "poll_interval_seconds") > ttl:
        yield Problem(
            path=EXECUTION + "poll_interval_seconds",
            message=f"a resting order would die unseen (maker_ttl_seconds = {ttl})",
            fix=f"set it to {ttl} or less",
        )


def _deadline_over_interval(view: ConfigView) -> Iterator[Problem]:
    interval = view.number("app.loop.interval_seconds")
    if view.number("app.loop.cycle_deadline_seconds") >= interval:
        yield Problem(
            path="app.loop.cycle_deadline_seconds",
            message=f"a cycle could run into the next one (loop.interval_seconds = {interval})",
            fix=f"set it below {interval}",
        )


def _audit_below_a_day(view: ConfigView) -> Iterator[Problem]:
    cycles = DAY_SECONDS // view.number("app.loop.interval_seconds")
    least = int(cycles * AUDIT_LINE_BYTES)
    if view.number("app.records.audit_max_bytes") < least:
        yield Problem(
            path="app.records.audit_max_bytes",
            message=f"a rehearsal of 24 hours ({int(cycles)} cycles) may not fit into one file, so that its number of "
            "lines is not the number of cycles",
            fix=f"set it to {least} or more",
        )


def _unknown_settle(view: ConfigView) -> Iterator[Problem]:
    least = TOKEN_LIFE_SECONDS + view.number(EXECUTION + "maker_ttl_seconds")
    if view.number(EXECUTION + "unknown_settle_seconds") < least:
        yield Problem(
            path=EXECUTION + "unknown_settle_seconds",
            message=f"a lost order could still appear: its request lives {TOKEN_LIFE_SECONDS} s "
            "and the order maker_ttl_seconds",
            fix=f"set it to {least} or more",
        )


def _stale_data(view: ConfigView) -> Iterator[Problem]:
    limits = {
        BREAKERS + "max_candle_age_seconds": CANDLE_AGE_SECONDS_MAX,
        EXECUTION + "max_quote_age_seconds": QUOTE_AGE_SECONDS_MAX,
    }
    for path, limit in limits.items():
        if view.number(path) > limit:
            yield Problem(path=path, message="data this old would be traded on", fix=f"set it to {limit} or less")


def _candle_age_too_short(view: ConfigView) -> Iterator[Problem]:
    least = CANDLE_SECONDS + view.number("app.loop.interval_seconds")
    if view.number(BREAKERS + "max_candle_age_seconds") < least:
        yield Problem(
            path=BREAKERS + "max_candle_age_seconds",
            message="sound data would count as stale: a candle takes a minute to close and is read once a cycle",
            fix=f"set it to {least} or more",
        )


def _mismatch_order(view: ConfigView) -> Iterator[Problem]:
    halt = view.number(BREAKERS + "mismatch_cycles_to_halt")
    if view.number(BREAKERS + "mismatch_cycles_to_reduce") > halt:
        yield Problem(
            path=BREAKERS + "mismatch_cycles_to_reduce",
            message=f"the bot would halt before it reduces (mismatch_cycles_to_halt = {halt})",
            fix=f"set it to {halt} or less",
        )


def _live_read_only(view: ConfigView) -> Iterator[Problem]:
    if view.text("app.app.mode") == "LIVE" and view.flag("app.exchange.read_only"):
        yield Problem(
            path="app.exchange.read_only",
            message="app.mode is LIVE, but no order may be sent: the start will be refused",
            fix="set it to false once the rehearsal has passed, or set app.mode to PAPER",
        )


def _live_off_market(view: ConfigView) -> Iterator[Problem]:
    market = view.text("app.exchange.market")
    if view.text("app.app.mode") == "LIVE" and (market == "simulated" or market.startswith("replay:")):
        yield Problem(
            path="app.exchange.market",
            message="app.mode is LIVE, but this market is not the real one",
            fix='set it to "coinbase", or set app.mode to PAPER',
        )


TRADING_CHECKS = (
    Check(
        "UNSAFE_STOP_NOT_BELOW_TARGET", ERROR, "U1", "a strategy's stop not below its target", _stop_not_below_target
    ),
    Check("UNSAFE_SLIPPAGE", ERROR, "U9", "slippage over 500 bps", _slippage),
    Check("UNSAFE_STALE_DATA", ERROR, "M3", "candles over 300 s or quotes over 60 s accepted as fresh", _stale_data),
    Check("TARGET_BELOW_COSTS", ERROR, "", "a target that fees and slippage eat up", _target_below_costs),
    Check("STOP_INSIDE_SPREAD", ERROR, "", "a stop that the spread alone can hit", _stop_inside_spread),
    Check("STOP_TOO_WIDE", ERROR, "", "a stop over 20 %", _stop_too_wide),
    Check("NO_STRATEGY", ERROR, "", "no strategy enabled", _no_strategy),
    Check("TRAILING_BELOW_ENTRY", ERROR, "", "a trailing stop that begins at or below the entry", _trailing),
    Check("TRAILING_NEVER_ARMS", WARNING, "", "a trailing stop that wakes beyond a target", _trailing_never_arms),
    Check("SLIPPAGE_OVER_COLLAR", ERROR, "", "a slippage budget over the price collar", _slippage_over_collar),
    Check("FEES_SWAPPED", ERROR, "", "maker fee over taker fee", _fees),
    Check("POLL_OVER_TTL", ERROR, "", "looking at resting orders less often than they live", _poll_over_ttl),
    Check("DEADLINE_OVER_INTERVAL", ERROR, "", "a cycle deadline not below the interval", _deadline_over_interval),
    Check("AUDIT_FILE_BELOW_A_DAY", WARNING, "", "an audit file that ends within a day", _audit_below_a_day),
    Check("UNKNOWN_SETTLE_TOO_SHORT", ERROR, "", "an order called absent while it could still appear", _unknown_settle),
    Check("CANDLE_AGE_TOO_SHORT", ERROR, "", "sound candles that would count as stale", _candle_age_too_short),
    Check("MISMATCH_ORDER", ERROR, "", "halting before reducing on a mismatch", _mismatch_order),
    Check("LIVE_READ_ONLY", WARNING, "", "mode LIVE that may send nothing", _live_read_only),
    Check("LIVE_OFF_MARKET", ERROR, "", "mode LIVE on a market that is not real", _live_off_market),
)
