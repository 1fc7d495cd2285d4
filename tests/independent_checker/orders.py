"""Orders and fills: who ordered what, and whether each execution keeps to its order."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any

from tests.independent_checker.books import ZERO, moment

FEE_STEP = Decimal("0.00000001")
LIQUIDITY = {"limit_post_only": ("MAKER",), "limit_ioc": ("TAKER",)}
EITHER = ("MAKER", "TAKER")
PURPOSES = {"BUY": ("entry", "cover"), "SELL": ("exit", "protection")}
BRACKET_FLOOR = Decimal("0.95")
"""A bracket whose stop is reached sells down to this share of its stop price."""
DEAD = ("REJECTED", "NOT_SENT", "ABSENT")

Problem = tuple[str, str]


@dataclass(slots=True)
class Ordered:
    """One order of the file: what was asked, when its cycle started, what came of it."""

    order: dict[str, Any]
    at: datetime
    outcome: str | None
    filled: Decimal = ZERO
    spent: Decimal = ZERO

    def reason_at(self, price: Decimal) -> str:
        """Return why a fill of this order sold: a guard's own word is only that it was one."""
        if self.order["purpose"] != "protection":
            return str(self.order["reason"])
        is_target = self.order["order_type"] == "bracket" and price >= Decimal(self.order["limit_price"])
        return "take_profit" if is_target else "stop_loss"

    @property
    def size(self) -> Decimal:
        return Decimal(self.order["size"])

    def worst_cost(self, fee_fraction: Decimal) -> Decimal:
        return self.size * Decimal(self.order["limit_price"]) * (1 + fee_fraction)


@dataclass(slots=True)
class OrderBook:
    """Every order so far, by its client_order_id. `fees`: fraction by liquidity on a paper venue, else None."""

    fees: dict[str, Decimal] | None
    by_id: dict[str, Ordered] = field(default_factory=dict)
    order_ids: set[str] = field(default_factory=set)
    fill_ids: set[str] = field(default_factory=set)

    def note_order(self, order: dict[str, Any], at: datetime) -> list[Problem]:
        name, found = order["client_order_id"], []
        if name in self.by_id:
            return [("order_repeated", f"{name} was ordered before")]
        self.by_id[name] = Ordered(order, at, order["outcome"])
        if order["order_id"] is not None:
            if order["order_id"] in self.order_ids:
                found.append(("order_id_repeated", f"{order['order_id']} belongs to an earlier order, too"))
            self.order_ids.add(order["order_id"])
        if order["purpose"] not in PURPOSES[order["side"]]:
            found.append(("order_shape", f"{name}: a {order['side']} is no {order['purpose']}"))
        if min(Decimal(order["size"]), Decimal(order["limit_price"])) <= 0:
            found.append(("order_shape", f"{name}: {order['size']} at {order['limit_price']}"))
        return found

    def note_outcome(self, name: str, outcome: str) -> list[Problem]:
        if name not in self.by_id:
            return [("resolved_without_order", name)]
        self.by_id[name].outcome = outcome
        return []

    def note_fill(self, fill: dict[str, Any]) -> list[Problem]:
        """Check a fill against its order. A fill with an unknown order or a known id is not counted any further."""
        if fill["fill_id"] in self.fill_ids:
            return [("fill_repeated", fill["fill_id"])]
        self.fill_ids.add(fill["fill_id"])
        ordered = self.by_id.get(fill["client_order_id"])
        if ordered is None:
            return [("fill_without_order", f"{fill['fill_id']}: {fill['client_order_id']} was never ordered")]
        price, size, fee = (Decimal(fill[key]) for key in ("price", "size", "fee"))
        ordered.filled += size
        ordered.spent += price * size + fee
        return [(code, f"{fill['fill_id']}: {text}") for code, text in self._problems(fill, ordered, price, size, fee)]

    def _problems(
        self, fill: dict[str, Any], ordered: Ordered, price: Decimal, size: Decimal, fee: Decimal
    ) -> list[Problem]:
        order, found = ordered.order, []
        if order["order_id"] is None:  # its answer was lost: the exchange's own name of it comes with its fills
            order["order_id"] = fill["order_id"]
        for key in ("product", "side", "lot", "order_id"):
            if fill[key] != order[key]:
                found.append(("fill_mismatch", f"{key} {fill[key]}, ordered {order[key]}"))
        limit = _worst_price(order)
        if (price > limit) if fill["side"] == "BUY" else (price < limit):
            found.append(("fill_price", f"{fill['side']} at {price}, the limit is {limit}"))
        if ordered.filled > ordered.size:
            found.append(("fill_size", f"{ordered.filled} filled in all, {ordered.size} ordered"))
        if min(price, size) <= 0 or fee < 0:
            found.append(("fill_shape", f"{size} at {price}, fee {fee}"))
        if fill["liquidity"] not in LIQUIDITY.get(order["order_type"], EITHER):
            found.append(("fill_liquidity", f"{fill['liquidity']} by a {order['order_type']} order"))
        if ordered.outcome in DEAD:
            found.append(("fill_of_dead_order", f"its order is {ordered.outcome}"))
        if moment(fill["at"]) < ordered.at:
            found.append(("fill_before_order", f"at {fill['at']}, ordered in the cycle of {ordered.at}"))
        return found + self._fee_problem(fill, price * size, fee)

    def _fee_problem(self, fill: dict[str, Any], value: Decimal, fee: Decimal) -> list[Problem]:
        if self.fees is None:
            return []
        due = (value * self.fees[fill["liquidity"]] / FEE_STEP).to_integral_value(ROUND_CEILING) * FEE_STEP
        return [] if fee == due else [("fill_fee", f"{fee} on {value}, the rate gives {due}")]


def _worst_price(order: dict[str, Any]) -> Decimal:
    """Return the worst price at which an order may fill."""
    limit = Decimal(order["limit_price"])
    return Decimal(order["stop_price"]) * BRACKET_FLOOR if order["order_type"] == "bracket" else limit
