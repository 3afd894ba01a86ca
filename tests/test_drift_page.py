"""The page of a report, in a real browser: twenty drifts, all of them to be seen, and nothing from anywhere else."""

from __future__ import annotations

import re
import subprocess
from html import escape
from pathlib import Path

import pytest
from changed_providers import CHANGES
from drifting import Answering, talking_to

from conftest import BROWSER, NO_BROWSER
from understudy.contracts.drift_page import as_page
from understudy.contracts.drift_report import Report
from understudy.contracts.drift_text import as_junit, as_markdown, table

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TOGETHER = (
    "a new field",
    "a number is text",
    "a new state",
    "other words",
    "another status",
    "another form of time",
    "a price went up",
    "a model is gone",
    "a new model",
    "a new required input",
    "an input is gone",
    "a choice is gone",
    "a narrower range",
    "an input is optional now",
    "201 for a submission",
    "another content type",
    "a double charge",
    "outputs that need a key",
)


def much(seen: Answering) -> None:
    for name in TOGETHER:
        CHANGES[name].bend(seen)


@pytest.fixture(scope="module")
def report() -> Report:
    with talking_to("wavespeed", much) as talk:
        return talk.report(talk.compare(), paid=True, notes=[talk.stopped, "<script>alert(1)</script>"])


def test_a_page_has_every_drift_and_needs_nothing_else(report: Report) -> None:
    page = as_page(report)

    assert 20 <= len(report["drifted"]) == page.count("<section class=")
    assert all(escape(drift["seen"]) in page for drift in report["drifted"])
    assert [] == re.findall(r"<(?:script|img|link|iframe)|\b(?:src|href|url)\s*[=(]", page)
    assert "default-src 'none'" in page


def test_what_a_provider_says_is_never_markup(report: Report) -> None:
    evil = {**report["drifted"][0], "seen": "<img src=x onerror=alert(1)> | [a](b) `c` @all\n# d", "fact": "a | b"}
    changed = {**report, "drifted": [evil]}

    assert "<img" not in as_page(changed)
    assert "<img" not in as_junit(changed).replace("&lt;img", "")
    [row] = [line for line in as_markdown(changed).splitlines() if "onerror" in line]
    assert "`<img src=x onerror=alert(1)> \\| [a](b) ˋcˋ @all # d`" in row


def test_the_other_forms_have_every_drift_too(report: Report) -> None:
    told, markdown, junit = "\n".join(table(report)), as_markdown(report), as_junit(report)

    for drift in report["drifted"]:
        assert f"{drift['fact']}: {drift['kind']}" in told
        assert f"`{drift['fact']}`" in markdown
        assert escape(drift["fact"]) in junit


@pytest.mark.skipif(BROWSER is None, reason=NO_BROWSER)
def test_a_browser_shows_it(report: Report, tmp_path: Path) -> None:
    assert BROWSER is not None
    (tmp_path / "a.html").write_text(as_page(report), encoding="utf-8")
    for width in (400, 1280):
        command = [BROWSER, *FLAGS, f"--user-data-dir={tmp_path / str(width)}", f"--window-size={width},3200"]
        picture = tmp_path / f"{width}.png"
        page = (tmp_path / "a.html").as_uri()
        subprocess.run([*command, f"--screenshot={picture}", page], capture_output=True, timeout=100, check=True)
        assert picture.stat().st_size > 50_000
    shown = subprocess.run(
        [*command, "--dump-dom", page], capture_output=True, text=True, timeout=100, check=True
    ).stdout
    assert len(report["drifted"]) == shown.count("<section class=")
    assert "<script>" not in shown


def test_a_report_of_hardly_anything_has_hardly_any_parts(report: Report) -> None:
    nothing: Report = {**report, "drifted": [], "learnt": [], "held": [], "not_checked": [], "notes": []}
    nothing = {**nothing, "unusable": "3 without an answer"}

    assert as_markdown(nothing).count("#") == 1
    assert as_page(nothing).count("<h2>") == 1
    assert "\n\n  Of no use: 3 without an answer.\n" in "\n".join(table(nothing))
    assert as_page({**nothing, "unusable": ""}).count("<h2>") == 0


def test_an_issue_is_no_longer_than_an_issue_may_be(report: Report) -> None:
    learnt = [{"fact": f"fact {number}", "assumed": "a", "seen": "b", "right": False} for number in range(50)]
    patch = [{"file": "a.json", "patch": [{"op": "test", "path": "/x", "value": "y" * 40_000}]}]
    short = as_markdown({**report, "learnt": learnt, "patch": []})
    patched = as_markdown({**report, "learnt": learnt, "patch": patch})
    long = as_markdown({**report, "drifted": report["drifted"] * 100})

    assert "50 facts had been assumed; 0 of them were right." in short
    assert "| `fact 7` | `a` | `b` |" in short
    assert "```json\n[]\n```" in short
    assert "The patch of the contract data is in the report that `--json` writes." in patched
    assert len(long) < 60_010
    assert long.endswith(" |\n\n…\n")
