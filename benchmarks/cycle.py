"""Measures cycles, one submit and two polls, of `understudy serve` against the frozen `thin.py`, as a ratio.

    python benchmarks/cycle.py [--rounds 5] [--seconds 3] [--check [--at-least 0.8]] [--candidate "COMMAND ..."]
    python benchmarks/cycle.py --rivals [--quick] [--chart docs/benchmarks.svg]

With --rivals also what a user could pick instead, each set up by this script; and the memory that jobs take.

All servers are started here, in turn (A B A B ...), afresh for each round and each alone on its core; `wrk` has the
other core. Exits 0; with --check 1 when the median ratio of the rate is below --at-least; 2 when no figure can be
given, with the reason. docs/benchmarks.md says how to read the tables.
"""

import argparse
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path

from bench import Bench, status_of
from chart import chart
from contender import Contender
from load import load, poll_latency
from memory import Grown, grow
from rivals import set_up_rivals
from running import CannotMeasure, running, submit_once
from side_by_side import memory_rows, side_rows
from table import Measured, ratios, rows

BENCHMARKS = Path(__file__).parent
BASELINES = {name: Contender(name, (sys.executable, str(BENCHMARKS / f"{name}.py"))) for name in ("thin", "bare")}
UNDERSTUDY = Contender("understudy", (str(Path(sys.executable).with_name("understudy")), "serve", "--port", "0"))
WARM_UP_SECONDS = 1
# What a job takes by default, and a little.
UNTIL_ENDED_SECONDS = 2.6
BUSY_ENOUGH = 0.9
# After so many jobs memory is looked at: by everyone up to the first, by the two that we compare up to the last.
STEPS = (100_000, 300_000, 1_000_000)
QUICK_STEPS = (2_000, 6_000, 20_000)


def main() -> int:
    options = parse(sys.argv[1:])
    return status_of(lambda bench: measure(bench, options))


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Cycles of one submit and two polls against a frozen thin server.")
    parser.add_argument("--rounds", type=at_least_one, default=5, help="rounds of all servers (default 5)")
    parser.add_argument("--seconds", type=at_least_one, default=3, help="of load per server and round (default 3)")
    parser.add_argument("--connections", type=at_least_one, default=32, help="held open by wrk (default 32)")
    parser.add_argument("--candidate", metavar="COMMAND", help="measure this instead of `understudy serve --port 0`")
    parser.add_argument("--baseline", choices=BASELINES, default="thin", help="bare: a lower bound that does less")
    parser.add_argument("--rivals", action="store_true", help="what a user could pick instead too, and memory")
    parser.add_argument("--quick", action="store_true", help="one short round and few jobs: a trial, not a measurement")
    parser.add_argument("--chart", metavar="FILE", type=Path, help="with --rivals: draw this SVG")
    parser.add_argument("--check", action="store_true", help="exit 1 when the median ratio is too low")
    parser.add_argument("--at-least", type=float, default=0.8, metavar="RATIO", help="for --check (default 0.8)")
    options = parser.parse_args(argv)
    if options.quick:
        options.rounds = options.seconds = 1
    return options


def at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def measure(bench: Bench, options: argparse.Namespace) -> int:
    candidate = Contender("candidate", tuple(shlex.split(options.candidate))) if options.candidate else UNDERSTUDY
    baseline = BASELINES[options.baseline]
    measured: dict[Contender, list[Measured]] = {baseline: [], candidate: []}
    unmeasured: list[tuple[str, str]] = []
    if options.rivals:
        field = set_up_rivals()
        measured.update({rival: [] for rival in field.present})
        unmeasured += field.absent
    for number in range(1, options.rounds + 1):
        for contender in list(measured):
            try:
                one = once(bench, contender, options)
            except CannotMeasure as error:
                if contender in (baseline, candidate):
                    raise
                del measured[contender]
                unmeasured.append((contender.name, str(error)))
                continue
            measured[contender].append(one)
            rate = one.load.requests_per_second
            print(f"round {number} of {options.rounds}: {contender.name} {rate:,.0f} req/s", file=sys.stderr)

    print(
        f"Rounds: {options.rounds}, of {options.seconds} s each; {options.connections} connections, "
        f"server on core {bench.server_core}, load on core {bench.load_core}; "
        f"Python {platform.python_version()}, {version(bench.wrk)}, {processor()}\n"
    )
    print("\n".join(rows(baseline.name, measured[baseline], candidate.name, measured[candidate])))
    if options.rivals:
        steps = QUICK_STEPS if options.quick else STEPS
        grown = memory(bench, (baseline, candidate), measured, steps, unmeasured)
        print("\n" + "\n".join(side_rows(baseline, measured, grown)))
        print("\n" + "\n".join(memory_rows(grown)))
        if unmeasured:
            print("\n" + "\n".join(f"* {name} was not measured: {reason.rstrip('.')}." for name, reason in unmeasured))
        if options.chart:
            options.chart.write_text(chart(candidate, measured, grown))
    for contender, rounds in measured.items():
        busy = min(one.busy for one in rounds)
        if busy < BUSY_ENOUGH:
            print(f"\n{contender.name} had its core only {busy:.0%} of one round: something held it back.")
    median, lowest, highest = ratios(measured[baseline], measured[candidate], lambda one: one.load.requests_per_second)
    if options.check and median < options.at_least:
        wanted = f"at least {options.at_least:g} is wanted"
        print(f"The cycle ratio is {median:.2f} ({lowest:.2f} to {highest:.2f}); {wanted}.", file=sys.stderr)
        return 1
    return 0


def once(bench: Bench, contender: Contender, options: argparse.Namespace) -> Measured:
    with running(contender, bench.server_core) as server:
        load(bench.wrk, contender, server.origin, options.connections, WARM_UP_SECONDS)
        before = server.usage()
        figures = load(bench.wrk, contender, server.origin, options.connections, options.seconds)
        after = server.usage()
        job_id = contender.id_in(submit_once(contender, server.origin))
        assert job_id is not None, "Its first answer named one."
        time.sleep(UNTIL_ENDED_SECONDS)
        return Measured(
            figures,
            server.start_seconds,
            server.idle_bytes,
            own_seconds=after.own_seconds - before.own_seconds,
            kernel_seconds=after.kernel_seconds - before.kernel_seconds,
            poll_ms=poll_latency(bench.wrk, contender, server.origin, job_id, 1),
        )


def memory(
    bench: Bench,
    compared: Collection[Contender],
    measured: dict[Contender, list[Measured]],
    steps: tuple[int, ...],
    unmeasured: list[tuple[str, str]],
) -> dict[Contender, list[Grown]]:
    """Who fails here leaves `measured` and is noted in `unmeasured`, but for the two that are compared."""
    grown = {}
    for contender in list(measured):
        print(f"memory of {contender.name}", file=sys.stderr)
        try:
            grown[contender] = grow(bench, contender, steps if contender in compared else steps[:1])
        except CannotMeasure as error:
            if contender in compared:
                raise
            del measured[contender]
            unmeasured.append((contender.name, str(error)))
    return grown


def version(wrk: str) -> str:
    """wrk says which it is in the first words of its usage, with exit status 1."""
    said = subprocess.run([wrk, "-v"], capture_output=True, text=True, check=False)
    return " ".join((said.stdout + said.stderr).split()[:2])


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    sys.exit(main())
