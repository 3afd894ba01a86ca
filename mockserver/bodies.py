"""Answers that never change, encoded once: what a job's phase looks like from one origin."""

from __future__ import annotations

from collections.abc import Callable

from understudy.mockserver.jobs import Job, Phase


class Bodies:
    """The encoded bodies of the jobs that are polled now: up to `bound` of them, then they are all made anew.

    A job is a frozen value, so a body belongs to exactly that value: one that was interrupted is another.
    """

    def __init__(self, bound: int = 8_192) -> None:
        self._bound = bound
        self._kept: dict[tuple[str, str, Phase, str], tuple[Job, bytes]] = {}

    def get(
        self, operation: str, job: Job, phase: Phase, origin: str, encode: Callable[[Job, Phase, str], bytes]
    ) -> bytes:
        """The body for a job in a phase, encoded by `encode(job, phase, origin)` if it is not at hand."""
        key = (job.id, operation, phase, origin)
        kept = self._kept.get(key)
        if kept is not None and kept[0] is job:
            return kept[1]
        if len(self._kept) >= self._bound:
            self._kept.clear()
        # A copy, since the encoder leaves up to four times the room that a body needs.
        body = bytes(memoryview(encode(job, phase, origin)))
        self._kept[key] = (job, body)
        return body
