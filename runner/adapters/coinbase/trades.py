"""
What has traded (coinbase_api 2.5), for the paper account: what went through a resting order's price, what wakes a stop.

Which side made a trade is not read: nothing here needs it, and Coinbase changed its meaning in 2025.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from core.model.market import ProductId
from runner.adapters.coinbase import fields
from runner.adapters.coinbase.fields import BadField, Row
from runner.adapters.coinbase.market_questions import MarketQuestions

TRADES_PER_REQUEST = 250
TRADES_KEPT = 1000
"""Of one product. A resting order is looked at every few seconds, a stop once a minute."""

PRODUCTS_KEPT = 8
"""Only products with a paper order are asked for; the one that was asked for longest ago goes first."""


class Trade(NamedTuple):
    """One trade: price in quote per base, size in base currency, and when it was by our clock (UTC)."""

    trade_id: str
    price: Decimal
    size: Decimal
    at: datetime


class Page(NamedTuple):
    """The trades of one answer; `is_whole`: every row could be read."""

    trades: list[Trade]
    is_whole: bool


class Tape:
    """
    The trades of one product that were seen, oldest first.

    `asked_at`: when the venue was last asked. `seen_after`: every trade after this moment was seen; None: not known.
    """

    __slots__ = ("_by_id", "asked_at", "seen_after")

    def __init__(self) -> None:
        self.asked_at: datetime | None = None
        self.seen_after: datetime | None = None
        self._by_id: OrderedDict[str, Trade] = OrderedDict()

    def between(self, since: datetime, until: datetime) -> list[Trade]:
        """Return the trades after `since`, until `until`."""
        return [trade for trade in self._by_id.values() if since < trade.at <= until]

    def latest(self) -> Trade | None:
        return max(self._by_id.values(), key=lambda trade: trade.at, default=None)

    def learn(self, page: Page, asked_at: datetime) -> None:
        """Add what a request showed: the newest trades. The time before them may hide others."""
        self.asked_at = asked_at
        ordered = sorted(page.trades, key=lambda trade: trade.at)
        if not page.is_whole:
            self.seen_after = asked_at
        elif ordered and not any(trade.trade_id in self._by_id for trade in ordered):
            self.seen_after = ordered[0].at
        for trade in ordered:
            self._by_id.setdefault(trade.trade_id, trade)
        while len(self._by_id) > TRADES_KEPT:
            _, dropped = self._by_id.popitem(last=False)
            if self.seen_after is None or dropped.at > self.seen_after:
                self.seen_after = dropped.at


class Tapes:
    """
    Remembers the trades that were seen, for a few products.

    Each request shows the newest ones only. What fell between two requests was not seen.
    """

    def __init__(self, questions: MarketQuestions, now: Callable[[], datetime]) -> None:
        self._questions = questions
        self._now = now
        self._tapes: OrderedDict[ProductId, Tape] = OrderedDict()

    def until(self, moment: datetime, product_id: ProductId, alias: ProductId | None, ahead: timedelta) -> Tape:
        """
        Return the tape of a product, asking the venue when it was last asked before `moment`.

        `alias`: the product whose book it shares, if any. `ahead`: our clock's lead on the venue's. Spans are asked for
        by ours, and a trade is put on it once, when it is learnt: so it lies in one span of several that join.

        Raises:
            ApiUnavailable
            BadField
        """
        tape = self._tapes.get(product_id)
        if tape is not None and tape.asked_at is not None and tape.asked_at >= moment:
            return tape
        asked_at = self._now()
        answer = self._questions.ask(f"/products/{product_id}/ticker", [("limit", str(TRADES_PER_REQUEST))])
        found = trades_of(answer, (product_id, alias), ahead)
        tape = self._tapes.setdefault(product_id, Tape())
        tape.learn(found, asked_at)
        self._tapes.move_to_end(product_id)
        while len(self._tapes) > PRODUCTS_KEPT:
            self._tapes.popitem(last=False)
        return tape


def trades_of(answer: Row, names: Collection[ProductId | None], ahead: timedelta) -> Page:
    """
    Read a list of trades. A row that is not usable, or of a product with another name, does not count.

    Raises:
        BadField: There is no list, or there are rows and not one of them is a trade.
    """
    trades: list[Trade] = []
    reason = ""
    for item in fields.items(answer, "trades"):
        try:
            trades.append(_trade_of(fields.row_of(item, "trade"), names, ahead))
        except BadField as bad:
            reason = reason or str(bad)
    if reason and not trades:
        raise BadField("trades", "a usable row", reason)
    return Page(trades, is_whole=not reason)


def _trade_of(item: Row, names: Collection[ProductId | None], ahead: timedelta) -> Trade:
    if fields.product_id(item) not in names:
        raise BadField("product_id", "the product that was asked for", item.get("product_id"))
    return Trade(
        fields.text(item, "trade_id"),
        fields.positive(item, "price"),
        fields.positive(item, "size"),
        fields.moment(item, "time") + ahead,
    )
