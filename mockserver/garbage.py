"""Garbage collection as a server wants it."""

from __future__ import annotations

import gc


def calm() -> None:
    """Searching for cycles dominates the slowest answers. What survives one search is a job, a connection, or was here
    at the start: none is part of a cycle, so it is searched no more and goes when the last reference to it does."""

    def freeze(event: str, details: dict[str, int]) -> None:
        if event == "stop":
            gc.freeze()

    gc.collect()
    gc.freeze()
    gc.set_threshold(2_000, 10, 10)
    gc.callbacks.append(freeze)
