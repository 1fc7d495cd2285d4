"""The command line of the simulation; `--help` says what it takes."""

import argparse
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from runner.terminal import complain, say
from tests.simulation.campaign import Campaign, Watch, code_hash, cores, play_all
from tests.simulation.plan import DAY_MINUTES, Plan, load, save
from tests.simulation.run import Result, run
from tests.simulation.shrink import shrink
from tests.simulation.sometimes import LOST, LOST_CANCELS, MUST_REACH, table, zeros
from tests.simulation.swarm import draw_plan

REGRESSIONS = Path(__file__).resolve().parent / "regressions"
SEEDS_FOR_ZEROS = 100
"""A campaign of so many seeds must have reached everything."""

SHOWN = 12
SHRUNK_MAX = 3
"""So many failing seeds are shrunk at the end of a campaign: each takes minutes, and one defect breaks many."""


def main(arguments: list[str] | None = None) -> int:
    """Play what is asked for; 0: no law was broken, 1: one was, or something was never reached, 2: wrong use."""
    given = _parsed(arguments)
    try:
        if given.replay is not None:
            return _replay(given.replay, given.keep)
        first, last = _range(given.seeds)
        if first == last and given.resume is None:
            return _one(first, given)
        return _many(range(first, last + 1), given)
    except KeyboardInterrupt:
        complain("stopped" + (f"; the same command goes on from {given.resume}" if given.resume else ""))
        return 128 + signal.SIGINT
    except (ValueError, OSError) as error:
        complain(f"❌ {error}")
        return 2


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.simulation", description=__doc__)
    parser.add_argument("--seeds", default="1..20", metavar="A..B", help="first and last seed; one number for one")
    parser.add_argument("--days", type=int, default=1, help="simulated days a seed (1)")
    parser.add_argument("--minutes", type=int, help="in the place of whole days")
    parser.add_argument("--jobs", type=int, default=cores(), help="processes (one per core)")
    parser.add_argument("--resume", type=Path, metavar="FILE", help="add the results to FILE, and leave out its seeds")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="play a plan that was kept in FILE")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the files of a single run here")
    parser.add_argument("--no-shrink", action="store_true", help="only say which seeds fail")
    given = parser.parse_args(arguments)
    given.minutes = given.minutes or given.days * DAY_MINUTES
    return given


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("..")
    if not (first.isdigit() and (last or first).isdigit() and int(first) <= int(last or first)):
        raise ValueError(f"--seeds {text}: write two numbers as 1..100, or one")
    return int(first), int(last or first)


def _one(seed: int, given: argparse.Namespace) -> int:
    plan = draw_plan(seed, given.minutes)
    say(f"seed {seed}: {plan.words()}")
    result = run(plan, given.keep)
    _tell(result)
    say(table(result.reached, must=False))
    if result.violations and not given.no_shrink:
        _shrink(plan, result)
    return 1 if result.violations else 0


def _replay(path: Path, keep: Path | None) -> int:
    plan = load(path)
    say(f"{path.name}: seed {plan.seed}, {plan.minutes} minutes: {plan.words()}")
    for item in plan.disturbances:
        say(f"  {item}")
    result = run(plan, keep)
    _tell(result)
    return 1 if result.violations else 0


def _many(seeds: range, given: argparse.Namespace) -> int:
    watch = Watch(len(seeds))

    def progress(campaign: Campaign, result: Result) -> None:
        if result.violations:
            say(f"seed {result.seed}: {result.violations[0][:200]}\n  {_command(result.seed, given.minutes)}")
        if sys.stdout.isatty() or watch.done % 10 == 9 or watch.done == len(seeds) - 1:
            say(watch.words(campaign, result))
        else:
            watch.words(campaign, result)

    campaign = play_all(seeds, given.minutes, given.jobs, given.resume, progress)
    is_whole = campaign.seeds >= SEEDS_FOR_ZEROS
    say(table(campaign.reached, must=is_whole))
    for words in totals(campaign):
        say(words)
    if given.resume is not None:
        told = [table(campaign.reached, must=is_whole), *totals(campaign)]
        given.resume.with_suffix(".txt").write_text("\n".join(told) + "\n", "utf-8")
    for seed in list(campaign.failed)[:SHRUNK_MAX] if not given.no_shrink else []:
        plan = draw_plan(seed, given.minutes)
        _shrink(plan, run(plan))
    missing = zeros(campaign.reached) if is_whole else []
    if is_whole:
        say(f"never reached: {', '.join(missing)}" if missing else f"all {len(MUST_REACH)} counters were reached")
    return 1 if campaign.failed or missing else 0


def totals(campaign: Campaign) -> Iterator[str]:
    """Say in a few lines what a campaign comes to."""
    reached = campaign.reached
    resolved = sum(reached[f"in doubt, then {end}"] for end in ("found", "proven absent", "refused"))
    yield (
        f"{campaign.seeds} seeds of code {code_hash()}, {campaign.seeds * campaign.minutes / DAY_MINUTES:g} days, "
        f"{campaign.cycles} cycles, {campaign.cycles / max(campaign.cpu_seconds, 0.001):.0f} per second of a core"
    )
    yield (
        f"{reached[LOST]} answers to orders and {reached[LOST_CANCELS]} to cancels lost or late; "
        f"{reached['orders in doubt']} orders in doubt, {resolved} of them resolved; {reached['crashes']} crashes"
    )
    yield (
        f"{reached['records verified']} runs before both verifiers, {reached['cycles decided again']} cycles decided "
        f"again; {len(campaign.failed)} seeds broke a law"
    )
    if campaign.judged_before:
        yield f"{campaign.judged_before} of the seeds without a violation were judged before the judges were changed"


def _tell(result: Result) -> None:
    say(
        f"seed {result.seed}: {result.cycles} cycles, {result.cycles / result.cpu_seconds:.0f} per second of a core, "
        f"audit root {result.root}, {len(result.violations)} violations"
    )
    for text in result.violations[:SHOWN]:
        say(f"  {text[:400]}")


def _command(seed: int, minutes: int) -> str:
    days, rest = divmod(minutes, DAY_MINUTES)
    return f"python -m tests.simulation --seeds {seed} " + (f"--minutes {minutes}" if rest else f"--days {days}")


def _shrink(plan: Plan, result: Result) -> None:
    say(f"seed {plan.seed}: shrinking to what breaks {result.laws[0]}")
    small = shrink(plan, result, lambda words: say(f"  {words}"))
    law = result.laws[0]
    path = REGRESSIONS / f"{law.replace('/', '_')}_{plan.seed}.json"
    save(small, path, law=law, command=_command(plan.seed, plan.minutes))
    say(f"kept in {path}: {small.minutes} minutes")
    for item in small.disturbances[:SHOWN]:
        say(f"  {item}")


if __name__ == "__main__":
    sys.exit(main())
