"""The daily questions: what happened, why not more, how fast, under which hashes, which fills, what it earned."""

import argparse
import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any

from runner.audit_line import AUDIT_NAME
from runner.progress import show_bytes
from tools.audit.answers import Row, by_day, count_reasons, fills, hash_changes, latencies, totals
from tools.audit.chain import OpenedChain, Unreadable
from tools.audit.members import Asked, LineReader

ALIGNED_ROWS = 500

Answer = Callable[[LineReader], Any]

QUESTIONS: tuple[tuple[str, Answer, str], ...] = (
    ("stats", totals, "cycles by status and reason, runs, missed slots, alerts, errors"),
    ("reasons", count_reasons, "why nothing was bought: cycles, refusals, ideas, products, orders"),
    ("latency", latencies, "seconds by stage: median, 90, 99 percent, most"),
    ("hashes", hash_changes, "where configuration, code, mode or venue changed"),
    ("fills", fills, "all executions; --csv for a spreadsheet"),
    ("pnl", by_day, "profit, fees and equity by UTC day"),
)


def add_questions(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> list[argparse.ArgumentParser]:
    """Add a command for each question."""
    made = []
    for name, answer, text in QUESTIONS:
        command = commands.add_parser(name, help=text)
        command.add_argument("--since", type=_moment, metavar="TIME", help="from this UTC day or time on")
        command.add_argument("--until", type=_moment, metavar="TIME", help="before this UTC day or time")
        command.add_argument("--run", default="", metavar="ID", help="only runs whose id begins so")
        if name == "fills":
            command.add_argument("--csv", action="store_true", help="print comma-separated values")
        command.set_defaults(command=_ask, answer=answer)
        made.append(command)
    return made


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: give 2026-01-05 or 2026-01-05T12:30") from None
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}"


def _ask(options: argparse.Namespace) -> int:
    path = options.logs_dir / AUDIT_NAME
    opened = OpenedChain(path)
    if not opened.is_there:
        raise Unreadable(f"{path} is not there; name the logs directory of the bot with --logs-dir")
    asked = Asked(since=options.since or "", until=options.until or "", run=options.run)
    with show_bytes("read", opened.size) as advance:
        reader = LineReader(opened, asked, advance)
        answer = options.answer(reader)
        is_csv = getattr(options, "csv", False)
        if isinstance(answer, dict):
            _print(json.dumps(answer) if options.json else "\n".join(_sections(answer)))
        elif is_csv:
            _write_csv(answer)
        elif options.json:
            for row in answer:
                _print(json.dumps(row))
        else:
            for line in _table(iter(answer)):
                _print(line)
    opened.close()
    if reader.strange:
        sys.stderr.write(
            f"tools.audit: {reader.strange} lines are no audit lines and were left out; "
            "`python -m tools.audit verify` says which\n"
        )
    return 1 if reader.strange else 0


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _write_csv(rows: Iterable[Row]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for number, row in enumerate(rows):
        if not number:
            writer.writerow(row)
        writer.writerow("" if value is None else value for value in row.values())


def _sections(answer: dict[str, Any]) -> Iterable[str]:
    """Print values as they are, and counts as a table, the most frequent first."""
    for name, value in answer.items():
        if not isinstance(value, dict):
            yield f"{name}: {value}"
            continue
        yield f"{name}:"
        width = max((len(str(count)) for count in value.values()), default=0)
        yield from (f"  {count:>{width}}  {key}" for key, count in value.items())


def _table(rows: Iterator[Row]) -> Iterable[str]:
    """Align columns, numbers and amounts to the right, as wide as the first rows need; the others just follow."""
    first = list(islice(rows, ALIGNED_ROWS))
    if not first:
        yield "nothing"
        return
    head = list(first[0])
    cells = [[_cell(value) for value in row.values()] for row in first]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    right = [_is_number(cell) for cell in cells[0]]
    later = ([_cell(value) for value in row.values()] for row in rows)
    for line in chain([head], cells, later):
        yield "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()


def _cell(value: object) -> str:
    return "-" if value is None else str(value)


def _is_number(cell: str) -> bool:
    return cell.lstrip("-").replace(".", "", 1).isdigit()
