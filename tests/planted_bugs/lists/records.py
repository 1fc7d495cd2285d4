"""Journal, audit and snapshot: written ahead, synced, whole, chained, never repaired in silence (L1, L2, L11, L13)."""

from tests.planted_bugs.bug import Bug
from tests.planted_bugs.commands import SIMULATION

RECORD_FILE = "tests/runner/adapters/test_record_file.py"
READER = "tests/runner/test_record_reader.py"
RECOVERY = "tests/runner/test_recovery.py"
STATE = "tests/runner/adapters/test_state_store.py"
WRITE_AHEAD = "tests/loopback/test_write_ahead.py"
FILES = "tests/scenarios/test_files.py"

BUGS = (
    Bug(
        name="order-sent-before-its-intent-is-synced",
        breaks="L2",
        file="runner/orders/sending.py",
        old="plan=planned.plan, reason=planned.reason), durable=True",
        new="plan=planned.plan, reason=planned.reason), durable=False",
        caught_by=(
            f"{WRITE_AHEAD}::test_every_order_has_its_intent_on_the_disk_before_it_leaves_and_its_outcome_before_anything_else_does",
        ),
    ),
    Bug(
        name="order-sent-before-its-intent-is-written",
        breaks="L2",
        file="runner/orders/sending.py",
        old="""\
        self._book.record(
            Intent(at=now, slot=cycle.tick.slot, order=order, plan=planned.plan, reason=planned.reason), durable=True
        )
        if self.is_killed():
            cycle.end(Reason.KILL_SWITCH)
            return self._note(order, Outcome.NOT_SENT, None, Reason.KILL_SWITCH.value)
        self._book.record(Sent(at=now, client_order_id=order.client_order_id), durable=False)
        return self._submit(order)
""",
        new="""\
        order_id, reason = None, ""
        try:
            order_id = self._broker.submit(order)
        except (OrderRejected, OrderNotSent, OrderOutcomeUnknown) as error:
            reason = str(error)
        self._book.record(
            Intent(at=now, slot=cycle.tick.slot, order=order, plan=planned.plan, reason=planned.reason), durable=True
        )
        self._book.record(Sent(at=now, client_order_id=order.client_order_id), durable=False)
        return self._note(order, Outcome.ACCEPTED if order_id else Outcome.UNKNOWN, order_id, reason)
""",
        caught_by=SIMULATION,
    ),
    Bug(
        name="outcome-of-an-order-is-not-synced",
        breaks="L2",
        file="runner/orders/sending.py",
        old="""\
                order_id=order_id,
                reason=reason,
            ),
            durable=True,
""",
        new="""\
                order_id=order_id,
                reason=reason,
            ),
            durable=False,
""",
        caught_by=(
            f"{WRITE_AHEAD}::test_every_order_has_its_intent_on_the_disk_before_it_leaves_and_its_outcome_before_anything_else_does",
        ),
    ),
    Bug(
        name="fsync-skipped",
        breaks="L2",
        file="runner/adapters/record_file.py",
        old="if not (self._is_dirty and self._synced and self._descriptor is not None):",
        new="if self._is_dirty or not (self._synced and self._descriptor is not None):",
        caught_by=(f"{RECORD_FILE}::test_a_failed_sync_is_never_repeated",),
    ),
    Bug(
        name="fsync-retried-after-an-error",
        breaks="L2",
        file="runner/adapters/record_file.py",
        old="""\
        try:
            durable_files.sync(self._descriptor)
        except OSError as error:
""",
        new="""\
        try:
            try:
                durable_files.sync(self._descriptor)
            except OSError:
                durable_files.sync(self._descriptor)
        except OSError as error:
""",
        caught_by=(f"{RECORD_FILE}::test_a_failed_sync_is_never_repeated",),
    ),
    Bug(
        name="short-write-ignored",
        breaks="L1",
        file="runner/records/durable_files.py",
        old="    written = os.write(descriptor, data)\n    if written != len(data):\n",
        new="    written = os.write(descriptor, data)\n    if written == 0:\n",
        caught_by=(
            f"{RECORD_FILE}::test_a_short_write_is_an_error_and_leaves_a_torn_tail_that_the_next_start_understands",
        ),
    ),
    Bug(
        name="short-write-continued",
        breaks="L1",
        file="runner/records/durable_files.py",
        old="    written = os.write(descriptor, data)\n    if written != len(data):\n",
        new="    written = os.write(descriptor, data)\n"
        "    while written < len(data):\n"
        "        written += os.write(descriptor, data[written:])\n"
        "    if written != len(data):\n",
        caught_by=(
            f"{RECORD_FILE}::test_a_short_write_is_an_error_and_leaves_a_torn_tail_that_the_next_start_understands",
        ),
    ),
    Bug(
        name="fsync-of-the-directory-skipped",
        breaks="L1",
        file="runner/records/durable_files.py",
        old="    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)\n",
        new="    if directory:\n"
        "        return\n"
        "    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)\n",
        caught_by=("tests/runner/test_power_loss.py",),
    ),
    Bug(
        name="snapshot-taken-before-its-journal-is-synced",
        breaks="L11",
        file="runner/adapters/record_file.py",
        old="""\
        self._refuse_after_failure()
        self._sync()
        return self._place
""",
        new="""\
        self._refuse_after_failure()
        return self._place
""",
        caught_by=(RECORD_FILE,),
    ),
    Bug(
        name="ledger-changed-before-its-record-is-written",
        breaks="L11",
        file="runner/bookkeeper.py",
        old="""\
        body: Mapping[str, object] = encode_event(event)
""",
        new="""\
        self.ledger = after
        body: Mapping[str, object] = encode_event(event)
""",
        caught_by=("tests/runner/test_bookkeeper.py::test_what_could_not_be_written_did_not_happen",),
    ),
    Bug(
        name="torn-tail-truncated-in-place",
        breaks="L1",
        file="runner/adapters/record_file.py",
        old="            place, size = replace(place, segment=place.segment + 1, offset=0), None\n",
        new="            os.truncate(segment_path(path, place.segment), place.offset)\n"
        "            place, size = replace(place, segment=place.segment + 1, offset=0), None\n",
        caught_by=(f"{READER}::test_a_torn_file_is_kept_as_it_is_and_named_by_the_next_one",),
    ),
    Bug(
        name="appended-after-a-torn-tail",
        breaks="L1",
        file="runner/adapters/record_file.py",
        old="    place, size = reader.end, durable_files.size_of(path)\n",
        new="    place, size = reader.end, durable_files.size_of(path)\n"
        "    if reader.torn is not None and size is not None:\n"
        "        descriptor = durable_files.open_to_append(path)\n"
        "        return RecordFile(path, replace(place, offset=size), descriptor, synced=synced)\n",
        caught_by=(f"{READER}::test_a_torn_file_is_kept_as_it_is_and_named_by_the_next_one",),
    ),
    Bug(
        name="damage-in-the-middle-taken-for-a-torn-tail",
        breaks="L11",
        file="runner/records/reader.py",
        old='            if is_over or b"\\n" in chunk[:-1]:\n',
        new='            if is_over and b"\\n" in chunk[:-1]:\n',
        caught_by=(f"{READER}::test_any_flipped_bit_before_the_last_line_is_found_and_nothing_is_touched",),
    ),
    Bug(
        name="link-to-the-record-before-not-checked",
        breaks="L1",
        file="runner/records/chain.py",
        old="    if digest is None or not line.endswith(link, 0, len(line) - SEAL_BYTES):\n",
        new="    if digest is None or not link:\n",
        caught_by=(f"{READER}::test_a_line_out_of_its_place_halts_and_is_named",),
    ),
    Bug(
        name="hash-of-a-record-not-checked",
        breaks="L1",
        file="runner/records/chain.py",
        old="    return digest if line[-SEAL_BYTES:] == seal_of(digest) else None\n",
        new="    return digest if line.endswith(b'\"}\\n') else None\n",
        caught_by=(f"{READER}::test_any_flipped_bit_before_the_last_line_is_found_and_nothing_is_touched",),
    ),
    Bug(
        name="damaged-snapshot-believed",
        breaks="L11",
        file="runner/adapters/state_store.py",
        old="    if end != b'%b%b\"}\\n' % (_HASH_MARK, digest) or",
        new="    if not end.startswith(_HASH_MARK) or not digest or",
        caught_by=(f"{STATE}::test_a_damaged_snapshot_is_refused_and_left_as_it_is",),
    ),
    Bug(
        name="newer-schema-of-the-state-loaded",
        breaks="L11",
        file="runner/adapters/state_store.py",
        old='    if document.get("schema") != SCHEMA:\n',
        new='    if document.get("schema", 0) < SCHEMA:\n',
        caught_by=(f"{STATE}::test_a_damaged_snapshot_is_refused_and_left_as_it_is",),
    ),
    Bug(
        name="snapshot-ahead-of-the-journal-accepted",
        breaks="L11",
        file="runner/records/reader.py",
        old="        if file.read(SEAL_BYTES) != seal_of(self.end.hash):\n",
        new="        if not file.read(SEAL_BYTES) and not seal_of(self.end.hash):\n",
        caught_by=(f"{READER}::test_a_place_beyond_the_end_halts",),
    ),
    Bug(
        name="journal-that-cannot-be-folded-gives-defaults",
        breaks="L11",
        file="runner/recovery.py",
        old="""\
        except (ValueError, StateUnusable) as error:
            raise StateUnusable(
""",
        new="""\
        except (ValueError, StateUnusable) as error:
            if record:
                return Ledger()
            raise StateUnusable(
""",
        caught_by=(f"{RECOVERY}::test_a_sealed_record_that_contradicts_the_ledger_halts_with_its_seq",),
    ),
    Bug(
        name="emptied-journal-taken-for-a-new-directory",
        breaks="L11",
        file="runner/recovery.py",
        old="    if size == 0:\n",
        new="    if size == -1:\n",
        caught_by=(f"{RECOVERY}::test_an_emptied_journal_halts_with_or_without_a_snapshot",),
    ),
    Bug(
        name="loss-limits-forgotten-at-a-restart",
        breaks="L13",
        file="core/ledger/fold.py",
        old="        code_hash=event.code_hash,\n",
        new="        code_hash=event.code_hash,\n        day=None,\n        week=None,\n",
        caught_by=("tests/core/test_ledger.py",),
    ),
    Bug(
        name="high-water-mark-forgotten-at-a-restart",
        breaks="L13",
        file="core/ledger/fold.py",
        old="        code_hash=event.code_hash,\n",
        new="        code_hash=event.code_hash,\n        high_water_mark=ledger.equity,\n",
        caught_by=("tests/scenarios/test_breakers.py::test_a_drawdown_from_the_high_water_mark_latches",),
    ),
    Bug(
        name="breakers-forgotten-at-a-restart",
        breaks="L13",
        file="core/ledger/fold.py",
        old="        code_hash=event.code_hash,\n",
        new="        code_hash=event.code_hash,\n        breakers={},\n",
        caught_by=("tests/core/test_ledger.py",),
    ),
    Bug(
        name="losing-streak-ended-by-a-restart",
        breaks="L13",
        file="core/ledger/fold.py",
        old="        code_hash=event.code_hash,\n",
        new="        code_hash=event.code_hash,\n        loss_streak=0,\n",
        caught_by=("tests/core/test_ledger.py",),
    ),
    Bug(
        name="cycle-cut-off-by-a-crash-gets-no-line",
        breaks="L1",
        file="runner/run_records.py",
        old="    if slot is None or last_slot == slot:\n        return False\n",
        new="    if slot is None or slot:\n        return False\n",
        caught_by=(f"{FILES}::test_a_cycle_that_a_crash_cut_off_is_closed_by_one_line",),
    ),
    Bug(
        name="cycle-whose-line-was-written-gets-another",
        breaks="L1",
        file="runner/run_records.py",
        old="    if slot is None or last_slot == slot:\n        return False\n",
        new="    if slot is None:\n        return False\n",
        caught_by=(f"{FILES}::test_a_cycle_whose_line_was_written_before_the_crash_gets_no_second_one",),
    ),
    Bug(
        name="slot-used-twice-after-the-clock-was-set-back",
        breaks="L1",
        file="runner/schedule.py",
        old="        return self._tick(max(slot, last_slot + 1), last_slot)\n",
        new="        return self._tick(slot + 1 if slot == last_slot else slot, last_slot)\n",
        caught_by=("tests/runner/test_schedule.py",),
    ),
    Bug(
        name="state-of-another-account-opened",
        breaks="L11",
        file="runner/recovery.py",
        old="    if found != identity:\n",
        new="    if found.mode != identity.mode:\n",
        caught_by=(f"{RECOVERY}::test_a_directory_of_another_identity_is_refused_and_not_touched",),
    ),
    Bug(
        name="file-that-is-a-link-followed",
        breaks="L14",
        file="runner/records/durable_files.py",
        old="_COMMON = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK",
        new="_COMMON = os.O_CLOEXEC | os.O_NONBLOCK",
        caught_by=(
            "tests/runner/adapters/test_instance_lock.py::test_a_planted_link_or_fifo_is_refused_and_its_target_untouched",
        ),
    ),
    Bug(
        name="record-file-replaced-while-running-not-noticed",
        breaks="L14",
        file="runner/records/durable_files.py",
        old="    return held.st_size == size and os.path.samestat(held, named)\n",
        new="    return held.st_size == size and named is not None\n",
        caught_by=(f"{RECORD_FILE}::test_a_file_that_somebody_else_changes_takes_no_further_record",),
    ),
)
