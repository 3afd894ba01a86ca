"""Every line of the tables in docs/rules.md, as JSON and as a directive, and what a client sees of it on the wire."""

from __future__ import annotations

import io
import json
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from controlling import Remote
from PIL import Image
from raw import connect, read_all
from rule_lines import LINES, Line
from serving import fits, receiving
from talking import QUEUE, RUN, WAVESPEED, Talk

from understudy.fixtures import read_image

PATH = f"/api/v3/{WAVESPEED}"
DONE = QUEUE + RUN


@dataclass
class Scene:
    """A tenant's client, its hand on the control API, and the directive that its submissions carry."""

    talk: Talk
    key: str
    directive: str

    @property
    def remote(self) -> Remote:
        return Remote(self.talk.client, self.key)

    def send(self, query: str = "", images: int = 1) -> httpx.Response:
        body = {"prompt": f"A shoe {self.directive}", "max_images": images}
        return self.talk.call("POST", PATH + query, body, key=self.key)

    def submit(self, query: str = "", images: int = 1) -> str:
        return str(self.send(query, images).raise_for_status().json()["data"]["id"])

    def poll(self, job: str) -> httpx.Response:
        return self.talk.call("GET", f"/api/v3/predictions/{job}/result", key=self.key)

    def told(self, job: str) -> Any:
        return self.poll(job).raise_for_status().json()["data"]

    def end(self, images: int = 1) -> Any:
        """What is told of a job when it should have ended."""
        job = self.submit(images=images)
        self.advance(DONE)
        return self.told(job)

    def states(self, *moments: int) -> list[str]:
        """What a new job's state is at these moments after its submission."""
        job, now, states = self.submit(), 0, []
        for moment in moments:
            self.advance(moment - now)
            now = moment
            states.append(self.told(job)["status"])
        return states

    def advance(self, milliseconds: int) -> Any:
        return self.remote.post("clock/advance", {"by": f"{milliseconds}ms"})

    def jobs(self) -> list[Any]:
        jobs: list[Any] = self.remote.get("jobs")["jobs"]
        return jobs

    def raw(self, method: str, path: str, body: bytes = b"") -> socket.socket:
        """A connection on which this has been asked."""
        connection = connect(self.talk.origin)
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.key}\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return connection

    def raw_submit(self) -> socket.socket:
        return self.raw("POST", PATH, json.dumps({"prompt": f"A shoe {self.directive}"}).encode())

    def raw_poll(self) -> socket.socket:
        return self.raw("GET", f"/api/v3/predictions/{self.submit()}/result")

    def output(self) -> str:
        return str(self.end()["outputs"][0])


CHECKS: dict[str, Callable[[Scene], None]] = {}


def shows(name: str) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    def keep(check: Callable[[Scene], None]) -> Callable[[Scene], None]:
        CHECKS[name] = check
        return check

    return keep


@shows("queued for 5 s")
def _(scene: Scene) -> None:
    assert ["created", "processing", "processing", "completed"] == scene.states(4_999, 5_000, 6_999, 7_000)


@shows("running for 5 s")
def _(scene: Scene) -> None:
    assert ["created", "processing", "processing", "completed"] == scene.states(499, 500, 5_499, 5_500)


@shows("over 5 s after submission")
def _(scene: Scene) -> None:
    assert ["processing", "completed"] == scene.states(4_999, 5_000)


@shows("a time between two, uniform")
def _(scene: Scene) -> None:
    ends = spread(scene)
    assert all(1_000 <= end <= 4_000 for end in ends)
    assert 1_000 < max(ends) - min(ends)


@shows("a time, lognormal")
def _(scene: Scene) -> None:
    ends = sorted(spread(scene))
    assert 3_500 < ends[20] < 7_000  # the median is 5 s
    assert ends[-1] - ends[20] > ends[20] - ends[0]  # and the longer ones are farther away


def spread(scene: Scene) -> list[int]:
    """After how many milliseconds each of 41 jobs is over."""
    for _ in range(41):
        scene.submit()
    happened = scene.remote.post("clock/idle")["events"]
    began = scene.jobs()[0]["submitted"]
    return [event["at"] - began for event in happened if event["state"] == "succeeded"]


@shows("fails")
def _(scene: Scene) -> None:
    told = scene.end()
    assert ("failed", []) == (told["status"], told["outputs"])
    assert told["error"]


@shows("fails with a text")
def _(scene: Scene) -> None:
    told = scene.end()
    assert ("failed", "The model crashed.") == (told["status"], told["error"])


@shows("fails with a code")
def _(scene: Scene) -> None:
    told = scene.end()
    assert ("failed", "Too busy.", 1405) == (told["status"], told["error"], scene.jobs()[0]["failure"]["code"])


@shows("fails because of an input")
def _(scene: Scene) -> None:
    assert "failed" == scene.end()["status"]
    assert "input" == scene.jobs()[0]["failure"]["cause"]


@shows("fails at a chosen moment")
def _(scene: Scene) -> None:
    assert ["processing", "failed"] == scene.states(2_999, 3_000)


@shows("flagged, all of it")
def _(scene: Scene) -> None:
    told = scene.end(images=2)
    assert "failed" == told["status"]
    assert "moderation" == scene.jobs()[0]["failure"]["cause"]


@shows("images 2 and 5 flagged")
def _(scene: Scene) -> None:
    told = scene.end(images=5)
    assert ("completed", [False, True, False, False, True]) == (told["status"], told["has_nsfw_contents"])
    assert 5 == len(told["outputs"])


@shows("two images come out")
def _(scene: Scene) -> None:
    told = scene.end(images=4)
    assert ("completed", 2) == (told["status"], len(told["outputs"]))


@shows("image 2 is missing")
def _(scene: Scene) -> None:
    outputs = scene.end(images=3)["outputs"]
    assert [200, 404, 200] == [scene.talk.client.get(url).status_code for url in outputs]


@shows("image 2 is black")
def _(scene: Scene) -> None:
    first, second = (scene.talk.client.get(url).content for url in scene.end(images=2)["outputs"])
    assert 1 == read_image(first).index
    with Image.open(io.BytesIO(second)) as image:
        assert ((0, 0),) * 3 == image.convert("RGB").getextrema()


@shows("image 2 has the wrong size")
def _(scene: Scene) -> None:
    sizes = []
    for url in scene.end(images=2)["outputs"]:
        with Image.open(io.BytesIO(scene.talk.client.get(url).content)) as image:
            sizes.append(image.size)
    assert sizes[0] == (2 * sizes[1][0], 2 * sizes[1][1])


@shows("hangs while running")
def _(scene: Scene) -> None:
    assert ["created", "processing", "processing"] == scene.states(0, 500, 10**9)


@shows("hangs in the queue")
def _(scene: Scene) -> None:
    assert ["created", "created"] == scene.states(0, 10**9)


@shows("over at once")
def _(scene: Scene) -> None:
    assert ["completed"] == scene.states(0)


@shows("completes, whatever chance says")
def _(scene: Scene) -> None:
    assert ["processing", "completed"] == scene.states(DONE - 1, DONE)


@shows("cancelled by the provider")
def _(scene: Scene) -> None:
    assert ["processing", "cancelled"] == scene.states(DONE - 1, DONE)


@shows("timed out at the provider")
def _(scene: Scene) -> None:
    assert ["processing", "timeout"] == scene.states(DONE - 1, DONE)


@shows("over on the third poll")
def _(scene: Scene) -> None:
    job = scene.submit()
    scene.advance(10 * DONE)
    assert ["processing", "processing", "completed"] == [scene.told(job)["status"] for _ in range(3)]


@shows("outputs expire after 1 h")
def _(scene: Scene) -> None:
    url = scene.output()
    scene.advance(3_599_999)
    assert 200 == scene.talk.client.get(url).status_code
    scene.advance(1)
    assert 404 == scene.talk.client.get(url).status_code


@shows("a status, nothing submitted")
def _(scene: Scene) -> None:
    assert (500, []) == (scene.send().status_code, scene.jobs())


@shows("a status with a text")
def _(scene: Scene) -> None:
    answer = scene.send()
    assert (400, "No such thing.") == (answer.status_code, answer.json()["message"])


@shows("429 with Retry-After")
def _(scene: Scene) -> None:
    answer = scene.send()
    assert (429, "30") == (answer.status_code, answer.headers["retry-after"])
    assert 429 == answer.json()["code"]


@shows("429 with Retry-After as a date")
def _(scene: Scene) -> None:
    answer = scene.send()
    assert 429 == answer.status_code
    until = parsedate_to_datetime(answer.headers["retry-after"]) - parsedate_to_datetime(answer.headers["date"])
    assert 29 <= until.total_seconds() <= 33  # whole seconds, and the server makes its own date once in a while


@shows("502 with an HTML page")
def _(scene: Scene) -> None:
    answer = scene.poll(scene.submit())
    assert (502, "text/html") == (answer.status_code, answer.headers["content-type"].split(";")[0])
    assert "<html" in answer.text


@shows("200 that carries an error")
def _(scene: Scene) -> None:
    answer = scene.poll(scene.submit())
    assert (200, 500) == (answer.status_code, answer.json()["code"])


@shows("slow")
def _(scene: Scene) -> None:
    late(scene, f"/api/v3/predictions/{scene.submit()}/result")


def late(scene: Scene, path: str) -> None:
    """What is asked there is answered after 5 s of the tenant's clock, and not a millisecond before."""
    with scene.raw("GET", path) as raw:
        while scene.remote.get("clock") and not scene.talk.server.call(scene.talk.store.awaited(scene.key)):
            pass
        scene.advance(4_999)
        raw.settimeout(0.02)
        with pytest.raises(TimeoutError):
            raw.recv(1)
        raw.settimeout(10)
        scene.advance(1)
        assert b"HTTP/1.1 200" == raw.recv(12)


@shows("accepted, then an error")
def _(scene: Scene) -> None:
    assert (500, 1) == (scene.send().status_code, len(scene.jobs()))


@shows("accepted, the answer lost")
def _(scene: Scene) -> None:
    with scene.raw_submit() as raw:
        assert b"" == read_all(raw)
    assert 1 == len(scene.jobs()) == len(scene.remote.get("ledger")["entries"])


@shows("closed before the answer")
def _(scene: Scene) -> None:
    with scene.raw_submit() as raw:
        assert b"" == read_all(raw)
    assert [] == scene.jobs()


@shows("reset (RST)")
def _(scene: Scene) -> None:
    with scene.raw_submit() as raw, pytest.raises(ConnectionResetError):
        raw.recv(1)
    assert [] == scene.jobs()


@shows("cut after 100 bytes")
def _(scene: Scene) -> None:
    with scene.raw_poll() as raw:
        promised, body = parted(read_all(raw))
    assert 100 == len(body) < promised


@shows("wrong Content-Length")
def _(scene: Scene) -> None:
    with scene.raw_poll() as raw:
        promised, body = parted(read_all(raw))
    assert promised == len(body) + 10
    assert b"}" == body[-1:]


def parted(answer: bytes) -> tuple[int, bytes]:
    """The length that an answer says it has, and its body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    assert length is not None
    return int(length[1]), body


@shows("slow drip")
def _(scene: Scene) -> None:
    with scene.raw_poll() as raw:
        promised, body = parted(raw.recv(65536))
        assert 16 == len(body) < promised
        assert 16 == len(raw.recv(65536))


@shows("garbled JSON")
def _(scene: Scene) -> None:
    answer = scene.poll(scene.submit())
    assert (200, "application/json") == (answer.status_code, answer.headers["content-type"])
    with pytest.raises(json.JSONDecodeError):
        answer.json()


@shows("`data: null`")
def _(scene: Scene) -> None:
    assert {"code": 200, "message": "success", "data": None} == scene.poll(scene.submit()).json()


@shows("a field of the wrong type")
def _(scene: Scene) -> None:
    assert 7 == scene.told(scene.submit())["urls"]


@shows("an unknown status word")
def _(scene: Scene) -> None:
    assert "melting" == scene.told(scene.submit())["status"]


@shows("stale: an older state once more")
def _(scene: Scene) -> None:
    assert ["created", "processing"] == scene.states(500, DONE)


@shows("an output is 403")
def _(scene: Scene) -> None:
    assert 403 == scene.talk.client.get(scene.output()).status_code


@shows("an output is 404")
def _(scene: Scene) -> None:
    assert 404 == scene.talk.client.get(scene.output()).status_code


@shows("an output is slow")
def _(scene: Scene) -> None:
    late(scene, scene.output().removeprefix(scene.talk.origin))


@shows("an output is cut")
def _(scene: Scene) -> None:
    with scene.raw("GET", scene.output().removeprefix(scene.talk.origin)) as raw:
        promised, body = parted(read_all(raw))
    assert 100 == len(body) < promised


@shows("an output has the wrong type")
def _(scene: Scene) -> None:
    answer = scene.talk.client.get(scene.output())
    assert (200, "text/plain") == (answer.status_code, answer.headers["content-type"])
    assert 1 == read_image(answer.content).index


def hooks(scene: Scene, *moments: int, jobs: int = 1) -> list[tuple[int, int, bool, int]]:
    """Each webhook: by which of the moments after the submission it came, of which job it tells, whether it is signed
    as it should be, and how many seconds old it says it is."""
    came: list[tuple[int, int, bool, int]] = []
    secret = scene.talk.call("GET", "/api/v3/webhook/secret", key=scene.key).json()["data"]["secret"]
    with receiving() as receiver:
        ids = [scene.submit(f"?webhook={quote(receiver.origin, safe='')}") for _ in range(jobs)]
        now = 0
        for moment in moments:
            scene.advance(moment - now)
            now = moment
            deliveries = scene.remote.get("webhooks")["deliveries"]
            for _ in range(sum(len(one["attempts"]) for one in deliveries) - len(came)):
                told = receiver.take()
                age = round(time.time() - int(told.headers["webhook-timestamp"]))
                came.append((moment, ids.index(told.prediction["id"]), fits(told, secret), age))
    return came


@shows("lost")
def _(scene: Scene) -> None:
    assert [] == hooks(scene, 10**6)
    assert ["lost"] == [one["outcome"] for one in scene.remote.get("webhooks")["deliveries"]]


@shows("late")
def _(scene: Scene) -> None:
    assert [(DONE + 10_000, 0)] == [told[:2] for told in hooks(scene, DONE, DONE + 9_999, DONE + 10_000)]


@shows("delivered twice")
def _(scene: Scene) -> None:
    assert [(DONE, 0, True)] * 2 == [told[:3] for told in hooks(scene, DONE)]


@shows("out of order")
def _(scene: Scene) -> None:
    scene.remote.put("clock", {"mode": "manual"})
    rule = scene.remote.get("rules")["rules"][0]
    scene.remote.delete("rules")
    scene.remote.post("rules", {"webhook": rule["webhook"], "times": 1})
    assert [(DONE, 1), (DONE, 0)] == [told[:2] for told in hooks(scene, DONE, jobs=2)]


@shows("wrong signature")
def _(scene: Scene) -> None:
    assert [(DONE, 0, False)] == [told[:3] for told in hooks(scene, DONE)]


@shows("stale timestamp")
def _(scene: Scene) -> None:
    ((*told, age),) = hooks(scene, DONE)
    assert [DONE, 0, True] == told
    assert 590 <= age


WAYS = [(line, way) for line in LINES for way in ("json", "directive") if way == "json" or line.directive]


@pytest.mark.parametrize(("line", "way"), WAYS, ids=[f"{line.name}, {way}" for line, way in WAYS])
def test_what_the_table_says_is_seen_on_the_wire(talk: Talk, key: str, line: Line, way: str) -> None:
    scene = Scene(talk, key, line.directive if way == "directive" else "")
    if way == "json":
        scene.remote.post("rules", json.loads(line.json))

    CHECKS[line.name](scene)


def test_each_line_is_shown() -> None:
    assert [line.name for line in LINES] == list(CHECKS)
