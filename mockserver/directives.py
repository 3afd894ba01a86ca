"""Directives in a prompt: a rule for one submission, from any client in any language."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from understudy.mockserver.rule_errors import RuleError, near_one
from understudy.mockserver.rule_forms import parse_rule
from understudy.mockserver.rule_measures import OR_NUMBER
from understudy.mockserver.rules import DIRECTIVE, Rule, When

MOST = 20
"""How many marks of one prompt are looked at, so that a long one cannot fill the journal."""

_MARKED = re.compile(r"\[\[([^\[\]]*)\]\]")
_CLOSED = re.compile(r"\[\[.*?\]\]+", re.DOTALL)
_SHOWN = 60
_LONGEST_ID = 200

Tree = dict[str, Any]
"""A rule's written form."""


@dataclass(frozen=True, slots=True)
class Directive:
    """What may stand between the brackets. `make` turns what follows the colon, "" for nothing, into a rule's written
    form, or into None where it makes no sense; `example` is one that does."""

    example: str
    make: Callable[[str], Tree | None]


def _bare(part: str, **fields: object) -> Callable[[str], Tree | None]:
    return lambda text: None if text else {part: dict(fields)}


def _job(field: str, *, read: Callable[[str], object] = str, alone: object = None) -> Callable[[str], Tree | None]:
    """A field of the job that the text gives; `alone` where there is none."""

    def make(text: str) -> Tree | None:
        value = read(text) if text else alone
        return None if value is None else {"job": {field: value}}

    return make


def _number(text: str) -> object:
    """A number where it is one; whoever checks the field complains about anything else."""
    return int(text) if re.fullmatch(r"\d{1,10}", text, re.ASCII) else text


def _numbers(text: str) -> object:
    return [_number(one.strip()) for one in text.split(",")]


def _http(text: str) -> Tree | None:
    status, comma, window = (part.strip() for part in text.partition(","))
    answer = {"status": _number(status), **({"retry_after": window} if comma else {})}
    return {"answer": answer} if text else None


def _webhook(text: str) -> Tree | None:
    kind, _, length = (part.strip() for part in text.partition(","))
    if kind == "late" and length:
        return {"webhook": {"late": length}}
    # Ten minutes are more than the five that receivers commonly tolerate.
    kinds: dict[str, Tree] = {"lost": {"lost": True}, "twice": {"copies": 2}, "forged": {"forged": True}}
    found = {**kinds, "stale": {"age": "10m"}}.get(text)
    return None if found is None else {"webhook": found}


DIRECTIVES: Mapping[str, Directive] = {
    "fail": Directive("[[fail]] or [[fail:text]]", _job("fail", alone=True)),
    "nsfw": Directive("[[nsfw]] or [[nsfw:2,5]]", _job("flagged", read=_numbers, alone=True)),
    "latency": Directive("[[latency:5s]]", _job("latency")),
    "queue": Directive("[[queue:5s]]", _job("queue_time")),
    "run": Directive("[[run:5s]]", _job("run_time")),
    "hang": Directive("[[hang]] or [[hang:queued]]", _job("hang", alone="running")),
    "partial": Directive("[[partial:2]]", _job("images", read=_number)),
    "missing": Directive("[[missing]] or [[missing:2]]", _job("missing", read=_numbers, alone=True)),
    "black": Directive("[[black]] or [[black:2]]", _job("black", read=_numbers, alone=True)),
    "resized": Directive("[[resized]] or [[resized:2]]", _job("resized", read=_numbers, alone=True)),
    "polls": Directive("[[polls:3]]", _job("polls", read=_number)),
    "cancelled": Directive("[[cancelled]]", _bare("job", end="cancelled")),
    "timeout": Directive("[[timeout]]", _bare("job", end="timeout")),
    "expire": Directive("[[expire:1h]]", _job("expire")),
    "http": Directive("[[http:429]] or [[http:429,30s]]", _http),
    "lose": Directive("[[lose]]", _bare("answer", moment="after", close=True)),
    "webhook": Directive(
        "[[webhook:lost]], [[webhook:twice]], [[webhook:late,10s]], [[webhook:forged]] or [[webhook:stale]]", _webhook
    ),
}


def read_directives(prompt: str) -> tuple[Rule | None, tuple[str, ...]]:
    """The rule that a prompt's directives come to, and notes on those that are unknown, wrong, or come too late."""
    combined: Tree = {}
    taken: list[str] = []
    notes: list[str] = []
    rule: Rule | None = None
    for text in _marked(prompt, notes):
        tree, note = _read(text)
        if tree is None:
            notes.append(note)
            continue
        if any(combined.get(part, {}).keys() & fields.keys() for part, fields in tree.items()):
            notes.append(f"{_short(text)} has no effect beside {_short(' '.join(taken))}: the first one counts.")
            continue
        candidate = {part: {**combined.get(part, {}), **tree.get(part, {})} for part in (*combined, *tree)}
        try:
            made = parse_rule(candidate)
        except RuleError as error:
            notes.append(f"{_short(text)} has no effect beside {_short(' '.join(taken))}: {error}")
            continue
        combined, rule = candidate, made
        taken.append(text)
    if rule is not None:
        named = " ".join(taken)
        cut = named if len(named) <= _LONGEST_ID else named[:_LONGEST_ID] + "…"
        rule = dataclasses.replace(rule, id=cut, when=When(operation="submit"))
    return rule, tuple(notes)


def _marked(prompt: str, notes: list[str]) -> Iterator[str]:
    """The texts that stand in brackets, these included."""
    end = 0
    for number, match in enumerate(_MARKED.finditer(prompt)):
        if number == MOST:
            notes.append(f"Only the first {MOST} directives of a prompt are read.")
            return
        between = prompt[end : match.start()]
        if between.strip("["):
            notes += _unread(between)
        yield match[0]
        end = match.end()
    notes += _unread(prompt[end:])


def _unread(text: str) -> list[str]:
    """A note on a text between directives in which another one seems to begin."""
    _, mark, rest = text.partition(DIRECTIVE)
    if not mark:
        return []
    closed = _CLOSED.match(mark + rest)
    if closed is not None:
        return [f"{_short(closed[0])} is no directive: a bracket stands in it."]
    return [f"{_short(mark + rest.rstrip())} is no directive: ]] is missing."]


def _read(text: str) -> tuple[Tree | None, str]:
    """A directive's part of a rule, or None and what is wrong with it."""
    name, _, argument = (part.strip() for part in text[2:-2].partition(":"))
    directive = DIRECTIVES.get(name.lower())
    if directive is None:
        likely = near_one(name.lower(), DIRECTIVES)
        if likely is None:
            return None, f"{_short(text)} is no directive. There are: {', '.join(DIRECTIVES)}."
        return None, f"{_short(text)} is no directive. Did you mean [[{likely}]]?"
    tree = directive.make(argument)
    if tree is None:
        return None, f"{_short(text)} is not how it is written: expected {directive.example}."
    try:
        parse_rule(tree)
    except RuleError as error:
        return None, f"{_short(text)} is wrong: {error.message.replace(OR_NUMBER, '')}"
    return tree, ""


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
