"""The day's loss as the exchange's books have it: beyond its limit nothing may be bought until the next day (L13)."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from core.model.market import ProductId
from tests.loopback.live_desk import CAPITAL
from tests.simulation.world import World

SLACK = Decimal("0.0015")
"""The bot marks at the bid and at another moment of the minute."""

MINUTES = 3
"""So many minutes in a row the loss must have been there: a cycle whose quotes failed does not know it yet."""


@dataclass(slots=True)
class LossWatch:
    """Marks the bot's account at each minute's end, and tells whether it has lost too much today."""

    world: World
    limit: Decimal
    minute: datetime | None = None
    opened_at: Decimal = CAPITAL
    minutes_beyond: int = 0

    def look(self) -> None:
        """Mark the account when a new minute has begun."""
        now = self.world.desk.clock.now().replace(second=0, microsecond=0)
        if now == self.minute:
            return
        equity = self._equity()
        if self.minute is None or now.date() != self.minute.date():
            self.opened_at, self.minutes_beyond = equity, 0
        self.minute = now
        is_beyond = equity / self.opened_at - 1 < self.limit - SLACK
        self.minutes_beyond = self.minutes_beyond + 1 if is_beyond else 0

    @property
    def is_beyond(self) -> bool:
        return self.minutes_beyond >= MINUTES

    def _equity(self) -> Decimal:
        books, market = self.world.desk.witness.books, self.world.desk.exchange.market
        total = CAPITAL + books.bot.of("USD")
        for base, quantity in books.bot.flows.items():
            if base != "USD" and quantity > 0:
                quote = market.quotes([ProductId(base, "USD")]).get(ProductId(base, "USD"))
                price = books.cost[base] / quantity if quote is None else (quote.bid + quote.ask) / 2
                total += quantity * price
        return total
