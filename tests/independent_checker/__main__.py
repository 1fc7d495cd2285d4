"""Check one audit file: `python -m tests.independent_checker AUDIT [--config-dir D]`."""

import argparse
import sys
from pathlib import Path

from tests.independent_checker.check import Report, check

SHOWN = 40


def main(arguments: list[str] | None = None) -> int:
    """Print figures and violations; return 0 when there are none, else 1."""
    parser = argparse.ArgumentParser(prog="tests.independent_checker", description="Check an audit file from outside.")
    parser.add_argument("audit", type=Path, help="logs/247trader-v2_audit.jsonl of a run")
    root = Path(__file__).resolve().parent.parent.parent
    parser.add_argument("--config-dir", type=Path, default=root / "config", help="the limits in force; default: config")
    options = parser.parse_args(arguments)
    report = check(options.audit, options.config_dir)
    sys.stdout.write(_text(report))
    return 1 if report.violations or not report.lines else 0


def _text(report: Report) -> str:
    figures = {
        "lines": report.lines,
        "bytes": f"{report.size} ({report.size // max(report.lines, 1)} a line, longest quiet {report.longest_quiet})",
        "runs": ", ".join(report.runs),
        "config hashes": ", ".join(report.config_hashes),
        "status": dict(report.statuses),
        "orders": dict(report.orders),
        "fills": dict(report.fills),
        "positions closed by": dict(report.exits),
        "fees, realised": f"{report.fees}, {report.realised}",
        "held against the schema": f"{report.checked_by_schema} lines",
        "violations": len(report.violations),
    }
    shown = [str(violation) for violation in report.violations[:SHOWN]]
    return "\n".join([*(f"{name}: {value}" for name, value in figures.items()), *shown, ""])


if __name__ == "__main__":
    sys.exit(main())
