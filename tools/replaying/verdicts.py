"""What became of each product in a cycle, in one word and two values: of a decision, and of a recorded line."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from core.decision import Decision
from core.exits import ExitReview
from core.model.market import ProductId
from core.model.money import plain
from core.model.orders import LotId, Order
from core.model.signals import Trigger
from core.universe import Universe
from runner.cycle import Cycle


class Verdict(NamedTuple):
    """
    How far a product came, and what stopped it there or let it through.

    `stage` is universe, triggers, rules, risk, or order; `code` says what happened in it.
    """

    stage: str
    code: str
    observed: str = ""
    limit: str = ""

    @property
    def decision(self) -> tuple[str, str, str]:
        """What counts as the same decision: a refusal with other numbers is the same, an order of another size not."""
        is_amount = self.stage == "order" or self.code in ("approved", "proposed")
        return self.stage, self.code, self.observed if is_amount else ""

    def text(self) -> str:
        values = f" ({self.observed}{f', limit {self.limit}' if self.limit else ''})" if self.observed else ""
        return f"{self.stage}: {self.code}{values}"


NO_TRIGGER = Verdict("triggers", "no_trigger")

Verdicts = Mapping[ProductId, Verdict]


def verdicts_of(decision: Decision) -> dict[ProductId, Verdict]:
    """Return the products that something fired for, and how far each came."""
    found: dict[ProductId, Verdict] = {}
    for trigger in decision.watched.triggers if decision.watched is not None else ():
        found.setdefault(trigger.product_id, _fired(trigger, decision))
    rules, assessment = decision.rules, decision.assessment
    for refused in rules.not_proposed if rules is not None else ():
        observed = f"{refused.strategy} {refused.observed}".strip()
        found[refused.product_id] = Verdict("rules", refused.reason, observed, refused.limit)
    for proposal in rules.proposals if rules is not None else ():
        wanted = f"{proposal.strategy}, conviction {proposal.conviction}, {plain(proposal.size_fraction * 100)} %"
        found[proposal.product_id] = Verdict("rules", "proposed", wanted)
    for turned_down in assessment.refused if assessment is not None else ():
        product_id = turned_down.proposal.product_id
        found[product_id] = Verdict("risk", turned_down.reason.value, turned_down.observed, turned_down.limit)
    for approved in assessment.approved if assessment is not None else ():
        bound = f"{plain(approved.notional)}, bound by {approved.bound_by.value}"
        found[approved.product_id] = Verdict("risk", "approved", bound)
    for one in decision.entries:
        order = one.order
        found[one.approved.product_id] = (
            Verdict("order", "buy", f"{plain(order.size)} at {plain(order.limit_price)}")
            if isinstance(order, Order)
            else Verdict("order", order.reason.value, order.observed, order.limit)
        )
    return found


def _fired(trigger: Trigger, decision: Decision) -> Verdict:
    """Say what stopped a product whose trigger fired, when it did not come to the rules."""
    if decision.rules is None and decision.reason is not None:
        return Verdict("cycle", decision.reason.value)
    return Verdict("triggers", trigger.kind.value, f"{trigger.observed:.6g}", f"{trigger.threshold:.6g}")


def exclusions_of(universe: Universe) -> dict[ProductId, Verdict]:
    """Return every product of a refresh: eligible in its tier, or excluded and why."""
    found = {
        product_id: Verdict("universe", item.reason.value, item.observed, item.limit)
        for product_id, item in universe.excluded.items()
    }
    for product_id, eligible in universe.eligible.items():
        found[product_id] = Verdict("universe", "eligible", eligible.tier.value)
    return found


def exits_of(review: ExitReview | None) -> dict[LotId, Verdict]:
    """Return the lots that are to be sold, or could not be judged."""
    if review is None:
        return {}
    found = {item.lot_id: Verdict("exits", item.reason.value, item.observed, item.limit) for item in review.blocked}
    found |= {item.lot_id: Verdict("exits", item.reason.value, item.observed, item.limit) for item in review.due}
    return found


def exits_of_line(body: Mapping[str, Any]) -> dict[LotId, Verdict]:
    """Return the same as a line tells it."""
    return {
        LotId(item["lot"]): Verdict("exits", item["blocked_by"] or item["reason"], item["observed"], item["limit"])
        for item in body["exits"]
    }


# --- the recorded cycle -----------------------------------------------------------------------------------------------


def verdicts_of_line(body: Mapping[str, Any], again: Cycle) -> dict[ProductId, Verdict]:
    """Return what a line tells of products that came to the rules at least, as far as the cycle came again."""
    found: dict[ProductId, Verdict] = {}
    proposals = (body["proposals"] or {}) if again.rules is not None else {}
    risk = (body["risk"] or {}) if again.assessment is not None else {}
    for item in proposals.get("not_made", ()):
        observed = f"{item['strategy']} {item['observed']}".strip()
        found[_product(item)] = Verdict("rules", item["reason"], observed, item["limit"])
    for item in proposals.get("made", ()):
        found[_product(item)] = Verdict("rules", "proposed", f"{item['strategy']}, conviction {item['conviction']}")
    for item in risk.get("refused", ()):
        found[_product(item)] = Verdict("risk", item["reason"], item["observed"], item["limit"])
    for item in risk.get("approved", ()):
        found[_product(item)] = Verdict("risk", "approved", f"{item['notional']}, bound by {item['bound_by']}")
    return found


def verdicts_of_cycle(cycle: Cycle) -> dict[ProductId, Verdict]:
    """Return the same of a cycle that was just decided again, as far as it came."""
    found: dict[ProductId, Verdict] = {}
    for refused in cycle.rules.not_proposed if cycle.rules is not None else ():
        observed = f"{refused.strategy} {refused.observed}".strip()
        found[refused.product_id] = Verdict("rules", refused.reason, observed, refused.limit)
    for proposal in cycle.rules.proposals if cycle.rules is not None else ():
        wanted = f"{proposal.strategy}, conviction {round(proposal.conviction, 4)}"
        found[proposal.product_id] = Verdict("rules", "proposed", wanted)
    for turned_down in cycle.assessment.refused if cycle.assessment is not None else ():
        product_id = turned_down.proposal.product_id
        found[product_id] = Verdict("risk", turned_down.reason.value, turned_down.observed, turned_down.limit)
    for approved in cycle.assessment.approved if cycle.assessment is not None else ():
        bound = f"{plain(approved.notional)}, bound by {approved.bound_by.value}"
        found[approved.product_id] = Verdict("risk", "approved", bound)
    for stopped in cycle.last_hop_refusals:
        found[stopped.order.product_id] = Verdict("risk", stopped.reason.value, stopped.observed, stopped.limit)
    return found


def _product(item: Mapping[str, Any]) -> ProductId:
    return ProductId.parse(item["product"])
