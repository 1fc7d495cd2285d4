"""What deciding again has found, in words and as JSON."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from core.settings_builder import Document
from tools.replaying.verdict import Verdict
from tools.replaying.what_if import Change, WhatIf

SHOWN = 20
CHANGES_SHOWN = 60

WORKED = (
    *("app.", "policy.protection.", "policy.exits.max_exit_slippage", "policy.exits.exit_", "policy.execution.maker_"),
    *("policy.execution.taker_", "policy.execution.max_requotes", "policy.execution.poll_", "policy.execution.post_"),
    *("policy.execution.unknown_", "policy.circuit_breakers.api_error_window", "universe.refresh_interval"),
)
"""Keys that say how orders are worked, what the account costs, or when something is looked at: not decided again."""

DECIDED = ("app.loop.min_free_",)


def identity_words(verdict: Verdict, data_dir: Path, cycle: int | None, code: str) -> Iterator[str]:
    """Say what is identical and what is not, the worst first; `code` is the hash of this checkout."""
    yield from (f"❌ {problem}" for problem in verdict.problems)
    for seq, slot, found in verdict.differing[:SHOWN]:
        yield f"❌ cycle {seq} (slot {slot}): {found.where}, {found.member}:"
        yield f"     recorded {found.recorded}"
        yield f"     decided again {found.recomputed}"
    if len(verdict.differing) > SHOWN:
        left = ", ".join(str(seq) for seq, _, _ in verdict.differing[SHOWN : 2 * SHOWN])
        yield f"   and cycles {left}{', ...' if len(verdict.differing) > 2 * SHOWN else ''}"
    if len(verdict.differing) > 1:
        yield "   (Those after the first may follow from it: the loop's memory is put right at the tape's next file.)"
    if verdict.lost:
        first, last = verdict.lost[0], verdict.lost[-1]
        yield f"❌ {len(verdict.lost):,} cycles have a line and no facts (cycles {first[0]} to {last[0]}): {first[2]}"
    if verdict.missing:
        slots = ", ".join(map(str, verdict.missing[:SHOWN]))
        yield f"❌ {len(verdict.missing):,} cycles were decided and have no line (slots {slots}): lines were removed"
    if verdict.is_empty:
        what = "nothing can be decided again" if cycle is None else f"cycle {cycle} cannot be decided again"
        yield f"❌ {what}: the tape in {data_dir / 'tape'} does not have it"
        return
    yield _sum(verdict, cycle)
    yield from _left_out(verdict)
    if verdict.codes.keys() - {code}:
        yield f"   recorded by code {', '.join(verdict.codes)}, decided again by {code}"


def _sum(verdict: Verdict, cycle: int | None) -> str:
    mark = "✅" if verdict.is_good else "❌"
    words = f"{mark} {verdict.identical:,} of {verdict.cycles:,} cycles identical, to the byte"
    if cycle is None:
        words += f": their lines, and {verdict.records:,} journal records ({verdict.runs} runs)"
    return words


def _left_out(verdict: Verdict) -> Iterator[str]:
    if verdict.cut_off:
        yield f"   {verdict.cut_off:,} more were cut off by a crash; the lines that closed them are the same"
    if verdict.before_tape:
        yield f"   {verdict.before_tape:,} more are older than the tape that is kept"
    if verdict.without_line:
        yield f"   {verdict.without_line:,} more have no line (the audit was begun afresh); their journal is the same"
    if verdict.unclosed:
        yield f"   {len(verdict.unclosed):,} more have no line yet (cut off, or still running)"


def identity_json(verdict: Verdict) -> dict[str, object]:
    return {
        "identical": verdict.identical,
        "cycles": verdict.cycles,
        "differing": [{"cycle": n, "slot": slot, **dataclasses.asdict(found)} for n, slot, found in verdict.differing],
        "lost": [{"cycle": seq, "slot": slot, "why": why} for seq, slot, why in verdict.lost],
        "cut_off": verdict.cut_off,
        "before_tape": verdict.before_tape,
        "without_line": verdict.without_line,
        "missing": verdict.missing,
        "unclosed": verdict.unclosed,
        "journal_records": verdict.records,
        "runs": verdict.runs,
        "problems": verdict.problems,
    }


# --- what if ----------------------------------------------------------------------------------------------------------


def what_if_words(found: WhatIf, keys: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """Say which decisions would be others and why; `keys` are the settings that differ, with both values."""
    for key, (then, now) in keys.items():
        note = "   (not decided again: how orders are worked, or what nobody asked for then)" if _is_worked(key) else ""
        yield f"   {key}: {then} -> {now}{note}"
    for change in found.changes[:CHANGES_SHOWN]:
        yield change_words(change)
    if len(found.changes) > CHANGES_SHOWN:
        yield f"   ... and {len(found.changes) - CHANGES_SHOWN:,} more (--json has them all)"
    for words, count in sorted(found.by_reason().items(), key=lambda item: (-item[1], item[0])):
        yield f"{count:7,} x {words}"
    mark = "✅" if not found.changes else "≠"
    yield (
        f"{mark} {found.changed:,} of {found.decided:,} cycles would be decided otherwise"
        f"{f' ({found.undecided:,} more ended before there was anything to decide)' if found.undecided else ''}"
    )
    if found.not_as_recorded:
        yield f"   note: {found.not_as_recorded:,} cycles do not come out as recorded under their own settings (--all)"


def _is_worked(key: str) -> bool:
    return key.startswith(WORKED) and not key.startswith(DECIDED)


def change_words(change: Change) -> str:
    return f"cycle {change.cycle} {change.at} {change.subject}: {change.before.text()} -> {change.after.text()}"


def what_if_json(found: WhatIf, keys: Mapping[str, tuple[str, str]]) -> dict[str, object]:
    return {
        "settings": {key: {"before": then, "after": now} for key, (then, now) in keys.items()},
        "decided": found.decided,
        "undecided": found.undecided,
        "cycles_changed": found.changed,
        "not_as_recorded": found.not_as_recorded,
        "by_reason": dict(Counter(found.by_reason()).most_common()),
        "changes": [
            {
                "cycle": one.cycle,
                "slot": one.slot,
                "at": one.at,
                "subject": one.subject,
                "before": one.before._asdict(),
                "after": one.after._asdict(),
            }
            for one in found.changes
        ],
    }


def other_keys(then: Mapping[str, Document], now: Mapping[str, Document]) -> dict[str, tuple[str, str]]:
    """Return the keys in which two configurations differ, with both values in words."""
    old, new = dict(_leaves(then)), dict(_leaves(now))
    keys = dict.fromkeys((*old, *new))
    missing = "(not set)"
    return {key: (old.get(key, missing), new.get(key, missing)) for key in keys if old.get(key) != new.get(key)}


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        yield path, " ".join(map(str, value))
    else:
        yield path, str(value)
