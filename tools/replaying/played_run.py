"""
One run of the shipped loop, played on its tape.

The loop runs as it always does; only its ports answer from the tape, and what it writes is compared instead of kept.
After a difference the cycle is given up and the run goes on from what is recorded; the market of it is still looked at.
What else the loop remembers besides the ledger may be off until the tape's next file: the first difference counts most.
"""

import contextlib
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from core.errors import TraderError
from core.model.records import Event
from core.settings import Mode, Settings
from core.settings_builder import build_settings
from runner.adapters.log_notifier import LogNotifier
from runner.bookkeeper import Bookkeeper
from runner.desk import Desk
from runner.desk_building import DeskParts, build_desk
from runner.main_loop import TradingLoop
from runner.options import RunOptions
from runner.records.chain import Record
from runner.recovery import Finding
from runner.run_records import (
    EMPTIED,
    alert_findings,
    begin_run,
    close_interrupted_cycle,
    finish_run,
    for_a_first_line,
    record_findings,
)
from runner.schedule import MinuteGrid
from runner.stages.ideas import triggers, universe
from runner.tape.header import TapeHeader
from runner.tape.image import image_of, restore
from runner.tape.played import played
from runner.tape.player import Player, TapeDiffers, TapeOver
from runner.venues.outside import Opening
from runner.wiring import Configuration
from tools.replaying.compared import (
    INTERRUPTED,
    ComparedAudit,
    ComparedJournal,
    Difference,
    JournalDiffers,
    decided_otherwise,
    differing,
    shown,
)
from tools.replaying.played_parts import NoAnchors, PlayedTape
from tools.replaying.reading import Recorded, RecordedJournal, RecordsDamaged, TapeFile, TapeTexts, header_of
from tools.replaying.verdict import Verdict
from tools.replaying.watching import Watcher


def settings_of(header: TapeHeader) -> Settings:
    """Return the settings that a run had, as this code builds them from its files."""
    settings = build_settings(header.documents)
    loop = replace(settings.app.loop, interval_seconds=header.interval_seconds)
    return replace(settings, app=replace(settings.app, loop=loop))


class PlayedRun:
    """One run of the loop on its tape, from the beginning of a file."""

    def __init__(
        self,
        files: tuple[TapeFile, ...],
        recorded: Recorded,
        verdict: Verdict,
        watcher: Watcher,
        *,
        until: int | None = None,
        journal_end: int | None = None,
    ) -> None:
        """
        Begin at `files`, those of the run from the one on where the records stand.

        `until` is the last line wanted; `journal_end` the journal's last record before the next run, if there is one.
        """
        self._until = until
        self._journal_end = journal_end
        self._watcher = watcher
        self._recorded = recorded
        self._recorded_journal = recorded.journal
        self._recorded_audit = recorded.audit
        self._verdict = verdict
        self._header = header_of(files[0])
        self._texts = TapeTexts(files)
        self._player = Player(self._texts, self._header.at)
        self._journal = ComparedJournal(recorded.journal, journal_end)
        self._segment = list(self._header.segment)
        self._audit = ComparedAudit(recorded.audit, self._segment)
        self._tape = PlayedTape(self._player, self._texts, watcher, self._after_cycle)
        self._desk: Desk | None = None
        self._totals: dict[str, dict[str, int]] = {}
        self._is_off = False
        self._has_enough = False

    def play(self) -> tuple[TapeFile, ...]:
        """Play to the end of the tape; return the files that are left when it broke off inside one."""
        header = self._header
        self._verdict.has_begun = True
        self._verdict.codes[header.run.code_hash] = None
        settings = settings_of(header)
        configuration = Configuration(settings=settings, config_dir=Path(), hashes={}, documents=header.documents)
        options = RunOptions(mode=Mode(header.run.mode), cycles=header.cycles)
        loop = TradingLoop(options=options, configuration=configuration, open_desk=self._open)
        while True:
            try:
                loop.run()
                break
            except JournalDiffers as error:
                goes_on = self._give_up(error.difference)
            except TapeDiffers as error:
                goes_on = self._give_up(_question(error))
            except TapeOver:
                break
            except RecordsDamaged:
                raise
            except TraderError:
                break  # the recorded run ended so, too
            if not goes_on:
                break
        self._verdict.records += self._journal.records
        return self._left()

    def _left(self) -> tuple[TapeFile, ...]:
        """Pass the lines that this run has written and the tape cannot tell about."""
        left = self._texts.files_left()
        if left or self._has_enough:
            return left
        while (line := self._next_line()) is not None and line.body.get("no_trade_reason") != INTERRUPTED:
            self._recorded.pass_line()
            self._verdict.broke_off(line, self._texts.problem or "the tape ends before it")
        return ()

    def _next_line(self) -> Record | None:
        """Return the next line if this run wrote it."""
        line = self._recorded_audit.peek()
        if line is None or line.body["run_id"] != self._header.run.run_id:
            return None
        is_later = self._journal_end is not None and (line.body["journal_seq"] or 0) > self._journal_end
        return None if is_later else line

    # --- the desk -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _open(
        self, configuration: Configuration, options: RunOptions, stop_reason: Callable[[], str | None]
    ) -> Iterator[Desk]:
        """Open the desk as the wiring does, with the tape outside; once more, after a difference, as it then stands."""
        del stop_reason  # what stopped the run is on the tape
        if self._desk is None:
            self._desk = self._begin(configuration.settings, options)
        yield self._desk
        with contextlib.redirect_stdout(None):
            finish_run(self._desk, self._desk.stop_reason() or "done")

    def _begin(self, settings: Settings, options: RunOptions) -> Desk:
        header, journal = self._header, self._recorded_journal
        book = Bookkeeper(journal.ledger, self._journal, journal.position)
        findings = [Finding(code=code, text=text) for code, text in header.findings]
        if header.begins_a_run:
            self._close_interrupted(book, settings)
            if header.untold:
                book.recent_events += journal.untold()[-header.untold :]
        book.watch(lambda after: journal.took(book.recent_events[-1], after))
        if header.begins_a_run:
            begin_run(
                book,
                header.run,
                app_hash=settings.app_hash,
                account=header.account,
                now=header.at,
                opening=_opening(header),
            )
            record_findings(findings, book, header.at)
            self._player.start()
        desk = build_desk(self._parts(settings, options, book))
        alert_findings(findings, desk)
        if header.memory is not None:
            restore(desk, header.memory)
            self._player.start()
        self._totals = desk.metrics.totals()
        self._watcher.opened(desk, self._player)
        return desk

    def _close_interrupted(self, book: Bookkeeper, settings: Settings) -> None:
        """Write the line of a cycle that was cut off before this run, and hold it against the recorded one."""
        line = self._recorded_audit.peek()
        is_one = line is not None and line.body.get("no_trade_reason") == INTERRUPTED
        if line is None or not is_one or line.body["slot"] != book.ledger.open_slot:
            return
        book.recent_events += self._untold_then(line)
        segment = [line.body["segment"]] if line.body.get("segment") is not None else []
        grid = MinuteGrid(settings.app.loop.interval_seconds)
        close_interrupted_cycle(book, self._audit, self._recorded_audit.last, grid, segment)
        self._recorded_journal.told_up_to(line.body["journal_seq"] or 0)
        if self._audit.found is None:
            self._verdict.passed(line, "")
        else:
            self._verdict.differs(line, self._audit.found)

    def _untold_then(self, line: Record) -> list[Event]:
        """Return what the start found untold: with the lines before taken away it told the cut-off cycle alone."""
        if line.body.get("segment") == {"begun_afresh": EMPTIED}:
            return []
        events = self._recorded_journal.untold()
        return events if self._recorded_audit.last is not None else for_a_first_line(events, is_cut=True).events

    def _parts(self, settings: Settings, options: RunOptions, book: Bookkeeper) -> DeskParts:
        header, log = self._header, _silent_log()
        ports = played(
            self._player,
            venue=header.run.venue,
            measures_memory=header.measures_memory,
            measures_limits=header.measures_limits,
        )
        return DeskParts(
            settings=settings,
            mode=options.mode or Mode.PAPER,
            run=header.run,
            ports=self._watcher.ports(ports),
            book=book,
            audit=self._audit,
            anchors=NoAnchors(),
            audit_segment=self._segment,
            tape=self._tape,
            notifier=LogNotifier(log, settings.app.alerts.dedupe_seconds),
            log=log,
            save_snapshot=lambda: None,
            is_virtual=False,
            ends_at=header.ends_at,
            owner_shares_account=header.owner_shares_account,
            watch_until=lambda _moment: None,
            redact=str,
        )

    # --- cycle by cycle -----------------------------------------------------------------------------------------------

    def _after_cycle(self) -> None:
        """Judge the cycle that was just decided again."""
        line, desk = self._audit.line, self._desk
        if desk is None:
            return
        if line is None:
            self._stop_where_it_was_cut_off()
            self._note_no_line(desk)
        else:
            self._note_line(line)
            self._watcher.decided(line, self._audit.found)
            if self._audit.found is None:
                self._verdict.same(line)
            else:
                self._verdict.differs(line, self._audit.found)
                desk.metrics.take_over(self._totals, (), desk.book.ledger)
        self._stop_when_enough(line)
        self._turn_over(desk)

    def _stop_where_it_was_cut_off(self) -> None:
        """
        End the play when the process ended between the tape's record of this cycle and its line.

        Raises:
            TapeOver
        """
        line = self._next_line()
        if line is not None and line.body.get("no_trade_reason") == INTERRUPTED:
            raise TapeOver("the process ended before it wrote the line")

    def _note_no_line(self, desk: Desk) -> None:
        """Tell lines that were taken away before the first one, or are still to come, from one that is missing."""
        slot, ahead = desk.book.ledger.last_slot or 0, self._recorded_audit.peek()
        begins_afresh = ahead is None or "begun_afresh" in (ahead.body.get("segment") or {})
        if self._recorded_audit.last is None and begins_afresh:
            self._verdict.without_line += 1
        elif ahead is None:
            self._verdict.unclosed.append(slot)
        else:
            self._verdict.missing.append(slot)

    def _stop_when_enough(self, line: Record | None) -> None:
        """
        End the play after the last line that is wanted.

        Raises:
            TapeOver
        """
        if self._until is not None and line is not None and line.place.seq >= self._until:
            self._has_enough = True
            raise TapeOver("nobody wants to know more")

    def _note_line(self, line: Record) -> None:
        self._recorded_journal.told_up_to(line.body["journal_seq"] or 0)
        for name, totals in self._totals.items():
            totals.update((line.body["metrics"] or {}).get(name) or {})

    def _turn_over(self, desk: Desk) -> None:
        """Where a file ends, hold the memory against what the next one begins with; after a difference, take that."""
        file = self._texts.file_ahead()
        if file is None or file.header is None or file.header.memory is None:
            return
        image = file.header.memory
        if self._is_off:
            restore(desk, image)
            self._is_off = False
            return
        recomputed = json.loads(json.dumps(image_of(desk)))
        for member, then, now in differing(image, recomputed):
            words = f"memory.{member}: recorded {shown(then)}, decided again {shown(now)}"
            self._verdict.problems.append(f"{file.path.name}: {words}")
            restore(desk, image)
            return

    def _give_up(self, difference: Difference) -> bool:
        """Leave the rest of a cycle that goes another way, and stand where the recorded one ended; False: no line."""
        desk, line = self._desk, self._next_line()
        if line is not None and self._tape.cycle is not None:
            difference = decided_otherwise(line, self._tape.cycle) or difference
        if desk is None or line is None:
            self._verdict.problems.append(f"run {self._header.run.run_id}: {_words(difference)}")
            return False
        self._recorded_audit.take()
        self._is_off = True
        self._verdict.differs(line, difference)
        self._watcher.decided(line, difference)
        if self._until is not None and line.place.seq >= self._until:
            self._has_enough = True
            return False
        try:
            self._see_the_market(desk)
            self._player.skip_cycle()
        except TapeOver:
            return False
        events = desk.book.take_events()
        while (event := self._next_of(line)) is not None:
            events.append(event)
        self._note_line(line)
        _stand_at(desk, self._recorded_journal, line)
        desk.metrics.take_over(self._totals, events, desk.book.ledger)
        self._turn_over(desk)
        return True

    def _see_the_market(self, desk: Desk) -> None:
        """Let the loop look at the market where the cycle was given up before that: the cycles to come build on it."""
        cycle = self._tape.cycle
        for name, look in (("universe", universe), ("triggers", triggers)):
            if cycle is not None and self._player.skip_to(f"s{name}"):
                with contextlib.suppress(TapeDiffers):
                    look(cycle, desk)

    def _next_of(self, line: Record) -> Event | None:
        journal = self._recorded_journal
        return journal.fold_next() if journal.chain.before.seq < (line.body["journal_seq"] or 0) else None


def _stand_at(desk: Desk, journal: RecordedJournal, line: Record) -> None:
    desk.book.ledger, desk.book.position = journal.ledger, journal.position
    desk.memory.cycles_done += 1
    desk.memory.pending_alerts = []
    if line.body.get("segment") is not None:
        desk.audit_segment.clear()


def _opening(header: TapeHeader) -> Opening | None:
    if header.opening is None:
        return None
    currency, amount, reason = header.opening
    return Opening(currency=currency, amount=Decimal(amount), reason=reason)


def _question(error: TapeDiffers) -> Difference:
    return Difference(
        where="tape", member="(question)", recorded=_spoken(error.recorded), recomputed=_spoken(error.asked)
    )


def _spoken(question: str) -> str:
    """Say in words where a stage begins; all else is a question as it stands on the tape."""
    return f"stage {question[1:]}" if question[:1] == "s" and question[1:].isalpha() else question


def _words(found: Difference) -> str:
    return f"{found.where}, {found.member}: recorded {found.recorded}, decided again {found.recomputed}"


def _silent_log() -> logging.Logger:
    log = logging.getLogger("247trader-v2.played")
    log.propagate = False
    log.disabled = True
    return log
