"""The workflow in examples/: its commands are those that there are, and it keeps one issue."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from understudy.contracts.drift_command import drift_command

ROOT = Path(__file__).parent.parent
GH = """#!/bin/sh
printf '%s ' "$@" >>calls
echo >>calls
case "$2" in list) echo "$OPEN" ;; esac
"""
UNDERSTUDY = """#!/bin/sh
printf '%s\\n' "$@" >arguments
[ "$STATUS" = 2 ] || echo "# a report" >drift.md
exit "$STATUS"
"""


def steps() -> dict[str, dict[str, Any]]:
    workflow = yaml.safe_load((ROOT / "examples" / "drift.yml").read_text(encoding="utf-8"))
    return {step["name"]: step for step in workflow["jobs"]["drift"]["steps"] if "name" in step}


def run(folder: Path, name: str, **environment: str) -> None:
    for command, text in (("gh", GH), ("understudy", UNDERSTUDY)):
        (folder / command).write_text(text)
        (folder / command).chmod(0o755)
    subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", steps()[name]["run"]],
        cwd=folder,
        env={"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", **environment},
        check=True,
        timeout=30,
    )


@pytest.mark.parametrize("status", ["0", "1", "2"])
def test_the_comparison_leaves_a_report_and_its_status(status: str, tmp_path: Path) -> None:
    (tmp_path / "drift.toml").write_text("")
    output, summary = tmp_path / "output", tmp_path / "summary"
    names = {"PROVIDER": "wavespeed", "BASE_URL": "https://a.test", "ACCOUNT_URL": "https://b.test", "SPEND": "0"}
    run(tmp_path, "Compare", STATUS=status, GITHUB_OUTPUT=str(output), GITHUB_STEP_SUMMARY=str(summary), **names)

    known = {name for parameter in drift_command().params for name in parameter.opts}
    given = (tmp_path / "arguments").read_text().splitlines()
    assert ["drift", "wavespeed"] == given[:2]
    assert {one for one in given if one.startswith("--")} <= known
    assert "drift.toml" in given
    assert f"status={status}\n" == output.read_text()
    expected = "# wavespeed could not be compared with its contract\n" if status == "2" else "# a report\n"
    assert expected == summary.read_text() == (tmp_path / "drift.md").read_text()


@pytest.mark.parametrize(
    ("status", "number", "told"),
    [
        ("0", "", None),
        ("0", "7", "issue close 7 --comment It holds again. "),
        ("1", "7", "issue edit 7 --body-file drift.md "),
        (
            "1",
            "",
            "issue create --title wavespeed has drifted from its contract --label provider-drift --body-file drift.md ",
        ),
        ("2", "7", "issue edit 7 --body-file drift.md "),
    ],
)
def test_there_is_one_issue(status: str, number: str, told: str | None, tmp_path: Path) -> None:
    run(tmp_path, "Tell", PROVIDER="wavespeed", STATUS=status, OPEN=number)

    listed, *others = (tmp_path / "calls").read_text().splitlines()
    assert listed.startswith("issue list --label provider-drift --state open ")
    assert ([] if told is None else [told]) == others
