"""What is measured: how a server is started, where it says it listens, and what one cycle asks of it."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

SUBMIT_BODY = json.dumps(
    {
        "prompt": "A series of 4 images (Panels 1-4) of the same shoe, one colour each; keep angle and light.",
        "images": ["https://example.com/a.jpg"],
        "size": "2048*2048",
        "max_images": 4,
    }
)


def listening_on(line: str) -> str | None:
    """The origin in understudy's line `Listening on http://HOST:PORT`."""
    found = re.fullmatch(r"Listening on (http://\S+)\s*", line)
    return found[1] if found else None


@dataclass(frozen=True, slots=True)
class Contender:
    """A server as its user would start it. `{id}` in `poll_path` stands for the id that the submit's answer names."""

    name: str
    argv: tuple[str, ...]
    # Given each line of its stdout in turn, returns the origin once it is known.
    address: Callable[[str], str | None] = listening_on
    submit_path: str = "/api/v3/bytedance/seedream-v4/edit-sequential"
    poll_path: str = "/api/v3/predictions/{id}/result"
    submit_body: str = SUBMIT_BODY
