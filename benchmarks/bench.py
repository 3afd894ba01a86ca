"""What the benchmarks that use wrk share: a core for the load, another for the server, and how they end."""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

from load import find_wrk
from running import CannotMeasure


@dataclass(frozen=True, slots=True)
class Bench:
    """The load generator's path, the core that it shares with this process, and the one that is left to a server."""

    wrk: str
    load_core: int
    server_core: int


def status_of(measure: Callable[[Bench], int]) -> int:
    """The exit status that `measure` gives; 2, with the reason on stderr, when no figure can be given."""
    # So that a `kill` unwinds as Ctrl-C does, and no server is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return measure(set_up())
    except CannotMeasure as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def set_up() -> Bench:
    wrk = find_wrk()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise CannotMeasure(
            f"Two cores are needed, one for the server and one for the load; this process may use {cores}."
        )
    # wrk inherits this; each server moves itself to its own core.
    os.sched_setaffinity(0, {cores[0]})
    return Bench(wrk, cores[0], cores[-1])
