"""Answers against the golden samples: what one exact request is told, its texts and codes included."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from understudy.contracts.catalogue import Sample, samples
from understudy.contracts.drift_facts import BREAKING, COSMETIC, Change, Edit, Facts, shown
from understudy.contracts.drift_responses import TEXTS, hold_switch, settle
from understudy.contracts.exchanges import KEY, NO_KEY, UNTOLD, WRONG_KEY, Exchange
from understudy.contracts.routes import Route
from understudy.contracts.secrecy import is_masked

WORDS = (*TEXTS, "type")
"""What in a refusal is said in words, for people."""

REPEATABLE = (
    "no key",
    "no token",
    "bad key",
    "bad token",
    "unknown id",
    "unknown model",
    "invalid input",
    "not JSON",
    "no endpoint",
    "webhook with base64",
    "ok",
)
"""States of samples that follow from the request alone: whoever sends it again is told the same."""

_PARTS = {"status": "status", "code": "code", "text": "text|grammar"}


class Case(NamedTuple):
    """One request that samples answer, each under its own readings; the first is that of the contract."""

    name: str
    operation: str
    answers: tuple[Sample, ...]

    @property
    def sample(self) -> Sample:
        return self.answers[0]


def cases(provider: str, assumed: Mapping[str, str]) -> tuple[Case, ...]:
    """What the contract says word for word: every refusal, and every price."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples(provider):
        if sample.state in REPEATABLE and (sample.schema == "error" or _is_price(sample)):
            groups.setdefault(_identity(sample), []).append(sample)
    found = []
    for group in groups.values():
        group.sort(key=lambda one: sum(-1 if assumed.get(name) == value else 1 for name, value in one.assume.items()))
        first = group[0]
        if all(assumed.get(name) == value for name, value in first.assume.items()):
            found.append(Case(first.name, first.operation, tuple(group)))
    return tuple(found)


def expect_cases(facts: Facts, known: Sequence[Case]) -> None:
    for case in known:
        sample = case.sample
        facts.expect(f"{case.name}: status", str(sample.response["status"]), assumed=_assumed(sample, "status"))
        for pointer, value in _leaves(sample.body):
            if pointer not in sample.varies:
                part = "text" if _is_text(pointer) else "code"
                facts.expect(f"{case.name}: {pointer}", shown(value), assumed=_assumed(sample, part))


def case_of(exchange: Exchange, route: Route, known: Sequence[Case]) -> Case | None:
    """The case whose request this is; for a request that is none, the one whose refusal it can only be."""
    auth = exchange.auth
    if auth == UNTOLD:
        auth = NO_KEY if exchange.status == 401 else KEY
    mine = _identity_of(exchange.method, exchange.target, auth, exchange.sent)
    for case in known:
        if _identity(case.sample) == mine:
            return case
    if exchange.auth == UNTOLD or exchange.status is None or exchange.status < 400:
        return None
    wanted = {NO_KEY: ("no key", "no token"), WRONG_KEY: ("bad key", "bad token")}.get(exchange.auth, ())
    near = [
        case
        for case in known
        if case.operation == route.operation.name
        and case.sample.response["status"] == exchange.status
        and (case.sample.state in wanted if wanted else case.sample.state in ("unknown id", "unknown model"))
        and not case.sample.assume
    ]
    return near[0] if len(near) == 1 else None


def judge_case(facts: Facts, exchange: Exchange, case: Case, route: Route, assumed: dict[str, str]) -> None:
    """Compares a status and every value with what the sample says, once the reading is settled that fits best."""
    body = exchange.body
    best = min(case.answers, key=lambda one: _distance(one, exchange, route))
    if best is not case.sample:
        for name, value in best.assume.items():
            other = best.response["status"] != case.sample.response["status"]
            settle(facts, name, value, exchange.where, assumed, BREAKING if other else COSMETIC)
    elif exchange.status == case.sample.response["status"]:
        others = [one for one in case.answers[1:] if one.response["status"] != exchange.status]
        for name in {name for one in others for name in one.assume}:
            hold_switch(facts, name, exchange.where, assumed)
    expected = best.response["status"]
    status = facts.expect(f"{case.name}: status", str(expected))
    file = f"{facts.provider}/samples/{best.name}.json"
    if _expected_now(route, exchange.status or 0, expected):
        facts.held(status.name, exchange.where)
        return
    if expected == exchange.status:
        facts.held(status.name, exchange.where)
    else:
        edit = Edit(file, "/response/status", expected, exchange.status, "/evidence")
        change = Change("status", BREAKING, str(expected), str(exchange.status), exchange.where, edit)
        facts.drifted(status.name, change)
        return
    for pointer, value in _leaves(_moved(best, route)):
        found = _find(body, pointer)
        if pointer in best.varies or found is None or is_masked(found):
            continue
        fact = facts.expect(f"{case.name}: {pointer}", shown(value))
        edit = Edit(file, f"/response/body{pointer}", _find(best.body, pointer), found, "/evidence")
        if found == value:
            facts.held(fact.name, exchange.where, edit=edit)
        else:
            kind, severity = _grade(pointer, value, found)
            given = edit if _moved(best, route) == best.body else None
            facts.drifted(fact.name, Change(kind, severity, shown(value), shown(found), exchange.where, given))


def _grade(pointer: str, value: Any, found: Any) -> tuple[str, str]:
    if "price" in pointer.rpartition("/")[2] and isinstance(value, int | float) and isinstance(found, int | float):
        return "price", BREAKING if found > value else COSMETIC
    return ("text", COSMETIC) if _is_text(pointer) else ("value", BREAKING)


def _expected_now(route: Route, status: int, expected: int) -> bool:
    """Whether a reading that was settled elsewhere explains the status: no operation is refused otherwise any more."""
    responses = route.operation.responses
    return expected in (401, 422) and str(status) in responses and str(expected) not in responses


def _distance(sample: Sample, exchange: Exchange, route: Route) -> tuple[bool, int]:
    leaves = list(_leaves(_moved(sample, route)))
    apart = sum(_find(exchange.body, pointer) != value for pointer, value in leaves if pointer not in sample.varies)
    return sample.response["status"] != exchange.status, apart


def _moved(sample: Sample, route: Route) -> Any:
    """What a sample says, of the job or model that was asked about."""
    text = json.dumps(sample.body)
    match = re.search(r"/(?:predictions|requests)/([0-9a-f-]{32,36})", sample.request["path"])
    if "id" in route.parameters and match is not None:
        text = text.replace(match[1], route.parameters["id"])
    if "model_id" in route.parameters and sample.state == "unknown model":
        known = re.sub(r"^/(?:api/v3|v1/models)/", "", sample.request["path"])
        text = text.replace(known, route.parameters["model_id"])
    return json.loads(text)


def _leaves(body: Any, base: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(body, Mapping):
        for name, one in body.items():
            yield from _leaves(one, f"{base}/{name}")
    elif isinstance(body, list):
        for index, one in enumerate(body):
            yield from _leaves(one, f"{base}/{index}")
    else:
        yield base, body


def _find(body: Any, pointer: str) -> Any:
    for name in pointer.split("/")[1:]:
        if isinstance(body, Mapping):
            body = body.get(name)
        elif isinstance(body, list) and name.isdigit() and int(name) < len(body):
            body = body[int(name)]
        else:
            return None
    return body


def _is_text(pointer: str) -> bool:
    return pointer.rpartition("/")[2] in WORDS


def _is_price(sample: Sample) -> bool:
    return sample.operation in ("price", "pricing")


def _identity(sample: Sample) -> str:
    header = sample.request.get("headers", {}).get("Authorization")
    auth = NO_KEY if header is None else KEY if header.removeprefix("Bearer").strip() else WRONG_KEY
    return _identity_of(sample.request["method"], sample.request["path"], auth, sample.request.get("body"))


def _identity_of(method: str, target: str, auth: str, sent: Any) -> str:
    return json.dumps([method, target, auth, sent], sort_keys=True)


def _assumed(sample: Sample, part: str) -> bool:
    """Whether nobody knows a part of a sample: all of its evidence is assumed, or one that names the part."""
    assumed = [one.source for one in sample.evidence if one.mark == "assumed"]
    if len(assumed) == len(sample.evidence):
        return True
    return any(re.search(_PARTS[part], source) or (part != "status" and source == "the rest") for source in assumed)
