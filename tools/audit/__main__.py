"""
Verify the records of the bot and ask them: `python -m tools.audit COMMAND`, see `--help`.

Reads only, beside a running loop, too. Ends with 0 (all right), 1 (something is wrong, one line for each) or 2 (wrong
use, or a file that cannot be read).
"""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from runner.options import ROOT
from runner.progress import show_bytes
from runner.records.merkle import Tree
from tools.audit.anchors import CHAINS
from tools.audit.chain import ChainCheck, OpenedChain, Unreadable
from tools.audit.findings import Finding, Findings
from tools.audit.questions import add_questions
from tools.audit.report import summary
from tools.audit.verify import Paths, Verification

OK, FINDINGS, UNREADABLE = 0, 1, 2

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str]) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    command: Command = options.command
    try:
        return command(options)
    except Unreadable as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(f"{error.filename or 'a file'} cannot be read: {error.strerror}")


def _refuse(text: str) -> int:
    sys.stderr.write(f"tools.audit: {text}\n")
    return UNREADABLE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tools.audit", description="Verify journal and audit, and ask them.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    verify = commands.add_parser("verify", help="check everything that can be checked")
    verify.add_argument(
        "--anchor",
        action="append",
        default=[],
        metavar="FILE|SIZE:ROOT",
        help="prove that the log was only continued since this was printed, logged or mailed; may be repeated",
    )
    verify.add_argument("--chain-only", action="store_true", help="bytes, links and anchors; not what the records say")
    verify.set_defaults(command=_verify)
    anchor = commands.add_parser("anchor", help="print size and Merkle root of both chains, to be kept elsewhere")
    anchor.set_defaults(command=_anchor)
    for command in (verify, anchor, *add_questions(commands)):
        command.add_argument("--logs-dir", type=Path, default=ROOT / "logs", metavar="D", help="default: logs")
        command.add_argument("--data-dir", type=Path, default=ROOT / "data", metavar="D", help="default: data")
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _verify(options: argparse.Namespace) -> int:
    findings = Findings(show=(lambda _finding: None) if options.json else _print_finding)
    verification = Verification(_paths(options), options.anchor, findings)
    with show_bytes("verify", verification.size) as advance:
        done = verification.chains(advance) if options.chain_only else verification.all(advance)
    verification.close()
    if options.json:
        shown = [finding.as_json() for finding in findings.shown]
        head = {"ok": not findings.count, "count": findings.count, "findings": shown, "notes": findings.notes}
        _print(json.dumps(head | done.as_json()))
    else:
        _print("\n".join(summary(done, findings)))
    return FINDINGS if findings.count else OK


def _anchor(options: argparse.Namespace) -> int:
    """Print the anchors of what is there, if its chains are whole: a damaged log is not to be vouched for."""
    paths, findings = _paths(options), Findings(show=_complain)
    made = []
    for name, path in zip(CHAINS, (paths.audit, paths.journal), strict=True):
        chain = OpenedChain(path)
        with show_bytes(f"anchor {name}", chain.size) as advance:
            check = ChainCheck(chain, findings, advance)
            check.tree = Tree()
            check.run()
        chain.close()
        if check.tree.size:
            made.append(check.tree.anchor(name))
    if findings.count:
        return FINDINGS
    if not made:
        raise Unreadable(f"there is nothing to anchor: neither {paths.audit} nor {paths.journal}")
    _print("\n".join(json.dumps(anchor.as_json()) for anchor in made))
    return OK


def _paths(options: argparse.Namespace) -> Paths:
    return Paths(data_dir=options.data_dir, logs_dir=options.logs_dir)


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _print_finding(finding: Finding) -> None:
    _print(str(finding))


def _complain(finding: Finding) -> None:
    sys.stderr.write(f"{finding}\n")


def run() -> int:
    """Be a quiet member of a pipeline: no traceback when the reader has gone or the user has had enough."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        return main(sys.argv[1:])
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(run())
