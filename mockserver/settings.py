"""Everything about a server that can be set, as one frozen value; read from flags, environment and a TOML file."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understudy.contracts.catalogue import Model
from understudy.mockserver.clock import ClockMode, parse_clock
from understudy.mockserver.durations import DurationRange, Spread, parse_duration, parse_spread
from understudy.mockserver.money import parse_dollars
from understudy.mockserver.own_models import parse_models
from understudy.mockserver.rules import Rule
from understudy.mockserver.switches import check_switches, parse_switches
from understudy.mockserver.webhook_hosts import Hosts, parse_hosts

PREFIX = "UNDERSTUDY_"
MEMORY = "memory"
_SIZES = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


class SettingsError(Exception):
    """A setting that cannot be: the message names it, where it came from, its value, and what is allowed."""


def parse_host(text: str) -> str:
    if not text.strip():
        raise ValueError("the address is empty: expected one of this machine's, such as 127.0.0.1, or 0.0.0.0 for all")
    return text.strip()


def parse_rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1:
        raise ValueError(f"{text!r} is not a rate: expected a number from 0 to 1")
    return rate


def parse_count(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"-?\d{1,20}", text, re.ASCII) or not least <= int(text) <= most:
            raise ValueError(f"{text!r} is not allowed: expected a whole number from {least} to {most}")
        return int(text)

    return parse


def parse_choice(*values: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in values:
            raise ValueError(f"{text!r} is not allowed: expected {' or '.join(values)}")
        return text

    return parse


def parse_size(text: str) -> int:
    match = re.fullmatch(r"(\d{1,12})\s*([a-z]*)", text.strip().lower(), re.ASCII)
    if match is None or match[2] not in _SIZES:
        raise ValueError(f"{text!r} is not a size: expected bytes, or a number with kB, MB, GB, KiB, MiB or GiB")
    return int(match[1]) * _SIZES[match[2]]


def parse_keys(text: str) -> frozenset[str]:
    """The keys in a file, one a line; blank lines and lines that start with # do not count."""
    try:
        lines = Path(text).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{text!r} cannot be read as a list of keys: {error}") from error
    keys = frozenset(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
    if not keys:
        raise ValueError(f"{text!r} lists no keys: expected one API key a line")
    return keys


def parse_token(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text, re.ASCII):
        raise ValueError("a token is made of printable ASCII characters without spaces, at least one")
    return text


def parse_on_off(text: str) -> bool:
    if text not in ("on", "off"):
        raise ValueError(f"{text!r} is neither on nor off")
    return text == "on"


def parse_rules(text: str) -> tuple[Rule, ...]:
    """The rules in a TOML file."""
    from understudy.mockserver import rule_forms  # late: most servers begin without rules

    return rule_forms.parse_rules(text)


def parse_store(text: str) -> str:
    kind = text.partition("://")[0]
    if text != MEMORY and (kind == text or kind not in ("redis", "rediss", "unix")):
        raise ValueError(
            f"{text!r} is no store: expected memory, or where Redis or Valkey is: redis://HOST:PORT/DB, rediss:// for "
            "TLS, unix://PATH for a socket"
        )
    return text


def setting(default: Any, parse: Callable[[str], Any], metavar: str | None, text: str) -> Any:
    """A field that is a flag, an environment variable and a key of the TOML file at once.

    Without a metavar it is on or off: a flag that takes no value, `on` or `off` in the environment, a boolean in TOML.
    """
    metadata = {"parse": parse, "metavar": metavar, "help": text}
    return (
        field(default_factory=dict, metadata=metadata) if default == {} else field(default=default, metadata=metadata)
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """One server's settings. Times are milliseconds, sizes are bytes, rates are per job, money is microdollars."""

    host: str = setting(
        "127.0.0.1", parse_host, "ADDRESS", "Address to listen on; anything but loopback prints a warning."
    )
    port: int = setting(8787, parse_count(0, 65535), "PORT", "Port to listen on; 0 picks a free one.")
    queue_time: Spread = setting(
        DurationRange(500, 500),
        parse_spread,
        "TIME",
        "How long a job is queued: 500ms, a range 1s..4s, or lognormal(2s, 0.5).",
    )
    run_time: Spread = setting(DurationRange(2000, 2000), parse_spread, "TIME", "How long a job runs, written alike.")
    clock: ClockMode = setting(
        ClockMode(),
        parse_clock,
        "CLOCK",
        "How time passes for each API key at first: real, 60x, manual, or auto (to what happens next at each poll).",
    )
    rules: tuple[Rule, ...] = setting(
        (), parse_rules, "FILE", "Begin with the rules in this TOML file, for every API key."
    )
    failure_rate: float = setting(0.0, parse_rate, "RATE", "Share of jobs that fail, 0 to 1.")
    nsfw_rate: float = setting(0.0, parse_rate, "RATE", "Share of jobs whose content is flagged, 0 to 1.")
    flagged_images: str = setting(
        "marked", parse_choice("marked", "black"), "KIND", "What flagged images show: marked (that they are), or black."
    )
    seed: int | None = setting(
        None, parse_count(0, 2**63 - 1), "NUMBER", "Repeats a run: same seed, same submissions, same outcomes."
    )
    keys: Container[str] | None = setting(
        None, parse_keys, "FILE", "Accept only the API keys listed in this file, one a line."
    )
    control_token: str | None = setting(
        None,
        parse_token,
        "TOKEN",
        "What calls of /_understudy must carry as X-Understudy-Token; drawn and printed on anything but loopback.",
    )
    assume: Mapping[str, str] = setting(
        {}, parse_switches, "NAME[=VALUE]", "Take another reading of a contradiction; see `understudy switches`."
    )
    jobs: int = setting(
        100_000, parse_count(1, 10**9), "COUNT", "How many jobs are kept; the oldest finished go first."
    )
    balance: int = setting(
        10**12, parse_dollars, "DOLLARS", "What every API key starts with at each provider, in US dollars."
    )
    level: str | None = setting(
        None, str.lower, "NAME", "WaveSpeed account level for all: bronze, silver, gold or ultra; no limits by default."
    )
    capacity: int | None = setting(
        None, parse_count(1, 10**6), "COUNT", "How many RunComfy jobs of one API key run at once; the others queue."
    )
    models: tuple[Model, ...] = setting(
        (), parse_models, "FILE", "Serve the models in this JSON file too, as either provider publishes them."
    )
    any_model: bool = setting(
        False, parse_on_off, None, "Accept models that nobody knows, with any JSON object as their inputs."
    )
    upload_limit: int | None = setting(
        None, parse_size, "SIZE", "Longest file that can be uploaded; 200 MB unless --assume says otherwise."
    )
    upload_store: int = setting(256 * 2**20, parse_size, "SIZE", "How many bytes of uploads are kept; oldest go first.")
    body_limit: int = setting(144 * 2**20, parse_size, "SIZE", "Longest request body that is accepted.")
    reference_store: int = setting(
        256 * 2**20,
        parse_size,
        "SIZE",
        "How many bytes of input images are kept; oldest finished jobs go.",
    )
    # 50 MB is what the model pages say of images in general.
    image_limit: int = setting(50 * 10**6, parse_size, "SIZE", "Longest input image inside of a request, as data: URI.")
    image_cache: int = setting(64 * 2**20, parse_size, "SIZE", "How many bytes of drawn images are kept.")
    store: str = setting(
        MEMORY, parse_store, "URL", "Keep everything in Redis or Valkey, for several servers: redis://HOST:PORT/DB."
    )
    store_kept: int = setting(
        24 * 3_600_000, parse_duration, "TIME", "How long a shared store keeps what has not been used since."
    )
    workers: int = setting(1, parse_count(1, 256), "COUNT", "How many processes serve the port; more need --store.")
    journal: int = setting(
        1_000, parse_count(0, 10**7), "COUNT", "How many exchanges of each API key are kept in its journal."
    )
    journal_store: int = setting(
        64 * 2**20, parse_size, "SIZE", "How many bytes the journals of all API keys take together."
    )
    sync_limit: int = setting(90_000, parse_duration, "TIME", "How long a submission in sync mode waits for its job.")
    webhook_hosts: Hosts = setting(
        parse_hosts("private"),
        parse_hosts,
        "HOSTS",
        "Where webhooks may go: loopback, private (loopback too), any, host names, CIDR blocks; with commas.",
    )
    webhook_url_limit: int = setting(
        2_048, parse_count(1, 65_536), "COUNT", "How many characters a webhook's URL may have."
    )
    # The documents say up to three retries with exponential backoff; the base and the time allowed are assumed.
    webhook_backoff: int = setting(
        1_000, parse_duration, "TIME", "How long after a failed delivery the first retry comes; doubles each time."
    )
    webhook_timeout: int = setting(
        10_000, parse_duration, "TIME", "How long, in real time, a webhook's receiver has to answer."
    )
    webhook_records: int = setting(
        10_000,
        parse_count(1, 10**9),
        "COUNT",
        "How many webhooks are on record for each tenant; beyond that those that are over go, none that waits.",
    )


NAMES = tuple(entry.name for entry in dataclasses.fields(Settings))
VARIABLES = {name: PREFIX + name.upper() for name in NAMES}


def _parse(name: str, value: object, source: str) -> Any:
    """One setting's value out of what a source says: text, or a TOML value."""
    metadata = Settings.__dataclass_fields__[name].metadata
    try:
        if name == "assume" and isinstance(value, dict):
            return check_switches(dict(_switches(value)))
        if isinstance(value, bool) and metadata["metavar"] is None:
            return value
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise ValueError(f"{value!r} is a {type(value).__name__}: expected text or a number")
        return metadata["parse"](str(value))
    except ValueError as error:
        end = "" if str(error).endswith((".", "?")) else "."
        raise SettingsError(f"{name} (from {source}): {error}{end}") from error


def _switches(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The switches of a TOML table, in which a name's dot may make a table of its own: `wavespeed.cancel = true`."""
    for key, item in table.items():
        if isinstance(item, dict):
            yield from _switches(item, f"{prefix}{key}.")
        else:
            yield prefix + key, {True: "on", False: "off"}.get(item, str(item)) if isinstance(item, bool) else str(item)


def read_file(path: str) -> dict[str, object]:
    """The settings of a TOML file, unparsed. Raises SettingsError: unreadable, not TOML, or a key that is none."""
    import difflib
    import tomllib

    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"The settings file {path!r} cannot be read: {error}.") from error
    for key in content:
        if key not in NAMES:
            near = difflib.get_close_matches(key, NAMES, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise SettingsError(f"{path}: there is no setting {key!r}.{hint} Settings are: {', '.join(NAMES)}.")
    return content


def load(flags: Mapping[str, str | None], environment: Mapping[str, str], path: str | None) -> Settings:
    """The settings that three sources give, nearest first: flag, environment, file; switches are merged by name.

    Raises SettingsError with the name, the source, the value and what is allowed.
    """
    path = path or environment.get(f"{PREFIX}CONFIG")
    layers: Iterable[tuple[str, str, object]] = [
        *((name, str(path), value) for name, value in (read_file(path) if path else {}).items()),
        *((name, variable, environment[variable]) for name, variable in VARIABLES.items() if variable in environment),
        *((name, "--" + name.replace("_", "-"), value) for name, value in flags.items() if value is not None),
    ]
    chosen: dict[str, Any] = {}
    for name, source, value in layers:
        parsed = _parse(name, value, source)
        chosen[name] = {**chosen.get(name, {}), **parsed} if name == "assume" else parsed
    return Settings(**chosen)


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Variables that look like settings and are none, so that a typo can be told."""
    known = {*VARIABLES.values(), *(f"{PREFIX}{name}" for name in ("CONFIG", "BASE_URL", "KEY"))}
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)
