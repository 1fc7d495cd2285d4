"""Double books from the fills alone: cash by currency, lots, fees, realised profit. Every amount is exact."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

ZERO = Decimal(0)
SHARE_STEP = Decimal("0.00000001")
DIGITS = 100


@dataclass(slots=True)
class Lot:
    product: str
    opened_at: datetime
    reason: str
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realised: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Close:
    """A lot that ended: when, whether it lost, and the reason of the order that ended it."""

    product: str
    at: datetime
    was_loss: bool
    reason: str


@dataclass(slots=True)
class Books:
    cash: dict[str, Decimal] = field(default_factory=dict)
    lots: dict[str, Lot] = field(default_factory=dict)
    fees: Decimal = ZERO
    realised: Decimal = ZERO
    closes: list[Close] = field(default_factory=list)

    def flow(self, currency: str, amount: Decimal) -> None:
        self.cash[currency] = self.cash.get(currency, ZERO) + amount

    def book(self, fill: dict[str, Any], reason: str) -> str | None:
        """Book one fill and return None, or what is impossible about it; `reason` is that of its order."""
        with localcontext(prec=DIGITS):
            price, size, fee = (Decimal(fill[key]) for key in ("price", "size", "fee"))
            currency = fill["product"].partition("-")[2]
            if fill["side"] == "BUY":
                self._buy(fill, price * size + fee, size, reason)
                self.flow(currency, -(price * size + fee))
            else:
                problem = self._sell(fill, price * size - fee, size, reason)
                if problem is not None:
                    return problem
                self.flow(currency, price * size - fee)
            self.fees += fee
        return None

    def _buy(self, fill: dict[str, Any], spent: Decimal, size: Decimal, reason: str) -> None:
        lot = self.lots.setdefault(fill["lot"], Lot(fill["product"], moment(fill["at"]), reason))
        lot.quantity += size
        lot.cost += spent

    def _sell(self, fill: dict[str, Any], got: Decimal, size: Decimal, reason: str) -> str | None:
        lot = self.lots.get(fill["lot"])
        if lot is None or lot.product != fill["product"]:
            return f"sells {size} {fill['product']} from lot {fill['lot']}, of which nothing is there"
        if size > lot.quantity:
            return f"sells {size} from lot {fill['lot']}, which has {lot.quantity}"
        share = lot.cost
        if size < lot.quantity:
            share = (lot.cost * size / lot.quantity).quantize(SHARE_STEP, ROUND_HALF_EVEN)
        lot.quantity -= size
        lot.cost -= share
        lot.realised += got - share
        self.realised += got - share
        if lot.quantity == 0:
            del self.lots[fill["lot"]]
            self.closes.append(Close(lot.product, moment(fill["at"]), lot.realised < 0, reason))
        return None

    def take_over(self, portfolio: dict[str, Any], pnl: dict[str, Any], at: datetime) -> None:
        """Begin with what a line says: for a file that does not begin at the account's beginning."""
        self.cash = {currency: Decimal(amount) for currency, amount in portfolio["cash"].items()}
        self.lots = {
            item["lot"]: Lot(item["product"], at, "", Decimal(item["quantity"]), Decimal(item["cost"]))
            for item in portfolio["positions"]
        }
        self.realised, self.fees = Decimal(pnl["realised"]), Decimal(pnl["fees"])

    def differences(self, portfolio: dict[str, Any], pnl: dict[str, Any]) -> list[tuple[str, str]]:
        """Return code and text of everything in a line that is not what these books say, to the last digit."""
        found = []
        cash = {currency: plain(amount) for currency, amount in self.cash.items()}
        if portfolio["cash"] != cash:
            found.append(("cash", f"written {portfolio['cash']}, the fills give {cash}"))
        lots = {key: [lot.product, plain(lot.quantity), plain(lot.cost)] for key, lot in self.lots.items()}
        written = {item["lot"]: [item["product"], item["quantity"], item["cost"]] for item in portfolio["positions"]}
        if written != lots or len(written) != len(portfolio["positions"]):
            found.append(("positions", f"written {_less(written, lots)}, the fills give {_less(lots, written)}"))
        for name, amount in (("realised", self.realised), ("fees", self.fees)):
            if pnl[name] != plain(amount):
                found.append((name, f"written {pnl[name]}, the fills give {plain(amount)}"))
        return found + self._valuation(portfolio, pnl)

    def _valuation(self, portfolio: dict[str, Any], pnl: dict[str, Any]) -> list[tuple[str, str]]:
        """Equity minus cash is what the lots are worth; that minus their cost is the unrealised profit."""
        if portfolio["equity"] is None or pnl["unrealised"] is None:
            return [] if portfolio["equity"] is pnl["unrealised"] is None else [("equity", "one of two is null")]
        with localcontext(prec=DIGITS):
            worth = Decimal(portfolio["equity"]) - sum(self.cash.values())
            unrealised = worth - sum(lot.cost for lot in self.lots.values())
        if Decimal(pnl["unrealised"]) == unrealised and worth >= 0:
            return []
        return [("equity", f"lots worth {worth}: unrealised {plain(unrealised)}, written {pnl['unrealised']}")]


def moment(text: str) -> datetime:
    """Read `2026-01-05T00:00:00Z`, with or without milliseconds; as text the two forms do not sort."""
    return datetime.fromisoformat(text)


def plain(amount: Decimal) -> str:
    text = format(amount, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("", "-0") else text


def _less(one: dict[str, list[str]], other: dict[str, list[str]]) -> dict[str, list[str]]:
    return {key: value for key, value in one.items() if other.get(key) != value}
