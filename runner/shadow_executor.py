"""DRY_RUN: orders are planned and noted, and nothing is sent."""

from collections.abc import Sequence

from core.ports import KillCommand
from runner.cycle import Cycle, OrderNote, Reason
from runner.executor import Crossing, Gate, Planned


class ShadowExecutor:
    """Stand where the executor stands and only take notes. There are never own orders to follow."""

    def close_lots(self, planned: Sequence[Planned], gate: Gate, cycle: Cycle) -> None:
        _note(planned, gate, cycle)

    def open_lots(self, planned: Sequence[Planned], gate: Gate, crossing: Crossing, cycle: Cycle) -> None:  # noqa: ARG002 - same shape as the executor
        _note(planned, gate, cycle)
        cycle.end(Reason.DRY_RUN)

    def cancel_for_kill(self, command: KillCommand) -> None:
        """Nothing of ours rests anywhere."""

    def cancel_overdue(self) -> int:
        return 0


def _note(planned: Sequence[Planned], gate: Gate, cycle: Cycle) -> None:
    """Let the last hop judge each order, and note the ones that would have been sent."""
    for item in planned:
        refused = gate(item.order)
        if refused is not None:
            cycle.last_hop_refusals.append(refused)
            continue
        order = item.order
        cycle.not_sent.append(
            OrderNote(
                product_id=order.product_id,
                purpose=order.purpose.value,
                reason=Reason.DRY_RUN.value,
                observed=f"{order.side.value} {order.size} at {order.limit_price} ({order.order_type.value})",
                limit="nothing is sent",
            )
        )
