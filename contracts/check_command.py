"""`understudy check`: the suite on the command line, for clients in any language and for providers."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from understudy.contracts.ending import ending
from understudy.contracts.findings import Unable
from understudy.contracts.models import PROVIDERS

if TYPE_CHECKING:
    from understudy.contracts.checking import Finding
    from understudy.contracts.client import Factory

BROKE = 1

OwnServer = Callable[[Mapping[str, str]], AbstractContextManager[str]]
"""Serves for as long as the context lasts, the sources read as switches say; yields the origin."""

Readings = Callable[[str], Mapping[str, str]]
"""Reads `NAME=VALUE` of switches. Raises ValueError with what exists."""


def check_command(serve: OwnServer, readings: Readings) -> click.Command:
    """The command; `serve` is what starts a server of its own when no base URL is given."""

    @click.command()
    @click.option("--client", metavar="MODULE:FACTORY", help="Check the client that this Python factory makes.")
    @click.option("--client-command", metavar="COMMAND", help="Check the client behind this command, in any language.")
    @click.option("--provider", "providers", multiple=True, type=click.Choice(PROVIDERS), help="Only this one.")
    @click.option("--base-url", metavar="URL", help="Where the provider is; an understudy is started without.")
    @click.option("--key", default="contract", show_default=True, help="The API key; each example's begins with it.")
    @click.option("--assume", multiple=True, metavar="NAME[=VALUE]", help="As for `understudy serve`.")
    @click.option("--control-token", metavar="TOKEN", help="Of the understudy at the base URL, if it has one.")
    @click.option("--only", default="", metavar="TEXT", help="Only the properties whose name holds this.")
    @click.option("--examples", type=click.IntRange(1, 10_000), help="How many to try of each property.")
    @click.option("--seed", default=0, show_default=True, help="The same seed tries the same examples.")
    @click.option("--database", metavar="FOLDER", help="Keep what broke here, and try it first the next time.")
    @click.option("--junit", metavar="FILE", help="Write what was found as JUnit's XML.")
    @click.option("--json", "json_file", metavar="FILE", help="Write what was found as JSON.")
    @click.option("--list", "listing", is_flag=True, help="Name every property and what it means, and check nothing.")
    def check(
        listing: bool, only: str, assume: tuple[str, ...], junit: str | None, json_file: str | None, **options: Any
    ) -> None:
        """Check a client, or a provider, against the contract.

        With --client or --client-command, a client is driven through everything that a provider may do. Without, it is
        the provider at --base-url that is checked, or understudy itself.

        The status is 0 when every property held, 1 when one broke, and 2 when that could not be found out; 130 when it
        was interrupted.
        """
        with ending("Interrupted: not everything was checked."):
            if listing:
                _list(only)
                return
            findings = _check(serve, only, _read(readings, assume), **options)
            _write(findings, junit, json_file)
        sys.exit(BROKE if any(finding.outcome == "broken" for finding in findings) else 0)

    return check


def _read(readings: Readings, assume: tuple[str, ...]) -> Mapping[str, str]:
    try:
        return readings(",".join(assume))
    except ValueError as error:
        raise Unable(f"--assume: {error}.") from error


@contextmanager
def _what_it_needs() -> Iterator[None]:
    """Around imports of what comes with an extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise Unable(f"{error}: `pip install 'understudy[pytest]'` has what checking needs.") from error


def _list(only: str) -> None:
    with _what_it_needs():
        from understudy.contracts.registry import CLIENT_PROPERTIES, PROVIDER_PROPERTIES

    for one in (*CLIENT_PROPERTIES, *PROVIDER_PROPERTIES):
        if only in one.name or only in one.sentence:
            click.echo(f"{one.about}  {one.name}\n    {one.meaning}")


def _check(
    serve: OwnServer,
    only: str,
    assume: Mapping[str, str],
    *,
    client: str | None,
    client_command: str | None,
    providers: tuple[str, ...],
    base_url: str | None,
    control_token: str | None,
    **options: Any,
) -> list[Finding]:
    with _what_it_needs():
        from understudy.contracts.checking import check, properties_for  # late: Hypothesis
        from understudy.contracts.harness import Harness
        from understudy.contracts.report import row, stories, summary

    findings = []
    with ExitStack() as stack:
        factory = _factory(stack, client, client_command)
        there = getattr(factory, "providers", PROVIDERS)
        if isinstance(there, str):
            raise Unable(f"The client's `providers` are {there!r}; expected several, as in ({there!r},).")
        chosen = [one for one in providers or PROVIDERS if one in there]
        if not chosen:
            raise Unable(f"The client is for {' and '.join(there)}, not for {' and '.join(providers or PROVIDERS)}.")
        origin = stack.enter_context(nullcontext(base_url) if base_url is not None else serve(assume))
        for provider in chosen:
            harness = stack.enter_context(
                Harness(
                    provider,
                    origin,
                    factory,
                    token=control_token,
                    assume=assume,
                    importable=client or "",
                    **options,
                )
            )
            properties = properties_for(harness, only)
            if not properties:
                raise Unable(f"No property's name holds {only!r}; `understudy check --list` names them all.")
            click.echo(provider)
            for finding in check(harness, properties):
                click.echo(row(finding))
                findings.append(finding)
    for line in stories(findings):
        click.echo(line)
    click.echo(f"\n{summary(findings)}")
    if all(finding.outcome == "not applicable" for finding in findings):
        raise Unable("Not one property applies: nothing was checked.")
    return findings


def _factory(stack: ExitStack, client: str | None, command: str | None) -> Factory | None:
    if client is not None and command is not None:
        raise Unable("--client and --client-command are two clients: give one of them.")
    if command is not None:
        from understudy.contracts.command import Command

        started = Command(command)
        stack.callback(started.close)
        return started
    if client is None:
        return None
    module, _, name = client.partition(":")
    if not name:
        raise Unable(f"{client!r} does not name a factory: expected package.module:factory.")
    sys.path.insert(0, os.getcwd())
    try:
        imported = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # whatever the module does when it is imported
        raise Unable(f"{module!r} cannot be imported: {type(error).__name__}: {error}.") from error
    found: Factory | None = getattr(imported, name, None)
    if not callable(found):
        raise Unable(f"There is no {name!r} in {module!r} that can be called.")
    return found


def _write(findings: list[Finding], junit: str | None, json_file: str | None) -> None:
    from understudy.contracts.report import as_json, as_junit

    for file, write in ((junit, as_junit), (json_file, as_json)):
        if file is not None:
            try:
                Path(file).write_text(write(findings), encoding="utf-8")
            except OSError as error:
                raise Unable(f"{file} cannot be written: {error.strerror or error}.") from error
