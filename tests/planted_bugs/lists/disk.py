"""Files that end, disks that are full or lie, what is left behind (L1, L2, L5, L11, L13)."""

from tests.planted_bugs.bug import Bug

SEGMENTS = "tests/scenarios/test_record_segments.py"
LAST_ACT = "tests/scenarios/test_last_act.py"
GENERATIONS = "tests/scenarios/test_state_generations.py"

BUGS = (
    Bug(
        name="segment-not-named-by-the-next-file",
        breaks="L1",
        file="runner/stages/closing.py",
        old="        desk.audit_segment.append(ended)\n",
        new="",
        caught_by=(f"{SEGMENTS}::test_a_file_that_is_full_ends_and_the_next_one_names_it",),
    ),
    Bug(
        name="exchanged-segment-not-noticed",
        breaks="L11",
        file="runner/records/reader.py",
        old='        if self.torn is not None and body.get("segment") != self.torn.as_json():\n',
        new='        if self.torn is not None and body.get("segment") is None:\n',
        caught_by=("tests/runner/test_record_reader.py::test_an_exchanged_segment_halts",),
    ),
    Bug(
        name="missing-segment-of-the-journal-not-noticed",
        breaks="L11",
        file="runner/recovery.py",
        old="    if missing is not None:\n",
        new="    if missing is not None and snapshot is None:\n",
        caught_by=(
            f"{SEGMENTS}::test_a_file_of_the_journal_that_is_gone_halts_also_when_a_snapshot_spares_reading_it",
        ),
    ),
    Bug(
        name="file-renamed-before-it-is-synced",
        breaks="L2",
        file="runner/adapters/record_file.py",
        old="            if self._synced:\n                durable_files.sync(descriptor)\n"
        "            durable_files.rename(fresh, self._path)\n",
        new="            durable_files.rename(fresh, self._path)\n            if self._synced:\n"
        "                durable_files.sync(descriptor)\n",
        caught_by=(
            "tests/runner/test_power_loss.py::test_a_file_has_its_name_only_with_a_first_record_that_is_on_the_disk",
        ),
    ),
    Bug(
        name="ended-file-overwritten",
        breaks="L1",
        file="runner/adapters/record_file.py",
        old="    if durable_files.size_of(ended) is not None:\n",
        new="    if (durable_files.size_of(ended) or 0) < 0:\n",
        caught_by=(f"{SEGMENTS}::test_a_file_of_the_next_number_is_never_overwritten",),
    ),
    Bug(
        name="records-not-read-back",
        breaks="L11",
        file="runner/adapters/record_file.py",
        old="        if reached != self._place:\n",
        new="        if reached.segment != self._place.segment:\n",
        caught_by=(f"{LAST_ACT}::test_a_disk_that_lies_is_found_out_at_the_next_snapshot_and_not_written_to_again",),
    ),
    Bug(
        name="journal-not-read-back-before-a-snapshot",
        breaks="L11",
        file="runner/run_records.py",
        old="    journal.read_back()\n",
        new="",
        caught_by=(f"{LAST_ACT}::test_a_disk_that_lies_is_found_out_at_the_next_snapshot_and_not_written_to_again",),
    ),
    Bug(
        name="snapshot-not-read-back",
        breaks="L11",
        file="runner/adapters/state_store.py",
        old="                    _read_back(descriptor, data)\n",
        new="",
        caught_by=(
            "tests/runner/adapters/test_state_store.py::test_a_snapshot_that_the_disk_did_not_keep_is_not_put_in_place",
        ),
    ),
    Bug(
        name="damaged-snapshots-give-defaults",
        breaks="L11",
        file="runner/adapters/state_store.py",
        old="            raise self._unusable(self._backup, str(error)) from error\n",
        new="            return None\n",
        caught_by=(f"{GENERATIONS}::test_both_generations_damaged_halt_and_nothing_is_touched",),
    ),
    Bug(
        name="start-believes-what-the-kernel-remembers",
        breaks="L2",
        file="runner/records/durable_files.py",
        old="        sync(descriptor)\n        forget_cached(descriptor)\n",
        new="        sync(descriptor)\n",
        caught_by=(f"{LAST_ACT}::test_a_start_reads_what_is_on_the_disk_and_not_what_the_kernel_remembers",),
    ),
    Bug(
        name="emergency-record-not-written",
        breaks="L1",
        file="runner/records/emergency.py",
        old="            durable_files.write_at(self._descriptor, line, self._place.offset)\n",
        new="",
        caught_by=(
            f"{LAST_ACT}::test_a_full_disk_while_an_entry_rests_cancels_it_sends_nothing_and_is_told_at_the_next_start",
        ),
    ),
    Bug(
        name="emergency-record-not-told",
        breaks="L1",
        file="runner/recovery.py",
        old="        findings=(*_about_snapshot(found.snapshot), *_about_emergency(left)),\n",
        new="        findings=_about_snapshot(found.snapshot),\n",
        caught_by=(
            f"{LAST_ACT}::test_a_full_disk_while_an_entry_rests_cancels_it_sends_nothing_and_is_told_at_the_next_start",
        ),
    ),
    Bug(
        name="emergency-record-cleared-before-it-is-told",
        breaks="L1",
        file="runner/records/emergency.py",
        old="        self._place = left.end\n",
        new="        self.clear()\n",
        caught_by=(f"{LAST_ACT}::test_killed_before_the_emergency_record_is_in_the_journal_it_is_told_all_the_same",),
    ),
    Bug(
        name="full-disk-leaves-entries-resting",
        breaks="L16",
        file="runner/last_act.py",
        old="        if state.order.side is Side.BUY or command is KillCommand.CANCEL_ALL\n",
        new="        if command is KillCommand.CANCEL_ALL\n",
        caught_by=(
            f"{LAST_ACT}::test_a_full_disk_while_an_entry_rests_cancels_it_sends_nothing_and_is_told_at_the_next_start",
        ),
    ),
    Bug(
        name="full-disk-takes-guards-away",
        breaks="L6",
        file="runner/last_act.py",
        old="        if state.order.side is Side.BUY or command is KillCommand.CANCEL_ALL\n",
        new="",
        caught_by=(f"{LAST_ACT}::test_a_kill_file_on_a_full_disk_is_obeyed_and_recorded",),
    ),
    Bug(
        name="disk-space-guard-off",
        breaks="L8",
        file="core/breaker_rules.py",
        old='    if free is None or free < least:\n        return Trip(detail=f"free disk',
        new='    if free is None or free < 0:\n        return Trip(detail=f"free disk',
        caught_by=("tests/core/test_breakers.py::test_a_breaker_holds_at_its_limit_and_trips_one_step_past_it",),
    ),
    Bug(
        name="disk-space-not-looked-at",
        breaks="L17",
        file="runner/stages/views.py",
        old="        free_disk_mb=room.free_mb,\n",
        new="        free_disk_mb=1_000_000,\n",
        caught_by=("tests/scenarios/test_breakers.py::test_a_disk_that_is_nearly_full_or_unknown_stops_entries",),
    ),
    Bug(
        name="leftover-temporary-files-kept",
        breaks="L16",
        file="runner/recovery.py",
        old="    facts += leftovers_removed(store.leftover, emergency.leftover, fresh_name(path))\n",
        new="",
        caught_by=("tests/runner/test_recovery.py::test_what_happened_is_told",),
    ),
    Bug(
        name="lock-file-not-looked-at-after-it-was-locked",
        breaks="L14",
        file="runner/adapters/instance_lock.py",
        old="        if not self._is_at_path(descriptor):\n            raise AlreadyRunning(",
        new="        if descriptor < 0:\n            raise AlreadyRunning(",
        caught_by=(
            "tests/runner/adapters/test_instance_lock.py::test_a_lock_file_replaced_while_it_is_being_locked_is_not_ours",
        ),
    ),
    Bug(
        name="kill-file-removed-by-a-start",
        breaks="L5",
        file="runner/adapters/kill_switch.py",
        old="        self._folder = str(data_dir)\n",
        new="        self._folder = str(data_dir)\n"
        "        if os.path.lexists(self._path):\n            os.unlink(self._path)\n",
        caught_by=("tests/scenarios/test_kill_switch.py",),
    ),
)
