"""What the operator reads first: what runs, on what, with which configuration, and how to stop it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.model.ledger import Ledger
from core.model.money import plain
from runner.adapters.kill_switch import FILE_NAME
from runner.adapters.log_files import LOG_NAME
from runner.adapters.state_store import STATE_NAME
from runner.audit_line import AUDIT_NAME, RunFacts
from runner.desk import Desk
from runner.options import RunOptions

_RULE = "═" * 63


@dataclass(frozen=True, slots=True, kw_only=True)
class BannerFacts:
    """What the banner says beyond the facts of the run. `notes` are lines about the start itself."""

    run_mode: str
    interval_seconds: int
    market_note: str
    account_note: str
    profile: str
    config_dir: Path
    audit_file: Path
    log_file: Path
    state_file: Path
    kill_file: Path
    notes: tuple[str, ...]


def banner(run: RunFacts, facts: BannerFacts) -> str:
    """Return the banner's lines; the mode is the one in force, not the one in a file."""
    lines = [
        _RULE,
        "247trader-v2 Production Launcher",
        _RULE,
        f"Mode: {run.mode}",
        f"Run mode: {facts.run_mode}",
        f"Interval: {facts.interval_seconds} s",
        f"Venue: {run.venue} ({facts.market_note})",
        f"Account: {facts.account_note}",
        f"Config: {facts.config_dir} (profile {facts.profile}, hash {run.config_hash}, code {run.code_hash})",
        f"Run: {run.run_id}",
        f"Audit: {facts.audit_file}",
        f"Log: {facts.log_file}",
        f"State: {facts.state_file}",
        *(f"Note: {note}" for note in facts.notes),
        f"Stop: Ctrl+C, or: touch {shlex.quote(str(facts.kill_file))} (stops all trading until it is removed)",
        _RULE,
        "✅ System started (Press Ctrl+C to stop)",
    ]
    return "\n".join(lines)


def banner_facts(
    desk: Desk, options: RunOptions, *, market_note: str, config_dir: Path, notes: Sequence[str]
) -> BannerFacts:
    """Return the facts of a desk that is about to start."""
    run_mode = "loop" if options.cycles is None else "once" if options.cycles == 1 else f"{options.cycles} cycles"
    return BannerFacts(
        run_mode=f"{run_mode}, {'virtual time' if desk.is_virtual else 'real time'}",
        interval_seconds=desk.settings.app.loop.interval_seconds,
        market_note=market_note,
        account_note=_account_note(desk.book.ledger),
        profile=desk.settings.policy.profile,
        config_dir=config_dir,
        audit_file=options.logs_dir / AUDIT_NAME,
        log_file=options.logs_dir / LOG_NAME,
        state_file=options.data_dir / STATE_NAME,
        kill_file=options.data_dir / FILE_NAME,
        notes=tuple(notes),
    )


def _account_note(ledger: Ledger) -> str:
    cash = ", ".join(f"{plain(amount)} {currency}" for currency, amount in ledger.cash.items())
    return f"{ledger.account}: {cash}, {len(ledger.lots)} open positions"
