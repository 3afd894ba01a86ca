"""The command line: the only module that may import everything, each thing when its command needs it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from understudy.contracts.check_command import check_command
from understudy.contracts.drift_command import drift_command
from understudy.contracts.record_command import record_command, replay_command
from understudy.mockserver.control_access import is_loopback, with_token
from understudy.mockserver.settings import MEMORY, Settings, SettingsError, load, unknown_variables
from understudy.mockserver.switches import parse_switches

if TYPE_CHECKING:
    import asyncio


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
    import asyncio

    from understudy.mockserver.garbage import hold

    hold()
    settings = _load(config, flags)
    from understudy.mockserver.server import loop_factory

    if settings.workers > 1 and settings.store == MEMORY:
        raise click.ClickException(
            f"--workers {settings.workers} needs a store that processes can share, and this one is in memory: give "
            "--store redis://HOST:PORT/DB too, or leave --workers out."
        )
    if not is_loopback(settings.host):
        click.echo(f"Warning: {settings.host} is not loopback: others on the network can reach this.", err=True)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    import asyncio
    import signal

    from understudy.mockserver.app import create_app
    from understudy.mockserver.garbage import calm
    from understudy.mockserver.memory_store import MemoryStore
    from understudy.mockserver.server import Server
    from understudy.mockserver.stores import close_store, open_store

    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        store, settings = await open_store(settings)
        if settings.workers > 1:
            await close_store(store)
            calm()
            await _serve_together(settings, stopped)
            return
        app = create_app(settings, store)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    server = Server(app, settings.host, settings.port)
    try:
        await server.start()
    except OSError as error:
        raise _cannot_listen(settings, error) from error
    calm()
    _welcome(server.origin, settings, app.state.settings)
    await stopped.wait()
    await server.stop()
    if isinstance(store, MemoryStore):
        undelivered = await store.undelivered()
        if undelivered:
            told = ", ".join(f"{count} of key {key[:4]}…" for key, count in undelivered.items())
            click.echo(f"Webhooks not delivered: {told}.", err=True)
    await close_store(store)


async def _serve_together(settings: Settings, stopped: asyncio.Event) -> None:
    import asyncio

    from understudy.mockserver.server import origin_of
    from understudy.mockserver.workers import WorkerFailed, Workers, listen

    try:
        listening = listen(settings.host, settings.port)
    except OSError as error:
        raise _cannot_listen(settings, error) from error
    asked, settings = settings, with_token(settings)
    with listening:
        workers = Workers(settings, listening, lambda text: click.echo(text, err=True))
        try:
            await workers.start()
            _welcome(origin_of(settings.host, listening), asked, settings)
            click.echo(f"  {settings.workers} workers share {settings.store}.")
            ended = asyncio.ensure_future(workers.failed())
            over = asyncio.ensure_future(stopped.wait())
            await asyncio.wait({ended, over}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                ended.result()
            await workers.stop()
        except WorkerFailed:
            raise click.ClickException("A worker cannot be begun: what it says is above.") from None


def _welcome(origin: str, asked: Settings, used: Settings) -> None:
    key, keys = ("any", "Any API key works") if used.keys is None else ("...", "Only the API keys that are listed work")
    click.echo(f"Listening on {origin}")
    click.echo(
        f"  WaveSpeed   base URL {origin}          wavespeed.Client(api_key='{key}', base_url='{origin}')\n"
        f"  RunComfy    base URL {origin}/v1       in place of https://model-api.runcomfy.net/v1\n"
        f"  {keys}. This run's seed is {used.seed}; stop with Ctrl-C.",
    )
    if used.control_token != asked.control_token:
        click.echo(f"  Calls of {origin}/_understudy/ need the header X-Understudy-Token: {used.control_token}")


def _cannot_listen(settings: Settings, error: OSError) -> click.ClickException:
    return click.ClickException(
        f"Cannot listen on {settings.host}:{settings.port}: {error.strerror or error}. "
        "Choose another address with --host and --port; --port 0 picks a free port."
    )


@main.command()
@click.option("--output", "-o", metavar="FOLDER", help="Where to put the images; a new temporary folder by default.")
def demo(output: str | None) -> None:
    """Drive both providers through submit, poll, result, download and cancel, and show what happened."""
    from understudy.mockserver.demo import run_demo

    try:
        run_demo(output, click.echo)
    except FileExistsError as error:
        raise click.ClickException(f"{output} is a file: name a folder, or leave --output out.") from error
    except OSError as error:
        raise click.ClickException(
            f"{error.filename or output} cannot be written: {error.strerror or error}. Name another folder, or leave "
            "--output out."
        ) from error


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


def _serve_app(app: Any, host: str, port: int) -> None:
    import signal
    import threading

    from understudy.mockserver.server import running

    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        with running(app, host, port) as origin:
            click.echo(f"Listening on {origin}")
            stopped.wait()
    except OSError as error:
        raise click.ClickException(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from error


main.add_command(check_command(_own_server, parse_switches))
main.add_command(drift_command())
main.add_command(record_command(_serve_app))
main.add_command(replay_command(_serve_app))
