"""`understudy record` and `understudy replay`: a pass-through to a live provider, and what it wrote as a fake."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from understudy.contracts.drift_live import HOSTS, account_of, origin_of
from understudy.contracts.ending import COULD_NOT
from understudy.contracts.findings import Unable
from understudy.contracts.models import PROVIDERS

if TYPE_CHECKING:
    from starlette.types import ASGIApp

PORT = click.IntRange(0, 65535)
Serve = Callable[["ASGIApp", str, int], None]
"""Serves an application at a host and port until it is interrupted, and says where. Raises click's own errors."""


def record_command(serve: Serve) -> click.Command:
    @click.command()
    @click.argument("provider", type=click.Choice(PROVIDERS))
    @click.option("--base-url", metavar="URL", help="The live provider; its own public host without.")
    @click.option("--account-url", metavar="URL", help="Where its account lives, if that is another host.")
    @click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="FILE")
    @click.option("--host", default="127.0.0.1", show_default=True)
    @click.option("--port", default=8788, show_default=True, type=PORT)
    def record(
        provider: str, base_url: str | None, account_url: str | None, output: Path, host: str, port: int
    ) -> None:
        """Pass requests on to a live provider, and write down what was asked and answered.

        Keys, tokens, signed URLs and private hosts are cut out before anything is written. What is passed on may cost
        money: this knows no ceiling.
        """
        from understudy.contracts.operations import wire
        from understudy.contracts.recorder import Recorder
        from understudy.contracts.secrecy import Scrubber

        table = wire(provider)
        accounts = [one.server for one in table.operations if one.server]
        try:
            origin = HOSTS[provider] if base_url is None else origin_of(base_url, "--base-url")
            account = account_of(provider, origin) if account_url is None else origin_of(account_url, "--account-url")
        except Unable as unable:
            raise click.ClickException(str(unable)) from unable
        scrubber = Scrubber()
        scrubber.stands_for(origin, table.server)
        if account != origin:
            scrubber.stands_for(account, accounts[0] if accounts else table.server)
        try:
            file = output.open("a", encoding="utf-8")
        except OSError as error:
            raise click.ClickException(f"{output} cannot be written: {error.strerror or error}.") from error

        def write(line: str) -> None:
            file.write(line)
            file.flush()

        with file:
            serve(Recorder(provider, origin, account, write, scrubber), host, port)

    return record


def replay_command(serve: Serve) -> click.Command:
    @click.command()
    @click.argument("provider", type=click.Choice(PROVIDERS))
    @click.argument("recordings", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
    @click.option("--speed", default=1.0, show_default=True, help="How many times as fast jobs live as they did.")
    @click.option("--host", default="127.0.0.1", show_default=True)
    @click.option("--port", default=8789, show_default=True, type=PORT)
    def replay(provider: str, recordings: tuple[Path, ...], speed: float, host: str, port: int) -> None:
        """Serve recordings as a fake.

        A job is told as it was told then, by the time since its submission and by whether it was cancelled; nothing
        leaves this machine.
        """
        from understudy.contracts.recordings import read_recording
        from understudy.contracts.replayer import ReplayApp, Replayer
        from understudy.contracts.secrecy import Scrubber

        if not speed > 0:  # nan neither
            raise click.BadParameter(f"{speed} is not more than 0.", param_hint="'--speed'")
        try:
            found = [one for path in recordings for one in read_recording(path, provider, Scrubber())]
        except Unable as unable:
            click.echo(f"Error: {unable}", err=True)
            sys.exit(COULD_NOT)
        serve(ReplayApp(Replayer(provider, found, speed=speed)), host, port)

    return replay
