"""A server on a socket whose tenants live on manual clocks, and a client to talk to it."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import jsonschema_rs
from stores import stop, store_of

from understudy.contracts import catalogue
from understudy.contracts.compare import differences
from understudy.mockserver.app import create_app
from understudy.mockserver.clock import Clock
from understudy.mockserver.durations import DurationRange
from understudy.mockserver.server import ServerThread
from understudy.mockserver.settings import Settings
from understudy.mockserver.store import Store

WAVESPEED = "bytedance/seedream-v4/edit-sequential"
RUNCOMFY = "bytedance/seedream-4-0/edit-sequential"
QUEUE, RUN = 500, 2_000
"""Milliseconds that a job queues and runs unless a test says otherwise."""

KEYS = (f"tenant-{number}" for number in itertools.count())
"""API keys of which each is used once: a tenant with nothing of its own yet."""


@dataclass(frozen=True)
class Talk:
    origin: str
    client: httpx.Client
    store: Store
    server: ServerThread
    assume: Mapping[str, str]

    def call(self, method: str, path: str, body: Any = None, *, key: str = "key", **extra: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return self.client.request(method, path, json=body, headers=headers, **extra)

    def get(self, path: str, *, key: str = "key") -> Any:
        return self._answer(self.call("GET", path, key=key))

    def post(self, path: str, body: Any, *, key: str = "key") -> Any:
        return self._answer(self.call("POST", path, body, key=key))

    def data(self, path: str, body: Any, *, key: str = "key") -> Any:
        """What is in WaveSpeed's envelope."""
        return self.post(f"/api/v3{path}", body, key=key)["data"]

    def submit(self, images: int = 1, *, key: str = "key", **inputs: Any) -> str:
        """A WaveSpeed job's id."""
        body = {"prompt": "A shoe", "max_images": images, **inputs}
        job_id = self.data(f"/{WAVESPEED}", body, key=key)["id"]
        assert isinstance(job_id, str)
        return job_id

    def request(self, images: int = 1, *, key: str = "key") -> str:
        """A RunComfy job's id."""
        job_id = self.post(f"/v1/models/{RUNCOMFY}", shoe(images), key=key)["request_id"]
        assert isinstance(job_id, str)
        return job_id

    def status(self, job_id: str, *, key: str = "key") -> str:
        status = self.get(f"/api/v3/predictions/{job_id}/result", key=key)["data"]["status"]
        assert isinstance(status, str)
        return status

    def advance(self, milliseconds: int, *, key: str = "key") -> None:
        self.server.call(self.store.set_clock(key, lambda clock, wall: clock.advance(milliseconds)))

    def now(self, *, key: str = "key") -> int:
        return self.server.call(self.store.clock(key)).now(0)

    def differs(self, provider: str, sample: str, body: Any) -> list[str]:
        """What in a body is not as in a golden sample."""
        found = next(one for one in catalogue.samples(provider) if one.name == sample)
        return differences(found, body, origin=self.origin)

    def replay(self, provider: str, sample: str) -> list[str]:
        """Sends a golden sample's request, and says what of the answer is not as in the sample."""
        found = next(one for one in catalogue.samples(provider) if one.name == sample)
        answer = self.client.request(
            found.request["method"],
            found.request["path"],
            json=found.request.get("body"),
            headers=found.request.get("headers"),
        )
        status = found.response["status"]
        wrong = [] if answer.status_code == status else [f"status {answer.status_code}"]
        return wrong + differences(found, answer.json(), origin=self.origin)

    def _answer(self, response: httpx.Response) -> Any:
        assert 200 == response.status_code, response.text
        return response.json()


@contextlib.contextmanager
def talking(*, queue: int = QUEUE, run: int = RUN, **settings: Any) -> Iterator[Talk]:
    chosen = Settings(
        **{
            "seed": 4,
            "queue_time": DurationRange(queue, queue),
            "run_time": DurationRange(run, run),
            **settings,
        }
    )
    store = store_of(chosen, Clock.manual())
    server = ServerThread(create_app(chosen, store))
    server.start()
    try:
        with httpx.Client(base_url=server.origin, trust_env=False) as client:
            yield Talk(server.origin, client, store, server, chosen.assume)
    finally:
        stop(server, store)


def conforms(body: Any, provider: str, name: str, assume: Mapping[str, str] | None = None) -> list[str]:
    """What a response's schema says against a body."""
    schema = catalogue.response_schema(provider, name, assume)
    return [str(error) for error in jsonschema_rs.Draft202012Validator(schema).iter_errors(body)]


def shoe(images: int = 1) -> dict[str, Any]:
    return {
        "images": ["https://example.com/shoe.png"],
        "text": "A shoe",
        "sequential_image_generation_options": images,
    }


def exact(number: float) -> Decimal:
    """A JSON number as it was written."""
    return Decimal(repr(number))
