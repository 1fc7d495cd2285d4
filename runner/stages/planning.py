"""From decisions to orders ready to be written down; what cannot become an order becomes a note with its reason."""

from collections.abc import Sequence

from core.exits import ExitDue
from core.exposure import asked_exits
from core.model.market import Product, ProductId
from core.model.orders import Order, Purpose
from core.model.portfolio import OrderState
from core.model.verdicts import Approved
from core.order_plan import NotPlannable, plan_entry, plan_exit, plan_taker
from runner.cycle import Cycle, OrderNote
from runner.desk import Desk
from runner.executor import Planned


def exits(due: Sequence[ExitDue], cycle: Cycle, desk: Desk) -> list[Planned]:
    """Return a sell for each lot that is due."""
    ledger, policy = desk.book.ledger, desk.settings.policy
    planned = []
    for item in due:
        lot = ledger.lots[item.lot_id]
        product, quote = desk.memory.catalogue.get(lot.product_id), cycle.quotes.get(lot.product_id)
        if product is None or quote is None:
            cycle.not_sent.append(_unpriced(lot.product_id, Purpose.EXIT))
            continue
        order = plan_exit(
            lot,
            product,
            quote,
            asked=asked_exits(ledger, lot.lot_id),
            account=ledger.account,
            slot=cycle.tick.slot,
            policy=policy,
        )
        if isinstance(order, Order):
            planned.append(Planned(order=order, plan=None, reason=item.reason.value, product=product, tier=None))
        else:
            cycle.not_sent.append(_note(lot.product_id, Purpose.EXIT, order))
    return planned


def entries(approved: Sequence[Approved], cycle: Cycle, desk: Desk) -> list[Planned]:
    """Return a resting buy for each approval."""
    planned = []
    for item in approved:
        product, quote = desk.memory.catalogue[item.product_id], cycle.quotes[item.product_id]
        order = plan_entry(
            item,
            product,
            quote,
            account=desk.book.ledger.account,
            slot=cycle.tick.slot,
            now=desk.clock.now(),
            policy=desk.settings.policy,
        )
        if isinstance(order, Order):
            planned.append(_entry(item, order, product))
        else:
            cycle.not_sent.append(_note(item.product_id, Purpose.ENTRY, order))
    return planned


def _entry(approved: Approved, order: Order, product: Product) -> Planned:
    return Planned(
        order=order,
        plan=approved.exit_plan,
        reason=approved.proposal.strategy,
        product=product,
        tier=approved.proposal.tier,
    )


def crossing(resting: Planned, state: OrderState, cycle: Cycle, desk: Desk) -> Planned | OrderNote:
    """
    Return the order that takes what a resting entry left, at a fresh quote.

    Raises:
        MarketDataUnavailable
    """
    product_id = resting.order.product_id
    desk.fetch_quotes(list(dict.fromkeys([*desk.held(), product_id])), cycle)
    quote = cycle.quotes.get(product_id)
    if quote is None or resting.tier is None:
        return _unpriced(product_id, Purpose.ENTRY)
    order = plan_taker(
        state,
        resting.product,
        quote,
        account=desk.book.ledger.account,
        tier=resting.tier,
        policy=desk.settings.policy,
    )
    if isinstance(order, NotPlannable):
        return _note(product_id, Purpose.ENTRY, order)
    return Planned(order=order, plan=resting.plan, reason=resting.reason, product=resting.product, tier=resting.tier)


def _note(product_id: ProductId, purpose: Purpose, why: NotPlannable) -> OrderNote:
    return OrderNote(
        product_id=product_id,
        purpose=purpose.value,
        reason=why.reason.value,
        observed=why.observed,
        limit=why.limit,
    )


def _unpriced(product_id: ProductId, purpose: Purpose) -> OrderNote:
    return OrderNote(
        product_id=product_id, purpose=purpose.value, reason="quote_missing", observed="none", limit="a fresh quote"
    )
