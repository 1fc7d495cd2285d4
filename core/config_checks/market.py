"""Checks of universe.yaml and of what the signals look at: does every name mean something, and only one thing?"""

from collections.abc import Iterator
from itertools import pairwise

from core.config_checks.findings import Check, ConfigView, FindingSeverity, Problem

ERROR, WARNING = FindingSeverity.ERROR, FindingSeverity.WARNING
TIERS = ("tier_1", "tier_2", "tier_3")
THEME_CAPS = "policy.risk.max_per_theme_pct"
THEMES = "universe.themes"
EXCLUDED = "universe.exclusions.assets"

SPREAD_BPS_MAX = 1000
LOOKBACK_MINUTES_MAX = 1439  # the indicators keep 1440 closed candles, and the last one is not its own past


def _assets(tier: str) -> str:
    return f"universe.tiers.{tier}.assets"


def _tiered(view: ConfigView) -> tuple[str, ...]:
    return tuple(asset for tier in TIERS for asset in view.names(_assets(tier)))


def _spread_floor(view: ConfigView) -> Iterator[Problem]:
    for tier in TIERS:
        path = f"universe.tiers.{tier}.max_spread_bps"
        if view.number(path) > SPREAD_BPS_MAX:
            yield Problem(
                path=path,
                message="a product this illiquid loses more than 10 % on a round trip",
                fix=f"set it to {SPREAD_BPS_MAX} or less",
            )


def _theme_unknown(view: ConfigView) -> Iterator[Problem]:
    known = view.names(THEMES)
    for theme in view.names(THEME_CAPS):
        if theme not in known:
            yield Problem(
                path=f"{THEME_CAPS}.{theme}",
                message="themes in universe.yaml has no theme of this name: the cap guards nothing",
                fix=f"correct the name (known: {', '.join(known)}), or define the theme",
            )


def _theme_without_cap(view: ConfigView) -> Iterator[Problem]:
    capped = view.names(THEME_CAPS)
    for theme in view.names(THEMES):
        if theme not in capped:
            yield Problem(
                path=f"{THEMES}.{theme}",
                message="the theme has no cap in risk.max_per_theme_pct of policy.yaml",
                fix=f"add `{theme}: 10.0` there, or remove the theme",
            )


def _theme_cap_useless(view: ConfigView) -> Iterator[Problem]:
    total = view.number("policy.risk.max_total_at_risk_pct")
    for theme in view.names(THEME_CAPS):
        if view.number(f"{THEME_CAPS}.{theme}") > total:
            yield Problem(
                path=f"{THEME_CAPS}.{theme}",
                message=f"over risk.max_total_at_risk_pct = {total}: the cap has no effect",
                fix=f"set it to {total} or less",
            )


def _theme_cap_too_small(view: ConfigView) -> Iterator[Problem]:
    least = view.number("policy.risk.min_position_size_pct")
    for theme in view.names(THEME_CAPS):
        if view.number(f"{THEME_CAPS}.{theme}") < least:
            yield Problem(
                path=f"{THEME_CAPS}.{theme}",
                message=f"below risk.min_position_size_pct = {least}: nothing of the theme can be bought",
                fix=f"set it to {least} or more, or exclude its assets in universe.yaml",
            )


def _theme_asset_in_no_tier(view: ConfigView) -> Iterator[Problem]:
    tiered = _tiered(view)
    for theme in view.names(THEMES):
        strays = [asset for asset in view.names(f"{THEMES}.{theme}") if asset not in tiered]
        if strays:
            yield Problem(
                path=f"{THEMES}.{theme}",
                message=f"{', '.join(strays)} is in no tier and never traded",
                fix="correct its spelling, add it to a tier, or remove it here",
            )


def _asset_in_two_tiers(view: ConfigView) -> Iterator[Problem]:
    for place, tier in enumerate(TIERS):
        for later in TIERS[place + 1 :]:
            doubled = [asset for asset in view.names(_assets(later)) if asset in view.names(_assets(tier))]
            if doubled:
                yield Problem(
                    path=_assets(later),
                    message=f"{', '.join(doubled)} is in {tier} too",
                    fix="keep each asset in one tier",
                )


def _asset_tiered_and_excluded(view: ConfigView) -> Iterator[Problem]:
    tiered = _tiered(view)
    both = [asset for asset in view.names(EXCLUDED) if asset in tiered]
    if both:
        yield Problem(
            path=EXCLUDED,
            message=f"{', '.join(both)} is excluded and in a tier",
            fix="keep each asset in one of the two places",
        )


def _quote_currency_not_excluded(view: ConfigView) -> Iterator[Problem]:
    excluded = view.names(EXCLUDED)
    for currency in view.names("universe.quote_currencies"):
        if currency != "USD" and currency not in excluded:
            yield Problem(
                path="universe.quote_currencies",
                message=f"we pay with {currency}, so it must never be bought",
                fix=f'add "{currency}" to exclusions.assets',
            )


def _tier_floors(view: ConfigView) -> Iterator[Problem]:
    for better, worse in pairwise(TIERS):
        for key in ("min_volume_24h_usd", "min_depth_usd", "max_spread_bps"):
            limit, path = f"universe.tiers.{better}.{key}", f"universe.tiers.{worse}.{key}"
            stricter = view.number(path) - view.number(limit)
            if key == "max_spread_bps":
                stricter = -stricter
            if stricter > 0:
                yield Problem(
                    path=path,
                    message=f"stricter than the better tier ({better}.{key} = {view.text(limit)})",
                    fix=f"set it no stricter than {view.text(limit)}",
                )


def _min_eligible(view: ConfigView) -> Iterator[Problem]:
    tradable = len([asset for asset in _tiered(view) if asset not in view.names(EXCLUDED)])
    most = min(int(view.number("universe.max_products")), tradable)
    if view.number("universe.min_eligible_products") > most:
        yield Problem(
            path="universe.min_eligible_products",
            message=f"at most {most} products can be eligible: the empty-universe breaker would never recover",
            fix=f"set it to {most} or less",
        )


def _benchmark(view: ConfigView) -> Iterator[Problem]:
    if view.text("signals.regime.benchmark") not in _tiered(view):
        yield Problem(
            path="signals.regime.benchmark",
            message="the asset is in no tier of universe.yaml: its candles are never read",
            fix="name an asset of a tier (BTC), or add it to one",
        )


def _lookback(view: ConfigView) -> Iterator[Problem]:
    for key in ("breakout_lookback_minutes", "momentum_minutes", "mean_reversion_minutes"):
        if view.number(f"signals.triggers.{key}") > LOOKBACK_MINUTES_MAX:
            yield Problem(
                path=f"signals.triggers.{key}",
                message="longer than the day of candles that is kept",
                fix=f"set it to {LOOKBACK_MINUTES_MAX} or less",
            )


def _regime_thresholds(view: ConfigView) -> Iterator[Problem]:
    bull, bear, crash = (f"signals.regime.{name}_24h_pct" for name in ("bull", "bear", "crash"))
    for path, above in ((bear, bull), (crash, bear)):
        if view.number(path) >= view.number(above):
            yield Problem(
                path=path,
                message=f"not below {above.partition('.')[2]} = {view.text(above)}",
                fix=f"set it below {view.text(above)}",
            )


def _conviction(view: ConfigView) -> Iterator[Problem]:
    prefix = "signals.conviction."
    reach = view.number(prefix + "strength_weight") + view.number(prefix + "confidence_weight")
    if view.number(prefix + "min_conviction") > reach:
        yield Problem(
            path=prefix + "min_conviction",
            message=f"even the strongest trigger alone reaches only {reach} (strength_weight + confidence_weight)",
            fix=f"set it to {reach} or less",
        )


MARKET_CHECKS = (
    Check("UNSAFE_SPREAD_FLOOR", ERROR, "U8", "a tier that accepts spreads over 1000 bps", _spread_floor),
    Check("THEME_UNKNOWN", ERROR, "", "a cap for a theme that does not exist", _theme_unknown),
    Check("THEME_WITHOUT_CAP", ERROR, "", "a theme without a cap", _theme_without_cap),
    Check("THEME_CAP_USELESS", WARNING, "", "a theme's cap over the total at risk", _theme_cap_useless),
    Check("THEME_CAP_TOO_SMALL", WARNING, "", "a theme's cap below the smallest position", _theme_cap_too_small),
    Check("THEME_ASSET_IN_NO_TIER", WARNING, "", "a theme's asset that is in no tier", _theme_asset_in_no_tier),
    Check("ASSET_IN_TWO_TIERS", ERROR, "", "an asset in two tiers", _asset_in_two_tiers),
    Check("ASSET_TIERED_AND_EXCLUDED", ERROR, "", "an asset in a tier and excluded", _asset_tiered_and_excluded),
    Check(
        "QUOTE_CURRENCY_NOT_EXCLUDED", ERROR, "", "a stablecoin we pay with, not excluded", _quote_currency_not_excluded
    ),
    Check("TIER_FLOORS_ORDER", WARNING, "", "a lower tier with stricter floors than a higher one", _tier_floors),
    Check("MIN_ELIGIBLE_UNREACHABLE", ERROR, "", "more eligible products demanded than there can be", _min_eligible),
    Check("BENCHMARK_NOT_IN_TIER", ERROR, "", "a regime benchmark whose candles are not read", _benchmark),
    Check("LOOKBACK_TOO_LONG", ERROR, "", "a lookback over 1439 minutes", _lookback),
    Check(
        "REGIME_THRESHOLDS_ORDER", ERROR, "", "regime thresholds not ordered crash < bear < bull", _regime_thresholds
    ),
    Check("MIN_CONVICTION_UNREACHABLE", ERROR, "", "a conviction that no single trigger can reach", _conviction),
)
