"""All contenders side by side, a line each, and what jobs do to their memory."""

from collections.abc import Mapping, Sequence
from statistics import median

from contender import Contender
from memory import Grown
from table import Figure, Measured, ratios

COLUMNS: tuple[Figure, ...] = (
    lambda one: one.load.requests_per_second,
    lambda one: one.poll_ms,
    lambda one: one.load.p99_ms,
    lambda one: one.start_seconds * 1e3,
    lambda one: one.idle_bytes / 1e6,
)
Rounds = Mapping[Contender, Sequence[Measured]]
Memory = Mapping[Contender, Sequence[Grown]]


def side_rows(baseline: Contender, measured: Rounds, grown: Memory) -> list[str]:
    """A table, and under it what each contender does not do."""
    most = max(each[1].jobs for each in grown.values())
    lines = [
        f"| | cycle, req/s | × {baseline.name} (lowest – highest) | one poll, ms | p99, ms | start, ms | idle, MB "
        f"| MB after {most:,} jobs |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for contender, rounds in measured.items():
        rate, poll, p99, start, idle = (median(map(figure, rounds)) for figure in COLUMNS)
        middle, lowest, highest = ratios(measured[baseline], rounds, lambda one: one.load.requests_per_second)
        lines.append(
            f"| {contender.name} | {rate:,.0f} | {middle:.2f} ({lowest:.2f} – {highest:.2f}) | {poll:.3f} | {p99:.1f} "
            f"| {start:,.0f} | {idle:.0f} | {shown(grown[contender][1], most)} |"
        )
    return [*lines, "", *(f"* {contender.name}: {contender.lacks}." for contender in measured if contender.lacks)]


def memory_rows(grown: Memory) -> list[str]:
    """For those who were given most jobs: megabytes at each step."""
    steps = max(len(each) for each in grown.values())
    longest = {contender: each for contender, each in grown.items() if len(each) == steps}
    titles = [f"{one.jobs:,} jobs" if one.jobs else "idle" for one in next(iter(longest.values()))]
    lines = [f"| memory, MB | {' | '.join(titles)} |", "|---|" + "---:|" * steps]
    for contender, each in longest.items():
        lines.append(f"| {contender.name} | {' | '.join(f'{one.resident_bytes / 1e6:.0f}' for one in each)} |")
    return lines


def shown(one: Grown, most: int) -> str:
    """Megabytes, and the number of jobs where time was up before all were submitted."""
    megabytes = f"{one.resident_bytes / 1e6:,.0f}"
    return megabytes if one.jobs == most else f"{megabytes} (only {one.jobs:,})"
