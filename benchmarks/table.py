"""What was measured, side by side, as a table of medians and of ratios with their spread."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from load import Load


@dataclass(frozen=True, slots=True)
class Measured:
    """One round of one contender. own_seconds and kernel_seconds are the time on the processor that the load cost;
    poll_ms is what one poll takes on a connection of its own."""

    load: Load
    start_seconds: float
    idle_bytes: int
    own_seconds: float
    kernel_seconds: float
    poll_ms: float

    @property
    def busy(self) -> float:
        """The share of the time of the load in which it had its core."""
        return (self.own_seconds + self.kernel_seconds) / self.load.seconds

    @property
    def requests(self) -> float:
        return self.load.requests_per_second * self.load.seconds


Figure = Callable[[Measured], float]
FIGURES: tuple[tuple[str, str, Figure], ...] = (
    ("cycle, req/s", ",.0f", lambda one: one.load.requests_per_second),
    ("p50, ms", ".2f", lambda one: one.load.p50_ms),
    ("p99, ms", ".2f", lambda one: one.load.p99_ms),
    ("one poll on one connection, ms", ".3f", lambda one: one.poll_ms),
    ("start to first answer, ms", ".0f", lambda one: one.start_seconds * 1000),
    ("idle memory, MB", ".1f", lambda one: one.idle_bytes / 1e6),
    ("own time a request, µs", ".1f", lambda one: one.own_seconds / one.requests * 1e6),
    ("kernel's time a request, µs", ".1f", lambda one: one.kernel_seconds / one.requests * 1e6),
    ("on its core, %", ".0f", lambda one: one.busy * 100),
)


def ratios(baseline: Sequence[Measured], candidate: Sequence[Measured], figure: Figure) -> tuple[float, float, float]:
    """Candidate to baseline within each round, so that a slow minute weighs on both: median, lowest, highest."""
    each = [figure(theirs) / figure(ours) for ours, theirs in zip(baseline, candidate, strict=True)]
    return median(each), min(each), max(each)


def rows(
    baseline_name: str, baseline: Sequence[Measured], candidate_name: str, candidate: Sequence[Measured]
) -> list[str]:
    lines = [f"| | {baseline_name} | {candidate_name} | ratio | lowest – highest |", "|---|---:|---:|---:|---:|"]
    for title, form, figure in FIGURES:
        of_baseline, of_candidate = (median(map(figure, rounds)) for rounds in (baseline, candidate))
        middle, lowest, highest = ratios(baseline, candidate, figure)
        lines.append(
            f"| {title} | {of_baseline:{form}} | {of_candidate:{form}} | {middle:.2f} | {lowest:.2f} – {highest:.2f} |"
        )
    return lines
