"""Garbage collection as a server wants it."""

from __future__ import annotations

import gc


def hold() -> None:
    """No search until `calm`: while a server is made nothing of it is garbage, and looking for some takes a tenth of
    its start."""
    gc.disable()


def calm() -> None:
    """Searching for cycles dominates the slowest answers. What survives one search is a job, a connection, or was here
    at the start: none is part of a cycle, so it is searched no more and goes when the last reference to it does."""

    def freeze(event: str, details: dict[str, int]) -> None:
        if event == "stop":
            gc.freeze()

    gc.freeze()
    gc.set_threshold(5_000, 10, 10)
    gc.callbacks.append(freeze)
    gc.enable()
