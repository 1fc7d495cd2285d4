"""From decisions to orders ready to be written down; what cannot become an order becomes a note with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from core import decision
from core.exits import ExitDue
from core.exposure import asked_covers, asked_exits
from core.model.market import ProductId
from core.model.money import ZERO
from core.model.orders import ClientOrderId, LotId, Order, Purpose
from core.model.portfolio import Lot, OrderState
from core.model.verdicts import Approved, OrderRefused
from core.order_plan import NotPlannable, plan_cover, plan_entry, plan_exit, plan_taker
from core.ports import Severity
from core.slot_key import attempts_made
from runner.cycle import Cycle, OrderNote, Reason
from runner.desk import Desk
from runner.orders.planned import GuardSteps, Planned
from runner.stages import guarding, views


def entries(approved: Sequence[Approved], cycle: Cycle, desk: Desk) -> tuple[list[Planned], Reason | None]:
    """Return a resting buy for each approval, or why there is none."""
    planned = []
    products = desk.memory.catalogue
    found, reason = decision.entries(
        approved,
        products,
        cycle.quotes,
        account=desk.book.ledger.account,
        slot=cycle.tick.slot,
        now=desk.clock.now(),
        policy=desk.settings.policy,
    )
    for item, order in found:
        if isinstance(order, Order):
            product = products[item.product_id]
            planned.append(Planned(order=order, reason=item.proposal.strategy, product=product, approved=item))
        else:
            cycle.not_sent.append(_note(item.product_id, Purpose.ENTRY, order))
    return planned, reason


@dataclass(frozen=True, slots=True)
class Planner:
    """Port `Planning` for one cycle: orders made of the ledger, the quotes and the venue's rules of the moment."""

    cycle: Cycle
    desk: Desk

    def last_look(self, planned: Planned, without: Sequence[ClientOrderId] = ()) -> OrderRefused | None:
        return views.last_look(planned.order, planned.plan, self.cycle, self.desk, without)

    def alert(self, code: str, key: str, severity: Severity, message: str) -> None:
        self.desk.alert(code, key, severity, message)

    # --- entries ------------------------------------------------------------------------------------------------------

    def requote(self, previous: Planned, attempt: int) -> Planned | OrderNote:
        """
        Return a resting buy at the fresh bid for what its entry has not spent yet.

        Raises:
            MarketDataUnavailable
        """
        product_id = previous.order.product_id
        self._read_quotes(product_id)
        quote = self.cycle.quotes.get(product_id)
        if quote is None or previous.approved is None:
            return _unpriced(product_id, Purpose.ENTRY)
        order = plan_entry(
            previous.approved,
            previous.product,
            quote,
            account=self.desk.book.ledger.account,
            slot=self.cycle.tick.slot,
            now=self.desk.clock.now(),
            policy=self.desk.settings.policy,
            attempt=attempt,
            spent=self._spent(previous.order.lot_id),
        )
        if isinstance(order, NotPlannable):
            return _note(product_id, Purpose.ENTRY, order)
        return replace(previous, order=order)

    def crossing(self, previous: Planned, state: OrderState) -> Planned | OrderNote:
        """
        Return the order that takes what a resting entry left, at a fresh quote.

        Raises:
            MarketDataUnavailable
        """
        product_id = previous.order.product_id
        self._read_quotes(product_id)
        quote = self.cycle.quotes.get(product_id)
        if quote is None or previous.approved is None:
            return _unpriced(product_id, Purpose.ENTRY)
        order = plan_taker(
            state,
            previous.product,
            quote,
            account=self.desk.book.ledger.account,
            tier=previous.approved.proposal.tier,
            policy=self.desk.settings.policy,
        )
        if isinstance(order, NotPlannable):
            return _note(product_id, Purpose.ENTRY, order)
        return replace(previous, order=order)

    # --- exits --------------------------------------------------------------------------------------------------------

    def exit(self, due: ExitDue, *, fresh: bool) -> Planned | OrderNote:
        """
        Return the next sell of a lot.

        Raises:
            MarketDataUnavailable: There is no fresh quote, and one was asked for.
        """
        ledger, policy = self.desk.book.ledger, self.desk.settings.policy
        lot = ledger.lots[due.lot_id]
        if fresh:
            self._read_quotes(lot.product_id)
        product, quote = self.desk.memory.catalogue.get(lot.product_id), self.cycle.quotes.get(lot.product_id)
        if product is None or quote is None:
            return _unpriced(lot.product_id, Purpose.EXIT)
        order = plan_exit(
            lot,
            product,
            quote,
            last_close=views.candle_closes(self.desk).get(lot.product_id),
            asked=asked_exits(ledger, lot.lot_id),
            account=ledger.account,
            slot=self.cycle.tick.slot,
            policy=policy,
            attempt=self._attempt(lot, Purpose.EXIT),
        )
        if isinstance(order, NotPlannable):
            return _note(lot.product_id, Purpose.EXIT, order)
        return Planned(order=order, reason=due.reason.value, product=product)

    def cover(self, product_id: ProductId) -> Planned | OrderNote:
        """Return a buy of the coins that were sold beyond a lot."""
        ledger = self.desk.book.ledger
        product, quote = self.desk.memory.catalogue.get(product_id), self.cycle.quotes.get(product_id)
        if product is None or quote is None:
            return _unpriced(product_id, Purpose.COVER)
        order = plan_cover(
            product,
            quote,
            last_close=views.candle_closes(self.desk).get(product_id),
            oversold=ledger.oversold[product_id].quantity,
            asked=asked_covers(ledger, product_id),
            account=ledger.account,
            slot=self.cycle.tick.slot,
            policy=self.desk.settings.policy,
            attempt=attempts_made(ledger, self.cycle.tick.slot, Purpose.COVER, product_id),
        )
        if isinstance(order, NotPlannable):
            return _note(product_id, Purpose.COVER, order)
        return Planned(order=order, reason="oversold", product=product)

    # --- guards -------------------------------------------------------------------------------------------------------

    def protection(self, lot: Lot) -> GuardSteps | ExitDue | OrderNote:
        return guarding.guard_steps(lot, self.cycle, self.desk)

    def note_unsupported(self, order: Order) -> bool:
        return guarding.note_unsupported(order, self.desk)

    # --- parts --------------------------------------------------------------------------------------------------------

    def _attempt(self, lot: Lot, purpose: Purpose) -> int:
        return attempts_made(self.desk.book.ledger, self.cycle.tick.slot, purpose, lot.product_id, lot.lot_id)

    def _spent(self, lot_id: LotId) -> Decimal:
        """Return what the entry orders of this cycle have bought for, without fees."""
        ledger, slot = self.desk.book.ledger, self.cycle.tick.slot
        return sum(
            (
                state.filled_value
                for states in (ledger.closed_orders, ledger.open_orders)
                for state in states.values()
                if (state.slot, state.order.lot_id, state.order.purpose) == (slot, lot_id, Purpose.ENTRY)
            ),
            ZERO,
        )

    def _read_quotes(self, product_id: ProductId) -> None:
        """Read fresh quotes of a product and of all we hold: the last hop values the whole account."""
        self.desk.fetch_quotes(list(dict.fromkeys([*self.desk.held(), product_id])), self.cycle)


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
