"""What can be found wrong with a client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal[
    "polled_after_end",
    "polled_too_fast",
    "ignored_retry_after",
    "no_backoff",
    "resubmitted",
    "never_fetched",
    "took_completed_for_success",
    "key_in_url",
]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: a sentence about it, the numbers of the exchanges that show it, the jobs concerned."""

    kind: Kind
    message: str
    exchanges: tuple[int, ...]
    jobs: tuple[str, ...] = ()
