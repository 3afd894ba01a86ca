"""Jobs that look like one intention submitted twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from understudy.mockserver.jobs import Job, Submission
from understudy.mockserver.journal import Entry, Logged

LIST = "list"
"""The operation that tells of all jobs at once."""


def duplicates(jobs: Sequence[Job], logged: Logged) -> list[tuple[Job, ...]]:
    """Groups of a tenant's jobs, each group oldest first, given in order of submission.

    A job repeats the latest one before it that is equal in all that was asked for (model, prompt, images, every
    other input, mode; not the webhook's address, which may name the attempt), unless its sender knew what it did: the
    answer to the earlier submission had arrived, and after that the client asked about that job, or about all of them,
    or was told its end in that very answer, and only then submitted the other. Somebody who wants a second set of
    images, and has seen to the first one, has not submitted it twice.

    Two sent side by side are told as a repetition too: the one was sent before the other was answered. Jobs whose
    submission the journal holds no more, or not yet, are left out: nothing is known of them.
    """
    submissions = submissions_of(logged)
    asked = _Asked(logged)
    latest: dict[Submission, list[Job]] = {}
    groups: list[list[Job]] = []
    for job in jobs:
        if job.id not in submissions:
            continue
        intention = dataclasses.replace(job.submission, webhook=None)
        group = latest.get(intention)
        if group is None or asked.about(group[-1], submissions[group[-1].id], submissions[job.id][1].known):
            group = latest[intention] = []
            groups.append(group)
        group.append(job)
    return [tuple(group) for group in groups if len(group) > 1]


def submissions_of(logged: Logged) -> dict[str, tuple[int, Entry]]:
    """The exchange that each job was submitted in, and its number, by the job's id."""
    return {
        entry.job: (number, entry)
        for number, entry in logged.numbered
        if entry.operation == "submit" and entry.job is not None
    }


class _Asked:
    """When the client asked about which job: the numbers of its exchanges."""

    def __init__(self, logged: Logged) -> None:
        self._first: dict[str, int] = {}
        self._listed: dict[str, list[int]] = {}
        for number, entry in logged.numbered:
            if entry.job is not None and entry.operation != "submit":
                self._first.setdefault(entry.job, number)
            elif entry.operation == LIST and entry.accepted:
                self._listed.setdefault(entry.provider, []).append(number)

    def about(self, job: Job, submission: tuple[int, Entry], known: int) -> bool:
        """Whether a client that knows the exchanges up to this number had been told of the job, and had asked on."""
        number, entry = submission
        if number > known or not entry.accepted:
            return False
        if entry.phase is not None and entry.phase.ended:
            return True
        listed = self._listed.get(job.submission.provider, ())
        return self._first.get(job.id, known + 1) <= known or any(number < at <= known for at in listed)
