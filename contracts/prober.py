"""Asks one provider, and waits where it says so: each question becomes an exchange."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from understudy.contracts.ceiling import Ceiling
from understudy.contracts.exchanges import KEY, NO_KEY, WRONG_KEY, Exchange, parsed
from understudy.contracts.findings import Unable
from understudy.contracts.probes import WRONG_KEYS, Probe
from understudy.contracts.recordings import secrets_in
from understudy.contracts.secrecy import PUBLIC, Scrubber, carried

if TYPE_CHECKING:
    import httpx

WAITS = (1.0, 2.0, 4.0)
"""Seconds between tries, where the answer does not say how long to wait."""

LONGEST_PAUSE = 60.0
"""Seconds: a Retry-After that is longer is not waited for."""

Pause = Callable[[float], None]


class Unreachable(Unable):
    """No connection could be had for the first request: none will be within a run."""

    def __init__(self, url: str, reason: str) -> None:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        address = origin if parts.hostname in ("localhost", "127.0.0.1", "::1") else Scrubber().text(origin)
        super().__init__(f"Nothing answers at {address}: {reason or 'no connection'}.")


class Prober:
    """`pause` waits so many seconds; `now` are seconds on the same clock. `key` is sent to the provider's own hosts,
    and to no other."""

    def __init__(
        self,
        provider: str,
        origin: str,
        key: str,
        ceiling: Ceiling,
        scrubber: Scrubber,
        *,
        account: str | None = None,
        pause: Pause = time.sleep,
        now: Callable[[], float] = time.monotonic,
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        import httpx

        from understudy.contracts.spending import Guarded

        if not key.isascii() or not key.isprintable() or key != key.strip():
            raise Unable("The key is not one that can be sent in a header: it has blanks, line ends or odd characters.")
        self.provider = provider
        self._origins = (origin.rstrip("/"), (account or origin).rstrip("/"))
        self._keys = {NO_KEY: None, WRONG_KEY: WRONG_KEYS, KEY: key}
        self.ceiling = ceiling
        self._scrubber = scrubber
        self.pause = pause
        self._now = now
        self._began = now()
        self._first = True
        self._unreachable: Unreachable | None = None
        guarded = Guarded(transport or httpx.HTTPTransport(trust_env=False), provider, ceiling)
        self._http = httpx.Client(transport=guarded, timeout=timeout, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def ask(self, probe: Probe) -> Exchange:
        """The answer to a probe, after as many tries as make sense. Raises OverCeiling, and has sent nothing then."""
        url = f"{self._origins[probe.account]}{probe.target}"
        exchange = self._once(probe, url)
        for wait in WAITS:
            lost = exchange.status is None or exchange.status >= 500
            told = _seconds(exchange.headers.get("retry-after", ""))
            again = exchange.status == 429 or (lost and probe.method == "GET" and self._unreachable is None)
            if not again or (told is not None and told > LONGEST_PAUSE):
                break
            self.pause(wait if told is None else told)
            exchange = self._once(probe, url)
        return exchange

    def check_reached(self) -> None:
        """Raises Unreachable where no connection could be had for the first request."""
        if self._unreachable is not None:
            raise self._unreachable

    def fetch(self, url: str, where: str) -> Exchange:
        """What an output's URL leads to, asked for without the key."""
        return self._once(Probe(where, "GET", urlsplit(url).path, NO_KEY), url)

    @property
    def is_understudy(self) -> bool:
        """Whether a fake answers, which takes any key. The provider's own host is not asked."""
        if (urlsplit(self._origins[0]).hostname or "").endswith(PUBLIC[:3]):
            return False
        answer = self._once(
            Probe("version", "GET", "/_understudy/version", NO_KEY), f"{self._origins[0]}/_understudy/version"
        )
        return isinstance(answer.body, dict) and "understudy" in answer.body

    def _once(self, probe: Probe, url: str) -> Exchange:
        import httpx

        key = self._keys[probe.auth]
        headers = {"accept": "application/json"} | ({} if key is None else {"authorization": f"Bearer {key}"})
        content: Any = {"content": probe.body} if isinstance(probe.body, str) else {"json": probe.body}
        began = self._now()
        try:
            answer = self._http.request(
                probe.method, url, headers=headers, **(content if probe.body is not None else {})
            )
        except (httpx.RequestError, httpx.InvalidURL) as error:
            if self._first and isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.InvalidURL):
                self._unreachable = Unreachable(url, str(error))
            self._first = False
            return self._exchange(probe, None, began)
        self._first = False
        self._scrubber.also(*carried(answer.headers.multi_items()))
        exchange = self._exchange(probe, answer, began)
        self._scrubber.also(*secrets_in(exchange))
        return exchange

    def _exchange(self, probe: Probe, answer: httpx.Response | None, began: float) -> Exchange:
        sent = parsed(probe.body) if isinstance(probe.body, str) else probe.body
        return Exchange(
            where=probe.name,
            method=probe.method,
            target=probe.target,
            auth=probe.auth,
            sent=sent,
            status=None if answer is None else answer.status_code,
            headers={} if answer is None else {name.lower(): value for name, value in answer.headers.items()},
            body=None if answer is None else parsed(answer.content),
            took=(self._now() - began) * 1000,
            at=(began - self._began) * 1000,
        )


def _seconds(retry_after: str) -> float | None:
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        return None
