"""What the project's own tools say of the records after a recovery: both verifiers, and deciding again."""

import contextlib
import decimal
import io
from collections.abc import Iterator

from core.errors import StateUnusable
from tests.crash_sweep.world import World
from tools import verify_alone
from tools.audit.chain import Unreadable
from tools.audit.findings import Findings
from tools.audit.verify import Paths, Verification
from tools.replaying.identity import Replay


def findings(world: World) -> Iterator[str]:
    """Yield what one of them finds wrong. Only a power loss may take away from the tape what a line tells of."""
    yield from _of_the_verifier(world)
    yield from _of_the_other_verifier(world)
    try:
        verdict = Replay(world.desk.folder / "data", world.desk.folder / "logs", lambda: None).all()
    except StateUnusable as error:
        yield f"replay: {error}"
        return
    world.decided_again += verdict.identical
    yield from (f"replay: line {seq} comes out otherwise: {found}" for seq, _, found in verdict.differing)
    if not world.lost_power:
        yield from (f"replay: line {seq} is lost: {why}" for seq, _, why in verdict.lost)
        yield from (f"replay: {problem}" for problem in verdict.problems)


def _of_the_verifier(world: World) -> Iterator[str]:
    found = Findings()
    paths = Paths(data_dir=world.desk.folder / "data", logs_dir=world.desk.folder / "logs")
    try:
        verification = Verification(paths, [], found)
        verification.all(lambda _done: None)
        verification.close()
    except (Unreadable, OSError) as error:
        yield f"tools.audit verify: {error}"
    yield from (f"tools.audit verify: {finding}" for finding in found.shown)


def _of_the_other_verifier(world: World) -> Iterator[str]:
    said = io.StringIO()
    with decimal.localcontext(), contextlib.redirect_stdout(said):
        code = verify_alone.main([str(world.desk.folder / name) for name in ("data", "logs")])
    if code:
        yield f"verify_alone: exit {code}: {said.getvalue()}"
