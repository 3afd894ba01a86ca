"""Two hundred keys at once: each has its own clock, rules and jobs, and sees no effect of another's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import pytest
from controlling import Remote
from hypothesis import given, settings
from hypothesis import strategies as st
from talking import KEYS, QUEUE, RUN, Talk, talking

from understudy.mockserver.clock import MANUAL_START

TENANTS = 200

commands = st.one_of(
    st.tuples(st.just("advance"), st.integers(0, 5_000)),
    st.tuples(st.just("rule"), st.integers(0, 9)),
    st.tuples(st.sampled_from(["submit", "finish", "forget rules", "idle", "reset", "auto"]), st.just(0)),
)
scripts = st.lists(st.lists(commands, min_size=3, max_size=6), min_size=4, max_size=8)


@dataclass
class Expected:
    """What one key should see, as far as its own commands go: a model that knows nothing of other keys."""

    now: int = MANUAL_START
    mode: str = "manual"
    rules: list[int] = field(default_factory=list)
    jobs: list[tuple[int, int]] = field(default_factory=list)
    exchanges: int = 0

    def obey(self, command: str, number: int) -> None:
        match command:
            case "advance":
                self.now += number
            case "rule":
                self.rules.append(number)
            case "forget rules":
                self.rules.clear()
            case "submit":
                run_time = 1_000 * self.rules[0] if self.rules else RUN
                self.jobs.append((self.now, self.now + QUEUE + run_time))
                self.exchanges += 1
            case "finish":
                going = [place for place, (_, end) in enumerate(self.jobs) if end > self.now]
                if going:
                    self.jobs[going[-1]] = (self.jobs[going[-1]][0], self.now)
            case "idle":
                self.now = max([self.now, *(end for _, end in self.jobs)])
            case "reset":
                self.now, self.mode, self.exchanges = MANUAL_START, "manual", 0
                self.rules.clear()
                self.jobs.clear()
            case "auto":
                self.mode = "auto"


def obey(talk: Talk, remote: Remote, key: str, command: str, number: int) -> None:
    match command:
        case "advance":
            remote.post("clock/advance", {"by": number})
        case "rule":
            remote.post("rules", {"job": {"run_time": f"{number}s"}})
        case "forget rules":
            remote.delete("rules")
        case "submit":
            talk.submit(key=key)
        case "finish":
            going = [job["id"] for job in remote.get("jobs")["jobs"] if job["state"] in ("queued", "running")]
            if going:
                remote.post(f"jobs/{going[-1]}/finish")
        case "idle":
            remote.post("clock/idle")
        case "reset":
            remote.post("reset")
        case "auto":
            remote.put("clock", {"mode": "auto"})


def seen(remote: Remote) -> Expected:
    clock = remote.get("clock")
    rules = [int(rule["job"]["run_time"].rstrip("s")) for rule in remote.get("rules")["rules"]]
    jobs = [(job["submitted"], job["ends"]) for job in remote.get("jobs")["jobs"]]
    return Expected(clock["now"], clock["mode"], rules, jobs, remote.get("journal")["last"])


@pytest.fixture(scope="module")
def served() -> Iterator[Talk]:
    with talking() as talk:
        yield talk


@settings(max_examples=5)
@given(scripts, st.randoms(use_true_random=False))
def test_two_hundred_keys_at_once_do_not_see_each_others_effects(
    served: Talk, drawn: list[list[tuple[str, int]]], chance: Random
) -> None:
    keys = [next(KEYS) for _ in range(TENANTS)]
    remotes = {key: Remote(served.client, key) for key in keys}
    expected = {key: Expected() for key in keys}
    left = {key: list(drawn[number % len(drawn)]) for number, key in enumerate(keys)}
    turns = [key for key in keys for _ in left[key]]
    chance.shuffle(turns)
    for key in turns:
        command, number = left[key].pop(0)
        obey(served, remotes[key], key, command, number)
        expected[key].obey(command, number)
    for key in keys:
        assert expected[key] == seen(remotes[key]), drawn
