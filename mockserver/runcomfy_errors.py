"""RunComfy's error bodies."""

from __future__ import annotations

import json
from typing import Any

from understudy.mockserver.exchange import Reply, json_reply, phrase
from understudy.mockserver.refusals import (
    ForeignJob,
    InsufficientCredits,
    Invalid,
    Malformed,
    Problem,
    Refusal,
    TooLarge,
    Unauthenticated,
    Unfinished,
    UnknownJob,
    UnknownModel,
    UnknownRoute,
)
from understudy.mockserver.switches import Switches
from understudy.mockserver.validation import json_type

Path = tuple[str | int, ...]

RULES = {"minItems": "min_items", "maxItems": "max_items", "minLength": "min_length", "maxLength": "max_length"}


FAILURES = {
    401: "The API token is missing or not valid.",
    402: "The account balance is not sufficient.",
    429: "Too many requests. Please slow down.",
    500: "Internal server error.",
    503: "The service is temporarily unavailable.",
}


class Errors:
    """Puts refusals into RunComfy's envelope, in the forms that are assumed."""

    def __init__(self, switches: Switches) -> None:
        self._codes = {
            Unauthenticated: 400004 if switches["runcomfy.auth_error"] == "400" else 401001,
            InsufficientCredits: 402001 if switches["runcomfy.insufficient_balance"] == "402" else 400002,
            UnknownModel: 400001 if switches["runcomfy.unknown_model"] == "400" else 404001,
        }
        self._invalid = 400001 if switches["runcomfy.invalid_input"] == "400" else 422001
        self._always_200 = switches.on("runcomfy.errors_as_200")

    def reply(self, refusal: Refusal) -> Reply:
        body = self._body(refusal)
        # The HTTP status is the first three digits of the code (documented as a pattern).
        return json_reply(200 if self._always_200 else body["error_code"] // 1000, body)

    def _body(self, refusal: Refusal) -> dict[str, Any]:
        match refusal:
            case Invalid(problems=problems, place=place):
                return self._complain([(problem.path, complain(problem), problem.rule) for problem in problems], place)
            case Malformed(found=found):
                return self._complain([((), f"the body must be a JSON object, not {found}", "json_object")], "body")
        code, message = word(refusal)
        return {"error_code": self._codes.get(type(refusal), code), "error_message": message}

    def _complain(self, complaints: list[tuple[Path, str, str]], place: str) -> dict[str, Any]:
        """With a `detail` array: known of the sibling product, inferred for this one. Each is path, text and rule."""
        message = "; ".join(f"{'.'.join(map(str, path))}: {text}" if path else text for path, text, _ in complaints)
        detail = [
            {"loc": [place, *path], "msg": text, "type": RULES.get(rule, rule)} for path, text, rule in complaints
        ]
        return {
            "error_code": self._invalid,
            "error_message": f"Input validation failed: {message}",
            "detail": detail,
        }


def failed(status: int, text: str | None) -> Reply:
    """An error of this HTTP status that a rule asked for. Its code follows the documented pattern: the status, then
    three digits of which 001 is the most frequent. The messages are assumed."""
    text = text or FAILURES.get(status) or f"{phrase(status)}."
    return json_reply(status, {"error_code": status * 1000 + 1, "error_message": text})


def word(refusal: Refusal) -> tuple[int, str]:
    """Code and message. The codes are documented or inferred, the messages assumed."""
    match refusal:
        case Unauthenticated():
            return 401001, "The API token is missing or not valid."
        case InsufficientCredits():
            return 400002, "The account balance is not sufficient."
        case UnknownModel(model=name):
            return 404001, f"Model '{name}' was not found."
        case UnknownJob(job=job):
            return 404001, f"Request '{job}' was not found."
        case ForeignJob(job=job):
            return 403001, f"You do not have permission to access request '{job}'."
        case TooLarge(limit=limit):
            return 413001, f"The request body must be at most {limit} bytes."
        case Unfinished():
            return 400005, "The request has not finished yet."
        case UnknownRoute(method=method, path=path):
            return 404001, f"{method} {path} was not found."
    raise AssertionError(f"RunComfy has no words for {refusal!r}.")


def complain(problem: Problem) -> str:
    expected = problem.expected
    match problem.rule:
        case "required":
            return "is required"
        case "enum":
            return f"must be one of {json.dumps(expected, ensure_ascii=False)}"
        case "type":
            return f"must be of type {' or '.join(expected)}, not {json_type(problem.found)}"
        case "minimum":
            return f"must be at least {expected}"
        case "maximum":
            return f"must be at most {expected}"
        case "minItems":
            return f"must have at least {expected} item{'s' if expected != 1 else ''}"
        case "maxItems":
            return f"must have at most {expected} items"
        case "minLength":
            return f"must have at least {expected} characters"
        case "maxLength":
            return f"must have at most {expected} characters"
        case "validation":
            return str(expected)
        case other:
            return f"must satisfy {other}"
