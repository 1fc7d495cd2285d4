"""How much of our lots is guarded at the exchange, and for how long it was not."""

from decimal import Decimal

from core.model.ledger import Ledger
from core.model.money import ZERO
from core.model.orders import LotId
from core.model.portfolio import Lot, OrderState
from core.ports import Clock
from core.protection import guards_of, uncovered


def live_guards(ledger: Ledger, lot_id: LotId) -> list[OrderState]:
    """Return the guards of a lot that are known to be at the exchange."""
    return [state for state in guards_of(ledger, lot_id) if not state.is_unknown]


def guarded_quantity(ledger: Ledger, lot_id: LotId) -> Decimal:
    """Return how many coins of a lot its live guards would sell."""
    return sum((state.remaining_size for state in live_guards(ledger, lot_id)), ZERO)


def is_covered(ledger: Ledger, lot: Lot) -> bool:
    """Tell whether every coin of a lot is guarded."""
    return uncovered(ledger, lot) <= 0


class CoverClock:
    """
    Count the seconds in which a lot above dust had coins without a live guard at the exchange.

    From the moment in which the ledger learns of the coins, or of the guard's end, to that in which it learns of the
    guard's acceptance; several such lots at once count once. Lots that are being sold count, too.
    """

    def __init__(self, clock: Clock, ledger: Ledger, dust_usd: Decimal) -> None:
        self._clock = clock
        self._dust_usd = dust_usd
        self._seconds = 0.0
        self._bare_since: float | None = None
        self.note(ledger)

    def note(self, ledger: Ledger) -> None:
        """Look at the ledger after a change."""
        is_bare = bool(ledger.lots) and any(
            lot.cost >= self._dust_usd and not is_covered(ledger, lot) for lot in ledger.lots.values()
        )
        if is_bare and self._bare_since is None:
            self._bare_since = self._clock.monotonic()
        elif not is_bare and self._bare_since is not None:
            self._seconds += self._clock.monotonic() - self._bare_since
            self._bare_since = None

    def take_seconds(self) -> float:
        """Return the seconds since this was last asked."""
        if self._bare_since is not None:
            now = self._clock.monotonic()
            self._seconds += now - self._bare_since
            self._bare_since = now
        seconds, self._seconds = self._seconds, 0.0
        return seconds
