"""What jobs cost in memory."""

from __future__ import annotations

import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import httpx
import pytest
from live import WAVESPEED
from serving import on_loop

from understudy.mockserver.clock import Clock
from understudy.mockserver.exchange import Call, Reply
from understudy.mockserver.memory_store import MemoryStore
from understudy.mockserver.stage import Part, Stage
from understudy.mockserver.switches import Switches
from understudy.mockserver.wavespeed import WaveSpeed


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


@on_loop
async def test_exchanges_of_many_tenants_leave_memory_flat() -> None:
    """`data:` URIs in, base64 out: each body is far longer than what is kept of it."""
    store = MemoryStore(Clock.manual(), jobs=100, journal=50, journal_store=1_000_000)
    stage = Stage(store, 1)
    part = Part("result", _answer_at_length, WaveSpeed(Switches({})))

    async def exchange(times: int) -> int:
        for number in range(times):
            asked = b'{"images": ["data:image/png;base64,%b"]}' % (b"A" * (50_000 + number % 7))
            await stage.play(f"tenant-{number % 60}", part, Call("POST", "/x", {}, "", b"", body=asked))
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = await exchange(1_500)
        after = await exchange(3_000)
    finally:
        tracemalloc.stop()

    kept = [await store.journal(f"tenant-{number}") for number in range(60)]
    assert after < 1.2 * before  # other threads' memory is in both figures; a body kept of each would make it six times
    assert before < 2_000_000
    assert 100 < sum(len(logged.entries) for logged in kept) < 500


async def _answer_at_length(tenant: str, call: Call) -> Reply:
    return Reply(200, b'{"outputs": ["%b"]}' % (b"B" * 200_000))
