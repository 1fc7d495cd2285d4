"""
Validate the configuration: `python3 tools/config_validator.py` or `python -m tools.config_validator`.

Prints each finding as one line and ends with 0 when nothing blocks, 78 when something does. It runs the very checks
that the bot runs before a start.
"""

from __future__ import annotations  # this file must say what is wrong on an older Python, too

import argparse
import importlib.util
import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
SUCCESS = "✅ All config files validated successfully"
NO_ENVIRONMENT = (
    "config_validator: this Python lacks the project's packages. "
    "Fix: run ./app_run_live.sh --once first (it makes .venv), then try again"
)
EXIT_NO_ENVIRONMENT = 77
EXIT_FINDINGS = 78


def main(arguments: Sequence[str]) -> int:
    """Run the validator and return its exit code: 0, 2 (usage), 77 (no environment) or 78 (findings that block)."""
    options = _parser().parse_args(arguments)
    if not _environment_is_complete():
        python = _project_python()
        if python:
            _restart_with(python, arguments)
        print(NO_ENVIRONMENT, file=sys.stderr)
        return EXIT_NO_ENVIRONMENT
    if not __package__:  # run as a script, the first entry is tools/ and hides the project's root
        sys.path[0] = str(ROOT)
    return _validate(options.config_dir, as_json=options.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="config_validator", description="Check the four configuration files, alone and against each other."
    )
    parser.add_argument("--config-dir", type=Path, default=ROOT / "config", metavar="D", help="default: config")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    return parser


def _validate(config_dir: Path, *, as_json: bool) -> int:
    # Imported here: until now it was not known whether this Python can.
    from core.config_checks.findings import FindingSeverity  # noqa: PLC0415
    from runner.adapters.configuration.settings_files import examine  # noqa: PLC0415

    found = examine(config_dir)
    blocked = any(finding.severity is FindingSeverity.ERROR for finding in found)
    if as_json:
        rows = [
            {
                "code": finding.code,
                "severity": finding.severity.value,
                "file": finding.file,
                "key": finding.key,
                "value": finding.shown_value,
                "message": finding.message,
                "fix": finding.fix,
            }
            for finding in found
        ]
        print(json.dumps({"ok": not blocked, "findings": rows}, ensure_ascii=False))
    else:
        for finding in found:
            print(finding.text())
        if not blocked:
            print(SUCCESS)
    return EXIT_FINDINGS if blocked else 0


def _environment_is_complete() -> bool:
    packages = all(importlib.util.find_spec(name) for name in ("yaml", "jsonschema"))
    return packages and sys.version_info >= (3, 11)


def _project_python() -> Path | None:
    """Return the interpreter that the launcher has made, unless it is this very one."""
    python = ROOT / ".venv" / "bin" / "python"
    return python if python.exists() and Path(sys.prefix) != python.parent.parent else None


def _restart_with(python: Path, arguments: Sequence[str]) -> NoReturn:
    os.environ["PYTHONPATH"] = str(ROOT)  # and -P: relative paths stay those of the present directory
    os.execv(python, [str(python), "-P", "-m", "tools.config_validator", *arguments])  # noqa: S606 (no shell wanted)


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # the success line is not ASCII, a plain locale is
    sys.exit(main(sys.argv[1:]))
