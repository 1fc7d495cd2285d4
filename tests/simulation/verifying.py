"""The records of a run before both verifiers that the user has, and its cycles decided again (L1, L10, L11, L12)."""

from collections.abc import Iterator
from decimal import Context, localcontext
from itertools import islice

from tests.loopback.oracle import lines_of
from tests.simulation.world import World
from tools import verify_alone
from tools.audit.findings import Findings
from tools.audit.verify import Paths, Verification
from tools.replaying.identity import Replay

SHOWN = 5
DECIDED_AGAIN_EVERY = 10
"""Of so many seeds one is decided again as a whole: that takes as long as a third of the run itself."""


def unproven(world: World) -> Iterator[str]:
    """Yield what the verifiers find in the records, and what comes out otherwise when it is decided again."""
    if not world.desk.audit_file.exists():
        return
    yield from islice(_verified(world), SHOWN)
    yield from islice(_verified_alone(world), SHOWN)
    if world.plan.seed % DECIDED_AGAIN_EVERY == 0:
        yield from islice(_decided_again(world), SHOWN)


def _verified(world: World) -> Iterator[str]:
    findings = Findings()
    folder = world.desk.folder
    verification = Verification(Paths(data_dir=folder / "data", logs_dir=folder / "logs"), [], findings)
    try:
        verification.all(lambda _done: None)
    finally:
        verification.close()
    world.reached["records verified"] += 1
    yield from (f"verify/{finding.code}: {finding}" for finding in findings.shown)


def _verified_alone(world: World) -> Iterator[str]:
    found: list[str] = []
    with localcontext(Context(prec=100)):
        verify_alone.verify(
            world.desk.folder / "data" / "journal.jsonl",
            world.desk.audit_file,
            lambda place, what: found.append(f"verify_alone: {place}: {what}"),
        )
    yield from found


def _decided_again(world: World) -> Iterator[str]:
    folder, lines = world.desk.folder, {line["seq"]: line["run_id"] for line in lines_of(world.desk)}
    verdict = Replay(folder / "data", folder / "logs", lambda: None).all()
    world.reached["cycles decided again"] += verdict.identical
    world.reached["cycles that were cut off"] += verdict.cut_off
    yield from (f"decided_otherwise: seq {seq}, slot {slot}: {found}" for seq, slot, found in verdict.differing)
    for seq, slot, why in verdict.lost:
        if lines[seq] in world.runs_without_tape:
            world.reached["cycles whose facts a power loss took"] += 1
        else:
            yield f"not_decided_again: seq {seq}, slot {slot}: {why}"
    yield from (f"tape: {problem}" for problem in verdict.problems)
