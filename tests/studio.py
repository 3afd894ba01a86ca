"""Images as a test has them drawn: counted, and held up."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from live import Live

from understudy.mockserver.images import ImageSpec

DONE = 2500
BYTES = bytes(range(256)) * 40


@dataclass
class Studio:
    """A drawing function that counts, and that waits for `may_go` while it is not set."""

    data: bytes = BYTES
    seen: list[ImageSpec] = field(default_factory=list)
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    may_go: threading.Event = field(default_factory=threading.Event)

    def draw(self, spec: ImageSpec) -> bytes:
        self.seen.append(spec)
        self.begun.release()
        assert self.may_go.wait(timeout=30), "Nobody lets the drawing go on."
        return self.data


def outputs_of(live: Live, **inputs: Any) -> list[str]:
    """The URLs of a finished job's images."""
    job = live.submit_wavespeed(**inputs)
    live.advance(DONE)
    urls: list[str] = live.client.get(job["urls"]["get"]).json()["data"]["outputs"]
    return urls
