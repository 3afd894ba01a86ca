"""Why a request found nothing: the nearest operation, and what differs."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from understudy.mockserver.alignment import Difference, align
from understudy.mockserver.refusals import ForeignJob, Refusal, UnknownJob, UnknownModel, UnknownRoute

FAR = 2.0
"""What may differ at the most for an operation to be meant; 1 is a path part too many."""

LONGEST = 500
"""Characters of a path that are looked at."""

DEEPEST = 12
"""Parts of a path that are looked at."""

SIMILAR = 0.6
"""How alike two texts are, of 1, for one to be taken for a slip of the other."""

CLOSE = 0.7
"""The same for ids of models, of which many begin alike."""

OTHER_METHOD = 0.5
PREFIX = 0.6

IDS = {
    "wavespeed": (re.compile(r"[0-9a-f]{32}"), "32 hexadecimal digits"),
    "runcomfy": (re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"), "36 characters with dashes (a UUID)"),
}


class Place(NamedTuple):
    """Where an operation is: `path` is a route, `prefix` its beginning that all of its kind have."""

    provider: str
    operation: str
    method: str
    prefix: str
    path: str

    @property
    def parts(self) -> tuple[str, ...]:
        """Those after the prefix."""
        return _parts(self.path.removeprefix(self.prefix))

    def __str__(self) -> str:
        return f"{self.provider}'s {self.operation}, {self.method} {self.path.replace(':path', '')}"


class Nearest(NamedTuple):
    """An operation that may have been meant, how far it is, and what differs."""

    place: Place
    cost: float
    notes: tuple[str, ...]


class Start(NamedTuple):
    """What of a path comes after a prefix, and what is wrong with the prefix."""

    rest: tuple[str, ...]
    cost: float = 0.0
    notes: tuple[str, ...] = ()


class Guide:
    """Knows every operation of all providers, and the ids of their models."""

    def __init__(self, places: Sequence[Place], models: Mapping[str, Collection[str]]) -> None:
        self._places = places
        self._models = models
        self._vendors = {model.partition("/")[0] for own in models.values() for model in own}
        self._listing = {place.provider: place.path for place in places if place.operation == "models"}
        self._prefixes = sorted({place.prefix for place in places})
        self.nearest = lru_cache(maxsize=256)(self._nearest)

    def explain(self, provider: str, method: str, path: str, refusal: Refusal) -> tuple[str, ...]:
        """What to tell whoever wonders about a refusal; nothing about those that speak for themselves."""
        match refusal:
            case UnknownJob(job=job):
                return (self._about_job(provider, job),)
            case ForeignJob():
                return ("this job belongs to another API key",)
            case UnknownModel(model=model):
                # Often the path is right but for the model, which may also be named in the body.
                nearest, about = self.nearest(method, path), self._about_model(provider, model)
                return (about,) if nearest.notes in ((), (about,)) else _tell(nearest)
            case UnknownRoute():
                return _tell(self.nearest(method, path))
        return ()

    def _nearest(self, method: str, path: str) -> Nearest:
        """The operation with the fewest differences, the first of several."""
        parts = path[:LONGEST].split("/")[1:]
        notes: list[str] = []
        if len(parts) > 1 and not parts[-1]:
            notes.append("the slash at the end is too much")
        if "" in parts[:-1]:
            notes.append("there are two slashes in a row")
        clean = "".join(f"/{part}" for part in parts if part)
        starts = {prefix: self._begin(prefix, clean) for prefix in self._prefixes}
        fits: dict[tuple[str, str, str], float] = {}
        found: list[tuple[float, int]] = []
        alignments = []
        for number, place in enumerate(self._places):

            def fit(wanted: str, part: str, provider: str = place.provider) -> float:
                asked = provider if wanted.startswith("{") else "", wanted, part
                if asked not in fits:
                    fits[asked] = self._fit(*asked)
                return fits[asked]

            start = starts[place.prefix]
            alignment = align(start.rest[:DEEPEST], place.parts, fit)
            alignments.append(alignment)
            found.append((start.cost + alignment.cost + OTHER_METHOD * (place.method != method), number))
        cost, number = min(found)
        place = self._places[number]
        if place.method != method:
            notes.append(f"it is asked for with {place.method}, not {method}")
        notes += starts[place.prefix].notes
        notes += (self._word(place.provider, difference) for difference in alignments[number].differences)
        return Nearest(place, cost, tuple(notes))

    def _begin(self, prefix: str, path: str) -> Start:
        """What comes after a prefix that is there, there twice, further on, misspelt or missing."""
        if path == prefix or path.startswith(f"{prefix}/"):
            rest = path.removeprefix(prefix)
            if not rest.startswith(f"{prefix}/"):
                return Start(_parts(rest))
            while rest.startswith(f"{prefix}/"):
                rest = rest.removeprefix(prefix)
            return Start(_parts(rest), PREFIX / 2, (f"{prefix!r} stands there twice: the base URL has it already",))
        before, further, rest = path.partition(f"{prefix}/")
        if further:
            return Start(_parts(rest), PREFIX, (f"{before!r} before {prefix!r} is too much",))
        parts = _parts(path)
        for length in (2, 1):
            head = "".join(f"/{part}" for part in parts[:length])
            if head in self._prefixes or _alike(head, prefix) >= SIMILAR:
                return Start(parts[length:], PREFIX, (f"{head!r} should be {prefix!r}",))
        return Start(parts, PREFIX, (f"{prefix!r} is missing at the beginning",))

    def _fit(self, provider: str, wanted: str, part: str) -> float:
        if wanted == "{id}":
            if IDS[provider][0].fullmatch(part):
                return 0.0
            return 0.3 if any(form.fullmatch(part) for form, _ in IDS.values()) else 0.8
        if wanted.startswith("{"):
            if part in self._models[provider]:
                return 0.0
            if part.partition("/")[0] not in self._vendors:
                return 0.7 if self._similar(provider, part) else 1.1
            elsewhere = any(part in own for own in self._models.values())
            return 0.3 if not elsewhere and self._similar(provider, part) else 0.6
        if part == wanted:
            return 0.0
        alike = _alike(part.lower(), wanted)
        return max(1.0 - alike, 0.1) if alike >= SIMILAR else 1.6

    def _word(self, provider: str, difference: Difference) -> str:
        kind, found, wanted = difference
        if kind == "extra":
            return f"{found!r} is too much"
        if wanted == "{id}":
            return "the job's id is missing" if kind == "missing" else self._about_job(provider, found)
        if wanted.startswith("{"):
            return "the model's id is missing" if kind == "missing" else self._about_model(provider, found)
        return f"{wanted!r} is missing" if kind == "missing" else f"{found!r} should be {wanted!r}"

    def _about_job(self, provider: str, job: str) -> str:
        form, words = IDS[provider]
        if form.fullmatch(job):
            return (
                f"no job {job!r} is known to {provider}: it may be one of another run of this server, or have been "
                "deleted, or have made room for newer ones"
            )
        for other, (its_form, _) in IDS.items():
            if its_form.fullmatch(job):
                return f"{job!r} is an id as {other} gives them: those of {provider} have {words}"
        return f"{_short(job)!r} is not the id of a job: those of {provider} have {words}"

    def _about_model(self, provider: str, model: str) -> str:
        others = [other for other, own in self._models.items() if other != provider and model in own]
        whose = f"{model!r} is a model of {others[0]}'s" if others else f"{provider} has no model {_short(model)!r}"
        near = self._similar(provider, model)
        if near:
            return f"{whose}: did you mean {near!r}?"
        return f"{whose}, and none that is called nearly so: GET {self._listing[provider]} lists them"

    def _similar(self, provider: str, model: str) -> str | None:
        from difflib import SequenceMatcher  # late, as wherever somebody errs

        matcher = SequenceMatcher(None, b=model[:200])
        near, best = None, CLOSE
        for known in sorted(self._models[provider]):
            matcher.set_seq1(known)
            if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best and matcher.ratio() > best:
                near, best = known, matcher.ratio()
        return near


def _tell(nearest: Nearest) -> tuple[str, ...]:
    if nearest.cost > FAR:
        return ("no operation of any provider is like this: those that there are stand at /_understudy/docs",)
    return (f"the nearest operation is {nearest.place}", *nearest.notes)


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part)


def _alike(one: str, other: str) -> float:
    """How alike two texts are, from 0 to 1."""
    if 2 * min(len(one), len(other)) < SIMILAR * (len(one) + len(other)):
        return 0.0
    from difflib import SequenceMatcher

    return SequenceMatcher(None, one, other).ratio()


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:100]}…"
