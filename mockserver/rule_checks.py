"""What no field of a rule is wrong about by itself: contradictions, and rules that could never do anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from understudy.mockserver.rule_clashes import CLASHES, NEEDS
from understudy.mockserver.rule_errors import RuleError, near, written
from understudy.mockserver.rule_fields import EVERYWHERE, OPERATIONS

EFFECTS = ("job", "answer", "webhook")
_NAMED = ("flagged", "missing", "black", "resized")
_HAS_MODEL = (None, "submit", "model")


def check(tree: Mapping[str, Any], given: Any, at: str) -> None:
    """Raises RuleError. `tree` is what was read of `given`; `at` is where that is, with a dot at the end."""
    present = set(_paths(tree))
    for one, other, why in CLASHES:
        if one in present and other in present:
            message = f"{at}{one} and {at}{other} do not go together: {why}."
            raise RuleError(f"{at}{other}", _at(given, other), message)
    for one, other, why in NEEDS:
        if one in present and other not in present:
            raise RuleError(f"{at}{one}", _at(given, one), f"{at}{one} needs {at}{other}: {why}.")
    _check_calls(tree, given, at)
    _check_images(tree.get("job", {}), given, at)
    _check_effects(tree, given, at)


def _check_calls(tree: Mapping[str, Any], given: Any, at: str) -> None:
    when = tree.get("when", {})
    provider, operation = when.get("provider"), when.get("operation")
    if provider is not None and operation is not None:
        exists = (*OPERATIONS[provider], *EVERYWHERE)
        if operation not in exists:
            message = f"{provider} has no operation {operation!r}. {near(operation, exists)}"
            raise RuleError(f"{at}when.operation", operation, message, exists)
    for part in ("job", "webhook"):
        if part in tree and operation not in (None, "submit"):
            message = (
                f"{at}{part} is decided by a submission, and this rule is for the operation {operation!r}: "
                "leave when.operation out, or give 'submit'."
            )
            raise RuleError(f"{at}when.operation", operation, message, ["submit"])
    for field, having in (("model", _HAS_MODEL), ("prompt", _HAS_MODEL[:2])):
        if field in when and operation not in having:
            message = f"{at}when.{field} fits no call of operation {operation!r}, which has no {field}: leave it out."
            raise RuleError(f"{at}when.{field}", _at(given, f"when.{field}"), message)


def _check_images(job: Mapping[str, Any], given: Any, at: str) -> None:
    for field in _NAMED:
        most = max(job.get(field, (0,)))
        if most > job.get("images", most):
            message = f"{at}job.{field} names image {most}, and job.images lets {job['images']} come out."
            raise RuleError(f"{at}job.{field}", _at(given, f"job.{field}"), message)


def _check_effects(tree: Mapping[str, Any], given: Any, at: str) -> None:
    if not tree.keys() & set(EFFECTS):
        message = f"The rule does nothing: give it {', '.join(EFFECTS[:-1])} or {EFFECTS[-1]}."
        raise RuleError(at[:-1] or "rule", given, message, EFFECTS)
    for part in EFFECTS:
        if part in tree and not (tree[part].keys() - {"moment"} if part == "answer" else tree[part]):
            value = _at(given, part)
            raise RuleError(f"{at}{part}", value, f"{at}{part} is {written(value)}, which does nothing: leave it out.")


def _paths(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in tree.items():
        yield prefix + name
        if isinstance(value, Mapping):
            yield from _paths(value, f"{prefix}{name}.")


def _at(given: Any, path: str) -> Any:
    for name in path.split("."):
        given = given.get(name) if isinstance(given, Mapping) else given
    return given
