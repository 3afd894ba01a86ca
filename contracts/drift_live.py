"""Asks a live provider for the command line: which one, with whose key, and whether it may spend anything."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from understudy.contracts.findings import Unable

if TYPE_CHECKING:
    from understudy.contracts.drift_compare import Comparison
    from understudy.contracts.exchanges import Exchange
    from understudy.contracts.secrecy import Scrubber

KEYS = {"wavespeed": "WAVESPEED_API_KEY", "runcomfy": "RUNCOMFY_API_KEY"}
HOSTS = {"wavespeed": "https://api.wavespeed.ai", "runcomfy": "https://model-api.runcomfy.net"}


def ask(
    scrubber: Scrubber,
    comparison: Comparison,
    provider: str,
    base_url: str,
    chosen: tuple[str, ...],
    heard: list[Exchange],
    *,
    account_url: str | None,
    key_env: str | None,
    spend: str,
    yes: bool,
) -> str:
    """Shows the plan and carries it out; why it ended before its end, if it did. Raises Unable."""
    from understudy.contracts.ceiling import Ceiling, dollars, microdollars
    from understudy.contracts.drift_session import Session, plan
    from understudy.contracts.operations import wire
    from understudy.contracts.prober import Prober
    from understudy.contracts.probes import jobs

    name = key_env or KEYS[provider]
    key = os.environ.get(name, "")
    if not key:
        raise Unable(f"The API key is expected in the environment variable {name}, which is not set; see --key-env.")
    scrubber.also(key)
    try:
        limit = microdollars(spend)
    except ValueError as error:
        raise Unable(f"--spend: {error}.") from None
    origin = origin_of(base_url, "--base-url")
    account = account_of(provider, origin_of(account_url, "--account-url") if account_url is not None else origin)
    scrubber.stands_for(origin, wire(provider).server)
    if account != origin:
        scrubber.stands_for(account, account_of(provider, wire(provider).server))
    paid = jobs(provider, chosen) if limit else []
    for line in plan(provider, limit, paid):
        click.echo(line)
    if limit and not yes:
        if not sys.stdin.isatty():
            raise Unable("This may spend money, and nobody is there to be asked: --yes says that it may.")
        _confirm()
    ceiling = Ceiling(limit)
    prober = Prober(provider, origin, key, ceiling, scrubber, account=account)
    try:
        session = Session(prober, comparison, heard.append)
        session.free()
        return session.paid(paid) if limit else ""
    except KeyboardInterrupt:
        if ceiling.committed:
            click.echo(f"At most {dollars(ceiling.committed)} was spent.", err=True)
        raise
    finally:
        prober.close()


def account_of(provider: str, origin: str) -> str:
    """Where the account lives of who asks at an origin: of a provider's own host, where the contract says."""
    from understudy.contracts.operations import wire

    table = wire(provider)
    known = next((one.server for one in table.operations if one.server), table.server)
    return known if origin == table.server else origin


def _confirm() -> None:
    try:
        agreed = click.confirm("Go on?")
    except click.Abort:
        agreed = False
    if not agreed:
        raise Unable("Nothing was asked, and nothing was spent.")


def origin_of(url: str, option: str) -> str:
    """The origin of a URL that may go on with the provider's prefix. Raises Unable for any other."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Unable(f"{option} is no URL of a host, as in https://api.example.com.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise Unable(f"{option} is no URL of a host, as in https://api.example.com.")
    path = parts.path.rstrip("/")
    if path not in ("", "/api/v3", "/v1"):
        raise Unable(f"{option} is an origin, as in https://api.example.com: there may be no path behind it.")
    return f"{parts.scheme}://{parts.netloc}"
