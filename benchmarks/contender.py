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
KEY = "Authorization: Bearer bench"
JSON = "Content-Type: application/json"


def listening_on(line: str) -> str | None:
    """The origin in understudy's line `Listening on http://HOST:PORT`."""
    found = re.fullmatch(r"Listening on (http://\S+)\s*", line)
    return found[1] if found else None


@dataclass(frozen=True, slots=True)
class Contender:
    """A server as its user would start it.

    `{port}` in `argv` stands for a free port, for a server that does not say where it listens. `{id}` in `poll_path`
    and `poll_body` stands for the id that the submit's answer names under `id_key`. A poll with a body is a POST.
    """

    name: str
    argv: tuple[str, ...]
    # Given each line of its stdout in turn, returns the origin once it is known.
    address: Callable[[str], str | None] = listening_on
    submit_path: str = "/api/v3/bytedance/seedream-v4/edit-sequential"
    poll_path: str = "/api/v3/predictions/{id}/result"
    submit_body: str = SUBMIT_BODY
    poll_body: str = ""
    submit_headers: tuple[str, ...] = (KEY, JSON)
    poll_headers: tuple[str, ...] = (KEY,)
    id_key: str = "id"
    # Whether the answer to a poll says which job it is about, so that a wrong one is seen.
    polls_name_job: bool = True
    # What it cannot do of the work that the others do.
    lacks: str = ""

    def id_in(self, answer: str) -> str | None:
        """The id that an answer names, if any."""
        found = re.search(rf'"{self.id_key}"\s*:\s*"([^"]+)"', answer)
        return found[1] if found else None
