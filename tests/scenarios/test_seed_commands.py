"""
Every shell command of the two 247trader documents answers on the files of a run (design 5), as a user would type it.

The commands are held here word for word, so that they are tested where the documents are not. Only these differ:

- `watch -n N '...'` and `while true; ...; sleep` are run once, without the repetition: they have no end.
- `tail -f` is `tail`, for the same reason.
- `ps` and `kill` need a running bot: they are run beside one that trades in real time (`LIVE`).
- `caffeinate`, `git status|diff config/`, `sleep 30` and `kill -9` say nothing about our files and are left out.
- The report's heredoc is quoted in the guide, so that bash writes its `$(...)` as they stand; they are run one by one.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.config_files import ROOT, SHIPPED, shipped_documents, write_config
from tests.independent_checker import check
from tests.profiles import QUIET
from tests.program_runs import SIMULATED_DAY, Run, run_program

pytestmark = pytest.mark.skipif(
    shutil.which("jq") is None or shutil.which("bash") is None,
    reason="NO JQ: the seeds' commands were not tested; install jq (apt install jq, brew install jq)",
)

AUDIT = "logs/247trader-v2_audit.jsonl"
HASH = "[0-9a-f]{16}"
WAIT_SECONDS = 40


class Command(NamedTuple):
    """A command as it stands in the document, and what its output must match as a whole."""

    text: str
    answer: str


GUIDE = [
    # Pre-rehearsal setup
    Command('grep "mode:" config/app.yaml', r'\s*mode: "PAPER".*'),
    Command("python3 tools/config_validator.py", r"(WARNING .*\n)*✅ All config files validated successfully"),
    Command(
        "python3 -c \"from runner.main_loop import TradingLoop; loop = TradingLoop(config_dir='config'); "
        "print(f'Config hash: {loop.config_hash}')\"",
        f"Config hash: {HASH}",
    ),
    Command("df -h .", r"Filesystem(.|\n)+%(.|\n)+"),
    # Monitoring
    Command(f"tail -1 {AUDIT} | jq", r'\{\n  "alerts": \[(.|\n)+"hash": "[0-9a-f]{64}"\n\}'),
    Command(f"tail -1 {AUDIT} | jq -r '.config_hash'", HASH),
    Command('grep "ALERT" logs/live_*.log | wc -l', r"\d+"),
    Command(
        f"grep \"order_type\" {AUDIT} | jq -r '.execution.order_type' | sort | uniq -c",
        r"(.|\n)*\d+ limit_post_only(.|\n)*",
    ),
    Command('grep "reconcile_fills" logs/live_*.log | tail -20', r"(.*reconcile_fills: \d+ booked\n?)+"),
    Command(f"jq -r '.config_hash' {AUDIT} | sort | uniq", HASH),
    Command(f"tail -10 {AUDIT} | jq '.pnl'", r'(\{\n(  "[a-z_]+": ("-?[0-9.]+"|-?[0-9.]+),?\n){6}\}\n?){10}'),
    Command("ls -lh data/.state.json", r"-rw-------.* data/\.state\.json"),
    # Metrics to extract
    Command(f"TOTAL_CYCLES=$(wc -l < {AUDIT}); echo $TOTAL_CYCLES", "1440"),
    Command(f"jq -r '.status' {AUDIT} | sort | uniq -c", r"\s*\d+ EXECUTED\n\s*\d+ NO_TRADE"),
    Command(
        f"jq -r 'select(.status==\"NO_TRADE\") | .no_trade_reason' {AUDIT} | sort | uniq -c",
        r"(\s*\d+ [a-z_]+\n?)+",
    ),
    Command("grep \"ALERT\" logs/live_*.log | grep -o 'type=[^ ]*' | sort | uniq -c", r"(\s*\d+ type=[a-z_]+\n?)*"),
    Command(f"jq -r '.config_hash' {AUDIT} | sort | uniq -c", rf"\s*1440 {HASH}"),
    Command(
        f"jq -r '.stage_latencies.total_cycle // 0' {AUDIT} | \\\n"
        "    awk '{sum+=$1; count++} END {printf \"%.2fs\\n\", sum/count}'",
        r"\d+\.\d\ds",
    ),
    # Troubleshooting
    Command("tail -50 logs/live_*.log", r"(\d{4}-\d\d-\d\dT\S+Z [A-Z]+ .*\n?){50}"),
    Command('grep -A 10 "Traceback" logs/live_*.log', ""),
    Command(
        f"jq -r '[.timestamp, .config_hash] | @tsv' {AUDIT} | \\\n"
        '    awk \'{if(prev && $2!=prev) print "Change at", $1, "from", prev, "to", $2; prev=$2}\'',
        "",
    ),
    Command(
        f"jq -r 'select(.status==\"NO_TRADE\") | .no_trade_reason' {AUDIT} | \\\n    sort | uniq -c | sort -rn",
        r"(\s*\d+ [a-z_]+\n?)+",
    ),
    # The report, piece by piece
    Command('grep -c "Traceback" logs/live_*.log || echo "0"', r"(0\n?)+"),
    Command(f"jq -r 'select(.circuit_breaker_tripped==true)' {AUDIT} | wc -l", r"\d+"),
    Command('grep -c "ALERT" logs/live_*.log || echo "0"', r"(\d+\n?)+"),
    Command(
        f"jq -r 'select(.status==\"NO_TRADE\") | .no_trade_reason' {AUDIT} | sort | uniq -c | sort -rn | head -5",
        r"(\s*\d+ [a-z_]+\n?){1,5}",
    ),
    Command(
        f"jq -r '.stage_latencies.total_cycle // 0' {AUDIT} | "
        "awk '{sum+=$1; count++} END {printf \"%.2fs\", sum/count}'",
        r"\d+\.\d\ds",
    ),
    Command(
        f"jq -r '.stage_latencies.total_cycle // 0' {AUDIT} | sort -n | "
        "awk '{a[NR]=$1} END {print a[int(NR*0.95)]}'",
        r"\d+(\.\d+)?",
    ),
    # Continuous monitoring
    Command(
        "echo \"Bot: $([ -f data/247trader-v2.pid ] && echo 'RUNNING' || echo 'STOPPED') | "
        f'Cycles: $(wc -l < {AUDIT}) | Errors: $(grep -c ERROR logs/live_*.log || echo 0)"',
        r"Bot: STOPPED \| Cycles: 1440 \| Errors: (0\s*)+",
    ),
    Command(
        f'tail -1 {AUDIT} | jq "{{timestamp, status, no_trade_reason, config_hash}}"',
        r'\{\n  "timestamp": "[^"]+",\n  "status": "[A-Z_]+",\n  "no_trade_reason": ("[a-z_]+"|null),\n'
        rf'  "config_hash": "{HASH}"\n\}}',
    ),
    Command('tail logs/live_*.log | grep --line-buffered "ALERT"', r"(.*ALERT.*\n?)*"),
]

MID_STATUS = [
    Command(
        f'tail -3 {AUDIT} | jq -c "{{time:.timestamp[11:19], status, hash:.config_hash}}"',
        rf'(\{{"time":"\d\d:\d\d:\d\d","status":"[A-Z_]+","hash":"{HASH}"\}}\n?){{3}}',
    ),
    Command("tail logs/live_*.log", r"(.+\n?){10}"),
]

SANITY_CHECKS = [
    Command(
        f"tail -5 {AUDIT} | jq '{{timestamp, status, config_hash}}'",
        rf'(\{{\n  "timestamp": "[^"]+",\n  "status": "[A-Z_]+",\n  "config_hash": "{HASH}"\n\}}\n?){{5}}',
    ),
    Command("grep -c ERROR logs/live_*.log", "0"),
    Command(f"jq -r '.config_hash' {AUDIT} | sort | uniq", HASH),
]

ARCHIVE = f"""
REHEARSAL_DATE=$(date +%Y%m%d)
mkdir -p logs/paper_rehearsal_$REHEARSAL_DATE

cp {AUDIT} logs/paper_rehearsal_$REHEARSAL_DATE/
cp logs/live_*.log logs/paper_rehearsal_$REHEARSAL_DATE/
cp data/.state.json logs/paper_rehearsal_$REHEARSAL_DATE/state_final.json

# Create summary
cd logs/paper_rehearsal_$REHEARSAL_DATE
wc -l 247trader-v2_audit.jsonl
jq -s 'group_by(.status) | map({{status: .[0].status, count: length}})' 247trader-v2_audit.jsonl > summary.json
"""

CLEAN_STATE = f"""
cp data/.state.json data/.state_backup_$(date +%Y%m%d_%H%M%S).json
> {AUDIT}
rm -f data/247trader-v2.pid
rm -f data/KILL_SWITCH
"""

MEMORY = 'ps aux | grep "python.*main_loop" | awk \'{print "RSS: " $6/1024 " MB"}\''

LIVE = [
    Command("cat data/247trader-v2.pid && ps -p $(cat data/247trader-v2.pid)", r"\d+\n\s*PID(.|\n)+"),
    Command(MEMORY, r"(RSS: [0-9.]+ MB\n?)+"),
    Command(
        'echo "$(date) - $(ps aux | grep \'python.*main_loop\' | awk \'{print "RSS: " $6/1024 " MB"}\')"',
        r".+ - (RSS: [0-9.]+ MB\n?)+",
    ),
    Command(
        'ps aux | grep "python.*main_loop" | awk "{print \\"RSS: \\" \\$6/1024 \\" MB\\"}"', r"(RSS: [0-9.]+ MB\n?)+"
    ),
    Command('ps -o rss= -p $(cat data/247trader-v2.pid) | awk "{printf \\"%.1f MB\\", \\$1/1024}"', r"[0-9.]+ MB"),
    Command(
        "echo \"Bot: $([ -f data/247trader-v2.pid ] && echo 'RUNNING' || echo 'STOPPED') | "
        f'Cycles: $(wc -l < {AUDIT}) | Errors: $(grep -c ERROR logs/live_*.log || echo 0)"',
        r"Bot: RUNNING \| Cycles: \d+ \| Errors: (0\s*)+",
    ),
]

KILL_CHECK = f'tail -5 {AUDIT} | jq \'.no_trade_reason\' | grep -q "kill_switch" && echo "Kill switch ACTIVE"'
STOP_CHECK = 'ps -p $(cat data/247trader-v2.pid) || echo "Bot stopped cleanly"'


def bash(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder as its user would; `python3` is this test's Python."""
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
    environment.pop("COLUMNS", None)  # pytest's workers set it, and `ps` would cut its lines to it
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def laid_out(folder: Path) -> Path:
    """Make a folder look like a checkout: config/, tools/, the packages, and a python3 that has the dependencies."""
    folder.mkdir(exist_ok=True)
    shutil.copytree(SHIPPED, folder / "config")
    for name in ("core", "runner", "tools"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "bin").mkdir()
    python = folder / "bin" / "python3"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', "utf-8")
    python.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def checkout(day: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which the day ran."""
    folder = laid_out(tmp_path_factory.mktemp("checkout"))
    for name in ("logs", "data"):
        shutil.copytree(day.folder / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def stopped(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with some minutes more under the kill switch."""
    folder = laid_out(tmp_path_factory.mktemp("stopped"))
    for name in ("logs", "data"):
        shutil.copytree(checkout / name, folder / name)
    assert bash("touch data/KILL_SWITCH", folder).returncode == 0
    run_program(folder, [*SIMULATED_DAY, "--cycles", "6"])
    return folder


@pytest.mark.parametrize("command", [*GUIDE, *MID_STATUS, *SANITY_CHECKS], ids=lambda command: command.text[:60])
def test_the_command_answers(command: Command, checkout: Path) -> None:
    done = bash(command.text, checkout)

    assert done.stderr == ""
    assert re.fullmatch(command.answer, done.stdout.rstrip("\n")), done.stdout[:2000]


def test_the_hash_of_the_setup_is_the_hash_in_the_log(checkout: Path) -> None:
    printed = bash(GUIDE[2].text, checkout).stdout.split()[-1]

    assert bash(f"tail -1 {AUDIT} | jq -r '.config_hash'", checkout).stdout.strip() == printed


def test_the_logs_can_be_archived_as_the_guide_says(checkout: Path) -> None:
    done = bash(ARCHIVE, checkout)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[0] == "1440"
    (archive,) = (checkout / "logs").glob("paper_rehearsal_*")
    assert sorted(path.name for path in archive.iterdir()) == [
        "247trader-v2_audit.jsonl",
        "live_247trader-v2.log",
        "state_final.json",
        "summary.json",
    ]
    summary = {item["status"]: item["count"] for item in json.loads((archive / "summary.json").read_text("utf-8"))}
    assert set(summary) == {"EXECUTED", "NO_TRADE"}
    assert sum(summary.values()) == 1440


def test_alerts_are_found_and_counted_by_type(stopped: Path) -> None:
    assert int(bash('grep "ALERT" logs/live_*.log | wc -l', stopped).stdout) >= 1
    counted = bash("grep \"ALERT\" logs/live_*.log | grep -o 'type=[^ ]*' | sort | uniq -c", stopped).stdout
    assert re.search(r"\d+ type=kill_switch", counted)
    assert "ALERT" in bash('grep "CRITICAL" logs/live_*.log', stopped).stdout


def test_the_kill_switch_is_seen_in_the_last_lines(stopped: Path, checkout: Path) -> None:
    assert bash(KILL_CHECK, stopped).stdout == "Kill switch ACTIVE\n"
    assert bash(KILL_CHECK, checkout).stdout == ""


def test_a_clean_state_as_the_guide_makes_it_starts_again(checkout: Path, tmp_path: Path) -> None:
    """The audit file is emptied by hand: the next line begins a new chain, says so, and the account goes on."""
    folder = laid_out(tmp_path / "afresh")
    for name in ("logs", "data"):
        shutil.copytree(checkout / name, folder / name)
    assert bash(CLEAN_STATE, folder).returncode == 0

    run = run_program(folder, [*SIMULATED_DAY, "--cycles", "40"])

    lines = run.lines()
    assert len(lines) == 40
    assert "begun_afresh" in lines[0]["segment"]
    assert check(run.audit, SHIPPED).violations == []


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Path, "subprocess.Popen[bytes]"]]:
    """A checkout in which a bot runs in real time, one cycle a second; a resting order would make a cycle long."""
    folder = laid_out(tmp_path / "live")
    write_config(folder / "config", {"signals": shipped_documents(QUIET)["signals"]})
    arguments = [
        "--paper",
        "--loop",
        "--market",
        "simulated",
        "--interval",
        "1",
        "--config-dir",
        str(folder / "config"),
    ]
    folders = ["--data-dir", str(folder / "data"), "--logs-dir", str(folder / "logs")]
    command = [sys.executable, "-m", "runner.main_loop", *arguments, *folders]
    bot = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield folder, bot
    finally:
        bot.kill()
        bot.wait()


def lines_there(folder: Path, text: str = "") -> int:
    path = folder / AUDIT
    return sum(text in line for line in path.read_text("utf-8").splitlines()) if path.exists() else 0


def wait_for_lines(folder: Path, count: int, text: str = "") -> None:
    end = time.monotonic() + WAIT_SECONDS
    while lines_there(folder, text) < count:
        assert time.monotonic() < end, f"fewer than {count} lines with {text!r} after {WAIT_SECONDS} s"
        time.sleep(0.1)


def test_the_commands_for_a_running_bot(running: tuple[Path, "subprocess.Popen[bytes]"]) -> None:
    folder, bot = running
    wait_for_lines(folder, 2)

    assert (folder / "data" / "247trader-v2.pid").read_text("utf-8").strip() == str(bot.pid)
    for command in LIVE:
        done = bash(command.text, folder)
        assert (done.returncode, done.stderr) == (0, ""), command.text
        assert re.fullmatch(command.answer, done.stdout.rstrip("\n")), f"{command.text}\n{done.stdout}"

    bash("touch data/KILL_SWITCH", folder)
    wait_for_lines(folder, 1, '"no_trade_reason":"kill_switch"')
    assert bash(KILL_CHECK, folder).stdout == "Kill switch ACTIVE\n"
    assert "type=kill_switch" in bash('grep "ALERT" logs/live_*.log', folder).stdout
    bash("rm data/KILL_SWITCH", folder)

    assert bash("kill -2 $(cat data/247trader-v2.pid)", folder).returncode == 0
    assert bot.wait(WAIT_SECONDS) == 0
    assert "Bot stopped cleanly" in bash(STOP_CHECK, folder).stdout
