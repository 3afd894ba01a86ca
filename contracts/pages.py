"""What is on record of a provider and what the suite asks, as Markdown: `python -m understudy.contracts.pages docs`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from understudy.contracts import catalogue
from understudy.contracts.evidence import Evidence, evidence_from
from understudy.contracts.fields import conditions_of, fields_of
from understudy.contracts.operations import Operation, wire
from understudy.contracts.states import KnownState, life


def page(provider: str) -> str:
    """Operations, states, answers, models, switches, samples that are not reproduced, and sources.

    Raises CatalogueError.
    """
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
        "## States",
        "What each operation calls a state of a job, and what may come next. Whoever polls rarely may miss some.",
        _states(provider),
        "## Answers",
        "Every field of every answer; those in bold are always there, or whenever the object is that they are in.",
        *(part for name in catalogue.response_names(provider) for part in _answer(provider, name)),
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


def properties_page() -> str:
    """What the suite asks of clients and of providers."""
    from understudy.contracts.registry import CLIENT_PROPERTIES, PROVIDER_PROPERTIES  # late: Hypothesis

    parts = [
        "# What the suite asks",
        "Made from the properties themselves by `python -m understudy.contracts.pages docs`; `understudy check --list` "
        "tells the same. What a client must have for a property is named; without it, the property is reported as not "
        "applicable. The last column is how many examples are tried at most, unless you say otherwise.",
    ]
    for title, properties in (("Of a client", CLIENT_PROPERTIES), ("Of a provider", PROVIDER_PROPERTIES)):
        rows = (
            (
                f"`{one.name}`",
                one.meaning,
                ", ".join(sorted(one.needs - {"control"}) + [f"tells {part}" for part in sorted(one.tells)]),
                " ".join(one.providers) if len(one.providers) < len(catalogue.PROVIDERS) else "",
                str(one.examples),
            )
            for one in properties
        )
        parts += [f"## {title}", _table(("Property", "What it means", "Needs", "Only", "Examples"), rows)]
    return "\n\n".join(parts) + "\n"


def write(folder: Path) -> list[Path]:
    """Writes `contract-PROVIDER.md` for each provider, and `contract-properties.md`, into a folder."""
    texts = {f"contract-{provider}.md": page(provider) for provider in catalogue.PROVIDERS}
    texts["contract-properties.md"] = properties_page()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def _operation(operation: Operation) -> Iterator[str]:
    yield operation.method
    yield ", ".join(f"`{path}`" for path in (operation.path, *operation.aliases))
    yield operation.summary
    yield _known(evidence_from(operation.evidence))


def _states(provider: str) -> str:
    found = life(provider)
    head = ("State", *(f"in `{operation}`" for operation in found.operations), "Meaning", "Known by", "Next")
    return _table(head, (_state(one, provider) for one in found.states))


def _state(state: KnownState, provider: str) -> Iterator[str]:
    found = life(provider)
    yield state.name
    yield from (f"`{state.words[operation]}`" if operation in state.words else "" for operation in found.operations)
    yield state.means
    yield _known(state.evidence)
    following = (one for one in found.transitions if one.before == state.name)
    yield "; ".join(f"{', '.join(one.after)} ({_known(one.evidence)})" for one in following)


def _answer(provider: str, name: str) -> Iterator[str]:
    schema = catalogue.response_schema(provider, name)
    yield f"### `{name}`"
    yield f"{schema['title']}."
    if "$ref" in schema:
        yield f"As `{schema['$ref'].removesuffix('.json')}`."
    fields = list(fields_of(schema))
    if fields:
        yield _table(
            ("Field", "What it is", "Known by"),
            ((f"**{one.path}**" if one.required else one.path, one.form, _known(one.evidence)) for one in fields),
        )
    conditions = [(one.when or "always", one.then, _known(one.evidence)) for one in conditions_of(schema)]
    if conditions:
        yield _table(("When", "Then", "Known by"), conditions)


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
