"""
Entries: they rest first, at the bid of the moment, for a bounded number of quotes; the rest crosses or is given up.

A new quote is placed only when the order before it is proven final, so one wish never has two live orders (L3).
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from core.errors import MarketDataUnavailable
from core.model.orders import ClientOrderId
from core.model.portfolio import OrderState
from core.ports import Clock
from core.settings import ExecutionPolicy
from runner.bookkeeper import Bookkeeper
from runner.cycle import Cycle, OrderNote
from runner.orders.planned import Planned, Planning
from runner.orders.protector import Protector
from runner.orders.reject_codes import would_have_crossed
from runner.orders.sending import Sender


@dataclass(slots=True, kw_only=True)
class _Wish:
    """One approved entry on its way: its order of the moment, and how many times it may still be quoted anew."""

    planned: Planned
    requotes_left: int
    requotes_made: int = 0
    is_over: bool = False

    @property
    def key(self) -> ClientOrderId:
        return self.planned.order.client_order_id


class Entries:
    """See approved entries through to their end, inside the cycle's deadline."""

    def __init__(
        self,
        *,
        sender: Sender,
        protector: Protector,
        book: Bookkeeper,
        clock: Clock,
        policy: ExecutionPolicy,
        log: logging.Logger,
    ) -> None:
        self._sender = sender
        self._protector = protector
        self._book = book
        self._clock = clock
        self._policy = policy
        self._log = log

    def open_lots(self, planned: Sequence[Planned], planning: Planning, cycle: Cycle) -> None:
        """Place all entries, poll them together, quote anew what is not filled, and cross what then is left."""
        wishes = [_Wish(planned=item, requotes_left=self._policy.max_requotes) for item in planned]
        resting = [wish for wish in wishes if not self._sender.is_too_late(cycle) and self._rest(wish, planning, cycle)]
        while resting:
            self._let_rest(resting, planning, cycle)
            self._sender.cancel_and_look([wish.key for wish in resting])
            self._protector.protect(planning, cycle)
            resting = [
                wish for wish in resting if self._may_go_on(wish, cycle) and self._requote(wish, planning, cycle)
            ]
        self._cross_the_rest(wishes, planning, cycle)

    def _rest(self, wish: _Wish, planning: Planning, cycle: Cycle) -> bool:
        """Place a wish's order; return whether it rests. A price that the market has reached is quoted anew at once."""
        answer = self._sender.place(wish.planned, planning, cycle)
        while would_have_crossed(answer.reason):
            if not (self._may_go_on(wish, cycle) and self._plan_requote(wish, planning, cycle)):
                return False  # out of quotes: what is left may cross
            answer = self._sender.place(wish.planned, planning, cycle)
        wish.is_over = not answer.is_accepted
        return answer.is_accepted

    def _let_rest(self, resting: Sequence[_Wish], planning: Planning, cycle: Cycle) -> None:
        """Wait for fills, and guard each one as soon as it is known."""
        keys = [wish.key for wish in resting]
        poll = timedelta(seconds=self._policy.poll_interval_seconds)
        until = min(self._clock.now() + timedelta(seconds=self._policy.maker_ttl_seconds), cycle.deadline)
        while self._clock.now() < until and self._sender.any_open(keys) and self._sender.may_wait():
            self._clock.wait_until(min(self._clock.now() + poll, until), self._sender.may_wait)
            self._sender.settle(keys)
            self._protector.protect(planning, cycle)
            if self._protector.has_due:
                return  # a stop is reached already: nothing more is bought

    # --- what is left of a wish ---------------------------------------------------------------------------------------

    def _may_go_on(self, wish: _Wish, cycle: Cycle) -> bool:
        """Tell whether a wish may be quoted once more: the order before is final and not filled, and there is time."""
        return (
            not wish.is_over
            and wish.requotes_left > 0
            and self._left_of(wish) is not None
            and not self._protector.has_due
            and not self._sender.is_too_late(cycle)
        )

    def _left_of(self, wish: _Wish) -> OrderState | None:
        """Return a wish's order when it is proven final and not all of it was filled."""
        state = self._book.ledger.closed_orders.get(wish.key)
        return None if state is None or state.filled_size == state.order.size else state

    def _requote(self, wish: _Wish, planning: Planning, cycle: Cycle) -> bool:
        return self._plan_requote(wish, planning, cycle) and self._rest(wish, planning, cycle)

    def _plan_requote(self, wish: _Wish, planning: Planning, cycle: Cycle) -> bool:
        """Give a wish its next order, at the fresh bid and for what is left; False when there is none."""
        wish.requotes_left -= 1
        wish.requotes_made += 1
        planned = self._asked(partial(planning.requote, wish.planned, wish.requotes_made), wish, cycle)
        if planned is None:
            wish.is_over = True
            return False
        wish.planned = planned
        return True

    def _cross_the_rest(self, wishes: Sequence[_Wish], planning: Planning, cycle: Cycle) -> None:
        crossed = []
        for wish in wishes:
            state = self._left_of(wish)
            if wish.is_over or state is None or self._protector.has_due or self._sender.is_too_late(cycle):
                continue  # still open (never two live orders for one wish), done, given up, or out of time
            taker = self._asked(partial(planning.crossing, wish.planned, state), wish, cycle)
            if taker is not None and self._sender.place(taker, planning, cycle).is_accepted:
                crossed.append(taker.order.client_order_id)
        self._sender.look_until_final(crossed)
        self._protector.protect(planning, cycle)

    def _asked(self, plan: Callable[[], Planned | OrderNote], wish: _Wish, cycle: Cycle) -> Planned | None:
        """Return a plan's order; None, with a note of why, when there is none."""
        try:
            planned = plan()
        except MarketDataUnavailable as error:
            self._log.warning("no quote for the rest of %s: %s", wish.planned.order.product_id, error)
            return None
        if isinstance(planned, OrderNote):
            cycle.not_sent.append(planned)
            return None
        return planned
