"""What a cycle saw and decided, as sections of its audit line: each finding with its code, what was seen, the limit."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from core.exits import ExitBlocked, ExitDue
from core.model.ledger import Ledger
from core.model.money import plain
from core.model.signals import Tier, Trigger
from core.protection import guards_of
from core.universe import Universe
from runner.api_health import ApiUse
from runner.cycle import Cycle
from runner.orders.coverage import guarded_quantity, live_guards

TRIGGERS_SHOWN = 3

Json = Mapping[str, object]


def universe_section(universe: Universe, *, refreshed: bool) -> dict[str, object]:
    tiers = [item.tier for item in universe.eligible.values()]
    excluded: dict[str, int] = {}
    for item in universe.excluded.values():
        excluded[item.reason.value] = excluded.get(item.reason.value, 0) + 1
    counts: dict[str, object] = {"total_eligible": len(tiers), **{tier.value: tiers.count(tier) for tier in Tier}}
    if not refreshed:
        return {**counts, "excluded_count": len(universe.excluded)}
    return {
        **counts,
        "excluded_count": len(universe.excluded),
        "excluded_reasons": excluded,
        "exclusions": {
            str(product_id): [item.reason.value, item.observed, item.limit]
            for product_id, item in universe.excluded.items()
        },
    }


def triggers_section(triggers: Sequence[Trigger]) -> Json:
    return {
        "count": len(triggers),
        "top": [
            {
                "product": str(item.product_id),
                "type": item.kind.value,
                "direction": item.direction,
                "score": round(item.score, 4),
                "observed": round(item.observed, 6),
                "threshold": round(item.threshold, 6),
            }
            for item in triggers[:TRIGGERS_SHOWN]
        ],
    }


def proposals_section(cycle: Cycle) -> Json | None:
    if cycle.rules is None:
        return None
    return {
        "count": len(cycle.rules.proposals),
        "made": [
            {
                "product": str(item.product_id),
                "strategy": item.strategy,
                "conviction": round(item.conviction, 4),
                "size_pct": float(round(item.size_fraction * 100, 4)),
            }
            for item in cycle.rules.proposals
        ],
        "not_made": [
            {
                "product": str(item.product_id),
                "strategy": item.strategy,
                "reason": item.reason,
                "observed": item.observed,
                "limit": item.limit,
            }
            for item in cycle.rules.not_proposed
        ],
    }


def risk_section(cycle: Cycle) -> Json | None:
    if cycle.assessment is None:
        return None
    refused: list[Json] = [
        {
            "product": str(item.proposal.product_id),
            "reason": item.reason.value,
            "observed": item.observed,
            "limit": item.limit,
        }
        for item in cycle.assessment.refused
    ]
    refused += [
        {
            "product": str(item.order.product_id),
            "reason": item.reason.value,
            "observed": item.observed,
            "limit": item.limit,
        }
        for item in cycle.last_hop_refusals
    ]
    return {
        "approved": [
            {"product": str(item.product_id), "notional": plain(item.notional), "bound_by": item.bound_by.value}
            for item in cycle.assessment.approved
        ],
        "refused": refused,
    }


def due_exit(due: ExitDue) -> Json:
    return {
        "lot": due.lot_id,
        "reason": due.reason.value,
        "blocked_by": None,
        "observed": due.observed,
        "limit": due.limit,
    }


def blocked_exit(item: ExitBlocked) -> Json:
    return {
        "lot": item.lot_id,
        "reason": None if item.due is None else item.due.value,
        "blocked_by": item.reason.value,
        "observed": item.observed,
        "limit": item.limit,
    }


def protection_section(ledger: Ledger, due: Sequence[ExitDue]) -> list[Json] | None:
    """
    Say of each lot how much of it live guards at the exchange cover, and of what kind; None when there is no lot.

    In the order of the portfolio's positions.
    """
    leaving = [item.lot_id for item in due]
    return [
        {
            "guarded": plain(guarded_quantity(ledger, lot.lot_id)),
            "guard": "+".join(dict.fromkeys(state.order.order_type.value for state in live_guards(ledger, lot.lot_id)))
            or None,
            "guards": len(guards_of(ledger, lot.lot_id)),
            **({"flattening": True} if lot.exit_reason is not None or lot.lot_id in leaving else {}),
        }
        for lot in ledger.lots.values()
    ] or None


def utc(moment: datetime) -> str:
    """Print a UTC time in ISO 8601 with `Z`, to the millisecond when it has any."""
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def api_section(use: ApiUse | None) -> Json | None:
    """Return what the cycle asked over the network; None where there is none to ask over."""
    if use is None or not use.requests:
        return None
    return {
        "requests": use.requests,
        "errors": use.errors,
        "bytes_sent": use.bytes_sent,
        "bytes_received": use.bytes_received,
        "seconds": round(use.seconds, 3),
        "slowest_seconds": round(use.slowest_seconds, 3),
    }
