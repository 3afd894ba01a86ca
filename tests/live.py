"""A server on a real socket for a test to play with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import httpx
from stores import store_of

from understudy.mockserver.app import create_app
from understudy.mockserver.clock import Clock
from understudy.mockserver.gallery import Draw
from understudy.mockserver.images import draw
from understudy.mockserver.jobs import Failure, Phase
from understudy.mockserver.journal import Entry
from understudy.mockserver.rules import Rule
from understudy.mockserver.server import ServerThread
from understudy.mockserver.settings import Settings
from understudy.mockserver.store import Store

WAVESPEED = "/api/v3/bytedance/seedream-v4/edit-sequential"
RUNCOMFY = "/v1/models/bytedance/seedream-4-0/edit-sequential"
PROMPT = "Generate a series of 4 edited images (Panels 1-4)."
IMAGE = "https://example.com/shoe.png"
GOING = frozenset({Phase.QUEUED, Phase.RUNNING})


class Live:
    """A server on a real socket whose tenants have a manual clock, and a client with the key `key`."""

    def __init__(self, settings: Settings, clock: Clock, draw: Draw = draw, store: Store | None = None) -> None:
        self.store = store or store_of(settings, clock)
        self.server_app = create_app(settings, self.store, draw)
        self.server = ServerThread(self.server_app)
        self.server.start()
        self.origin = self.server.origin
        self.client = self.client_of("key")

    def client_of(self, key: str | None) -> httpx.Client:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.origin, headers=headers, timeout=10, trust_env=False)

    def advance(self, milliseconds: int, tenant: str = "key") -> int:
        return self.server.call(self.store.set_clock(tenant, lambda clock, _: clock.advance(milliseconds)))

    def interrupt(self, job_id: str, phase: Phase, failure: Failure | None = None, tenant: str = "key") -> None:
        """What happens to a job from the provider's side."""
        self.server.call(self.store.interrupt(tenant, job_id, phase, only_in=GOING, failure=failure))

    def add_rules(self, *rules: Rule, tenant: str = "key") -> None:
        self.server.call(self.store.add_rules(tenant, rules))

    def journal(self, tenant: str = "key") -> Sequence[Entry]:
        """What a tenant's clients asked and were told, the oldest first."""
        return self.server.call(self.store.journal(tenant)).entries

    def heard(self, number: int = 1, tenant: str = "key") -> Sequence[Entry]:
        """The journal, once it has so many entries."""

        async def wait() -> None:
            while not (await self.store.journal(tenant, number - 1)).entries:
                await self.store.heard(tenant, number - 1)

        self.server.call(wait())
        return self.journal(tenant)

    def submit_wavespeed(self, **inputs: Any) -> Any:
        body = {"prompt": PROMPT, "images": [IMAGE], **inputs}
        return self.client.post(WAVESPEED, json=body).raise_for_status().json()["data"]

    def submit_runcomfy(self, **inputs: Any) -> Any:
        body = {"text": PROMPT, "images": [IMAGE], **inputs}
        return self.client.post(RUNCOMFY, json=body).raise_for_status().json()


MakeLive = Callable[..., Live]
