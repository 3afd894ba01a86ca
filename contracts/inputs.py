"""A model's input schema said in plain JSON Schema, with what providers say beside it put into words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from understudy.contracts.models import Model


def described_inputs(model: Model) -> dict[str, Any]:
    """The input schema with the evidence of each input.

    WaveSpeed's `size` is a string whose `minimum` and `maximum` hold for each side of W*H: a `pattern` says so.
    RunComfy's `validations` of an input file become `x-validations` and part of the description.
    """
    schema = {key: value for key, value in model.input_schema.items() if key not in ("$schema", "$id")}
    properties = {
        name: {**_described(one), "x-evidence": [known._asdict() for known in model.evidence.get(f"inputs.{name}", ())]}
        for name, one in schema["properties"].items()
    }
    return {**schema, "properties": properties}


def _described(schema: Mapping[str, Any]) -> dict[str, Any]:
    described = dict(schema)
    sentences = [str(schema.get("description", ""))]
    if "validations" in schema:
        described["x-validations"] = described.pop("validations")
        sentences += dict.fromkeys(str(rule["validation_error"]) for rule in schema["validations"])
    if schema.get("type") in ("string", ["string", "null"]) and "minimum" in schema and "maximum" in schema:
        least, most = int(schema["minimum"]), int(schema["maximum"])
        side = numbers_pattern(least, most)
        described["pattern"] = rf"^({side})\*({side})$"
        sentences.append(f"Each side from {least} to {most} pixels.")
    description = " ".join(filter(None, sentences))
    return {**described, **({"description": description} if description else {})}


def numbers_pattern(least: int, most: int) -> str:
    """A regular expression, without anchors, for the whole numbers from `least` (0 or more) to `most`."""
    return "|".join(_runs(least, most))


def _runs(least: int, most: int) -> Iterator[str]:
    while least <= most:
        size = 1  # of the largest round block that begins here and ends in time
        while least and least % (size * 10) == 0 and least + size * 10 - 1 <= most:
            size *= 10
        first = least // size % 10
        last = min(9, first + (most + 1 - least) // size - 1)
        digit = str(first) if first == last else f"[{first}-{last}]"
        yield f"{least // size // 10 or ''}{digit}" + ("[0-9]" * (len(str(size)) - 1))
        least += (last - first + 1) * size
