"""What the suite needs to know to drive one client, or to look at one provider; pytest gets it as a fixture."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from understudy.contracts.actor import Actor
from understudy.contracts.client import PARTS, Account, Factory
from understudy.contracts.findings import Broken, NotApplicable, Unable
from understudy.contracts.models import check_provider
from understudy.contracts.properties import Property
from understudy.contracts.scenario import Scenario
from understudy.contracts.stagehand import Stagehand
from understudy.contracts.talk import Talk
from understudy.contracts.trial import Limits, Trial
from understudy.contracts.watching import Endless, within

if TYPE_CHECKING:
    import httpx

LIMITS = Limits(poll_interval=0.005, timeout=5.0, patience=10.0)
"""Where time is virtual."""

LIVE = Limits(poll_interval=1.0, timeout=300.0, patience=310.0)
"""Where jobs take as long as they take."""

GRACE = 2.0
"""Seconds that a client may go on beyond a timeout that is shorter than usual."""

OPENING = 30.0
"""Seconds that a factory may take to make a client."""

REFUSED = {"answer": {"status": 401}}
"""What a tenant is told for ever once its client has not come to an end: most then do."""


class Harness:
    """A provider at an origin, and a client for it, if it is a client that is checked.

    Each example has a key of its own, which begins with `key`; a provider without a control API has this one key only.
    `token` is that of the control API, where it has one. `assume` are the readings of the provider, as for
    `understudy serve --assume`. `examples` is how many are tried of each property, in place of its own number, but no
    more of those that wait in real time; without a control API each may cost money, so it is one unless said otherwise.
    The same `seed` tries the same examples. `database` is a folder that keeps what broke, to be tried first the next
    time. `importable` is where a test finds the factory, as `module:name`, if that is not where it says itself. All
    goes through `transport` where one is given, which may raise NotApplicable.

    Raises Unable when nothing answers at the origin, and when there is a client to be checked but no understudy.
    """

    def __init__(
        self,
        provider: str,
        origin: str,
        factory: Factory | None = None,
        *,
        key: str = "contract",
        token: str | None = None,
        assume: Mapping[str, str] | None = None,
        examples: int | None = None,
        seed: int = 0,
        database: str | None = None,
        limits: Limits | None = None,
        importable: str = "",
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        import httpx

        check_provider(provider)
        self.provider = provider
        self.origin = origin.rstrip("/")
        self.examples = examples
        self.seed = seed
        self.database = database
        self.assume = dict(assume or {})
        self.importable = importable
        self._factory = factory
        self._key = key
        self._token = token
        self._abandoned = 0
        try:
            self._http = httpx.Client(base_url=self.origin, timeout=30, trust_env=False, transport=transport)
            self.controlled = Stagehand(self._http, key).version() is not None
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise Unable(f"Nothing answers at {origin}: {error}.") from error
        if not self.controlled and examples is None:
            self.examples = 1
        self._limits = limits or (LIMITS if self.controlled else LIVE)
        if factory is not None and not self.controlled:
            self.close()
            raise Unable(
                f"There is no understudy behind {origin}: a client is checked against one, which can be told what to "
                "do and tells what it saw. Leave the base URL out to have one started."
            )
        self._for = getattr(factory, "providers", (provider,))
        try:
            self._can, self._tells = self._ask_client()
        except Unable:
            self.close()
            raise

    def __enter__(self) -> Harness:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    @property
    def factory(self) -> Factory | None:
        return self._factory

    def applies(self, found: Property) -> None:
        """Raises NotApplicable where a property asks for what is not there."""
        if self.provider not in found.providers:
            raise NotApplicable(f"{self.provider} has nothing of the kind")
        if found.about == "client" and self._factory is None:
            raise NotApplicable("there is no client")
        if found.about == "client" and self.provider not in self._for:
            raise NotApplicable(f"the client is not for {self.provider}")
        if "control" in found.needs and not self.controlled:
            raise NotApplicable("this needs a fake that can be controlled")
        missing = sorted(found.needs - {"control"} - self._can)
        if missing:
            raise NotApplicable(f"the client has no {' and no '.join(missing)}")
        untold = sorted(found.tells - self._tells)
        if untold:
            raise NotApplicable(f"the client does not tell {' nor '.join(untold)}")

    def hold(self, found: Property) -> None:
        """Tries a property. Raises Broken with the smallest case, or NotApplicable, or Unable."""
        self.applies(found)
        from understudy.contracts.searching import Search  # late: Hypothesis

        examples = found.examples if self.examples is None else self.examples
        if found.wall:
            examples = min(examples, found.examples)
        search = Search(self.seed, examples, self.database)
        if found.machine:
            from understudy.contracts.lifecycle import machine

            search.machine(machine(self, found, search))
        else:
            search.scenarios(found, self.provider, lambda scenario: self.attempt(found, scenario))

    def attempt(self, found: Property, scenario: Scenario) -> None:
        """Plays one scenario. Raises Broken, with the case and its story."""
        with self.trial(found, scenario) as trial:
            try:
                found.check(trial, scenario)
            except Broken as broken:
                broken.case, broken.story = scenario.as_json(), trial.story()
                raise

    def replay(self, name: str, case: Mapping[str, Any]) -> None:
        """Plays one case of the property of this name again, as a break prints it."""
        from understudy.contracts.registry import property_named

        self.attempt(property_named(name), Scenario(**case))

    @contextmanager
    def trial(self, found: Property, scenario: Scenario) -> Iterator[Trial]:
        """A tenant, and a client, with nothing of their own yet. A scenario has the same key whenever it is played, so
        that ids and all that follows from them repeat; unless some client still goes on under it."""
        limits = self._limits
        if found.timeout is not None:
            limits = limits._replace(timeout=found.timeout, patience=found.timeout + GRACE)
        key = self._key
        if self.controlled:
            digest = blake2b(json.dumps(scenario.as_json(), sort_keys=True).encode(), digest_size=8).hexdigest()
            key = f"{key}-{self._abandoned}-{digest}"
        stagehand = Stagehand(self._http, key, self._token) if self.controlled else None
        if stagehand is not None:
            stagehand.reset()
        client = self._client(key, limits) if found.about == "client" else None
        talk = Talk(self._http, self.provider, key, self.assume)
        other = Talk(self._http, self.provider, f"{key}-other", self.assume)
        try:
            yield Trial(self.provider, self.origin, talk, stagehand, client, other, limits)
        finally:
            if client is not None:
                client.close()

    def _client(self, key: str, limits: Limits) -> Actor:
        factory = self._factory
        assert factory is not None
        account = Account(self.provider, self.origin, key, limits.poll_interval, limits.timeout)
        try:
            client = within(OPENING, lambda: factory(account))
        except Endless:
            raise Unable(f"The factory had not made a client after {OPENING:g} s.") from None
        except Unable:
            raise
        except (Exception, SystemExit) as error:
            raise Unable(
                f"The factory raised {type(error).__name__}: {error}. It is called with an Account before anything is "
                "checked."
            ) from error

        def abandon() -> None:
            self._abandoned += 1
            Stagehand(self._http, key, self._token).add_rules([REFUSED])
            restart = getattr(factory, "abandon", None)
            if restart is not None:
                restart()

        return Actor(client, limits.patience, abandon)

    def _ask_client(self) -> tuple[frozenset[str], frozenset[str]]:
        if self._factory is None or self.provider not in self._for:
            return frozenset(), PARTS
        actor = self._client(f"{self._key}-0", self._limits)
        actor.close()
        return actor.can, actor.tells
