"""How a server's memory grows with the jobs that it has been given."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench import Bench
from contender import Contender
from filling import fill
from running import running

MOST_SECONDS = 150.0
"""For one step: who takes longer is measured with what it has got by then."""


@dataclass(frozen=True, slots=True)
class Grown:
    """So many jobs after its start, a server's memory in bytes."""

    jobs: int
    resident_bytes: int


def grow(bench: Bench, contender: Contender, steps: Sequence[int]) -> list[Grown]:
    """At its start, and after each of `steps` jobs in all."""
    with running(contender, bench.server_core) as server:
        grown = [Grown(0, server.idle_bytes)]
        for step in steps:
            jobs = grown[-1].jobs + fill(contender, server.origin, step - grown[-1].jobs, MOST_SECONDS)
            grown.append(Grown(jobs, server.usage().resident_bytes))
        return grown
