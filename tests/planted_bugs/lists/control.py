"""Kill switch, lock, clocks, breakers, signals, configuration (L5, L14, L16; C18 to C22)."""

# ruff: noqa: E501 (lines of the program, indented as there)

from tests.planted_bugs.bug import Bug

KILL = "tests/scenarios/test_kill_switch.py"
KILL_FILE = "tests/runner/adapters/test_kill_switch.py"
LOCK = "tests/runner/adapters/test_instance_lock.py"
BREAKERS = "tests/scenarios/test_breakers.py"

BUGS = (
    Bug(
        name="kill-switch-read-at-the-cycles-start-only",
        breaks="L5",
        file="runner/orders/sending.py",
        old="        return self._kill_switch.read() is not None\n",
        new="        return False\n",
        caught_by=(f"{KILL}::test_touched_while_an_entry_rests_the_entry_is_cancelled_and_not_crossed",),
    ),
    Bug(
        name="kill-switch-not-read-between-intent-and-send",
        breaks="L5",
        file="runner/orders/sending.py",
        old="        if self.is_killed():\n            cycle.end(Reason.KILL_SWITCH)\n            return self._note(",
        new="        if cycle.is_over and self.is_killed():\n            cycle.end(Reason.KILL_SWITCH)\n            return self._note(",
        caught_by=(f"{KILL}::test_touched_between_intent_and_send_the_order_is_not_sent",),
    ),
    Bug(
        name="kill-switch-not-read-in-waits",
        breaks="L5",
        file="runner/orders/sending.py",
        old="        return not self.is_killed() and self._stop_reason() is None\n",
        new="        return self._stop_reason() is None\n",
        caught_by=(f"{KILL}::test_touched_while_an_entry_rests_the_entry_is_cancelled_and_not_crossed",),
    ),
    Bug(
        name="kill-switch-not-read-between-cycles",
        breaks="L5",
        file="runner/main_loop.py",
        old="        watch_kill_switch(desk)\n",
        new="",
        caught_by=(f"{KILL}::test_the_alert_comes_once_and_within_a_second_of_the_touch",),
    ),
    Bug(
        name="kill-file-that-cannot-be-looked-at-counts-as-absent",
        breaks="L5",
        file="runner/adapters/kill_switch.py",
        old="        except OSError:\n            return KillCommand.STOP\n",
        new="        except OSError:\n            return None\n",
        caught_by=(f"{KILL_FILE}::test_a_folder_that_is_missing_or_is_none_stops",),
    ),
    Bug(
        name="kill-file-without-its-folder-counts-as-absent",
        breaks="L5",
        file="runner/adapters/kill_switch.py",
        old="            return None if self._folder_is_there() else KillCommand.STOP\n",
        new="            return None\n",
        caught_by=(f"{KILL_FILE}::test_a_folder_that_is_missing_or_is_none_stops",),
    ),
    Bug(
        name="kill-switch-removed-once-it-was-seen",
        breaks="L5",
        file="runner/adapters/kill_switch.py",
        old='        return KillCommand.CANCEL_ALL if self._text() == b"cancel-all" else KillCommand.STOP\n',
        new='        command = KillCommand.CANCEL_ALL if self._text() == b"cancel-all" else KillCommand.STOP\n'
        "        os.unlink(self._path) if os.path.isfile(self._path) else None\n        return command\n",
        caught_by=(f"{KILL_FILE}::test_a_touched_file_stops_at_the_next_look_and_a_removed_one_no_longer",),
    ),
    Bug(
        name="kill-switch-cancels-nothing",
        breaks="L5",
        file="runner/stages/guards.py",
        old="    _cancel_for_kill(desk, command)\n    return False\n",
        new="    return False\n",
        caught_by=(f"{KILL}::test_cancel_all_takes_the_guards_away_and_says_what_is_naked",),
    ),
    Bug(
        name="kill-switch-takes-guards-away",
        breaks="L5",
        file="runner/executor.py",
        old="            if command is KillCommand.CANCEL_ALL or state.order.side is Side.BUY\n",
        new="            if command in KillCommand\n",
        caught_by=(f"{KILL}::test_guards_at_the_exchange_stay_and_sell_while_the_bot_is_stopped",),
    ),
    Bug(
        name="cancel-under-the-switch-not-verified",
        breaks="L5",
        file="runner/executor.py",
        old="        return self._sender.cancel_and_look(ids, is_urgent=True)\n",
        new="        self._sender.cancel_and_look(ids, is_urgent=True)\n        return True\n",
        caught_by=(f"{KILL}::test_an_entry_that_is_not_seen_to_be_cancelled_under_the_switch_is_alerted",),
    ),
    Bug(
        name="lock-checked-at-the-start-only",
        breaks="L14",
        file="runner/stages/guards.py",
        old="    if not desk.lock.is_ours():\n",
        new="    if not desk.memory.cycles_done and not desk.lock.is_ours():\n",
        caught_by=(
            "tests/scenarios/test_files.py::test_a_lock_file_replaced_while_running_ends_the_run_before_anything_is_sent",
        ),
    ),
    Bug(
        name="lock-file-removed-at-the-end",
        breaks="L14",
        file="runner/adapters/instance_lock.py",
        old="        finally:\n            os.close(descriptor)\n\n    def _lock(self",
        new="        finally:\n            durable_files.remove_if_there(self._lock_path)\n"
        "            os.close(descriptor)\n\n    def _lock(self",
        caught_by=(f"{LOCK}::test_a_held_lock_is_ours_until_it_is_released",),
    ),
    Bug(
        name="lock-without-flock",
        breaks="L14",
        file="runner/adapters/instance_lock.py",
        old="            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        new="            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)\n",
        caught_by=(f"{LOCK}::test_another_process_is_kept_out_and_told_who_is_inside_until_that_one_dies",),
    ),
    Bug(
        name="replaced-lock-file-not-noticed",
        breaks="L14",
        file="runner/adapters/instance_lock.py",
        old="        return (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino) and held.st_nlink == 1\n",
        new="        return held.st_dev == named.st_dev\n",
        caught_by=(f"{LOCK}::test_a_lock_file_that_was_taken_away_is_no_longer_ours",),
    ),
    Bug(
        name="signal-handler-that-raises",
        breaks="L2",
        file="runner/main_loop.py",
        old="stop(signal.Signals(number).name)\n",
        new="stop(sys.exit(signal.Signals(number).name))\n",
        caught_by=(
            "tests/blackbox/test_signals.py::test_a_signal_while_waiting_for_the_next_slot_ends_the_run_in_order",
        ),
    ),
    Bug(
        name="exchange-time-taken-for-that-of-its-reply",
        breaks="C15",
        file="runner/adapters/coinbase/venue_time.py",
        old="(milliseconds / 1000 + took / 2)",
        new="(milliseconds / 1000)",
        caught_by=("tests/runner/adapters/coinbase/test_venue_time.py",),
    ),
    Bug(
        name="wall-clock-for-a-wait",
        breaks="L16",
        file="runner/adapters/system_clock.py",
        old="            left = min((moment - self.now()).total_seconds(), deadline - time.monotonic())\n",
        new="            left = (moment - self.now()).total_seconds()\n",
        caught_by=("tests/runner/adapters/test_system_clock.py::test_a_clock_that_is_set_back_makes_no_wait_longer",),
    ),
    Bug(
        name="late-cycle-goes-on-buying",
        breaks="L16",
        file="runner/orders/sending.py",
        old="        if cycle.is_late:\n            cycle.end(Reason.DEADLINE)\n            return True\n",
        new="        if cycle.is_late:\n            cycle.end(Reason.DEADLINE)\n",
        caught_by=("tests/scenarios/test_settings_have_effect.py::test_a_cycle_that_is_late_sends_no_entry",),
    ),
    Bug(
        name="looking-at-an-order-has-no-end",
        breaks="L16",
        file="runner/orders/sending.py",
        old="            if look and (self._clock.now() >= until or not may_go_on()):\n                return False\n",
        new="            if look and not may_go_on():\n                return False\n",
        caught_by=(
            "tests/scenarios/test_looking_at_orders.py::test_an_exchange_that_falls_silent_in_the_middle_of_a_cycle_does_not_take_the_next_minute",
        ),
    ),
    Bug(
        name="configuration-read-again-while-running",
        breaks="C22",
        file="runner/main_loop.py",
        old="                status = self.run_cycle(tick, desk)\n",
        new="                import dataclasses\n\n"
        "                fresh = load_configuration(self.configuration.config_dir).settings\n"
        "                status = self.run_cycle(tick, dataclasses.replace(desk, settings=fresh))\n",
        caught_by=("tests/scenarios/test_time_and_config.py::test_an_edited_limit_is_reported_and_not_applied",),
    ),
    Bug(
        name="mildest-breaker-decides",
        breaks="C11",
        file="core/breakers.py",
        old="    return max((state.level for state in states.values() if state.tripped), default=TradingState.ARMED)\n",
        new="    return min((state.level for state in states.values() if state.tripped), default=TradingState.ARMED)\n",
        caught_by=("tests/core/test_breakers.py::test_the_strictest_breaker_decides_and_the_kill_switch_halts",),
    ),
    Bug(
        name="loss-limit-lifts-itself",
        breaks="C11",
        file="core/breaker_rules.py",
        old="    if _is_latched(case) or fraction is None or not fraction.is_finite():\n",
        new="    if fraction is None or not fraction.is_finite():\n",
        caught_by=(
            "tests/core/test_breakers.py::test_the_daily_stop_stays_until_midnight_even_when_the_loss_is_made_good",
        ),
    ),
    Bug(
        name="mismatch-never-halts",
        breaks="C20",
        file="runner/stages/guards.py",
        old="    desk.memory.mismatch_cycles = desk.memory.mismatch_cycles + 1 if found.differences else 0\n",
        new="    desk.memory.mismatch_cycles = 0\n",
        caught_by=(f"{BREAKERS}::test_an_account_that_disagrees_reduces_then_halts",),
    ),
    Bug(
        name="exception-in-a-cycle-ends-in-silence",
        breaks="L8",
        file="runner/stages/closing.py",
        old="    cycle.end(Reason.EXCEPTION)\n    desk.memory.exceptions.append(desk.clock.now())\n",
        new="    cycle.end(Reason.EXCEPTION)\n",
        caught_by=(f"{BREAKERS}::test_unexpected_exceptions_are_lines_of_their_own_and_a_burst_of_them_stops_entries",),
    ),
    Bug(
        name="alert-not-sent",
        breaks="C21",
        file="runner/desk.py",
        old="        if self.notifier.alert(code, key, severity, message, self.clock.now()):\n",
        new="        if severity is None and self.notifier.alert(code, key, severity, message, self.clock.now()):\n",
        caught_by=(f"{KILL}::test_the_alert_comes_once_and_within_a_second_of_the_touch",),
    ),
    Bug(
        name="mode-live-without-its-conditions",
        breaks="C23",
        file="runner/venues/coinbase.py",
        old="    refuse_live_unless_ready(settings, options, has_key=credentials is not None)\n",
        new="",
        caught_by=("tests/blackbox/test_live_refused.py::test_what_live_needs_and_has_not",),
    ),
)
