"""What was found, for people and for machines: a table, the stories of what broke, JUnit's XML, JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from textwrap import indent, wrap
from xml.etree import ElementTree

from understudy.contracts.checking import BROKEN, HELD, NOT_APPLICABLE, Finding

WIDTH = 110


def row(finding: Finding) -> str:
    """A line of the table."""
    reason = f": {finding.detail}" if finding.outcome == NOT_APPLICABLE else ""
    return f"  {finding.outcome:14}  {finding.sentence}{reason}".rstrip() + (
        f"  ({finding.seconds:.1f} s)" if finding.outcome != NOT_APPLICABLE else ""
    )


def stories(findings: Sequence[Finding]) -> Iterator[str]:
    """What broke, each with the shortest story of it and the test that repeats it."""
    for finding in findings:
        if finding.outcome == BROKEN:
            yield ""
            yield f"{finding.provider}: {finding.sentence}: broken"
            yield from (f"  {line}" for line in wrap(finding.meaning, WIDTH))
            yield ""
            yield from (f"  {line}" for line in wrap(finding.detail, WIDTH, break_long_words=False))
            yield from (f"    {number}. {line}" for number, line in enumerate(finding.story, 1))
            yield ""
            yield "  This test repeats it:"
            yield ""
            yield indent(finding.test.rstrip(), "    ")


def summary(findings: Sequence[Finding]) -> str:
    counts = [(outcome, sum(one.outcome == outcome for one in findings)) for outcome in (HELD, BROKEN, NOT_APPLICABLE)]
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts)
    return f"{told}, in {sum(one.seconds for one in findings):.1f} s."


def as_json(findings: Sequence[Finding]) -> str:
    """An array of findings, each an object of what Finding has."""
    return json.dumps({"findings": [one._asdict() for one in findings]}, indent=2, ensure_ascii=False)


def as_junit(findings: Sequence[Finding]) -> str:
    """A test suite for each provider, a test case for each property, as CI systems read it."""
    root = ElementTree.Element("testsuites", name="understudy check")
    for provider in dict.fromkeys(one.provider for one in findings):
        found = [one for one in findings if one.provider == provider]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=provider,
            tests=str(len(found)),
            failures=str(sum(one.outcome == BROKEN for one in found)),
            skipped=str(sum(one.outcome == NOT_APPLICABLE for one in found)),
            errors="0",
            time=f"{sum(one.seconds for one in found):.3f}",
        )
        for one in found:
            case = ElementTree.SubElement(
                suite, "testcase", classname=f"contract.{provider}", name=one.sentence, time=f"{one.seconds:.3f}"
            )
            if one.outcome == BROKEN:
                failure = ElementTree.SubElement(case, "failure", message=_plain(one.detail))
                failure.text = _plain("\n".join((one.detail, *one.story, "", one.test)))
            elif one.outcome == NOT_APPLICABLE:
                ElementTree.SubElement(case, "skipped", message=_plain(one.detail))
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _plain(text: str) -> str:
    """A text without the characters that XML cannot hold: prompts are drawn from all of Unicode."""
    return re.sub("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
