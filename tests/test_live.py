"""The provider's side of the suite under `--understudy-target=live`, at a provider without a control API."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from drifting import KEY, Answering, talking_to


def suite(folder: Path, *options: str, key: str = KEY) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "understudy.contracts.live", "--noconftest", "-q", "-rs"]
    return subprocess.run(
        [*command, "--pyargs", "understudy.contracts.suite", "-k", "test_the_provider", *options],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=folder,
        env={**os.environ, "WAVESPEED_API_KEY": key},
        check=False,
    )


def live(origin: str) -> tuple[str, ...]:
    target = ("--understudy-target=live", "--understudy-provider=wavespeed", f"--understudy-base-url={origin}")
    return (*target, "--understudy-key-env=WAVESPEED_API_KEY")


def test_without_room_nothing_is_submitted_and_what_needs_it_is_skipped(tmp_path: Path) -> None:
    sent: list[Answering] = []
    with talking_to("wavespeed", lambda seen: sent.append(seen) if seen.submits else None, control=False) as talk:
        done = suite(tmp_path, *live(talk.origin), "--understudy-spend=0.0001")

    assert "the ceiling is $0.0001: --spend" in done.stdout
    assert "understudy: at most $0.00 of $0.0001 spent" in done.stdout
    assert 0 == sum(seen.status == 200 for seen in sent)
    assert KEY not in done.stdout + done.stderr


def test_with_room_jobs_are_submitted_up_to_the_ceiling(tmp_path: Path) -> None:
    sent: list[Answering] = []
    with talking_to("wavespeed", lambda seen: sent.append(seen) if seen.submits else None, control=False) as talk:
        done = suite(tmp_path, *live(talk.origin), "--understudy-spend=0.6", "-k", "unique or takes_what")

    taken = [seen for seen in sent if seen.status == 200]
    assert taken
    assert "understudy: at most $0." in done.stdout


@pytest.mark.parametrize(
    ("options", "key", "told"),
    [
        ((), KEY, "Say --understudy-target=live, --understudy-provider and --understudy-base-url, or give the suite"),
        (
            live("http://127.0.0.1:1"),
            "",
            "The API key is expected in the environment variable WAVESPEED_API_KEY, which",
        ),
        ((*live("http://127.0.0.1:1"), "--understudy-spend=all"), KEY, "--understudy-spend: 'all' is not an amount of"),
        (live("http://127.0.0.1:1"), KEY, "Nothing answers at https://api.wavespeed.ai: "),
    ],
)
def test_what_is_missing_is_said(options: tuple[str, ...], key: str, told: str, tmp_path: Path) -> None:
    done = suite(tmp_path, *options, "-k", "unique", key=key)

    assert told in done.stdout
    assert 0 != done.returncode


def test_what_a_provider_says_is_told_without_the_key(tmp_path: Path) -> None:
    def echoes(seen: Answering) -> None:
        if seen.status == 200 and seen.submits:
            seen.status, seen.body = 500, {"key": KEY, "url": "https://bucket.test/a?X-Amz-Signature=abc"}

    with talking_to("wavespeed", echoes, control=False) as talk:
        done = suite(tmp_path, *live(talk.origin), "--understudy-spend=0.6", "-k", "unique", "-s")

    assert "A valid submission was answered with 500" in done.stdout
    assert [] == [one for one in (KEY, "X-Amz", "bucket.test", talk.origin) if one in done.stdout + done.stderr]
