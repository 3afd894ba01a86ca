"""The states on record: each provider's words are those of its schemas, and the fake keeps to the transitions."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from understudy.contracts import catalogue
from understudy.contracts.catalogue import CatalogueError, Evidence
from understudy.contracts.client import State
from understudy.contracts.evidence import MARKS
from understudy.contracts.states import DELETED, life

READINGS: list[dict[str, str]] = [
    {},
    {"runcomfy.success_word": "completed"},
    {"runcomfy.failed_status": "failed"},
    {"runcomfy.success_word": "completed", "runcomfy.failed_status": "failed"},
]
each_provider = pytest.mark.parametrize("provider", catalogue.PROVIDERS)


def words_of(provider: str, operation: str, assumed: dict[str, str]) -> set[str]:
    """The words for a state in the schema of an answer."""
    schema: Any = catalogue.response_schema(provider, operation, assumed)
    if provider == "wavespeed":
        schema = catalogue.response_schema(provider, "prediction", assumed)
    return set(schema["properties"]["status"]["enum"])


@each_provider
@pytest.mark.parametrize("assumed", READINGS, ids=str)
def test_an_answer_has_a_word_for_each_state_that_it_tells_and_no_others(
    provider: str, assumed: dict[str, str]
) -> None:
    found = life(provider, assumed)
    for operation in found.operations:
        assert words_of(provider, operation, assumed) == set(found.named(operation))


def test_a_word_is_read_by_the_answer_it_stands_in() -> None:
    found = life("runcomfy", {"runcomfy.success_word": "completed"})

    assert ("ended", "succeeded") == (found.named("status")["completed"], found.named("result")["completed"])
    assert ("result", "status") == found.operations


@each_provider
def test_every_state_but_deleted_is_one_that_clients_speak_of(provider: str) -> None:
    assert {state.name for state in life(provider).states} <= {*map(str, State), DELETED}


@each_provider
def test_every_state_and_every_transition_has_evidence(provider: str) -> None:
    found = life(provider)
    for evidence in [state.evidence for state in found.states] + [one.evidence for one in found.transitions]:
        assert evidence
        assert {one.mark for one in evidence} <= set(MARKS)


@each_provider
def test_nothing_leads_back_and_every_state_can_be_reached(provider: str) -> None:
    found = life(provider)
    names = [state.name for state in found.states]
    assert set(names) == {name for name in names if found.may_follow("queued", name)}
    for one, other in product(names, names):
        assert one == other or not (found.may_follow(one, other) and found.may_follow(other, one))


def test_states_may_be_missed_and_never_reversed() -> None:
    found = life("runcomfy")

    assert found.may_follow("queued", "succeeded")
    assert found.may_follow("running", "running")
    assert not found.may_follow("running", "queued")
    assert not found.may_follow("cancelled", "succeeded")


def test_a_transition_says_how_it_is_known() -> None:
    first = life("runcomfy").transitions[0]

    assert ("queued", ("running", "cancelled"), (Evidence("documented", "D-MODEL"),)) == first


def test_an_unknown_provider_is_refused_with_those_that_exist() -> None:
    with pytest.raises(CatalogueError, match=r'"fal".*wavespeed, runcomfy'):
        life("fal")
