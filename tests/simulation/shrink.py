"""From a run that breaks a law to the few disturbances that are needed for it (delta debugging: Zeller's ddmin)."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.simulation.plan import Disturbance, Plan
from tests.simulation.run import Result, run

SECONDS_MAX = 600.0
STRIKES_MAX = 2000

Say = Callable[[str], None]
Play = Callable[[Plan], Result]


def shrink(plan: Plan, result: Result, say: Say, *, play: Play = run, seconds_max: float = SECONDS_MAX) -> Plan:
    """
    Return the smallest plan found in time that breaks the same law as `result` did.

    First the faults that struck take the place of the windows in which they might strike, where that breaks it, too.
    """
    hunt = _Hunt(law=result.laws[0], say=say, play=play, until=time.monotonic() + seconds_max)
    best = hunt.shorter(plan)
    best = hunt.fewer(best)
    appointed = _with_strikes(best, play(best))
    if len(appointed.disturbances) < STRIKES_MAX and hunt.fails(appointed):
        best = hunt.fewer(appointed)
    best = hunt.shorter(best)
    return hunt.plainer(best)


def _with_strikes(plan: Plan, result: Result) -> Plan:
    """Appoint each fault that struck to its request, in the place of the windows."""
    strikes = [
        Disturbance(kind="strike", minute=minute, args={"fault": fault, "endpoint": endpoint})
        for minute, fault, endpoint in result.strikes
    ]
    others = [item for item in plan.disturbances if item.kind not in ("fault", "strike")]
    return plan.with_only(sorted([*others, *strikes], key=lambda item: item.minute))


class _Hunt:
    """Tries plans; each is run once, and none after the time is up."""

    def __init__(self, *, law: str, say: Say, play: Play, until: float) -> None:
        self._law = law
        self._say = say
        self._play = play
        self._until = until
        self._known: dict[str, bool] = {}

    def fails(self, plan: Plan) -> bool:
        """Tell whether a plan breaks the law, too; False when there is no time left to see."""
        key = repr(plan)
        if key not in self._known:
            if time.monotonic() > self._until:
                return False
            self._known[key] = self._law in self._play(plan).laws
        return self._known[key]

    def shorter(self, plan: Plan) -> Plan:
        """Cut the run off after its last disturbances, as early as it still fails."""
        low, high = 1, plan.minutes
        best = plan
        while low < high:
            middle = (low + high) // 2
            candidate = _cut(plan, middle)
            if self.fails(candidate):
                best, high = candidate, middle
            else:
                low = middle + 1
        self._say(f"{best.minutes} minutes, {len(best.disturbances)} disturbances after {len(self._known)} runs")
        return best

    def fewer(self, plan: Plan) -> Plan:
        """Leave out disturbances, in ever smaller groups, for as long as it fails without them."""
        kept = list(plan.disturbances)
        groups = 2
        while len(kept) >= 1 and groups <= 2 * len(kept):
            size = max(1, -(-len(kept) // groups))
            smaller = self._without_one_group(plan, kept, size)
            if smaller is not None:
                kept, groups = smaller, max(groups - 1, 2)
                self._say(f"{plan.minutes} minutes, {len(kept)} disturbances after {len(self._known)} runs")
            elif size == 1:
                break
            else:
                groups *= 2
        return plan.with_only(kept)

    def _without_one_group(self, plan: Plan, kept: list[Disturbance], size: int) -> list[Disturbance] | None:
        for begin in range(0, len(kept), size):
            rest = [*kept[:begin], *kept[begin + size :]]
            if self.fails(plan.with_only(rest)):
                return rest
        return None

    def plainer(self, plan: Plan) -> Plan:
        """Take away options that are not needed."""
        for change in ({"ending": ""}, {"lag_seconds": 0.0}, {"is_signed": False}):
            candidate = replace(plan, **change)
            if candidate != plan and self.fails(candidate):
                plan = candidate
        return plan


def _cut(plan: Plan, minutes: int) -> Plan:
    """End the bad part after so many minutes."""
    kept: Sequence[Disturbance] = [item for item in plan.disturbances if item.minute < minutes]
    return replace(plan, minutes=minutes, disturbances=tuple(kept))
