"""Parts of a schema or a sample as HTML or as words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from typing import Any

_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|(-?\d+(?:\.\d+)?)')
_BOUNDS = {
    "minimum": "≥ {}",
    "maximum": "≤ {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "format": "{}",
    "pattern": "matches {}",
    "const": "always {}",
}


def type_of(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type") or ("string" if "enum" in schema or "const" in schema else "any")
    if kind == "array" and isinstance(schema.get("items"), Mapping):
        return f"{type_of(schema['items'])}[]"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def limits_of(schema: Mapping[str, Any]) -> str:
    # In words, with a pattern too long to read.
    sized = schema.get("type") in ("string", ["string", "null"]) and "minimum" in schema
    told = [
        text.format(schema[key])
        for key, text in _BOUNDS.items()
        if key in schema and not (sized and key in ("minimum", "maximum", "pattern"))
    ]
    told += [" · ".join(map(str, schema["enum"]))] if "enum" in schema else []
    told += [f"default {json.dumps(schema['default'], ensure_ascii=False)}"] if "default" in schema else []
    return " ".join(f"<code>{escape(one)}</code>" for one in told)


def small_value(schema: Mapping[str, Any]) -> Any:
    """A small value that a schema allows, for a sample where none is on record."""
    if "default" in schema or "enum" in schema:
        return schema["default"] if "default" in schema else schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {
                name: small_value(schema.get("properties", {}).get(name, {})) for name in schema.get("required", ())
            }
        case "array":
            return [small_value(schema.get("items", {}))] * schema.get("minItems", 1)
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
    return "https://example.com/shoe.png" if "items" not in schema and "title" not in schema else "A red shoe"


def explained(known: Mapping[str, str], sources: Mapping[str, str]) -> str:
    return sources.get(re.split(r"[ /]", known["source"])[0], known["source"])


def json_html(value: Any) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _TOKEN.sub(_coloured, escape(text, quote=False))


def _coloured(token: re.Match[str]) -> str:
    text, colon, word, _ = token.groups()
    kind = "k" if colon else "s" if text else "w" if word else "n"
    return f"<span class={kind}>{text or token[0]}</span>{colon or ''}"
