"""Measures cycles, one submit and two polls, of `understudy serve` against the frozen `thin.py`, as a ratio.

    python benchmarks/cycle.py [--rounds 5] [--seconds 3] [--check [--at-least 1.3]] [--candidate "COMMAND ..."]

Both servers are started here, in turn (A B A B ...), afresh for each round and each alone on its core; `wrk` has the
other core. Exits 0; with --check 1 when the median ratio of the rate is below --at-least; 2 when no figure can be
given, with the reason. docs/benchmarks.md says how to read the table.
"""

import argparse
import platform
import shlex
import subprocess
import sys
from pathlib import Path

from bench import Bench, status_of
from contender import Contender
from load import load
from running import running
from table import Measured, ratios, rows

BENCHMARKS = Path(__file__).parent
BASELINES = {name: Contender(name, (sys.executable, str(BENCHMARKS / f"{name}.py"))) for name in ("thin", "bare")}
UNDERSTUDY = Contender("understudy", (str(Path(sys.executable).with_name("understudy")), "serve", "--port", "0"))
WARM_UP_SECONDS = 1
BUSY_ENOUGH = 0.9


def main() -> int:
    options = parse(sys.argv[1:])
    return status_of(lambda bench: measure(bench, options))


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Cycles of one submit and two polls against a frozen thin server.")
    parser.add_argument("--rounds", type=at_least_one, default=5, help="rounds of both servers (default 5)")
    parser.add_argument("--seconds", type=at_least_one, default=3, help="of load per server and round (default 3)")
    parser.add_argument("--connections", type=at_least_one, default=32, help="held open by wrk (default 32)")
    parser.add_argument("--candidate", metavar="COMMAND", help="measure this instead of `understudy serve --port 0`")
    parser.add_argument("--baseline", choices=BASELINES, default="thin", help="bare: a lower bound that does less")
    parser.add_argument("--check", action="store_true", help="exit 1 when the median ratio is too low")
    parser.add_argument("--at-least", type=float, default=1.3, metavar="RATIO", help="for --check (default 1.3)")
    return parser.parse_args(argv)


def at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def measure(bench: Bench, options: argparse.Namespace) -> int:
    candidate = Contender("candidate", tuple(shlex.split(options.candidate))) if options.candidate else UNDERSTUDY
    baseline = BASELINES[options.baseline]
    measured: dict[Contender, list[Measured]] = {baseline: [], candidate: []}
    for number in range(1, options.rounds + 1):
        for contender, rounds in measured.items():
            rounds.append(once(bench, contender, options.connections, options.seconds))
            rate = rounds[-1].load.requests_per_second
            print(f"round {number} of {options.rounds}: {contender.name} {rate:,.0f} req/s", file=sys.stderr)

    print(
        f"Rounds: {options.rounds}, of {options.seconds} s each; {options.connections} connections, "
        f"server on core {bench.server_core}, load on core {bench.load_core}; "
        f"Python {platform.python_version()}, {version(bench.wrk)}, {processor()}\n"
    )
    print("\n".join(rows(baseline.name, measured[baseline], candidate.name, measured[candidate])))
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


def once(bench: Bench, contender: Contender, connections: int, seconds: int) -> Measured:
    with running(contender, bench.server_core) as server:
        load(bench.wrk, contender, server.origin, connections, WARM_UP_SECONDS)
        before = server.usage()
        figures = load(bench.wrk, contender, server.origin, connections, seconds)
        after = server.usage()
        return Measured(
            figures,
            server.start_seconds,
            server.idle_bytes,
            own_seconds=after.own_seconds - before.own_seconds,
            kernel_seconds=after.kernel_seconds - before.kernel_seconds,
        )


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
