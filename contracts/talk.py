"""Plain HTTP with one provider: what is sent is recorded, and what comes back is read with the contract in hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jsonschema_rs

from understudy.contracts.catalogue import response_schema
from understudy.contracts.client import State
from understudy.contracts.exchanges import at
from understudy.contracts.findings import Broken
from understudy.contracts.states import DELETED, life

if TYPE_CHECKING:
    import httpx


class Words(NamedTuple):
    """A provider's paths, and where its answers have what. `tells` are the paths that tell a job's state, by the name
    of the operation, which is that of the answer's schema too."""

    submit: str
    job: tuple[str, ...]
    tells: Mapping[str, str]
    others: tuple[str, ...]
    cancel: str | None
    state: tuple[str, ...]
    outputs: tuple[tuple[str, ...], ...]
    flags: tuple[str, ...] | None
    error: tuple[str, ...]
    unknown: str
    unauthorized: int = 401

    def outputs_in(self, body: Any) -> list[Any]:
        """The outputs that an answer's body holds, whatever they are."""
        found: Any = next((one for one in (at(body, *path) for path in self.outputs) if one), [])
        return found if isinstance(found, list) else [found]


WORDS: Mapping[str, Words] = {
    "wavespeed": Words(
        submit="/api/v3/{model}",
        job=("data", "id"),
        tells={"result": "/api/v3/predictions/{job}/result"},
        others=("/api/v3/predictions/{job}", "/api/v2/predictions/{job}/result"),
        cancel=None,
        state=("data", "status"),
        outputs=(("data", "outputs"),),
        flags=("data", "has_nsfw_contents"),
        error=("data", "error"),
        unknown="0" * 32,
    ),
    "runcomfy": Words(
        submit="/v1/models/{model}",
        job=("request_id",),
        tells={"status": "/v1/requests/{job}/status", "result": "/v1/requests/{job}/result"},
        others=(),
        cancel="/v1/requests/{job}/cancel",
        state=("status",),
        outputs=(("output", "images"), ("output", "image")),
        flags=None,
        error=("error",),
        unknown="00000000-0000-4000-8000-000000000000",
    ),
}


class Answer(NamedTuple):
    """`body` is what the JSON says, None where it is none; `kind` is the operation of what tells a job's state."""

    request: str
    status: int
    content_type: str
    content: bytes
    body: Any
    kind: str = "result"

    def at(self, *path: str) -> Any:
        """What is at a place of the body; None where there is nothing."""
        return at(self.body, *path)


class Talk:
    """One key's exchanges with a provider."""

    def __init__(self, http: httpx.Client, provider: str, key: str, assume: Mapping[str, str]) -> None:
        self._http = http
        self._key = key
        self._provider = provider
        self._assume = assume
        self.words = WORDS[provider]
        self.life = life(provider, assume)
        self.said: list[str] = []

    def call(self, method: str, path: str, body: Any = None, *, authorized: bool = True) -> Answer:
        headers = {"Authorization": f"Bearer {self._key}"} if authorized else {}
        answer = self._sent(method, path, json=body, headers=headers)
        try:
            told = answer.json()
        except ValueError:
            told = None
        text = answer.text if len(answer.text) <= 300 else f"{answer.text[:300]}…"
        sent = "" if body is None else f" {answer.request.content.decode()}"
        self.said.append(f"{method} {path}{sent} → {answer.status_code} {text}")
        kind = answer.headers.get("content-type", "")
        return Answer(f"{method} {path}", answer.status_code, kind, answer.content, told)

    def fetch(self, url: str) -> Answer:
        """What is at a URL, asked for without the key."""
        return self._recorded(self._sent("GET", url), url)

    def try_submit(self, model: str, inputs: Mapping[str, Any]) -> Answer:
        return self.call("POST", self.words.submit.format(model=model), dict(inputs))

    def submit(self, model: str, inputs: Mapping[str, Any]) -> str:
        """The id of a new job. Raises Broken when there is none."""
        answer = self.try_submit(model, inputs)
        job = answer.at(*self.words.job)
        if answer.status != 200 or not isinstance(job, str) or not job:
            raise Broken(f"A valid submission was answered with {answer.status} and no id: {answer.content[:200]!r}.")
        return job

    def look(self, job: str, kind: str = "result") -> Answer:
        return self.call("GET", self.words.tells[kind].format(job=job))._replace(kind=kind)

    def state(self, answer: Answer) -> State:
        """The state that an answer tells. Raises Broken for a word that is none of those on record."""
        word, named = answer.at(*self.words.state), self.life.named(answer.kind)
        known = {word: State(name) for word, name in named.items() if name != DELETED}
        if not isinstance(word, str) or word not in known:
            raise Broken(f"{answer.request} told the state {word!r}; there are {', '.join(known)}.")
        return known[word]

    def outputs(self, answer: Answer) -> list[Any]:
        """The outputs that an answer holds, whatever they are."""
        return self.words.outputs_in(answer.body)

    def conform(self, answer: Answer, schema: str, status: int = 200) -> None:
        """Raises Broken where an answer is not as its schema says."""
        if answer.status != status:
            raise Broken(f"{answer.request} was answered with {answer.status}; expected {status}.")
        if not answer.content_type.startswith("application/json"):
            raise Broken(f"{answer.request} was answered with {answer.content_type!r}; expected application/json.")
        described = response_schema(self._provider, schema, self._assume)
        for error in jsonschema_rs.Draft202012Validator(described).iter_errors(answer.body):
            place = "/".join(map(str, error.instance_path)) or "the body"
            raise Broken(f"{answer.request}: {place} is not as the schema {schema!r} says: {error.message}.")

    def _sent(self, method: str, url: str, **more: Any) -> httpx.Response:
        import httpx

        try:
            return self._http.request(method, url, **more)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            self.said.append(f"{method} {url} → no answer: {error!r}")
            raise Broken(f"{method} {url} was not answered: {error!r}.") from error

    def _recorded(self, answer: httpx.Response, url: str) -> Answer:
        kind = answer.headers.get("content-type", "")
        self.said.append(f"GET {url} → {answer.status_code} {kind}, {len(answer.content)} bytes")
        return Answer(f"GET {url}", answer.status_code, kind, answer.content, None)
