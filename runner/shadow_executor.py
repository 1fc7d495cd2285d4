"""DRY_RUN: orders are planned and noted, and nothing is sent."""

from collections.abc import Collection, Sequence

from core.exits import ExitDue
from core.model.orders import LotId
from core.model.portfolio import Lot
from core.ports import KillCommand
from runner.cycle import Cycle, OrderNote, Reason
from runner.orders.planned import Planned, Planning


class ShadowExecutor:
    """Stand where the executor stands and only take notes. There are never own orders to follow, nor lots to guard."""

    def close_lots(self, due: Sequence[ExitDue], planning: Planning, cycle: Cycle) -> None:
        for item in due:
            planned = planning.exit(item, fresh=False)
            if isinstance(planned, Planned):
                _note(planned, planning, cycle)

    def protect(self, planning: Planning, cycle: Cycle, being_sold: Collection[LotId]) -> None:
        """Nothing of ours is anywhere."""

    def open_lots(self, planned: Sequence[Planned], planning: Planning, cycle: Cycle) -> None:
        for item in planned:
            _note(item, planning, cycle)
        cycle.end(Reason.DRY_RUN)

    def cancel_for_kill(self, command: KillCommand) -> bool:  # noqa: ARG002 - same shape as the executor
        """Nothing of ours rests anywhere."""
        return True

    def cancel_overdue(self) -> int:
        return 0

    def why_unguarded(self, lot: Lot) -> str | None:  # noqa: ARG002 - same shape as the executor
        return None

    def take_unprotected_seconds(self) -> float:
        return 0.0


def _note(planned: Planned, planning: Planning, cycle: Cycle) -> None:
    """Let the last hop judge an order, and note it when it would have been sent."""
    order = planned.order
    refused = planning.last_look(planned)
    if refused is not None:
        cycle.last_hop_refusals.append(refused)
        return
    cycle.not_sent.append(
        OrderNote(
            product_id=order.product_id,
            purpose=order.purpose.value,
            reason=Reason.DRY_RUN.value,
            observed=f"{order.side.value} {order.size} at {order.limit_price} ({order.order_type.value})",
            limit="nothing is sent",
        )
    )
