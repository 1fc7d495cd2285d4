"""The last lines of a verification, for people."""

from collections.abc import Iterator

from tools.audit.chain import ChainCheck
from tools.audit.findings import Findings
from tools.audit.verify import Verified


def summary(done: Verified, findings: Findings) -> Iterator[str]:
    """Yield what was read, what was proven, what is worth knowing, and the verdict."""
    yield from _chain("audit", done.audit)
    yield from _chain("journal", done.journal)
    if done.history is not None:
        ledger = done.history.ledger
        yield (
            f"books: {done.history.fills} fills, {len(ledger.lots)} positions, realised {ledger.realised:.2f}, "
            f"fees {ledger.fees:.2f}"
        )
    for state in done.states:
        if state.was_compared:
            yield f"{state.path.name}: seq {state.seq}"
    for name, check in done.anchors.items():
        yield f"{name}: {check.proven} anchors hold, it is proven up to record {check.proven_up_to}"
    for note in findings.notes:
        yield f"note: {note}"
    hidden = findings.count - len(findings.shown)
    if hidden:
        yield f"({hidden} more findings are not shown)"
    what = "everything holds" if done.history is not None else "the chains hold"
    yield f"{findings.count} findings" if findings.count else what


def _chain(name: str, check: ChainCheck | None) -> Iterator[str]:
    if check is None:
        yield f"{name}: not there"
    else:
        yield f"{name}: {check.records} records, {check.bytes} bytes, ends at seq {check.seq} ({check.hash[:16]})"
