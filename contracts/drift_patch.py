"""What was assumed and is known now, as patches of the contract data (RFC 6902), and as the patched files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from understudy.contracts.drift_facts import Edit, Fact
from understudy.contracts.files import load
from understudy.contracts.secrecy import is_masked

WIDTH = 120


def patches(facts: Iterable[Fact], today: date) -> list[dict[str, Any]]:
    """One for each file: `{"file": …, "patch": [{"op": "test" | "replace", "path": …, "value": …}]}`, the paths
    relative to contracts/. They bring the values up to date that nobody knew, and say how they are known now."""
    edits: dict[str, list[Edit]] = {}
    for fact in facts:
        edit = fact.change.edit if fact.change is not None else fact.confirms
        if fact.assumed and edit is not None and not is_masked(json.dumps(edit.value, default=str)):
            edits.setdefault(edit.file, []).append(edit)
    return [{"file": file, "patch": list(_steps(file, found, today))} for file, found in sorted(edits.items())]


def _steps(file: str, edits: list[Edit], today: date) -> Iterator[dict[str, Any]]:
    data = load(file)
    told = set()
    for edit in edits:
        if edit.value != edit.old and _at(data, edit.pointer) == edit.old:
            yield {"op": "test", "path": edit.pointer, "value": edit.old}
            yield {"op": "replace", "path": edit.pointer, "value": edit.value}
        evidence = _at(data, edit.evidence)
        if isinstance(evidence, list) and edit.evidence not in told:
            told.add(edit.evidence)
            seen = {"mark": "observed", "source": f"understudy drift, {today}"}
            known = [one for one in evidence if one["mark"] != "assumed"]
            yield {"op": "replace", "path": edit.evidence, "value": [seen, *known]}


def patched(patch: Mapping[str, Any], data: Any) -> Any:
    """The data with a patch of this kind applied; the data itself stays as it is."""
    data = json.loads(json.dumps(data))
    for step in patch["patch"]:
        if step["op"] == "replace":
            parent, _, name = step["path"].rpartition("/")
            holder = _at(data, parent)
            holder[int(name) if isinstance(holder, list) else _unescaped(name)] = step["value"]
    return data


def write_patched(found: Iterable[Mapping[str, Any]], folder: Path) -> list[Path]:
    """Writes every patched file beneath a folder, in the layout of contracts/."""
    written = []
    for patch in found:
        path = folder / patch["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(laid_out(patched(patch, load(patch["file"]))), encoding="utf-8")
        written.append(path)
    return written


def laid_out(value: Any) -> str:
    """JSON as the contract data is laid out: whatever fits into a line is one."""
    return f"{_broken(value, 0, 0)}\n"


def _broken(value: Any, indent: int, before: int) -> str:
    line = _line(value)
    if (indent or before) and indent + before + len(line) < WIDTH:
        return line
    pad = " " * (indent + 2)
    if isinstance(value, dict) and value:
        names = [json.dumps(name, ensure_ascii=False) for name in value]
        rows = [
            f"{pad}{name}: {_broken(one, indent + 2, len(name) + 2)}"
            for name, one in zip(names, value.values(), strict=True)
        ]
        return "{\n" + ",\n".join(rows) + "\n" + " " * indent + "}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"{pad}{_broken(one, indent + 2, 0)}" for one in value) + "\n" + " " * indent + "]"
    return line


def _line(value: Any) -> str:
    if isinstance(value, dict) and value:
        return (
            "{ "
            + ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {_line(one)}" for name, one in value.items())
            + " }"
        )
    if isinstance(value, list):
        return f"[{', '.join(map(_line, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _at(data: Any, pointer: str) -> Any:
    for name in pointer.split("/")[1:]:
        if isinstance(data, list):
            data = data[int(name)] if name.isdigit() and int(name) < len(data) else None
        else:
            data = data.get(_unescaped(name)) if isinstance(data, dict) else None
    return data


def _unescaped(name: str) -> str:
    return name.replace("~1", "/").replace("~0", "~")
