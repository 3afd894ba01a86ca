"""An OpenAPI document as a page to read: one HTML file without scripts, so it works offline."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from understudy.mockserver.docs_text import explained, json_html, limits_of, small_value, type_of

Row = tuple[str, Mapping[str, Any], bool]
"""The name of a value, its schema, and whether it is required."""


def overview(documents: Mapping[str, Mapping[str, Any]]) -> str:
    """The page of all providers."""
    cards = "".join(
        f'<a class="card" href="/_understudy/docs/{name}"><h2>{escape(document["info"]["title"])}</h2>'
        f"<p>{escape(document['info']['description'])}</p>"
        f"<p class=muted>{len(document['components']['schemas']['model-id']['enum'])} models, "
        f"{sum(len(item) for item in document['paths'].values())} operations</p></a>"
        for name, document in documents.items()
    )
    return _html(
        "understudy",
        list(documents),
        "",
        f"<main class=wide><h1>What this server answers</h1>"
        f"<p class=lead>Each page is generated from the contract data that the server is checked against. "
        f"Every fact says how it is known.</p><div class=cards>{cards}</div>"
        '<p>How to make anything of it happen: <a href="/_understudy/openapi.json">the control API</a>, as OpenAPI.</p>'
        "</main>",
    )


def page(provider: str, providers: Iterable[str], document: Mapping[str, Any]) -> str:
    """The page of one provider."""
    return _html(document["info"]["title"], providers, provider, _Page(provider, document).body())


class _Page:
    def __init__(self, provider: str, document: Mapping[str, Any]) -> None:
        self._provider = provider
        self._document = document
        self._schemas: Mapping[str, Mapping[str, Any]] = document["components"]["schemas"]
        self._origin = document["servers"][0]["url"]
        self._operations = [
            (method, path, operation) for path, item in document["paths"].items() for method, operation in item.items()
        ]
        self._operations += [
            (method, "your URL", operation)
            for item in document["webhooks"].values()
            for method, operation in item.items()
        ]

    def body(self) -> str:
        info, assumed = self._document["info"], self._document["x-assumed"]
        switches = ", ".join(f"<code>{escape(name)}={escape(value)}</code>" for name, value in assumed.items())
        groups = "".join(self._group(tag["name"]) for tag in self._document["tags"])
        answers = [name for name in self._schemas if not name.startswith("input.") and name != "model-id"]
        return (
            f"<nav>{''.join(self._menu(tag['name']) for tag in self._document['tags'])}"
            f'<h3>Schemas</h3><a href="#schemas">{len(answers)} answers</a></nav>'
            f"<main><h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>"
            f"<p class=lead>{escape(info['description'])}</p>"
            f"<dl><dt>Base URL<dd><code>{escape(self._origin)}</code>"
            f"<dt>Authentication<dd><code>Authorization: Bearer any-key</code>"
            f'<dt>OpenAPI 3.1<dd><a href="/_understudy/openapi/{self._provider}.json">{self._provider}.json</a>'
            f"<dt>Switches<dd>{switches or 'every default'}</dl>{groups}"
            f"<h2 id=schemas>Schemas</h2>{''.join(map(self._component, answers))}"
            f"<h2>Sources</h2><p class=muted>What the short names in the evidence stand for.</p>{self._sources()}"
            "</main>"
        )

    def _of(self, group: str) -> list[tuple[str, str, Mapping[str, Any]]]:
        return [entry for entry in self._operations if group in entry[2]["tags"]]

    def _menu(self, group: str) -> str:
        links = "".join(
            f'<a href="#{escape(operation["operationId"])}" title="{escape(operation["summary"])}">'
            f"<b class={method}>{method}</b> {escape(_short(operation))}</a>"
            for method, _, operation in self._of(group)
        )
        return f"<h3>{escape(group)}</h3>{links}"

    def _group(self, group: str) -> str:
        return f"<h2>{escape(group)}</h2>" + "".join(self._operation(*entry) for entry in self._of(group))

    def _operation(self, method: str, path: str, operation: Mapping[str, Any]) -> str:
        parts = [f"<p>{escape(operation['description'])}</p>" if "description" in operation else ""]
        parts.append(f"<p>{self._evidence(operation)}</p>")
        if operation["parameters"]:
            named = [(one["name"], {**one["schema"], **one}, "required" in one) for one in operation["parameters"]]
            parts.append(f"<h4>Parameters</h4>{self._table(named)}")
        content = next(iter(operation.get("requestBody", {"content": {}})["content"].items()), None)
        if content:
            schema = self._resolved(content[1]["schema"])
            rows = list(self._rows(schema, ""))
            parts.append(f"<h4>Body <small>{escape(content[0])}</small></h4>")
            parts.append(self._table(rows) if rows else f"<p>{escape(schema.get('description', 'Any.'))}</p>")
        if content and not path.startswith("/"):
            parts += [self._sample(name, one, "") for name, one in content[1].get("examples", {}).items()]
        else:
            parts.append(f"<h4>Try it</h4><pre>{escape(self._curl(method, path, operation, content))}</pre>")
        parts.append("<h4>Answers</h4>")
        parts += [self._answer(status, one) for status, one in operation["responses"].items()]
        summary = operation["summary"].partition(": ")[0]
        return (
            f"<details class=operation><summary><b class={method}>{method}</b> <code>{escape(path)}</code>"
            f"<span>{escape(summary)}</span></summary>"
            f'<div id="{escape(operation["operationId"])}">{"".join(parts)}</div></details>'
        )

    def _answer(self, status: str, response: Mapping[str, Any]) -> str:
        content = response.get("content", {}).get("application/json", {})
        schemas = content.get("schema", {})
        names = [one["$ref"].rpartition("/")[2] for one in schemas.get("anyOf", [schemas]) if "$ref" in one]
        links = " or ".join(f'<a href="#schema-{name}">{name}</a>' for name in names)
        samples = "".join(self._sample(name, one, status) for name, one in content.get("examples", {}).items())
        kind = "good" if status.startswith("2") else "bad"
        return f"<p class=answer><b class={kind}>{status}</b> {escape(response['description'])} {links}</p>{samples}"

    def _sample(self, name: str, sample: Mapping[str, Any], status: str) -> str:
        request = sample["x-request"]
        headers = "".join(f"\n{key}: {value}" for key, value in request.get("headers", {}).items())
        asked = f"{request['method']} {request['path']}{headers}"
        sent = request.get("body", request.get("multipart"))
        body = "" if sent is None else f"\n\n{json_html(sent)}"
        answered = f"<pre>{status}\n\n{json_html(sample['value'])}</pre>" if status else ""
        note = f"<p class=muted>{escape(sample['description'])}</p>" if "description" in sample else ""
        return (
            f"<details class=sample><summary>{escape(name)} <span>{escape(sample['summary'])}</span>"
            f"{self._evidence(sample)}</summary>{note}"
            f"<div class=pair><pre>{escape(asked)}{body}</pre>{answered}</div></details>"
        )

    def _component(self, name: str) -> str:
        schema = self._schemas[name]
        forms = [self._resolved(one) for one in (schema.get("oneOf") or schema.get("anyOf") or [schema])]
        tables = "".join(self._table(list(self._rows(form, ""))) for form in forms)
        return (
            f"<details class=operation><summary><code>{name}</code><span>{escape(schema.get('title', ''))}</span>"
            f'</summary><div id="schema-{name}">{tables}<details class=sample><summary>JSON Schema</summary>'
            f"<pre>{json_html(schema)}</pre></details></div></details>"
        )

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """A schema with what it refers to; beside a reference it narrows that."""
        if str(schema.get("$ref", "")).startswith("#/components/schemas/"):
            target = self._resolved(self._schemas[schema["$ref"].removeprefix("#/components/schemas/")])
            properties = {**target.get("properties", {}), **schema.get("properties", {})}
            return {**target, **schema, **({"properties": properties} if properties else {})}
        return schema

    def _rows(self, schema: Mapping[str, Any], prefix: str) -> Iterator[Row]:
        required = schema.get("required", ())
        for name, value in schema.get("properties", {}).items():
            one = self._resolved(value) if isinstance(value, Mapping) else {}
            yield prefix + name, one, name in required
            items = self._resolved(one["items"]) if isinstance(one.get("items"), Mapping) else {}
            yield from self._rows(one, f"{prefix}{name}.")
            yield from self._rows(items, f"{prefix}{name}[].")

    def _table(self, rows: Sequence[Row]) -> str:
        lines = "".join(
            f"<tr><td><code>{escape(name)}</code>{'<i>*</i>' if required else ''}<td>{escape(type_of(one))}"
            f"<td>{escape(one.get('description', ''))} {limits_of(one)}<td>{self._evidence(one)}"
            for name, one, required in rows
        )
        return f"<table><tr><th>Name<th>Type<th>Meaning<th>Known by</tr>{lines}</table>" if rows else ""

    def _evidence(self, fact: Mapping[str, Any]) -> str:
        sources = self._document["x-sources"]
        return " ".join(
            f'<span class="mark {known["mark"]}" title="{escape(explained(known, sources))}">'
            f"{known['mark']} <em>{escape(known['source'])}</em></span>"
            for known in fact.get("x-evidence", ())
        )

    def _sources(self) -> str:
        rows = (f"<dt>{escape(key)}<dd>{escape(text)}" for key, text in self._document["x-sources"].items())
        return f"<dl>{''.join(rows)}</dl>"

    def _curl(self, method: str, path: str, operation: Mapping[str, Any], content: Any) -> str:
        words = ["curl", *(["-X", method.upper()] if method != "get" else []), self._origin + path]
        if operation.get("security") != []:
            words += ["-H", "Authorization: Bearer any-key"]
        if content and content[0] == "application/json":
            schema = self._resolved(content[1]["schema"])
            recorded = [one["value"] for one in content[1].get("examples", {}).values()]
            named = (one for one in recorded if one.keys() <= schema["properties"].keys())
            sent = next(named, None) or small_value(schema)
            words += ["--json", json.dumps(sent, ensure_ascii=False)]
        elif content:
            words += ["-F", "file=@shoe.png"] if "multipart" in content[0] else ["--data-binary", "@shoe.png"]
        lines = shlex.join(words).replace(" -H ", " \\\n  -H ").replace(" --json ", " \\\n  --json ")
        return lines.replace(" -F ", " \\\n  -F ").replace(" --data-binary ", " \\\n  --data-binary ")


def _html(title: str, providers: Iterable[str], current: str, body: str) -> str:
    tabs = "".join(
        f'<a href="/_understudy/docs/{name}"{" class=current" if name == current else ""}>{name}</a>'
        for name in providers
    )
    style = files("understudy.mockserver").joinpath("docs.css").read_text(encoding="utf-8")
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        '<meta name=viewport content="width=device-width"><link rel=icon href="data:,">'
        f"<style>{style}</style>"
        f'<header><a href="/_understudy/docs"><strong>understudy</strong></a>{tabs}</header>{body}'
    )


def _short(operation: Mapping[str, Any]) -> str:
    """What the menu calls an operation: its model, without who made it, where it belongs to one."""
    name, _, model = operation["summary"].partition(": ")
    return model.partition("/")[2] or model or str(name)
