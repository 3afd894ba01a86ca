"""What the contract knows of a provider as a page of Markdown: `python -m understudy.contracts.pages docs`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from understudy.contracts import catalogue
from understudy.contracts.evidence import Evidence, evidence_from
from understudy.contracts.operations import Operation, wire


def page(provider: str) -> str:
    """Operations, models, switches, samples that are not reproduced, and sources. Raises CatalogueError."""
    table = wire(provider)
    operations = (*table.operations, *(one._replace(path="the client's own URL") for one in table.webhooks))
    parts = [
        f"# {table.title} {table.version}",
        f"{table.description} The provider's own host is `{table.server}`.",
        "Made from the contract data by `python -m understudy.contracts.pages docs`: change the data, not this page. "
        "Each fact says how it is known: **observed** on the wire, **documented** by the provider, **inferred** from "
        "clients, or **assumed**, which says why. The short names are explained under [Sources](#sources).",
        "## Operations",
        _table(("", "Path", "What it does", "Known by"), map(_operation, operations)),
        "## Models",
        "Inputs in bold are required.",
        _table(("Model", "Price", "Inputs", "Price known by"), map(_model, catalogue.models(provider).values())),
        "## Switches",
        "Where sources contradict each other. The first reading in each table is the default; "
        "`--assume NAME=VALUE` takes another.",
        *(part for one in _switches(provider) for part in _switch(one)),
        "## Not reproduced",
        _table(
            ("Sample", "Source", "Reason"),
            ((one.name, one.source, one.reason) for one in catalogue.unreproducible(provider)),
        ),
        "## Sources",
        _table(("Name", "What it is"), catalogue.sources(provider).items()),
    ]
    return "\n\n".join(parts) + "\n"


def write(folder: Path) -> list[Path]:
    """Writes the page of each provider into a folder, as `contract-PROVIDER.md`."""
    written = [folder / f"contract-{provider}.md" for provider in catalogue.PROVIDERS]
    for path, provider in zip(written, catalogue.PROVIDERS, strict=True):
        path.write_text(page(provider), encoding="utf-8")
    return written


def _operation(operation: Operation) -> Iterator[str]:
    yield operation.method
    yield ", ".join(f"`{path}`" for path in (operation.path, *operation.aliases))
    yield operation.summary
    yield _known(evidence_from(operation.evidence))


def _model(model: catalogue.Model) -> Iterator[str]:
    price = "$" + f"{model.price_microdollars / 1_000_000:.6f}".rstrip("0").rstrip(".")
    required = model.input_schema.get("required", [])
    inputs = [f"**{name}**" if name in required else name for name in model.input_schema["properties"]]
    yield f"`{model.model_id}`"
    yield f"{price} × {model.price_field}" if model.price_field else price
    yield ", ".join(inputs)
    yield _known(model.evidence.get("base_price", model.evidence.get("base_price_usd", ())))


def _switches(provider: str) -> Iterator[catalogue.Switch]:
    return (one for one in catalogue.switches() if one.name.partition(".")[0] in (provider, "seedream"))


def _switch(one: catalogue.Switch) -> tuple[str, str, str]:
    rows = sorted(one.readings.items(), key=lambda reading: reading[0] != one.default)
    table = _table(
        ("Value", "Meaning", "Known by"),
        ((f"`{value}`", reading.means, _known(reading.evidence)) for value, reading in rows),
    )
    return f"### `{one.name}`", one.summary, table


def _known(evidence: Iterable[Evidence]) -> str:
    return ", ".join(f"{one.mark}: {one.source}" for one in evidence)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [tuple(head), *(tuple(row) for row in rows)]
    text = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines]
    return "\n".join([text[0], "|" + " --- |" * len(lines[0]), *text[1:]])


if __name__ == "__main__":
    for path in write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")):
        print(path)
