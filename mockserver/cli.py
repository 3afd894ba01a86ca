"""The command line: the only module that may import everything, each thing when its command needs it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click

from understudy.contracts.check_command import check_command
from understudy.mockserver.control_access import is_loopback
from understudy.mockserver.settings import Settings, SettingsError, load, unknown_variables
from understudy.mockserver.switches import parse_switches


def _setting_options(command: Callable[..., None]) -> Callable[..., None]:
    """One flag for each setting, and --config; none has a default, so that nearer sources win."""
    for entry in reversed(dataclasses.fields(Settings)):
        shape: dict[str, Any] = {"metavar": entry.metadata["metavar"], "multiple": entry.name == "assume"}
        if entry.metadata["metavar"] is None:
            shape = {"is_flag": True, "flag_value": "on", "default": None}
        command = click.option("--" + entry.name.replace("_", "-"), entry.name, help=entry.metadata["help"], **shape)(
            command
        )
    return click.option("--config", metavar="FILE", help="Read settings from this TOML file.")(command)


def _load(config: str | None, flags: dict[str, Any]) -> Settings:
    flags["assume"] = ",".join(flags["assume"]) or None
    try:
        settings = load(flags, os.environ, config)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    for variable in unknown_variables(os.environ):
        click.echo(f"Warning: {variable} is set, and there is no such setting: it has no effect.", err=True)
    return settings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="understudy")
def main() -> None:
    """Stands in for WaveSpeedAI and RunComfy, so that tests need no network, no key and no money."""


@main.command()
@_setting_options
def serve(config: str | None, **flags: Any) -> None:
    """Serve both providers until interrupted.

    Every setting is also an environment variable (UNDERSTUDY_QUEUE_TIME) and a key of the TOML file (queue_time);
    a flag beats the environment, which beats the file.
    """
    settings = _load(config, flags)
    import asyncio

    from understudy.mockserver.server import loop_factory

    if not is_loopback(settings.host):
        click.echo(f"Warning: {settings.host} is not loopback: others on the network can reach this.", err=True)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    import asyncio
    import signal

    from understudy.mockserver.app import create_app
    from understudy.mockserver.server import Server

    try:
        app = create_app(settings)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    server = Server(app, settings.host, settings.port)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        await server.start()
    except OSError as error:
        raise click.ClickException(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror or error}. "
            "Choose another address with --host and --port; --port 0 picks a free port."
        ) from error
    _calm_garbage_collection()
    click.echo(f"Listening on {server.origin}")
    click.echo(
        f"  WaveSpeed   base URL {server.origin}          wavespeed.Client(api_key='any', base_url='{server.origin}')\n"
        f"  RunComfy    base URL {server.origin}/v1       in place of https://model-api.runcomfy.net/v1\n"
        f"  Any API key works. This run's seed is {app.state.settings.seed}; stop with Ctrl-C.",
    )
    token = app.state.settings.control_token
    if token != settings.control_token:
        click.echo(f"  Calls of {server.origin}/_understudy/ need the header X-Understudy-Token: {token}")
    await stopped.wait()
    await server.stop()
    undelivered = await app.state.store.undelivered()
    if undelivered:
        told = ", ".join(f"{count} of key {key[:4]}…" for key, count in undelivered.items())
        click.echo(f"Webhooks not delivered: {told}.", err=True)


def _calm_garbage_collection() -> None:
    """Searching for cycles dominates the slowest answers. What survives one search is a job, a connection, or was here
    at the start: none is part of a cycle, so it is searched no more and goes when the last reference to it does."""
    import gc

    def freeze(event: str, details: dict[str, int]) -> None:
        if event == "stop":
            gc.freeze()

    gc.collect()
    gc.freeze()
    gc.set_threshold(2_000, 10, 10)
    gc.callbacks.append(freeze)


@main.command()
@click.option("--output", "-o", metavar="FOLDER", help="Where to put the images; a new temporary folder by default.")
def demo(output: str | None) -> None:
    """Drive both providers through submit, poll, result, download and cancel, and show what happened."""
    from understudy.mockserver.demo import run_demo

    try:
        run_demo(output, click.echo)
    except FileExistsError as error:
        raise click.ClickException(f"{output} is a file: name a folder, or leave --output out.") from error


@main.command()
@click.argument("sources", nargs=-1, required=True, metavar="JOB|FOLDER|FILE|URL...")
@click.option("--output", "-o", metavar="FILE", required=True, help="Where to write the sheet, a PNG.")
@click.option(
    "--base-url",
    metavar="URL",
    envvar="UNDERSTUDY_BASE_URL",
    default="http://127.0.0.1:8787",
    show_default=True,
    help="The server that has the jobs.",
)
@click.option("--key", metavar="KEY", envvar="UNDERSTUDY_KEY", help="The API key that the jobs were submitted with.")
def sheet(sources: tuple[str, ...], output: str, base_url: str, key: str | None) -> None:
    """Put sets of images side by side on one sheet.

    A JOB is the id of one that has succeeded; its images are fetched from the server. The key may be in the
    environment, as UNDERSTUDY_KEY.
    """
    from understudy.mockserver.collecting import CollectError, collect
    from understudy.mockserver.sheet import contact_sheet

    try:
        images = list(collect(sources, base_url, key))
    except CollectError as error:
        raise click.ClickException(str(error)) from error
    data = contact_sheet(images)
    try:
        with click.open_file(output, "wb") as file:
            file.write(data)
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror or error}.") from error
    click.echo(f"{len(images)} images on {output}", err=True)


@main.command()
def switches() -> None:
    """List every switch of --assume: where sources contradict each other, and what speaks for each reading."""
    from understudy.contracts import catalogue

    for switch in catalogue.switches():
        click.echo(f"{switch.name}\n  {switch.summary}")
        for value, reading in switch.readings.items():
            known = ", ".join(f"{evidence.mark}: {evidence.source}" for evidence in reading.evidence)
            default = " (default)" if value == switch.default else ""
            click.echo(f"    {value}{default}: {reading.means} [{known}]")


@contextlib.contextmanager
def _own_server(assume: Mapping[str, str]) -> Iterator[str]:
    from understudy.mockserver.app import create_app
    from understudy.mockserver.server import running

    with running(create_app(Settings(seed=0, assume=assume))) as origin:
        yield origin


main.add_command(check_command(_own_server, parse_switches))
