"""A report for a terminal, for an issue and for CI systems: a table, Markdown, JUnit's XML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from textwrap import shorten
from xml.etree import ElementTree

from understudy.contracts.drift_report import Report

SHORT = 100
MOST = 60_000
"""Characters of Markdown: GitHub takes issues of 65,536."""

ENOUGH = 12
"""Facts that were not checked are named up to this many of a kind."""


def table(report: Report) -> Iterator[str]:
    """What is of interest first; what held is a number."""
    yield f"{report['provider']}, {report['source']}"
    for drift in report["drifted"]:
        yield ""
        yield f"  {_mark(drift)}  {drift['fact']}: {drift['kind']}"
        yield f"    expected  {shorten(drift['expected'], SHORT, placeholder='…')}"
        yield f"    seen      {shorten(drift['seen'], SHORT, placeholder='…')}   ({drift['where']}{_others(drift)})"
        if drift["assumed"]:
            yield "    nobody knew this: the contract had assumed it"
        if drift["ignored"]:
            yield f"    ignored: {drift['ignored']}"
    right = sum(one["right"] for one in report["learnt"])
    if report["learnt"]:
        yield ""
        yield f"  Known now: {len(report['learnt'])} facts that were assumed; {right} of them were right."
    if report["not_checked"]:
        yield ""
        yield "  Not checked:"
        yield from (f"    {len(one['facts']):4}  {one['reason']}" for one in report["not_checked"])
    if report["unusable"]:
        yield f"\n  Of no use: {report['unusable']}."
    yield from (f"\n  {note}" for note in report["notes"])
    counts = ", ".join(f"{count} {outcome}" for outcome, count in report["counts"].items())
    yield f"\n{counts}. {report['verdict']}"


def as_json(report: Report) -> str:
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def as_markdown(report: Report) -> str:
    """An issue's body; its first line is a title."""
    lines = [f"# {report['provider']} and its contract: {report['verdict']}", ""]
    lines += [f"{report['date']}, {report['source']}. {_counts(report)}.", ""]
    if report["drifted"]:
        lines += ["| | Fact | What | Expected | Seen | Where |", "| --- | --- | --- | --- | --- | --- |"]
        for drift in report["drifted"]:
            known = " (assumed)" if drift["assumed"] else ""
            cells = (
                _mark(drift).strip() + known,
                _code(drift["fact"]),
                drift["kind"],
                _code(drift["expected"]),
                _code(drift["seen"]),
                _plain(drift["where"]) + _others(drift),
            )
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    lines += _learnt(report)
    if report["not_checked"]:
        lines += ["## Not checked", ""]
        for one in report["not_checked"]:
            named = ", ".join(_code(name) for name in one["facts"][:ENOUGH])
            more = f" and {len(one['facts']) - ENOUGH} more" if len(one["facts"]) > ENOUGH else ""
            lines.append(f"* {one['reason']}: {named}{more}")
        lines.append("")
    lines += [f"* {_plain(note)}" for note in report["notes"]]
    text = "\n".join(lines).rstrip() + "\n"
    return text if len(text) <= MOST else f"{text[:MOST].rpartition(chr(10))[0]}\n\n…\n"


def _learnt(report: Report) -> list[str]:
    """What was assumed and is known now: what was wrong one by one, with the patch where it is not too long."""
    if not report["learnt"]:
        return []
    wrong = [one for one in report["learnt"] if not one["right"]]
    right = len(report["learnt"]) - len(wrong)
    lines = ["## Known now", "", f"{len(report['learnt'])} facts had been assumed; {right} of them were right.", ""]
    if wrong:
        lines += ["| Fact | Was assumed | Seen |", "| --- | --- | --- |"]
        lines += [f"| {_code(one['fact'])} | {_code(one['assumed'])} | {_code(one['seen'])} |" for one in wrong]
        lines.append("")
    patch = _patch(report)
    if len(patch) <= MOST // 2:
        return [*lines, "The patch of the contract data:", "", "```json", patch, "```", ""]
    return [*lines, "The patch of the contract data is in the report that `--json` writes.", ""]


def as_junit(report: Report) -> str:
    """A test case for each fact; what is ignored or known is skipped, and what is mild passes with its text."""
    suite = ElementTree.Element("testsuite", name=f"understudy drift {report['provider']}")
    failures = skipped = 0
    name = f"contract.{report['provider']}"
    for held in report["held"]:
        ElementTree.SubElement(suite, "testcase", classname=name, name=_xml(held))
    for drift in report["drifted"]:
        case = ElementTree.SubElement(suite, "testcase", classname=name, name=_xml(drift["fact"]))
        text = f"{drift['kind']}: expected {drift['expected']}, seen {drift['seen']} ({drift['where']})"
        if drift["ignored"] or drift["known"]:
            ElementTree.SubElement(case, "skipped", message=_xml(drift["ignored"] or "known since the baseline"))
            skipped += 1
        elif _fails(report, drift["severity"]):
            ElementTree.SubElement(case, "failure", message=_xml(text), type=drift["severity"])
            failures += 1
        else:
            ElementTree.SubElement(case, "system-out").text = _xml(f"{drift['severity']}: {text}")
    for one in report["not_checked"]:
        for fact in one["facts"]:
            case = ElementTree.SubElement(suite, "testcase", classname=name, name=_xml(fact))
            ElementTree.SubElement(case, "skipped", message=_xml(one["reason"]))
            skipped += 1
    if report["status"] == 2:
        case = ElementTree.SubElement(suite, "testcase", classname=name, name="there is enough to compare")
        ElementTree.SubElement(case, "error", message=_xml(report["verdict"]))
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(failures))
    suite.set("skipped", str(skipped))
    suite.set("errors", "1" if report["status"] == 2 else "0")
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _fails(report: Report, severity: str) -> bool:
    order = ("cosmetic", "additive", "breaking")
    return order.index(severity) >= order.index(report["fail_on"])


def _mark(drift: dict[str, object]) -> str:
    if drift["ignored"]:
        return "ignored "
    return "known   " if drift["known"] else f"{drift['severity']!s:8}"


def _others(drift: dict[str, object]) -> str:
    return f", and {drift['others']} more" if drift["others"] else ""


def _counts(report: Report) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in report["counts"].items())


def _patch(report: Report) -> str:
    text = json.dumps(report["patch"], indent=2, ensure_ascii=False)
    return text.replace("```", "` ` `")


def _code(text: str) -> str:
    """A text as it is within a table: nothing that a provider says becomes markup, a link or a mention."""
    text = _plain(text).replace("`", "ˋ")
    return f"`{text}`" if text else ""


def _plain(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def _xml(text: str) -> str:
    """A text without the characters that XML cannot hold."""
    return re.sub("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
