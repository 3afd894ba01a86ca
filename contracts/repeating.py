"""Writes the test that repeats a break: ten lines that run by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from understudy.contracts.command import Command

if TYPE_CHECKING:
    from understudy.contracts.harness import Harness

TEST = """\
{imports}from understudy.contracts.harness import Harness
from understudy.mockserver.app import create_app
from understudy.mockserver.server import running


def test_{name}() -> None:
    case = {case!r}
    with running(create_app({settings})) as origin, Harness({provider!r}, origin{client}{assume}) as harness:
        harness.replay({name!r}, case)
"""

ELSEWHERE = """\
{imports}from understudy.contracts.harness import Harness


def test_{name}() -> None:
    case = {case!r}
    with Harness({provider!r}, {origin!r}{client}{assume}) as harness:
        harness.replay({name!r}, case)
"""

SETTINGS = "from understudy.mockserver.settings import Settings\n"


def repeating_test(harness: Harness, name: str, case: Mapping[str, Any]) -> str:
    """A test against a server of its own; against the same origin where that is not an understudy."""
    imports, client = _client(harness)
    template = TEST if harness.controlled else ELSEWHERE
    assumed = f"assume={harness.assume!r}" if harness.assume else ""
    test = template.format(
        imports=imports,
        name=name,
        case=dict(case),
        provider=harness.provider,
        origin=harness.origin,
        client=client,
        settings=f"Settings({assumed})" if assumed else "",
        assume=f", {assumed}" if assumed else "",
    )
    return test.replace("\n\n\n", f"\n{SETTINGS}\n\n", 1) if assumed and harness.controlled else test


def _client(harness: Harness) -> tuple[str, str]:
    """The line that imports a factory, and how it is named in the call."""
    factory: Any = harness.factory
    if factory is None:
        return "", ""
    if isinstance(factory, Command):
        return "from understudy.contracts.command import Command\n", f", {factory!r}"
    module, name = factory.__module__, getattr(factory, "__qualname__", type(factory).__qualname__)
    if harness.importable:
        module, _, name = harness.importable.partition(":")
    elif "<" in name:  # made inside of a function: nobody can import it from there
        return f"from {module} import factory  # the one that the harness was given\n", ", factory"
    return f"from {module} import {name.partition('.')[0]}\n", f", {name}"
