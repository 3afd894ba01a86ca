"""Speaks to a fake's control API (docs/control.md) for one tenant: its clock, its rules, and what it saw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from understudy.contracts.findings import Unable

if TYPE_CHECKING:
    import httpx

CONTROL = 1
"""The version of the interface that this speaks."""


class Truth(NamedTuple):
    """What a job really is. `flagged` holds 1-based indexes, `outputs` are the URLs in order, and `text` is the
    provider's own of a failure, None where the fake's default for its `cause` is used."""

    id: str
    model: str
    state: str
    outputs: tuple[str, ...]
    flagged: frozenset[int]
    cause: str | None
    text: str | None

    @property
    def flags(self) -> tuple[bool, ...]:
        return tuple(index in self.flagged for index in range(1, len(self.outputs) + 1))


class Seen(NamedTuple):
    """One exchange that the fake saw. `wall` is real time in milliseconds, `state` what the client was told the job is
    in. `request` and `response` are what is kept of the bodies: JSON where it is that and whole, else text, or None.
    `rules` are the ids of those that acted."""

    number: int
    wall: int
    operation: str
    method: str
    target: str
    job: str | None
    state: str | None
    status: int | None
    rules: tuple[str, ...]
    request: Any
    response: Any
    retry_after: int | None
    broken: str | None
    exposed: bool


class Stagehand:
    """Acts on the tenant of `key`. Every method raises Unable when the fake refuses, saying what it said."""

    def __init__(self, http: httpx.Client, key: str, token: str | None = None) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {key}", **({"X-Understudy-Token": token} if token else {})}

    def version(self) -> Mapping[str, Any] | None:
        """What stands behind the origin; None where there is no control API of this version."""
        answer = self._http.get("/_understudy/version")
        try:
            told = answer.json()
        except ValueError:
            return None
        known = answer.status_code == 200 and isinstance(told, Mapping) and told.get("control") == CONTROL
        return told if known else None

    def reset(self) -> None:
        self._call("POST", "reset")

    def clock(self, mode: str) -> None:
        """`manual`, `auto`, `real`, or how many times as fast: `60x`."""
        self._call("PUT", "clock", {"mode": mode})

    def advance(self, milliseconds: int) -> None:
        self._call("POST", "clock/advance", {"by": milliseconds})

    def add_rules(self, rules: Iterable[Mapping[str, Any]]) -> None:
        self._call("POST", "rules", {"rules": list(rules)})

    def jobs(self) -> Sequence[Truth]:
        """All jobs of the tenant, the oldest first."""
        return [_truth(one) for one in self._call("GET", "jobs")["jobs"]]

    def journal(self) -> Sequence[Seen]:
        """All exchanges of the tenant, the oldest first."""
        return [_seen(one) for one in self._call("GET", "journal")["exchanges"]]

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        import httpx

        try:
            answer = self._http.request(method, f"/_understudy/{path}", json=body, headers=self._headers)
        except httpx.TransportError as error:
            raise Unable(f"The control API did not answer {method} {path}: {error!r}") from error
        if answer.is_error:
            raise Unable(f"The control API answered {method} {path} with {answer.status_code}: {answer.text[:500]}")
        return answer.json()


def _truth(job: Mapping[str, Any]) -> Truth:
    failure = job["failure"] or {}
    return Truth(
        id=job["id"],
        model=job["model"],
        state=job["state"],
        outputs=tuple(job["outputs"]),
        flagged=frozenset(job["flagged"]),
        cause=failure.get("cause"),
        text=failure.get("text"),
    )


def _seen(one: Mapping[str, Any]) -> Seen:
    return Seen(
        number=one["number"],
        wall=one["wall"],
        operation=one["operation"],
        method=one["method"],
        target=one["target"],
        job=one["job"],
        state=one["state"],
        status=one["status"],
        rules=tuple(one["rules"]),
        request=one["request"],
        response=one["response"],
        retry_after=one["retry_after"],
        broken=one["broken"],
        exposed=one["exposed"],
    )
