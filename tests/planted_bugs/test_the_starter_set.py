"""
The starter set of reliability.md, section 7, has each of its bugs in the lists.

An item that means a part which this program does not have names the bug of the part that does its work: for a lease
that is renewed, the lock that is held for life (L14); for a time that it is taken at, the exchange's time (C15).
"""

import pytest

from tests.planted_bugs.lists import BUGS

STARTER_SET: dict[str, tuple[str, ...]] = {
    "POST before fsync": ("order-sent-before-its-intent-is-synced",),
    "POST before append": ("order-sent-before-its-intent-is-written",),
    "fsync skipped": ("fsync-skipped",),
    "fsync retried after EIO": ("fsync-retried-after-an-error",),
    "short write ignored": ("short-write-ignored", "short-write-continued"),
    "directory fsync skipped": ("fsync-of-the-directory-skipped",),
    "state written before audit": ("snapshot-taken-before-its-journal-is-synced",),
    "torn tail truncated in place": ("torn-tail-truncated-in-place",),
    "append after a torn tail": ("appended-after-a-torn-tail",),
    "bad middle line skipped": ("damage-in-the-middle-taken-for-a-torn-tail",),
    "defaults on corrupt state": ("damaged-snapshots-give-defaults", "journal-that-cannot-be-folded-gives-defaults"),
    "newer schema loaded": ("newer-schema-of-the-state-loaded",),
    "snapshot ahead of audit accepted": ("snapshot-ahead-of-the-journal-accepted",),
    "id includes side/size/price/host": ("id-made-of-the-size", "id-made-of-the-price"),
    "id random per retry": ("id-random",),
    "attempt bumped on timeout": ("entry-quoted-anew-while-its-answer-is-lost",),
    "timeout mapped to rejected": ("timeout-taken-for-a-rejection", "lost-answer-taken-for-not-sent"),
    "unknown status mapped to open/cancelled": ("unknown-status-taken-for-cancelled",),
    "absence after one lookup": ("absent-after-one-look",),
    "absence before JWT expiry": ("absent-before-its-token-has-expired",),
    "returned order not compared": ("found-order-not-compared-with-its-intent", "side-and-size-not-compared"),
    "OPEN filter only": ("open-orders-asked-with-the-open-filter-only",),
    "fills deduped in memory only": ("fills-remembered-in-memory-only",),
    "fills cursor without overlap": ("fills-asked-for-without-overlap",),
    "page 2 dropped": ("second-page-of-fills-dropped", "second-page-of-orders-dropped"),
    "UNKNOWN not counted in position": ("unknown-order-not-counted-in-the-exposure",),
    "limits counted at ack": ("order-counted-only-once-it-is-acknowledged",),
    "loss counter reset at restart": ("loss-limits-forgotten-at-a-restart", "losing-streak-ended-by-a-restart"),
    "daily reset by local time": ("day-by-the-local-clock",),
    "wall clock for timeout": ("wall-clock-for-a-wait",),
    "slot reuse after clock step back": ("slot-used-twice-after-the-clock-was-set-back",),
    "kill checked only at cycle start": ("kill-switch-read-at-the-cycles-start-only", "kill-switch-not-read-in-waits"),
    "kill stat error = absent": ("kill-file-that-cannot-be-looked-at-counts-as-absent",),
    "kill latch lost on restart": ("kill-file-removed-by-a-start",),
    "lease checked at cycle start only": ("lock-checked-at-the-start-only",),
    "lease time taken after the reply": ("exchange-time-taken-for-that-of-its-reply",),
    "lock file unlinked at exit": ("lock-file-removed-at-the-end",),
    "handler raises inside protocol": ("signal-handler-that-raises",),
    "NaN passes a comparison": ("nan-passes-for-room",),
    "float money": ("money-through-a-float",),
    "rounding up size to meet the minimum": ("size-raised-to-the-venues-minimum",),
    "collar uses stale price": ("collar-of-a-stale-price",),
    "429 retried without budget": ("429-without-a-pause",),
    "redirect followed": ("redirect-taken-for-an-answer",),
    "secret in exception text": ("secret-in-the-text-of-an-error",),
    "config re-read mid-run": ("configuration-read-again-while-running",),
    "over-broad except returns no risk violation": ("last-hop-swallows-what-it-cannot-compute",),
    "invariant via assert under -O": ("invariant-by-assert",),
}


@pytest.mark.parametrize("item", STARTER_SET)
def test_each_item_has_its_bug(item: str) -> None:
    names = [bug.name for bug in BUGS]

    assert STARTER_SET[item]
    assert [name for name in STARTER_SET[item] if name not in names] == []


def test_no_item_is_left_out() -> None:
    assert len(STARTER_SET) == 48
    assert len({name for names in STARTER_SET.values() for name in names}) >= 48
