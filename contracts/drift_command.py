"""`understudy drift`: whether a provider still keeps the contract, asked live or read off recordings."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from understudy.contracts.drift_live import HOSTS, ask
from understudy.contracts.ending import COULD_NOT, ending
from understudy.contracts.findings import Unable
from understudy.contracts.models import PROVIDERS

if TYPE_CHECKING:
    from understudy.contracts.drift_compare import Comparison
    from understudy.contracts.drift_report import Report
    from understudy.contracts.exchanges import Exchange
    from understudy.contracts.secrecy import Scrubber


def drift_command() -> click.Command:
    file = click.Path(path_type=Path, dir_okay=False)

    @click.command()
    @click.argument("provider", type=click.Choice(PROVIDERS))
    @click.option("--base-url", metavar="URL", help="Ask the provider there, for example at its own public host.")
    @click.option("--account-url", metavar="URL", help="Where its account lives, if that is another host.")
    @click.option("--key-env", metavar="NAME", help="The environment variable that holds the API key.")
    @click.option("--recording", "recordings", multiple=True, type=file, metavar="FILE", help="Read this, ask nobody.")
    @click.option("--catalogue", type=file, metavar="FILE", help="Compare models only: an answer of /models, a schema.")
    @click.option("--model", "chosen", multiple=True, metavar="ID", help="A model to pay for, or the catalogue's.")
    @click.option("--spend", default="0", metavar="USD", help="The most that may be spent; nothing without.")
    @click.option("--yes", is_flag=True, help="Spend without asking, as CI must.")
    @click.option("--assume", multiple=True, metavar="NAME=VALUE", help="Expect this reading of a switch.")
    @click.option("--fail-on", type=click.Choice(("cosmetic", "additive", "breaking")), default="breaking")
    @click.option("--least", default=10, show_default=True, help="Facts that must be compared for it to mean anything.")
    @click.option("--ignore", type=file, metavar="FILE", help="Drifts to put up with: TOML, with reasons and dates.")
    @click.option("--baseline", type=file, metavar="FILE", help="An earlier --json: only what is new counts.")
    @click.option("--record", type=file, metavar="FILE", help="Write down what was asked and answered, scrubbed.")
    @click.option("--json", "json_file", type=file, metavar="FILE", help="Write the report as JSON.")
    @click.option("--junit", type=file, metavar="FILE", help="Write it as JUnit's XML.")
    @click.option("--markdown", type=file, metavar="FILE", help="Write it as Markdown, for an issue.")
    @click.option("--html", type=file, metavar="FILE", help="Write it as one page.")
    @click.option(
        "--write-data",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="FOLDER",
        help="Write the contract data there as it was seen.",
    )
    def drift(**options: Any) -> None:
        """Compare a provider with the contract.

        Free questions come first, and alone without --spend. With it, the plan and its price are shown before anything
        is spent.

        The status is 0 when everything that could be compared has held, 1 when something has drifted that is as grave
        as --fail-on says, and 2 when too little could be compared; 130 when it was interrupted.
        """
        from understudy.contracts.prober import Unreachable
        from understudy.contracts.secrecy import Scrubber

        scrubber = Scrubber()
        with ending("Interrupted: not everything was compared.", scrubber.text):
            try:
                status = _drift(scrubber, **options)
            except Unreachable as unreachable:  # not with the host that it stands for, which was not asked
                click.echo(f"Error: {unreachable}", err=True)
                status = COULD_NOT
        sys.exit(status)

    return drift


def _drift(
    scrubber: Scrubber,
    *,
    provider: str,
    base_url: str | None,
    recordings: tuple[Path, ...],
    catalogue: Path | None,
    chosen: tuple[str, ...],
    assume: tuple[str, ...],
    fail_on: str,
    least: int,
    ignore: Path | None,
    baseline: Path | None,
    record: Path | None,
    write_data: Path | None,
    json_file: Path | None,
    junit: Path | None,
    markdown: Path | None,
    html: Path | None,
    **live: Any,
) -> int:
    from understudy.contracts.ceiling import microdollars
    from understudy.contracts.drift_baseline import apply_baseline, read_baseline
    from understudy.contracts.drift_compare import Comparison
    from understudy.contracts.drift_ignore import apply_ignored, read_ignored
    from understudy.contracts.drift_report import report
    from understudy.contracts.drift_text import as_json, as_junit, as_markdown, table

    if (base_url is not None) + bool(recordings) + (catalogue is not None) != 1:
        raise Unable(
            f"Say what to compare: --base-url, which is {HOSTS[provider]} for the provider itself, or --recording, "
            "or --catalogue."
        )
    for path in (record, json_file, junit, markdown, html):
        if path is not None:
            _try(path)
    today = datetime.now(UTC).date()
    ignored = read_ignored(ignore) if ignore is not None else []
    before = read_baseline(baseline, provider) if baseline is not None else None
    comparison = Comparison(provider, _assumed(assume))
    notes: list[str] = []
    heard: list[Exchange] = []
    entries: list[Any] = []
    if base_url is not None:
        note = ask(scrubber, comparison, provider, base_url, chosen, heard, **live)
        notes += [note] if note else []
        source = "asked live"
    elif catalogue is not None:
        entries = _catalogue(comparison, catalogue, provider, chosen)
        source = catalogue.name
    else:
        _read(scrubber, comparison, provider, recordings, heard)
        source = ", ".join(path.name for path in recordings)
    notes += apply_baseline(comparison, before) if before is not None else []
    notes += apply_ignored(comparison.facts, ignored, today)
    found = report(
        comparison,
        scrubber,
        source=source,
        today=today,
        fail_on=fail_on,
        least=1 if catalogue is not None else least,
        paid=base_url is not None and microdollars(live["spend"]) > 0,
        live=base_url is not None,
        notes=notes,
    )
    if record is not None:
        from understudy.contracts.recordings import line_of

        _write(record, "".join(line_of(exchange, scrubber) for exchange in heard))
    for path, written in ((json_file, as_json), (junit, as_junit), (markdown, as_markdown)):
        if path is not None:
            _write(path, written(found))
    if html is not None:
        from understudy.contracts.drift_page import as_page

        _write(html, as_page(found))
    if write_data is not None:
        _write_data(comparison, found, entries, write_data, today)
    for line in table(found):
        click.echo(line)
    return int(found["status"])


def _read(
    scrubber: Scrubber,
    comparison: Comparison,
    provider: str,
    recordings: tuple[Path, ...],
    heard: list[Exchange],
) -> None:
    from understudy.contracts.recordings import read_recording

    for path in recordings:
        for exchange in read_recording(path, provider, scrubber):
            heard.append(exchange)
            comparison.see(exchange)


def _catalogue(comparison: Comparison, path: Path, provider: str, chosen: tuple[str, ...]) -> list[Any]:
    from understudy.contracts.drift_catalogue import read_catalogue

    entries, whole = read_catalogue(path, provider, chosen[0] if chosen else None)
    comparison.see_models(entries, path.name, whole=whole)
    return entries


def _write_data(comparison: Comparison, found: Report, entries: list[Any], folder: Path, today: Any) -> None:
    from understudy.contracts.drift_catalogue import write_updated
    from understudy.contracts.drift_patch import write_patched

    try:
        written = (
            write_updated(comparison.facts, entries, folder, today)
            if entries
            else write_patched(found["patch"], folder)
        )
    except OSError as error:
        raise Unable(f"{folder} cannot be written: {error.strerror or error}.") from error
    for path in written:
        click.echo(f"Written: {path}")


def _assumed(assume: tuple[str, ...]) -> dict[str, str]:
    from understudy.contracts.catalogue import CatalogueError, switch

    chosen = {}
    for one in assume:
        name, _, value = one.partition("=")
        try:
            known = switch(name)
        except CatalogueError as error:
            raise Unable(f"--assume {one}: {error}.") from None
        if value not in known.values:
            raise Unable(f"--assume {one}: {name} is one of {', '.join(known.values)}.")
        chosen[name] = value
    return chosen


def _try(path: Path) -> None:
    """Raises Unable where a file cannot be written, which must be known before anything is asked or paid for."""
    there = path.exists()
    if there and not path.is_file():  # opening a pipe would be noticed
        return
    try:
        path.open("a").close()
        if not there:
            path.unlink()
    except OSError as error:
        raise Unable(f"{path} cannot be written: {error.strerror or error}.") from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Unable(f"{path} cannot be written: {error.strerror or error}.") from error
