"""
What a run still does when its records cannot go on: cancel, and say so in the emergency file.

An increase needs a durable record, a cancel does not: before the process ends, own orders that buy are cancelled (all
own orders when the kill file says `cancel-all`), guards at the exchange stay, and nothing else is sent. Everything here
is tried once, within `SECONDS_MAX`; what could not be done is said to whoever starts next.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from core.errors import BrokerUnavailable, DiskFailed, RecordNotDurable
from core.model.ledger import Ledger
from core.model.orders import ClientOrderId, OrderId, OrderReport, Side
from core.model.portfolio import OrderState
from core.ports import Broker, Clock, KillCommand, KillSwitch
from runner.differences import compare_with_intent
from runner.records.emergency import EmergencyFile

SECONDS_MAX = 15.0
LOOKS = 3
LOOK_PAUSE = timedelta(seconds=1)

END_KIND = "END"
CANCELS_KIND = "CANCELS"


@dataclass(frozen=True, slots=True, kw_only=True)
class LastAct:
    """What is needed for it. `watch_until` tells the transport, in the clock's monotonic time, when to give up."""

    open_broker: Callable[[], Broker]
    clock: Clock
    kill_switch: KillSwitch
    emergency: EmergencyFile
    log: logging.Logger
    watch_until: Callable[[float], None]

    def play(self, error: RecordNotDurable, ledger: Ledger) -> None:
        """
        Write down why the run ends and what will be cancelled, cancel, look, write down what was seen.

        The error that ends the run is the caller's to raise, whatever happens here.
        """
        command = self.kill_switch.read()
        wanted = _to_cancel(ledger, command)
        was_noted = self.emergency.note(
            {
                "kind": END_KIND,
                "at": self._now(),
                "run_id": ledger.run_id,
                "error": str(error)[:1000],
                "exit_code": int(error.exit_code),
                "unsynced_file": error.file_name if isinstance(error, DiskFailed) else "",
                "kill": None if command is None else command.value,
                "cancel": list(wanted),
            }
        )
        if not was_noted:
            self.log.critical("the emergency file could not be written, either")
        if wanted:
            self.watch_until(self.clock.monotonic() + SECONDS_MAX)
            self._cancel(wanted, ledger)

    def _cancel(self, wanted: Sequence[ClientOrderId], ledger: Ledger) -> None:
        asked: Sequence[OrderId] = ()
        still_open, problem = None, ""
        try:
            broker = self.open_broker()
            asked = self._ids_at_exchange(wanted, ledger, broker)
            if asked:
                broker.cancel(asked)
            still_open = self._look(asked, broker)
        except BrokerUnavailable as error:
            problem = str(error)[:500]
        self.emergency.note(
            {
                "kind": CANCELS_KIND,
                "at": self._now(),
                "asked": list(asked),
                "still_open": "unknown" if still_open is None else still_open,
                "problem": problem,
            }
        )
        self.log.critical(
            "last act: %d own orders asked to be cancelled, %s seen open afterwards%s",
            len(asked),
            "not known how many" if still_open is None else len(still_open),
            f" ({problem})" if problem else "",
        )

    def _ids_at_exchange(self, wanted: Sequence[ClientOrderId], ledger: Ledger, broker: Broker) -> tuple[OrderId, ...]:
        """
        Return the exchange's ids of these orders, also of one whose answer was lost or never recorded.

        An id under which the exchange shows something else than we meant may be somebody else's order (L9). One of
        which it shows nothing, or that it cannot be asked about, is cancelled as it was given to us.
        """
        ids: dict[OrderId, None] = {}
        unseen = {key: ledger.open_orders[key] for key in wanted}
        try:
            listed = broker.open_orders()
            for key in wanted:
                reports = _reports_of(unseen[key], listed, broker)
                if not reports:
                    continue
                state = unseen.pop(key)
                if not any(compare_with_intent(state.order, report) for report in reports):
                    ids |= {report.order_id: None for report in reports}
        except BrokerUnavailable as error:
            self.log.warning("own orders are cancelled without a look at them: %s", error)
        return (*ids, *(state.order_id for state in unseen.values() if state.order_id is not None))

    def _look(self, asked: Sequence[OrderId], broker: Broker) -> list[OrderId]:
        """Return which of these orders are still open after some looks."""
        until = self.clock.now() + timedelta(seconds=SECONDS_MAX)
        left = list(asked)
        for look in range(LOOKS):
            if not left or self.clock.now() >= until:
                break
            if look:
                self.clock.wait_until(self.clock.now() + LOOK_PAUSE, lambda: True)
            listed = {report.order_id for report in broker.open_orders()}
            left = [order_id for order_id in left if order_id in listed]
        return left

    def _now(self) -> str:
        return f"{self.clock.now():%Y-%m-%dT%H:%M:%SZ}"


def _to_cancel(ledger: Ledger, command: KillCommand | None) -> tuple[ClientOrderId, ...]:
    """Return own orders that buy; all own orders when the kill file asks for it."""
    return tuple(
        key
        for key, state in ledger.open_orders.items()
        if state.order.side is Side.BUY or command is KillCommand.CANCEL_ALL
    )


def _reports_of(state: OrderState, listed: Sequence[OrderReport], broker: Broker) -> list[OrderReport]:
    """Return what the exchange shows under an order's name or id: among the open orders, else under its id."""
    name = state.order.client_order_id
    reports = [report for report in listed if report.client_order_id == name or report.order_id == state.order_id]
    if not reports and state.order_id is not None:
        reports = [report for report in (broker.find(state.key),) if report is not None]
    return reports
