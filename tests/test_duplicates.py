"""Which jobs look like one intention submitted twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from scenes import HOOK, Scene

from understudy.mockserver.duplicates import duplicates
from understudy.mockserver.jobs import Hook, Phase

STEPS = st.one_of(
    st.tuples(
        st.just("submit"), st.sampled_from(["A", "B"]), st.sampled_from([None, "lost after", "503 after", "503"])
    ),
    st.tuples(st.just("poll"), st.integers(0, 5), st.sampled_from([None, "lost", "lost after"])),
    st.tuples(st.just("list"), st.just(0), st.sampled_from([None, "cut"])),
)


def told(scene: Scene) -> list[tuple[str, ...]]:
    return [tuple(job.id for job in group) for group in duplicates(scene.jobs, scene.logged)]


@given(steps=st.lists(STEPS, max_size=14))
def test_jobs_are_told_apart_as_one_who_remembers_everything_would(steps: list[tuple[str, object, str | None]]) -> None:
    """The oracle walks through what happened and keeps, for each prompt, the jobs of one intention."""
    scene = Scene(faults=[fault for _, _, fault in steps])
    open_groups: dict[str, list[str]] = {}
    settled: dict[str, bool] = {}
    heard: set[str] = set()
    groups: list[list[str]] = []
    for what, which, fault in steps:
        if what == "submit":
            prompt = str(which)
            scene.submit(prompt=prompt)
            if fault == "503":
                continue
            job = scene.jobs[-1].id
            group = open_groups.get(prompt)
            if group is None or settled.get(group[-1], False):
                group = open_groups[prompt] = []
                groups.append(group)
            group.append(job)
            if fault is None:
                heard.add(job)
        elif what == "poll" and scene.jobs:
            job = scene.jobs[int(str(which)) % len(scene.jobs)].id
            scene.poll(job)
            settled[job] = settled.get(job, False) or (fault != "lost" and job in heard)
        else:
            scene.exchange("list", "/list")
            if fault is None:
                settled.update(dict.fromkeys(heard, True))

    assert [tuple(group) for group in groups if len(group) > 1] == told(scene)


def test_a_job_that_was_asked_about_is_not_repeated_by_an_equal_one() -> None:
    scene = Scene()
    scene.submit()
    scene.poll("job-1")
    scene.submit()
    assert [] == told(scene)

    scene.submit()

    assert [("job-2", "job-3")] == told(scene)


def test_whatever_else_was_asked_for_makes_two_intentions() -> None:
    scene = Scene()
    scene.submit(prompt="A shoe")
    scene.submit(prompt="Two shoes")
    scene.submit(prompt="A shoe", seed=1)
    scene.submit(prompt="A shoe", sync=True)

    assert [] == told(scene)


def test_where_the_webhook_goes_does_not() -> None:
    scene = Scene()
    scene.submit(webhook=HOOK)
    scene.submit(webhook=Hook("https://example.com/hook?attempt=2", "http://here"))

    assert [("job-1", "job-2")] == told(scene)


def test_an_answer_that_told_the_end_settles_a_job() -> None:
    scene = Scene()
    scene.submit()
    scene.entries[0] = scene.entries[0]._replace(phase=Phase.SUCCEEDED)
    scene.submit()
    assert [] == told(scene)

    scene.entries[0] = scene.entries[0]._replace(status=None)

    assert [("job-1", "job-2")] == told(scene)


def test_a_poll_after_the_second_submission_comes_too_late() -> None:
    scene = Scene()
    scene.submit()
    scene.submit()
    scene.poll("job-1")

    assert [("job-1", "job-2")] == told(scene)


def test_two_that_are_sent_side_by_side_repeat_each_other() -> None:
    scene = Scene()
    scene.submit()
    scene.poll("job-1")
    scene.submit()
    scene.entries[2] = scene.entries[2]._replace(known=0)

    assert [("job-1", "job-2")] == told(scene)


def test_jobs_whose_submission_is_not_in_the_journal_are_left_out() -> None:
    scene = Scene()
    scene.submit()
    scene.submit()
    scene.entries[0] = scene.entries[0]._replace(job=None)

    assert [] == told(scene)
