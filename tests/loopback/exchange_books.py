"""What really happened to the bot's and to the owner's money and coins: folded from the exchange's double entry."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext

from runner.adapters.simulated_coinbase.exchange import SimulatedCoinbase
from runner.matching.books import Entry, Movement, Name

EXACT = 100
ZERO = Decimal(0)
OWNER = "owner-"
"""The owner's orders are named by this; whatever else comes is the bot's, or nobody's."""

_HELD = (Name.AVAILABLE, Name.HOLD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """One fill of the bot as the exchange booked it; `coins` and `cash` are what the account got (+) or gave (-)."""

    fill_id: str
    order_id: str
    client_order_id: str
    base: str
    coins: Decimal
    cash: Decimal
    fee: Decimal


@dataclass(slots=True)
class Holder:
    """Money and coins by currency, since the account was opened."""

    flows: dict[str, Decimal] = field(default_factory=dict)

    def move(self, currency: str, amount: Decimal) -> None:
        with localcontext(prec=EXACT):
            self.flows[currency] = self.flows.get(currency, ZERO) + amount

    def of(self, currency: str) -> Decimal:
        return self.flows.get(currency, ZERO)


class ExchangeBooks:
    """The exchange's entries, split into the bot's and the owner's share, read on from the last look."""

    def __init__(self, exchange: SimulatedCoinbase) -> None:
        self._exchange = exchange
        self._read = 0
        self._names: dict[str, tuple[str, str]] = {}
        self.bot, self.owner = Holder(), Holder()
        self.executed: dict[str, Executed] = {}
        self.cost: dict[str, Decimal] = {}
        """What the bot's coins cost, fees included, by asset."""
        self.problems: list[str] = []

    def read_on(self) -> None:
        """Fold the entries that are new."""
        entries = self._exchange.books.entries
        new = entries[self._read :]
        if not new:
            return
        self._read = len(entries)
        self._learn_names()
        for entry in new:
            if entry.movement is Movement.FILL:
                self._fill(entry)
            elif entry.movement in (Movement.DEPOSIT, Movement.WITHDRAWAL):
                for currency, amount in _flows(entry).items():
                    self.owner.move(currency, amount)

    def is_bots(self, order_id: str) -> bool:
        return not self._names[order_id][0].startswith(OWNER)

    def _learn_names(self) -> None:
        for record in self._exchange.orders()[len(self._names) :]:
            name = self._exchange.client_order_id_of(record)
            self._names[record.order_id] = (name, record.order.product_id.base)

    def _fill(self, entry: Entry) -> None:
        order_id = entry.reference.rpartition("-")[0]
        name, base = self._names[order_id]
        flows = _flows(entry)
        is_bots = not name.startswith(OWNER)
        holder = self.bot if is_bots else self.owner
        for currency, amount in flows.items():
            holder.move(currency, amount)
        if not is_bots:
            return
        coins = flows.pop(base)
        (cash,) = flows.values()
        fee = sum((posting.amount for posting in entry.postings if posting.name is Name.FEES), ZERO)
        self.executed[entry.reference] = Executed(
            fill_id=entry.reference,
            order_id=order_id,
            client_order_id=name,
            base=base,
            coins=coins,
            cash=cash,
            fee=fee,
        )
        self._note_cost(base, coins, cash, entry.reference)

    def _note_cost(self, base: str, coins: Decimal, cash: Decimal, reference: str) -> None:
        """Let the bot's cost of an asset grow with a purchase, and shrink in proportion with a sale."""
        after = self.bot.of(base)
        before = after - coins
        if coins > 0:
            self.cost[base] = self.cost.get(base, ZERO) - cash
        elif before > 0:
            self.cost[base] = self.cost.get(base, ZERO) * max(after, ZERO) / before
        if after < 0:
            self.problems.append(f"oversold: fill {reference} leaves the bot {after} {base}")


def _flows(entry: Entry) -> dict[str, Decimal]:
    """Return what an entry gave to (+) or took from (-) the account, by currency."""
    flows: dict[str, Decimal] = {}
    with localcontext(prec=EXACT):
        for posting in entry.postings:
            if posting.name in _HELD:
                flows[posting.currency] = flows.get(posting.currency, ZERO) + posting.amount
    return flows


def total_of(holders: Sequence[Holder], currency: str) -> Decimal:
    with localcontext(prec=EXACT):
        return sum((holder.of(currency) for holder in holders), ZERO)
