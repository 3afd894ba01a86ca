"""A report as one HTML page that needs nothing else: no script, no font, no picture from anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from html import escape

from understudy.contracts.drift_report import Report

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6570; --line: #d8dee4; --back: #fff; --card: #f6f8fa;
  --breaking: #b42318; --additive: #175cd3; --cosmetic: #5b6570; --held: #067647; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa6b2; --line: #30363d; --back: #0d1117;
  --card: #161b22; --breaking: #ff8a80; --additive: #82b1ff; --cosmetic: #b0bec5; --held: #69d2a0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 2rem 1.25rem 4rem; color: var(--ink); background: var(--back);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2.25rem 0 .75rem; }
p { margin: 0 0 .75rem; } .soft { color: var(--soft); }
.verdict { border-left: 4px solid var(--held); background: var(--card); padding: .75rem 1rem; margin: 1.25rem 0;
  font-weight: 600; }
.verdict.drifted { border-color: var(--breaking); } .verdict.useless { border-color: #b54708; }
.counts { display: flex; flex-wrap: wrap; gap: .75rem; padding: 0; margin: 0; list-style: none; }
.counts li { border: 1px solid var(--line); border-radius: 6px; padding: .5rem 1rem; min-width: 7rem; }
.counts b { display: block; font-size: 1.4rem; font-variant-numeric: tabular-nums; }
.drift { border: 1px solid var(--line); border-radius: 6px; padding: .75rem 1rem; margin: 0 0 .75rem; }
.drift.put-up { opacity: .65; }
.drift h3 { font-size: 1rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
.chip { display: inline-block; font-size: .75rem; font-weight: 600; border: 1px solid currentColor; border-radius: 99px;
  padding: 0 .6rem; margin-right: .5rem; }
.breaking { color: var(--breaking); } .additive { color: var(--additive); } .cosmetic { color: var(--cosmetic); }
dl { display: grid; grid-template-columns: 6rem 1fr; gap: .2rem .75rem; margin: 0; } dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
code, pre { font: .86em/1.45 ui-monospace, monospace; }
code { background: var(--card); border-radius: 4px; padding: .1em .3em; }
pre { background: var(--card); border-radius: 6px; padding: .75rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .4rem .6rem;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; } th { color: var(--soft); font-weight: 500; }
summary { cursor: pointer; padding: .3rem 0; } details ul { columns: 18rem; font-size: .9em; }
"""


def as_page(report: Report) -> str:
    return "\n".join(_page(report)) + "\n"


def _page(report: Report) -> Iterator[str]:
    title = f"{report['provider']}: drift from the contract"
    yield f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    yield f"<style>{_STYLE}</style>\n</head>\n<body>"
    yield f"<h1>{escape(title)}</h1>"
    yield f'<p class="soft">{escape(report["date"])} · {escape(report["source"])}</p>'
    kind = ("", " drifted", " useless")[report["status"]]
    yield f'<p class="verdict{kind}" role="status">{escape(report["verdict"])}</p>'
    counts = (f"<li><b>{count}</b>{escape(outcome)}</li>" for outcome, count in report["counts"].items())
    yield f'<ul class="counts">{"".join(counts)}</ul>'
    if report["drifted"]:
        yield "<h2>Drifted</h2>"
        yield from map(_drift, report["drifted"])
    if report["learnt"]:
        yield "<h2>Known now</h2>\n<p>What the contract had only assumed, and what was seen.</p>"
        yield "<table>\n<thead><tr><th>Fact</th><th>Assumed</th><th>Seen</th></tr></thead>\n<tbody>"
        for one in report["learnt"]:
            seen = "the same" if one["right"] else _code(one["seen"])
            yield f"<tr><td>{escape(one['fact'])}</td><td>{_code(one['assumed'])}</td><td>{seen}</td></tr>"
        yield "</tbody>\n</table>"
        patch = escape(json.dumps(report["patch"], indent=2, ensure_ascii=False))
        yield f"<details><summary>The patch of the contract data</summary><pre>{patch}</pre></details>"
    if report["not_checked"]:
        yield "<h2>Not checked</h2>"
        for one in report["not_checked"]:
            yield _list(f"{len(one['facts'])}: {one['reason']}", one["facts"])
    if report["held"]:
        yield "<h2>Held</h2>"
        yield _list(f"{len(report['held'])} facts", report["held"])
    if report["unusable"] or report["notes"]:
        yield "<h2>Notes</h2>\n<ul>"
        told = [f"Of no use: {report['unusable']}."] if report["unusable"] else []
        yield from (f"<li>{escape(note)}</li>" for note in (*told, *report["notes"]))
        yield "</ul>"
    yield "</body>\n</html>"


def _drift(drift: dict[str, object]) -> str:
    put_up = " put-up" if drift["ignored"] or drift["known"] else ""
    told = [
        ("what", escape(str(drift["kind"]))),
        ("expected", _code(str(drift["expected"]))),
        ("seen", _code(str(drift["seen"]))),
        ("where", escape(f"{drift['where']}{_others(drift)}")),
    ]
    told += [("assumed", "nobody knew this: the contract had assumed it")] if drift["assumed"] else []
    told += [("ignored", escape(str(drift["ignored"])))] if drift["ignored"] else []
    told += [("known", "since the baseline")] if drift["known"] else []
    severity = escape(str(drift["severity"]))
    return (
        f'<section class="drift{put_up}"><h3><span class="chip {severity}">{severity}</span>'
        f"{escape(str(drift['fact']))}</h3>\n<dl>"
        + "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in told)
        + "</dl></section>"
    )


def _others(drift: dict[str, object]) -> str:
    return f", and {drift['others']} more" if drift["others"] else ""


def _list(summary: str, names: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(name)}</li>" for name in names)
    return f"<details><summary>{escape(summary)}</summary><ul>{items}</ul></details>"


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"
