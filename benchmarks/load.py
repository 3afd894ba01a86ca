"""Cycles from wrk: run it once, take its figures, refuse those of a server that answered wrongly."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from contender import Contender
from running import CannotMeasure

SCRIPT = Path(__file__).with_name("cycle.lua")
PATIENCE = "--timeout=10s"
ONE_ADDRESS = Path(__file__).with_name("fetch.lua")
WRONG = {
    "not_200": "answers other than 200",
    "without_id": "answers without an id",
    "unasked": "polls answered with another job's id",
    "lost": "requests that the server hung up on",
    "connect_errors": "connections refused",
    "read_errors": "connections lost while reading",
    "write_errors": "connections lost while writing",
    "timeout_errors": "requests without an answer in time",
}


@dataclass(frozen=True, slots=True)
class Load:
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    seconds: float


def find_wrk() -> str:
    wrk = shutil.which("wrk")
    if wrk is None:
        raise CannotMeasure(
            "wrk, the load generator, is not on PATH. Install it: apt-get install wrk (Debian, Ubuntu)."
        )
    return wrk


def load(wrk: str, contender: Contender, origin: str, connections: int, seconds: int) -> Load:
    """Run cycles for `seconds`, on the cores that this process may use."""
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", PATIENCE, "-s", str(SCRIPT), origin, "--"]
    command += [contender.submit_path, contender.submit_body, "\n".join(contender.submit_headers)]
    command += [contender.poll_path, contender.poll_body, "\n".join(contender.poll_headers)]
    command += [contender.id_key, "yes" if contender.polls_name_job else "no"]
    figures = figures_of(command, contender, seconds)
    # wrk reconnects without a word when a server hangs up; at the end one request per connection is still under way.
    figures["lost"] = max(0, figures["sent"] - figures["requests"] - connections)
    wrong = [f"{figures[key]} {text}" for key, text in WRONG.items() if figures[key]]
    if wrong or not figures["cycles"]:
        raise CannotMeasure(
            f"{contender.name} gets no figure: of {figures['requests']} requests, {figures['cycles']} whole cycles; "
            + (", ".join(wrong) or "none wrong")
            + "."
        )
    seconds_taken = figures["duration_us"] / 1e6
    return Load(figures["requests"] / seconds_taken, figures["p50_us"] / 1000, figures["p99_us"] / 1000, seconds_taken)


def poll_latency(wrk: str, contender: Contender, origin: str, job_id: str, seconds: int) -> float:
    """Milliseconds that one poll takes, at the median: one connection, one job, one poll after another."""
    url = origin + contender.poll_path.replace("{id}", job_id)
    command = [wrk, "-t1", "-c1", f"-d{seconds}s", "-s", str(ONE_ADDRESS), url]
    for header in contender.poll_headers:
        command += ["-H", header]
    command += ["--", contender.poll_body.replace("{id}", job_id)]
    figures = figures_of(command, contender, seconds)
    if figures["status_errors"] or not figures["requests"]:
        raise CannotMeasure(f"{contender.name} answered {figures['status_errors']} of its polls with an error.")
    return figures["p50_us"] / 1000


def figures_of(command: list[str], contender: Contender, seconds: int) -> dict[str, int]:
    """What the script's last line says."""
    ran = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=False)
    last = ran.stdout.splitlines()[-1] if ran.stdout else ""
    if ran.returncode != 0 or not last.startswith("{"):
        raise CannotMeasure(f"wrk gave no figures for {contender.name}: {ran.stderr or ran.stdout}")
    figures: dict[str, int] = json.loads(last)
    return figures
