"""What jobs cost in memory."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from live import WAVESPEED


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads resident memory from /proc")
def test_10_000_jobs_submitted_and_polled_leave_the_process_under_120_mb() -> None:
    command = [sys.executable, "-m", "understudy.mockserver", "serve", "--port", "0", "--queue-time", "0"]
    with subprocess.Popen([*command, "--run-time", "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        origin = process.stdout.readline().split()[-1]
        headers = {"Authorization": "Bearer key"}
        body = {"prompt": "x" * 1000, "images": ["https://example.com/shoe.png"], "max_images": 15}
        with httpx.Client(base_url=origin, headers=headers, trust_env=False) as client:
            for _ in range(10_000):
                job = client.post(WAVESPEED, json=body).json()["data"]
                assert 15 == len(client.get(f"/api/v3/predictions/{job['id']}/result").json()["data"]["outputs"])
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        process.terminate()

    resident = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert resident is not None
    assert int(resident[1]) < 120_000
