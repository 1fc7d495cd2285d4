"""
The last words on an era: the product's own verifiers and its replay, run by the launcher's checkout on what is left.

All that was damaged on purpose was put right before the end, or is a torn tail that the next start sealed; a full disk
ends a cycle, and costs none its facts. So nothing may be found: not by `tools.audit verify`, not by `verify_alone.py`,
and every cycle that came to its line must be decided again to the byte.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.blackbox.bot import Bot, clean_environment

TOOL_SECONDS_MAX = 600.0
"""For one tool on a few hundred cycles: a second on a quiet machine."""

SHOWN = 1500


@dataclass(slots=True)
class Aftermath:
    """What the tools said: the violations, and figures of what they have looked at."""

    violations: list[str] = field(default_factory=list)
    figures: Counter[str] = field(default_factory=Counter)


def ask_tools(bot: Bot, checkout: Path) -> Aftermath:
    """Run all three; what they find, or a tool that fails, is a violation."""
    found = Aftermath()
    if not bot.audit_file.exists():
        return found  # no cycle began
    data, logs = str(bot.data), str(bot.audit_file.parent)
    folders = ["--data-dir", data, "--logs-dir", logs]
    found.violations += _verify(_run(checkout, ["-m", "tools.audit", "verify", "--json", *folders]), found.figures)
    found.violations += _verify_alone(_run(checkout, ["tools/verify_alone.py", data, logs]))
    found.violations += _replay(_run(checkout, ["-m", "tools.replay", "--all", "--json", *folders]), found.figures)
    return found


def _run(checkout: Path, arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *arguments]
    try:
        return subprocess.run(
            command,
            cwd=checkout,
            env=clean_environment({"PYTHONPATH": str(checkout)}),
            capture_output=True,
            text=True,
            timeout=TOOL_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, -1, "", f"waited {TOOL_SECONDS_MAX:.0f} s for it to end")


def _verify(done: "subprocess.CompletedProcess[str]", figures: Counter[str]) -> Iterator[str]:
    told = _told(done)
    if told is None or "findings" not in told:
        yield f"verify: it failed with {done.returncode}: {_words(done)}"
        return
    yield from (f"verify: {json.dumps(finding)}" for finding in told["findings"])
    if done.returncode != 0 and not told["findings"]:
        yield f"verify: it ended with {done.returncode} and found nothing"
    for name in ("audit", "journal"):
        figures[f"{name} records verified"] += (told[name] or {}).get("records", 0)


def _verify_alone(done: "subprocess.CompletedProcess[str]") -> Iterator[str]:
    if done.returncode != 0 or "everything holds" not in done.stdout:
        yield f"verify_alone: {done.returncode}: {_words(done)}"


def _replay(done: "subprocess.CompletedProcess[str]", figures: Counter[str]) -> Iterator[str]:
    """Every cycle is identical, or was cut off by the end of its process; none is without its facts."""
    told = _told(done)
    if told is None or "identical" not in told:
        yield f"replay: it failed with {done.returncode}: {_words(done)}"
        return
    yield from (f"replay: differs: {json.dumps(item)}" for item in told["differing"])
    yield from (f"replay: lost: {json.dumps(item)}" for item in told["lost"])
    yield from (f"replay: {problem}" for problem in told["problems"])
    if told["before_tape"] or told["without_line"]:
        yield f"replay: {told['before_tape']} lines without a tape, {told['without_line']} cycles without a line"
    figures["cycles decided again"] += told["identical"]
    figures["cut-off cycles told again"] += told["cut_off"]


def _told(done: "subprocess.CompletedProcess[str]") -> dict[str, Any] | None:
    try:
        told = json.loads(done.stdout)
    except json.JSONDecodeError:
        return None
    return told if isinstance(told, dict) else None


def _words(done: "subprocess.CompletedProcess[str]") -> str:
    return " | ".join((done.stdout + done.stderr).strip().splitlines())[-SHOWN:]
