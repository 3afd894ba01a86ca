"""The fake with one thing wrong about it: what its answers say is changed on their way out."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from PIL import Image
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from understudy.mockserver.app import create_app
from understudy.mockserver.server import running
from understudy.mockserver.settings import Settings

_FILE = io.BytesIO()
Image.new("RGB", (8, 8)).save(_FILE, "PNG")
SMALL = _FILE.getvalue()


class Exchange(NamedTuple):
    """A request and its answer; `body` is the answer's JSON, or its bytes where it has none. `memory` lasts as long as
    the server does."""

    method: str
    path: str
    key: str
    status: int
    body: Any
    memory: dict[str, Any]

    @property
    def data(self) -> Any:
        """What is in WaveSpeed's envelope, or the body of RunComfy's answer; an empty object where that is an error."""
        if not isinstance(self.body, dict):
            return {}
        return self.body.get("data", {}) if "code" in self.body else self.body

    @property
    def submits(self) -> bool:
        return self.method == "POST" and "/bytedance/" in self.path and self.status == 200


Bend = Callable[[Exchange], tuple[int, Any]]
"""The status and the body that go out in place of an exchange's own."""


class Bent:
    """The application with what it answers bent, but for the control API, which tells the truth."""

    def __init__(self, app: ASGIApp, bend: Bend) -> None:
        self._app = app
        self._bend = bend
        self._memory: dict[str, Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/_understudy/"):
            await self._app(scope, receive, send)
            return
        started: Message = {}
        chunks: list[bytes] = []

        async def keep(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = message
                return
            chunks.append(message.get("body", b""))
            if not message.get("more_body"):
                await self._answer(scope, started, b"".join(chunks), send)

        await self._app(scope, receive, keep)

    async def _answer(self, scope: Scope, started: Message, content: bytes, send: Send) -> None:
        try:
            body = json.loads(content)
        except ValueError:
            body = content
        key = dict(scope["headers"]).get(b"authorization", b"").decode()
        seen = Exchange(scope["method"], scope["path"], key, started["status"], body, self._memory)
        status, bent = self._bend(seen)
        out = bent if isinstance(bent, bytes) else json.dumps(bent).encode()
        replaced = (b"content-length", b"content-type") if out.startswith(b"<html>") else (b"content-length",)
        headers = [(name, value) for name, value in started["headers"] if name not in replaced]
        headers += [(b"content-type", b"text/html")] if out.startswith(b"<html>") else []
        headers.append((b"content-length", str(len(out)).encode()))
        await send({**started, "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": out})


@contextlib.contextmanager
def bent(bend: Bend, assume: Mapping[str, str] | None = None) -> Iterator[str]:
    """Serves the fake as `bend` has it; yields the origin."""
    with running(Bent(create_app(Settings(seed=1, assume=assume or {})), bend)) as origin:
        yield origin


def numbers_as_text(seen: Exchange) -> tuple[int, Any]:
    """A queue position, and a time that inference took, as text."""
    for holder, name in ((seen.data, "queue_position"), (seen.data.get("timings", {}), "inference")):
        if name in holder:
            holder[name] = str(holder[name])
    return seen.status, seen.body


def created(seen: Exchange) -> tuple[int, Any]:
    """201 for what was created."""
    return (201 if seen.submits else seen.status), seen.body


def short_of_zone(seen: Exchange) -> tuple[int, Any]:
    """`Z` where the provider writes `+00:00`."""
    for name in ("created_at", "finished_at"):
        if name in seen.data:
            seen.data[name] = seen.data[name].replace("+00:00", "Z")
    return seen.status, seen.body


def goes_back(seen: Exchange) -> tuple[int, Any]:
    """Every other look at a job shows it as it was at first."""
    job = seen.data.get("id") or seen.data.get("request_id")
    if seen.method == "GET" and job and "status" in seen.data:
        seen.memory[job] = seen.memory.get(job, 0) + 1
        if seen.memory[job] % 2 == 0:
            seen.data["status"] = "created" if "code" in seen.body else "in_queue"
    return seen.status, seen.body


def disagrees(seen: Exchange) -> tuple[int, Any]:
    """The status is over before the result is."""
    if seen.path.endswith("/status") and seen.data.get("status") == "in_progress":
        seen.data["status"] = "completed"
    return seen.status, seen.body


def old_path_differs(seen: Exchange) -> tuple[int, Any]:
    """The path of the older guides answers with the bare prediction."""
    return (seen.status, seen.data) if re.search(r"/predictions/\w{32}$", seen.path) else (seen.status, seen.body)


def one_too_many(seen: Exchange) -> tuple[int, Any]:
    """One image more than was asked for."""
    outputs = seen.data.get("outputs") or (seen.data.get("output") or {}).get("images")
    if outputs:
        outputs += [url.replace("/output/", f"/output/{number}") for number, url in enumerate(outputs)]
    return seen.status, seen.body


def too_early(seen: Exchange) -> tuple[int, Any]:
    """Outputs while the job still runs."""
    if seen.data.get("status") in ("processing", "in_progress"):
        place = seen.data if "code" in seen.body else seen.data.setdefault("output", {})
        place["outputs" if "code" in seen.body else "images"] = ["https://example.com/early.png"]
    return seen.status, seen.body


def flag_missing(seen: Exchange) -> tuple[int, Any]:
    """One flag fewer than there are outputs."""
    if seen.data.get("has_nsfw_contents"):
        seen.data["has_nsfw_contents"].pop()
    return seen.status, seen.body


def flags_shifted(seen: Exchange) -> tuple[int, Any]:
    """Flags in the reverse order."""
    if seen.data.get("has_nsfw_contents"):
        seen.data["has_nsfw_contents"].reverse()
    return seen.status, seen.body


def cut_images(seen: Exchange) -> tuple[int, Any]:
    """Image files that end too soon."""
    return seen.status, seen.body[: len(seen.body) // 2] if isinstance(seen.body, bytes) else seen.body


def lost_images(seen: Exchange) -> tuple[int, Any]:
    """No image where the URL leads."""
    return (404, b"") if isinstance(seen.body, bytes) else (seen.status, seen.body)


def same_id(seen: Exchange) -> tuple[int, Any]:
    """Two equal submissions are one job."""
    if seen.submits:
        name = "id" if "code" in seen.body else "request_id"
        seen.data[name] = seen.memory.setdefault(seen.key, seen.data[name])
    return seen.status, seen.body


def elsewhere(seen: Exchange) -> tuple[int, Any]:
    """URLs on the provider's own host."""
    text = json.dumps(seen.body) if isinstance(seen.body, dict) else None
    if text is None:
        return seen.status, seen.body
    return seen.status, json.loads(re.sub(r"http://127\.0\.0\.1:\d+", "https://api.wavespeed.ai", text))


def refuses_all(seen: Exchange) -> tuple[int, Any]:
    """No model takes anything."""
    return (400, {"code": 400, "message": "No."}) if seen.submits else (seen.status, seen.body)


def takes_all(seen: Exchange) -> tuple[int, Any]:
    """A model takes whatever it is given."""
    if seen.method == "POST" and "/bytedance/" in seen.path and seen.status in (400, 422):
        return 200, {"request_id": "0" * 8}
    return seen.status, seen.body


def own_errors(seen: Exchange) -> tuple[int, Any]:
    """The web framework's form of a 404."""
    return (404, {"detail": "Not Found"}) if seen.status == 404 else (seen.status, seen.body)


def found_nothing(seen: Exchange) -> tuple[int, Any]:
    """200 for a job that does not exist."""
    return (200, seen.body) if seen.status == 404 else (seen.status, seen.body)


def open_to_all(seen: Exchange) -> tuple[int, Any]:
    """The catalogue without a key."""
    if seen.status == 401 and seen.path.endswith("/models"):
        return 200, {"code": 200, "message": "success", "data": []}
    return seen.status, seen.body


def leaks(seen: Exchange) -> tuple[int, Any]:
    """Whoever knows an id sees the job."""
    job = re.search(r"/(?:predictions|requests)/([\w-]+)", seen.path)
    if job and seen.status == 200 and isinstance(seen.body, dict):
        seen.memory[seen.path] = seen.body
    if job and seen.status in (403, 404) and seen.path in seen.memory:
        return 200, seen.memory[seen.path]
    return seen.status, seen.body


def cancels_all(seen: Exchange) -> tuple[int, Any]:
    """Says that it cancelled whatever it was asked to cancel."""
    if seen.path.endswith("/cancel") and seen.data.get("outcome") == "not_cancellable":
        return 202, {**seen.body, "status": "cancelled", "outcome": "cancelled"}
    return seen.status, seen.body


def reorders(seen: Exchange) -> tuple[int, Any]:
    """The end is another one each time somebody looks."""
    if seen.data.get("status") in ("completed", "succeeded", "failed", "cancelled") and "/result" in seen.path:
        looked = seen.memory[seen.path] = seen.memory.get(seen.path, 0) + 1
        if "finished_at" in seen.data:
            seen.data["finished_at"] = f"2026-01-01T00:00:00.{looked:06}+00:00"
        else:
            seen.data["executionTime"] = looked
    return seen.status, seen.body


def says_nothing(seen: Exchange) -> tuple[int, Any]:
    """The same words for every failure."""
    if seen.data.get("status") == "failed":
        seen.data["error"] = "Failed."
    return seen.status, seen.body


def mixes_up(seen: Exchange) -> tuple[int, Any]:
    """A cancellation ends another job than it names: the one that was looked at before."""
    if seen.path.endswith("/cancel") and seen.data.get("outcome") == "cancelled":
        seen.memory["cancelled"] = True
    if seen.memory.get("cancelled") and seen.data.get("status") == "in_progress":
        seen.data["status"] = "cancelled"
    return seen.status, seen.body


def one_image(seen: Exchange) -> tuple[int, Any]:
    """Every output is the same."""
    outputs = seen.data.get("outputs")
    if outputs:
        outputs[:] = outputs[:1] * len(outputs)
    return seen.status, seen.body


def small_images(seen: Exchange) -> tuple[int, Any]:
    """Thumbnails."""
    return seen.status, SMALL if isinstance(seen.body, bytes) else seen.body


def outputs_gone(seen: Exchange) -> tuple[int, Any]:
    """Outputs on a host that does not answer."""
    if seen.data.get("outputs"):
        seen.data["outputs"] = ["http://127.0.0.1:9/1.png"]
    return seen.status, seen.body


def takes_and_refuses(seen: Exchange) -> tuple[int, Any]:
    """Refuses wrong inputs, and works on them all the same."""
    return (400, {"code": 400, "message": "No."}) if seen.submits else (seen.status, seen.body)


def page(seen: Exchange) -> tuple[int, Any]:
    """A gateway's page in the stead of a result."""
    return seen.status, b"<html>" if "/result" in seen.path else seen.body


def new_word(seen: Exchange) -> tuple[int, Any]:
    """A state that no document has."""
    if seen.data.get("status") == "in_progress":
        seen.data["status"] = "melting"
    return seen.status, seen.body


def meddles(seen: Exchange) -> tuple[int, Any]:
    """Whoever asks about a job leaves a trace in it."""
    if seen.key.endswith("-other"):
        seen.memory["cost"] = 1
    elif seen.memory and "/result" in seen.path:
        seen.data["cost"] = 1
    return seen.status, seen.body


def cannot_cancel(seen: Exchange) -> tuple[int, Any]:
    """There is no cancellation."""
    return (405, seen.body) if seen.path.endswith("/cancel") else (seen.status, seen.body)


def cancels_nothing(seen: Exchange) -> tuple[int, Any]:
    """Says that it cancelled what waits on."""
    if seen.data.get("status") == "cancelled" and seen.method == "GET":
        seen.data["status"] = "in_queue"
    return seen.status, seen.body


def cancels_late(seen: Exchange) -> tuple[int, Any]:
    """Cancels at the end what it said that it could not cancel."""
    if seen.data.get("outcome") == "not_cancellable" and seen.data["status"] == "in_progress":
        seen.memory[seen.key] = True
    if seen.memory.get(seen.key) and seen.data.get("status") in ("succeeded", "failed"):
        seen.data["status"] = "cancelled"
    return seen.status, seen.body


def cancels_too_much(seen: Exchange) -> tuple[int, Any]:
    """Says that it cancelled what runs, and lets it run."""
    if seen.data.get("outcome") == "not_cancellable":
        seen.data["outcome"] = "cancelled"
    return seen.status, seen.body


def fails_to_tell(seen: Exchange) -> tuple[int, Any]:
    """500 for a job that failed."""
    return (500 if seen.data.get("status") == "failed" else seen.status), seen.body


def fails_with_outputs(seen: Exchange) -> tuple[int, Any]:
    """Hands out what was made until it failed."""
    if seen.data.get("status") == "failed":
        seen.data["outputs"] = ["https://example.com/half.png"]
    return seen.status, seen.body


class Sabotage(NamedTuple):
    """A defect, the provider where it shows, the property that must tell, and what that says, a regular expression."""

    bend: Bend
    provider: str
    promise: str
    says: str
    assume: Mapping[str, str] = {}

    def __str__(self) -> str:
        return f"{self.bend.__name__} at {self.provider}"


W, R = "wavespeed", "runcomfy"
SABOTAGES = (
    Sabotage(numbers_as_text, W, "its_answers_are_as_their_schemas_say", "data/timings/inference is not as the schema"),
    Sabotage(numbers_as_text, R, "its_answers_are_as_their_schemas_say", "queue_position is not as the schema"),
    Sabotage(created, W, "its_answers_are_as_their_schemas_say", "was answered with 201; expected 200"),
    Sabotage(short_of_zone, R, "its_answers_are_as_their_schemas_say", "created_at is not as the schema 'result' says"),
    Sabotage(goes_back, W, "its_states_never_go_back", "A job that was .* is queued afterwards"),
    Sabotage(goes_back, R, "its_states_never_go_back", "A job that was .* is queued afterwards"),
    Sabotage(disagrees, R, "its_answers_about_a_job_agree", "The result says running, the status ended"),
    Sabotage(old_path_differs, W, "its_answers_about_a_job_agree", "do not answer alike"),
    Sabotage(one_too_many, R, "its_outputs_are_there_when_it_is_done", r"2 images were asked for; 4 came out"),
    Sabotage(too_early, W, "its_outputs_are_there_when_it_is_done", "A job that is running has 1 outputs already"),
    Sabotage(flag_missing, W, "its_flags_are_one_for_each_output", r"There are 2 outputs; the flags are \[\w+\]"),
    Sabotage(flags_shifted, W, "its_flags_are_one_for_each_output", r"The images \[.*\] are flagged; the answer says"),
    Sabotage(cut_images, W, "its_outputs_are_images_of_the_size_asked_for", "is no image that can be read"),
    Sabotage(lost_images, R, "its_outputs_are_images_of_the_size_asked_for", "was answered with 404"),
    Sabotage(same_id, W, "its_ids_are_unique", "3 submissions got the ids"),
    Sabotage(
        elsewhere,
        W,
        "its_urls_lead_back_to_where_it_was_asked",
        "points to https://api.wavespeed.ai/.*, which is",
    ),
    Sabotage(refuses_all, W, "it_takes_what_its_models_allow", "A valid submission was answered with 400 and no id"),
    Sabotage(takes_all, R, "it_refuses_what_its_models_forbid", "the schema of .* forbids were answered with 200"),
    Sabotage(own_errors, W, "its_errors_are_as_on_record", "is not as the schema 'error' says"),
    Sabotage(found_nothing, R, "its_errors_are_as_on_record", "was answered with 200; expected 404"),
    Sabotage(open_to_all, W, "it_shows_nothing_without_a_key", "GET /api/v3/models was answered with 200; exp"),
    Sabotage(leaks, W, "it_shows_nobody_the_jobs_of_another", "with another key was answered with 200"),
    Sabotage(cancels_all, R, "it_cancels_only_what_waits", "cancelling a job that is .* is 'cancelled'"),
    Sabotage(reorders, R, "its_ended_jobs_stay_as_they_are", "The result of a job that had ended has changed"),
    Sabotage(says_nothing, W, "its_failures_say_why", "The job failed with '.*'; its result says 'Failed.'"),
    Sabotage(one_image, W, "its_outputs_are_there_when_it_is_done", "Two of the outputs are the same"),
    Sabotage(small_images, W, "its_outputs_are_images_of_the_size_asked_for", r"was asked for; http://.* is 8x8"),
    Sabotage(outputs_gone, W, "its_outputs_are_images_of_the_size_asked_for", "was not answered: ConnectError"),
    Sabotage(
        takes_and_refuses,
        W,
        "it_refuses_what_its_models_forbid",
        "What was refused is a job all the same",
        {"wavespeed.validation": "result"},
    ),
    Sabotage(
        page, R, "its_answers_are_as_their_schemas_say", "was answered with 'text/html'; expected application/json"
    ),
    Sabotage(page, W, "its_states_never_go_back", "told the state None; there are created, processing, completed"),
    Sabotage(new_word, R, "its_states_never_go_back", "told the state 'melting'; there are in_queue, in_progress"),
    Sabotage(meddles, R, "it_shows_nobody_the_jobs_of_another", "Another key changed a job that it does not own"),
    Sabotage(cannot_cancel, R, "it_cancels_only_what_waits", "A cancellation was answered with 405; expected 202"),
    Sabotage(
        cancels_nothing, R, "it_cancels_only_what_waits", "A job that was queued is queued after its cancellation"
    ),
    Sabotage(cancels_late, R, "it_cancels_only_what_waits", "running when it was to be cancelled came to be cancelled"),
    Sabotage(cancels_too_much, R, "its_jobs_keep_apart_in_any_order", r"Job 1 is \w+; cancelling it came to True"),
    Sabotage(same_id, W, "its_jobs_keep_apart_in_any_order", "A new job has the id of an earlier one"),
    Sabotage(fails_to_tell, R, "its_failures_say_why", "A job that failed was answered with 500 and 'failed'"),
    Sabotage(fails_with_outputs, W, "its_failures_say_why", "A job that failed has outputs"),
    Sabotage(mixes_up, R, "its_jobs_keep_apart_in_any_order", r"Job \d is running; the status says cancelled"),
)
