"""WaveSpeedAI's error messages."""

from __future__ import annotations

import json

from understudy.mockserver.exchange import phrase
from understudy.mockserver.refusals import (
    BadWebhook,
    FileTooLarge,
    ForeignJob,
    HostRefused,
    Invalid,
    Malformed,
    Problem,
    RateLimited,
    Refusal,
    SyncTimeout,
    TooLarge,
    Unauthenticated,
    UnknownJob,
    UnknownModel,
    UnknownRoute,
)
from understudy.mockserver.validation import json_type

BOUNDS = {"minimum": "least", "minItems": "least", "minLength": "least"} | dict.fromkeys(
    ("maximum", "maxItems", "maxLength"), "most"
)
CREDITS = {
    "short": "Insufficient credits. Please top up.",
    "long": "Insufficient credits. Please top up your account to continue.",
}
BAD_KEY = "Invalid API key. Verify the key on your dashboard's API Keys page, or contact support@wavespeed.ai."


# What the service itself says: 429 follows the grammar of the levels' message, all are assumed.
FAILURES = {
    429: "Too Many Requests. Please try again later.",
    500: "Internal server error. Please try again later.",
    502: "Bad gateway. Please try again later.",
    503: "Service unavailable. Please try again later.",
    504: "Gateway timeout. Please try again later.",
}


def failure_text(status: int) -> str:
    """What goes with an error of this HTTP status that a rule asked for."""
    if status == 401:
        return BAD_KEY
    if status in (402, 403):
        return CREDITS["short"]
    return FAILURES.get(status) or f"{phrase(status)}."


def word(refusal: Refusal) -> tuple[int, str]:
    """Status and message. The first four are observed, the others follow their grammar and are assumed."""
    match refusal:
        case Unauthenticated():
            return 401, BAD_KEY
        case UnknownModel(model=name):
            return 404, f'Model "{name}" not found. Please check the model identifier.'
        case UnknownJob() | ForeignJob():
            return 404, "Prediction not found."
        case Invalid(problems=problems):
            return 400, complain(problems[0])
        case Malformed(found=found):
            return 400, f"request body must be a JSON object, got {found}; please send a JSON object"
        case TooLarge(limit=limit):
            return 413, f"request body must be at most {limit} bytes; please send a smaller body"
        case FileTooLarge(limit=limit):
            return 413, f"file must be at most {limit} bytes; please send a smaller file"
        case RateLimited(limit=limit):
            return 429, f"Too Many Requests. The limit is {limit} images per minute; please try again later."
        case BadWebhook(url=url, limit=limit):
            must = f"an absolute http or https URL of at most {limit} characters"
            return 400, f"webhook must be {must}, got {_found(url)}; please use such a URL"
        case HostRefused(host=host, address=address, allowed=allowed):
            allow = f"please allow it with --webhook-hosts {allowed},{host}, or with the setting webhook_hosts"
            return 400, f'webhook host "{host}" ({address}) is not among the allowed hosts; {allow}'
        case SyncTimeout():
            return 504, "Gateway Timeout"
        case UnknownRoute(method=method, path=path):
            return 404, f"{method} {path} not found. Please check the path and the method."
    raise AssertionError(f"WaveSpeed has no words for {refusal!r}.")


def complain(problem: Problem) -> str:
    """One problem in the grammar of the enum violation on record."""
    expected = problem.expected
    match problem.rule:
        case "required":
            return f'field "{problem.field}" is required but missing; please provide it'
        case "unknown":
            return f'field "{problem.field}" is not allowed, got {_found(problem.found)}; please leave it out'
        case "enum":
            must, please = f"be one of {json.dumps(expected, ensure_ascii=False)}", "use one of the allowed values"
        case "type":
            must, please = f"be of type {' or '.join(expected)}", "use the expected type"
        case "minimum" | "maximum":
            must, please = f"be at {BOUNDS[problem.rule]} {expected}", "use a value in the allowed range"
        case "minItems" | "maxItems":
            must, please = f"have at {BOUNDS[problem.rule]} {expected} items", "use an allowed number of items"
        case "minLength" | "maxLength":
            must, please = f"have at {BOUNDS[problem.rule]} {expected} characters", "use an allowed length"
        case "size":
            must = f"be WIDTH*HEIGHT with each side from {expected[0]} to {expected[1]}"
            please = "use an allowed size"
        case "format":
            must, please = f"be {expected}", "use the expected format"
        case other:
            must, please = f"satisfy {other}", "use an allowed value"
    return f'field "{problem.field}" must {must}, got {_found(problem.found)}; please {please}'


def _found(value: object) -> str:
    """A value and its type, the value left out where it is long."""
    if isinstance(value, list):
        return f"array with {len(value)} items"
    if value is None:
        return "null"
    shown = json.dumps(value, ensure_ascii=False)
    return f"{json_type(value)} {shown}" if len(shown) <= 200 else f"{json_type(value)} of {len(shown)} characters"
