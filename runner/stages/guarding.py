"""What a lot needs to be guarded at the exchange, and which kind of guard the venue takes of its product."""

from core.errors import BrokerUnavailable
from core.exits import ExitDue
from core.exposure import asked_exits
from core.model.market import Product, ProductId, Quote
from core.model.orders import Order, OrderType, Purpose
from core.model.portfolio import Lot
from core.model.verdicts import ExitReason
from core.protection import Cancel, Place, Unprotectable, Unprotected, guards_of, plan_protection
from core.settings import ProtectionKind
from core.slot_key import attempts_made
from core.valuation import fresh_quotes
from runner.cycle import Cycle, OrderNote
from runner.desk import Desk
from runner.orders.planned import GuardSteps, Planned
from runner.orders.reject_codes import is_kind_unsupported

_REACHED = {Unprotected.PRICE_AT_STOP: ExitReason.STOP_LOSS, Unprotected.PRICE_AT_TARGET: ExitReason.TAKE_PROFIT}
_KINDS = {OrderType.BRACKET: ProtectionKind.BRACKET, OrderType.STOP_LIMIT: ProtectionKind.STOP_LIMIT}


def guard_steps(lot: Lot, cycle: Cycle, desk: Desk) -> GuardSteps | ExitDue | OrderNote:
    """Return what a lot needs to be guarded, by guards of the kind that the venue takes of its product."""
    product = desk.memory.catalogue.get(lot.product_id)
    if product is None:
        return _note(lot, "rules_unknown", "none", "the venue's rules of the product")
    steps = _plan(lot, product, _kind(lot, product, cycle, desk), cycle, desk)
    if isinstance(steps, Unprotectable):
        return _not_guarded(lot, steps)
    return GuardSteps(
        cancel=[step.client_order_id for step in steps if isinstance(step, Cancel)],
        place=[
            Planned(order=step.order, reason="protection", product=product) for step in steps if isinstance(step, Place)
        ],
    )


def _plan(
    lot: Lot, product: Product, kind: ProtectionKind, cycle: Cycle, desk: Desk
) -> tuple[Place | Cancel, ...] | Unprotectable:
    ledger, slot = desk.book.ledger, cycle.tick.slot
    return plan_protection(
        lot,
        guards_of(ledger, lot.lot_id),
        product,
        quote=_fresh_quote(lot.product_id, cycle, desk),
        kind=kind,
        account=ledger.account,
        slot=slot,
        attempt=attempts_made(ledger, slot, Purpose.PROTECTION, lot.product_id, lot.lot_id),
        asked=asked_exits(ledger, lot.lot_id),
        policy=desk.settings.policy,
    )


def _fresh_quote(product_id: ProductId, cycle: Cycle, desk: Desk) -> Quote | None:
    """Return the cycle's quote while it is young: guards are placed in waits, too, long after it was read."""
    limit = desk.settings.policy.execution.max_quote_age_seconds
    return fresh_quotes(cycle.quotes, desk.clock.now(), limit).get(product_id)


def _not_guarded(lot: Lot, why: Unprotectable) -> ExitDue | OrderNote:
    """Say why a lot cannot be guarded; where its price is beyond every guard, it is to be sold."""
    reached = _REACHED.get(why.reason)
    if reached is None:
        return _note(lot, why.reason.value, why.observed, why.limit)
    return ExitDue(lot_id=lot.lot_id, reason=reached, observed=why.observed, limit=why.limit)


def _note(lot: Lot, reason: str, observed: str, limit: str) -> OrderNote:
    purpose = Purpose.PROTECTION.value
    return OrderNote(product_id=lot.product_id, purpose=purpose, reason=reason, observed=observed, limit=limit)


# --- which kind? ------------------------------------------------------------------------------------------------------


def _kind(lot: Lot, product: Product, cycle: Cycle, desk: Desk) -> ProtectionKind:
    """
    Return the kind of guard for a lot; where it is left to the venue, that is asked once per product and run.

    Only a "no such order" decides against brackets: a refusal for the state of the moment says nothing about the kind,
    and no answer is none. Then a bracket is tried, whose reject would say it.
    """
    configured = desk.settings.policy.protection.kind
    if configured is not ProtectionKind.AUTO:
        return configured
    known = desk.memory.guard_kinds
    if lot.product_id in known:
        return known[lot.product_id]
    guards = guards_of(desk.book.ledger, lot.lot_id)
    if guards:
        return _KINDS[guards[0].order.order_type]  # from before a restart: the venue took it
    steps = _plan(lot, product, ProtectionKind.BRACKET, cycle, desk)
    for step in () if isinstance(steps, Unprotectable) else steps:
        if isinstance(step, Place):
            _ask(step.order, desk)
    return known.get(lot.product_id, ProtectionKind.BRACKET)


def _ask(bracket: Order, desk: Desk) -> None:
    try:
        refusal = desk.broker.preview(bracket)
    except BrokerUnavailable as error:
        desk.log.warning("the venue did not say whether it takes a bracket: %s", error)
        return
    if refusal is None:
        desk.memory.guard_kinds[bracket.product_id] = ProtectionKind.BRACKET
    elif is_kind_unsupported(refusal):
        note_unsupported(bracket, desk)


def note_unsupported(order: Order, desk: Desk) -> bool:
    """Remember that the venue takes no bracket of a product; return whether another kind of guard may be tried."""
    may_choose = desk.settings.policy.protection.kind is ProtectionKind.AUTO
    if order.order_type is OrderType.BRACKET and may_choose:
        desk.memory.guard_kinds[order.product_id] = ProtectionKind.STOP_LIMIT
        return True
    return False
