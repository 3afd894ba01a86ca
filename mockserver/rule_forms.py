"""Rules as people write them: JSON, TOML, Python's plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from understudy.mockserver.durations import DurationRange
from understudy.mockserver.jobs import Failure, WebhookTwist
from understudy.mockserver.rule_checks import check
from understudy.mockserver.rule_errors import RuleError, near, written
from understudy.mockserver.rule_fields import RULE, Field, Fields
from understudy.mockserver.rules import AnswerEffect, JobEffect, Rule, When
from understudy.mockserver.wires import Wire

__all__ = ["RuleError", "parse_rule", "parse_rule_set", "parse_rules", "rule", "show_rule"]

_SET = ("rules", "first")


def rule(
    *,
    when: Mapping[str, object] | None = None,
    job: Mapping[str, object] | None = None,
    answer: Mapping[str, object] | None = None,
    webhook: Mapping[str, object] | None = None,
    times: int | None = None,
    lasts: str | int | None = None,
    next: bool = False,  # noqa: A002 - the names are those of the JSON form
    last: bool = False,
    id: str | None = None,  # noqa: A002 - the same
) -> Rule:
    """A rule out of the same parts as in JSON. `lasts` is what JSON calls `for`, a word that Python keeps to itself.

    Raises RuleError.
    """
    parts = {
        "id": id,
        "next": next,
        "last": last,
        "times": times,
        "for": lasts,
        "when": when,
        "job": job,
        "answer": answer,
        "webhook": webhook,
    }
    return parse_rule({name: part for name, part in parts.items() if part is not None})


def parse_rule(value: object) -> Rule:
    """A rule of plain values: docs/control.md has the form. Its id is empty where none is given. Raises RuleError."""
    return _parse(value, "")


def parse_rule_set(value: object) -> tuple[tuple[Rule, ...], bool]:
    """One rule, or several as `{"rules": […]}`; and whether they come `first`, before those that there are.

    Raises RuleError.
    """
    if not isinstance(value, Mapping) or not value.keys() & set(_SET):
        return (parse_rule(value),), False
    first = value.get("first", False)
    if not isinstance(first, bool):
        raise RuleError("first", first, f"first is {written(first)}: expected true or false.")
    if "rules" not in value:
        return (parse_rule({name: part for name, part in value.items() if name != "first"}),), first
    for name in value:
        if name not in _SET:
            message = f"There is no field {written(name)} beside rules. {near(str(name), _SET)}"
            raise RuleError(str(name), value[name], message, _SET)
    several = value["rules"]
    if not isinstance(several, (list, tuple)) or not several:
        raise RuleError("rules", several, f"rules is {written(several)}: expected an array of rules.")
    rules = tuple(_parse(one, f"rules.{index}.") for index, one in enumerate(several))
    for index, one in enumerate(rules):
        if one.id and one.id in {before.id for before in rules[:index]}:
            message = f"There are two rules {one.id!r}: give this one another id, or none."
            raise RuleError(f"rules.{index}.id", one.id, message)
    return rules, first


def parse_rules(path: str) -> tuple[Rule, ...]:
    """The rules of a TOML file, `[[rule]]` each; those without an id are rule-1, rule-2 and so on.

    Raises ValueError that names the file, the rule and what is expected.
    """
    import tomllib  # late: most servers begin without rules

    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path!r} cannot be read as TOML: {error}") from error
    for key in content:
        if key != "rule":
            raise ValueError(f"{path!r} has a key {key!r}: expected tables [[rule]] and nothing else")
    tables = content.get("rule")
    if not isinstance(tables, list) or not tables:
        raise ValueError(f"{path!r} holds no rules: expected tables that begin with [[rule]]")
    rules: list[Rule] = []
    for number, table in enumerate(tables, 1):
        try:
            parsed = _parse(table, "")
            if parsed.next:
                raise RuleError("next", True, "next is for a rule that is added while the server runs: leave it out.")
        except RuleError as error:
            raise ValueError(f"{path!r}, rule {number}: {error}") from error
        if parsed.id and parsed.id in {before.id for before in rules}:
            raise ValueError(f"{path!r}, rule {number}: there is a rule {parsed.id!r} already; give it another id")
        rules.append(parsed)
    return tuple(_named(rules))


def show_rule(rule: Rule) -> dict[str, Any]:
    """The rule as plain values, which `parse_rule` reads back as the same rule."""
    parts = {"id": rule.id, "next": rule.next, "last": rule.last, "times": rule.times, "for": rule.lasts}
    tree = {
        **{name: part for name, part in parts.items() if part},
        "when": _given(rule.when, When()),
        "job": _job(rule.job),
        "answer": _answer(rule.answer),
        "webhook": _given(rule.webhook, WebhookTwist()),
    }
    return _written(RULE, {name: part for name, part in tree.items() if part})


def _parse(value: object, at: str) -> Rule:
    tree = _read(RULE, value, at, "a rule")
    check(tree, value, at)
    job, answer, webhook = tree.get("job"), tree.get("answer"), tree.get("webhook")
    following = tree.get("next", False)
    return Rule(
        id=tree.get("id", ""),
        when=When(**tree.get("when", {})),
        job=None if job is None else _job_effect(dict(job)),
        answer=None if answer is None else _answer_effect(dict(answer)),
        webhook=None if webhook is None else WebhookTwist(**webhook),
        times=tree.get("times", 1 if following else None),
        lasts=tree.get("for"),
        next=following,
        last=tree.get("last", False),
    )


def _read(fields: Fields, given: object, at: str, what: str) -> dict[str, Any]:
    """What was written as a tree of values, without what is as if it were not there."""
    if not isinstance(given, Mapping):
        raise RuleError(at[:-1] or "rule", given, f"{at[:-1] or 'rule'} is {written(given)}: expected an object.")
    names = {field.name: field for field in fields}
    for name in given:
        if name not in names:
            message = f"There is no field {written(name)} in {what}. {near(str(name), names)}"
            raise RuleError(f"{at}{name}", given[name], message, names)
    for field in fields:
        if field.needed and field.name not in given:
            raise RuleError(f"{at}{field.name}", None, f"{at}{field.name} is missing: {what} needs it.", names)
    # In the order of the table, so that the first complaint does not depend on how it was written.
    values = {name: _value(field, given[name], f"{at}{name}") for name, field in names.items() if name in given}
    return {name: value for name, value in values.items() if value is not False}


def _value(field: Field, given: object, at: str) -> Any:
    if field.fields and isinstance(given, Mapping):
        return _read(field.fields, given, f"{at}.", field.name)
    return field.kind.read(at, given)


def _written(fields: Fields, tree: Mapping[str, Any]) -> dict[str, Any]:
    shown = {}
    for field in fields:
        if field.name in tree:
            value = tree[field.name]
            shown[field.name] = field.kind.write(_written(field.fields, value) if field.fields else value)
    return shown


def _job_effect(tree: dict[str, Any]) -> JobEffect:
    if "fail" in tree:
        how = dict(tree["fail"])
        after = how.pop("after", None)
        tree["fail"] = Failure(**how)
        if after is not None:
            tree["latency"] = DurationRange(after, after)
    if tree.pop("finish", False):
        tree["latency"] = DurationRange(0, 0)
    return JobEffect(**tree)


def _job(effect: JobEffect | None) -> dict[str, Any]:
    tree = {} if effect is None else _given(effect, JobEffect())
    if "fail" in tree:
        tree["fail"] = _given(tree["fail"], Failure())
    return tree


def _answer_effect(tree: dict[str, Any]) -> AnswerEffect:
    wire = None
    if tree.pop("close", False):
        wire = Wire("close")
    elif tree.pop("reset", False):
        wire = Wire("reset")
    elif "cut" in tree:
        wire = Wire("cut", tree.pop("cut"))
    elif "content_length" in tree:
        wire = Wire("length", tree.pop("content_length"))
    elif "drip" in tree:
        wire = Wire("drip", **tree.pop("drip"))
    return AnswerEffect(put=tree.pop("set", ()), wire=wire, **tree)


def _answer(effect: AnswerEffect | None) -> dict[str, Any]:
    tree = {} if effect is None else _given(effect, AnswerEffect())
    wire: Wire | None = tree.pop("wire", None)
    if "put" in tree:
        tree["set"] = tree.pop("put")
    if wire is not None:
        forms = {"cut": wire.bytes, "length": wire.bytes, "drip": {"bytes": wire.bytes, "pause": wire.pause}}
        tree["content_length" if wire.kind == "length" else wire.kind] = forms.get(wire.kind, True)
    return tree


def _given(value: Any, default: Any) -> dict[str, Any]:
    """The fields of a dataclass that are not as they are by default."""
    if value is None:
        return {}
    fields = ((entry.name, getattr(value, entry.name)) for entry in dataclasses.fields(value))
    return {name: one for name, one in fields if one != getattr(default, name)}


def _named(rules: Iterable[Rule]) -> Iterable[Rule]:
    rules = list(rules)
    taken, number = {one.id for one in rules}, 0
    for one in rules:
        if not one.id:
            number += 1
            while f"rule-{number}" in taken:
                number += 1
            one = dataclasses.replace(one, id=f"rule-{number}")
        yield one
