"""
Stage 1: which products may trade now, and why the others may not.

Nothing is invented: a product whose volume, book or either side of the book is missing is out. No list lets a product
skip a check.

A product does not flicker in and out at a floor. What the first refresh finds good is in. Later a member leaves after
`failures_to_leave` refreshes in a row in which volume, spread or depth fell short; everything else (a closed market,
missing data, the configuration) ends membership at once. Whoever is out, newly listed products included, comes in after
`passes_to_return` refreshes in a row that found nothing against it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from core.model.market import Book, Product, ProductId
from core.model.money import plain, round_even
from core.model.signals import Tier
from core.settings import TierFloors, UniverseSettings

_FRACTION_STEP = Decimal("0.000001")
_VALUE_STEP = Decimal("0.01")


class Exclusion(Enum):
    """Why a product may not be traded. The values go to the audit and are never renamed."""

    QUOTE_CURRENCY = "quote_currency_not_allowed"
    ASSET = "asset_excluded"
    NO_TIER = "not_in_a_tier"
    PRODUCT_STATUS = "product_status"
    VOLUME_UNKNOWN = "volume_unknown"
    BOOK_MISSING = "book_missing"
    BOOK_ONE_SIDED = "book_one_sided"
    BOOK_CROSSED = "book_crossed"
    VOLUME = "volume_below_floor"
    SPREAD = "spread_above_ceiling"
    DEPTH = "depth_below_floor"
    ANOTHER_QUOTE = "another_quote_preferred"
    HYSTERESIS = "hysteresis_waiting"
    MAX_PRODUCTS = "beyond_max_products"


@dataclass(frozen=True, slots=True, kw_only=True)
class Excluded:
    """
    What stands against a product: the code, what was seen, and the limit.

    Volumes and depths are in quote currency, spreads fractions of the mid, hysteresis in refreshes, the place beyond
    `max_products` counts from 1. For `product_status` the flag was seen; for another quote the preferred product.
    """

    reason: Exclusion
    observed: str
    limit: str


class Measure(NamedTuple):
    """One thing that is measured against a floor or a ceiling: what stands against the product when it is not met."""

    found: Excluded
    is_met: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EligibleProduct:
    product: Product
    tier: Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether a product is a member, and how many refreshes in a row have spoken against that."""

    is_member: bool
    against: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Universe:
    """
    The products of one refresh; each listed one is either eligible or excluded.

    `eligible` is ordered by tier, then volume (most first), then id; `tiers` is its short form, for the later stages.
    `standing` is the memory for the next refresh.
    """

    eligible: Mapping[ProductId, EligibleProduct]
    tiers: Mapping[ProductId, Tier]
    excluded: Mapping[ProductId, Excluded]
    standing: Mapping[ProductId, Standing]
    refreshed_at: datetime

    def is_due(self, at: datetime, settings: UniverseSettings) -> bool:
        """Tell whether it is time for the next refresh; a clock that went back makes it so, too."""
        age = at - self.refreshed_at
        return not timedelta(0) <= age < timedelta(seconds=settings.refresh_interval_seconds)


def screen(products: Sequence[Product], settings: UniverseSettings) -> tuple[Product, ...]:
    """
    Return the products whose books are worth asking for: those that only a measurement can still exclude.

    The volume floor is a measurement: a member that fell below it needs its book to stay a member.
    """
    tiers = _tiers(settings)
    return tuple(product for product in products if _static_exclusion(product, settings, tiers) is None)


def refresh(
    previous: Universe | None,
    products: Sequence[Product],
    books: Mapping[ProductId, Book],
    settings: UniverseSettings,
    at: datetime,
) -> Universe:
    """Judge every listed product. `previous` is None at the first refresh; `at` is when books were read (UTC)."""
    tiers = _tiers(settings)
    candidates: list[EligibleProduct] = []
    excluded: dict[ProductId, Excluded] = {}
    standing: dict[ProductId, Standing] = {}
    for product in products:
        product_id = product.product_id
        tier = tiers.get(product_id.base)
        final = _static_exclusion(product, settings, tiers) or _book_exclusion(books.get(product_id))
        if final is not None or tier is None:
            excluded[product_id] = final or _no_tier(product)
            continue
        shortfall = _shortfall(product, books[product_id], settings.tiers[tier], settings)
        standing[product_id] = now = _next_standing(previous, product_id, shortfall, settings)
        if now.is_member:
            candidates.append(EligibleProduct(product=product, tier=tier))
        else:
            excluded[product_id] = shortfall or _waiting(now, settings)
    eligible = _choose(candidates, excluded, settings)
    return Universe(
        eligible=MappingProxyType({one.product.product_id: one for one in eligible}),
        tiers=MappingProxyType({one.product.product_id: one.tier for one in eligible}),
        excluded=MappingProxyType(excluded),
        standing=MappingProxyType(standing),
        refreshed_at=at,
    )


# --- one product ------------------------------------------------------------------------------------------------------


def _tiers(settings: UniverseSettings) -> Mapping[str, Tier]:
    """Map each base asset to its tier; named twice, it gets the stricter one."""
    return {asset: tier for tier in reversed(Tier) if tier in settings.tiers for asset in settings.tiers[tier].assets}


def _static_exclusion(product: Product, settings: UniverseSettings, tiers: Mapping[str, Tier]) -> Excluded | None:
    """Check what the venue's list and the configuration alone decide."""
    base, quote = product.product_id
    if quote not in settings.quote_currencies:
        return Excluded(reason=Exclusion.QUOTE_CURRENCY, observed=quote, limit=" ".join(settings.quote_currencies))
    if base in settings.exclusions.assets:
        return Excluded(reason=Exclusion.ASSET, observed=base, limit="exclusions")
    if base not in tiers:
        return _no_tier(product)
    # A limit-only market takes all our orders; a post-only one would not let us out again with an IOC.
    blocked_by = product.blocked_by or ("post_only" if product.post_only else None)
    if blocked_by is not None:
        return Excluded(reason=Exclusion.PRODUCT_STATUS, observed=blocked_by, limit="open for limit and IOC orders")
    volume = product.quote_volume_24h
    if volume is None or not volume.is_finite():
        return Excluded(reason=Exclusion.VOLUME_UNKNOWN, observed=str(volume), limit="a number")
    return None


def _no_tier(product: Product) -> Excluded:
    return Excluded(reason=Exclusion.NO_TIER, observed=product.product_id.base, limit="tiers")


def _book_exclusion(book: Book | None) -> Excluded | None:
    """Check that there is a book that one could trade on."""
    if book is None:
        return Excluded(reason=Exclusion.BOOK_MISSING, observed="none", limit="a book")
    if not book.bids or not book.asks:
        seen = f"{len(book.bids)} bids, {len(book.asks)} asks"
        return Excluded(reason=Exclusion.BOOK_ONE_SIDED, observed=seen, limit="both sides")
    bid, ask = book.bids[0].price, book.asks[0].price
    if not 0 < bid < ask:
        return Excluded(reason=Exclusion.BOOK_CROSSED, observed=f"{plain(bid)} / {plain(ask)}", limit="bid below ask")
    return None


def _shortfall(product: Product, book: Book, floors: TierFloors, settings: UniverseSettings) -> Excluded | None:
    """Check what is measured against the tier's floors."""
    return next((seen.found for seen in measures(product, book, floors, settings) if not seen.is_met), None)


def measures(product: Product, book: Book, floors: TierFloors, settings: UniverseSettings) -> Iterator[Measure]:
    """Yield what is measured of a product with a two-sided book, against the floors of its tier."""
    volume = product.quote_volume_24h or Decimal(0)
    is_met = product.quote_volume_24h is not None and volume >= floors.min_volume_24h_usd
    yield _measure(Exclusion.VOLUME, volume, floors.min_volume_24h_usd, _VALUE_STEP, is_met=is_met)
    bid, ask = book.bids[0].price, book.asks[0].price
    spread = (ask - bid) / ((ask + bid) / 2)
    is_met = spread <= floors.max_spread_fraction
    yield _measure(Exclusion.SPREAD, spread, floors.max_spread_fraction, _FRACTION_STEP, is_met=is_met)
    depth = book.depth_quote(settings.depth_within_fraction)
    yield _measure(Exclusion.DEPTH, depth, floors.min_depth_usd, _VALUE_STEP, is_met=depth >= floors.min_depth_usd)


def _measure(reason: Exclusion, observed: Decimal, limit: Decimal, step: Decimal, *, is_met: bool) -> Measure:
    """Record a comparison; the observed value is rounded for the reader, after it was compared."""
    return Measure(Excluded(reason=reason, observed=plain(round_even(observed, step)), limit=plain(limit)), is_met)


# --- memory -----------------------------------------------------------------------------------------------------------


def _next_standing(
    previous: Universe | None, product_id: ProductId, shortfall: Excluded | None, settings: UniverseSettings
) -> Standing:
    """Count refreshes against the present standing and turn it when there are enough."""
    if previous is None:
        return Standing(is_member=shortfall is None, against=0)
    before = previous.standing.get(product_id, Standing(is_member=False, against=0))
    passed = shortfall is None
    if passed == before.is_member:
        return Standing(is_member=before.is_member, against=0)
    against = before.against + 1
    needed = settings.hysteresis.failures_to_leave if before.is_member else settings.hysteresis.passes_to_return
    if against >= needed:
        return Standing(is_member=not before.is_member, against=0)
    return Standing(is_member=before.is_member, against=against)


def _waiting(standing: Standing, settings: UniverseSettings) -> Excluded:
    needed = settings.hysteresis.passes_to_return
    return Excluded(reason=Exclusion.HYSTERESIS, observed=str(standing.against), limit=str(needed))


# --- among the members ------------------------------------------------------------------------------------------------


def _choose(
    candidates: Iterable[EligibleProduct], excluded: dict[ProductId, Excluded], settings: UniverseSettings
) -> list[EligibleProduct]:
    """Keep one product per base asset and the first `max_products`; note the others in `excluded`."""
    by_preference = sorted(candidates, key=lambda one: settings.quote_currencies.index(one.product.product_id.quote))
    best: dict[str, EligibleProduct] = {}
    for one in by_preference:
        product_id = one.product.product_id
        preferred = best.setdefault(product_id.base, one)
        if preferred is not one:
            chosen = str(preferred.product.product_id)
            excluded[product_id] = Excluded(reason=Exclusion.ANOTHER_QUOTE, observed=chosen, limit="one per asset")
    ranked = sorted(best.values(), key=_rank)
    for place, one in enumerate(ranked[settings.max_products :], start=settings.max_products + 1):
        excluded[one.product.product_id] = Excluded(
            reason=Exclusion.MAX_PRODUCTS, observed=str(place), limit=str(settings.max_products)
        )
    return ranked[: settings.max_products]


_TIER_ORDER = {tier: place for place, tier in enumerate(Tier)}


def _rank(one: EligibleProduct) -> tuple[int, Decimal, str]:
    return _TIER_ORDER[one.tier], -(one.product.quote_volume_24h or Decimal(0)), str(one.product.product_id)
