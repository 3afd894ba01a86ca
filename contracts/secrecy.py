"""Keeps keys, tokens, signed URLs and private hosts out of whatever is printed, written or recorded."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus, urlsplit

KEY, SECRET, SIGNED, HOST = "[key]", "[secret]", "[signed]", "[host]"
MARKS = (KEY, SECRET, SIGNED, HOST)
SHORTEST = 6
"""A key of fewer characters is part of words; it is masked where it stands alone."""

PUBLIC = (
    "wavespeed.ai",
    "runcomfy.net",
    "runcomfy.com",
    "cloudfront.net",
    "example.com",
    "example.org",
    "json-schema.org",
    "understudy.invalid",
)
"""Hosts that may be named, with all beneath them: the providers' own, where their outputs lie, and the samples'."""

HEADERS = ("content-type", "retry-after", "content-encoding", "allow", "www-authenticate")
"""Headers of an answer whose values are kept, beside those that tell of a limit. Of all others, the name is."""

NAMES = re.compile(
    r"(?:^|[_-]|(?-i:(?<=[a-z0-9])(?=[A-Z])))(?:secret|token|password|passwd|authorization|cookie|signature|credential|api[_-]?key|access[_-]?key)s?$",
    re.IGNORECASE,
)
"""Names of headers, fields and parameters whose values nobody should see."""

_PARAMETER = re.compile(r"(?:^|[?&;\s])([\w.\[\]-]+)=([^&;#\s\"'<>]+)")
_WORD = re.compile(r"[A-Za-z]?[a-z]{0,10}|[\d.,:-]{0,11}")
"""What stands under a secret's name and says something else: `required`, `string`, a number."""

_TOKENS = re.compile(
    r"whsec_[A-Za-z0-9+/=_-]+|\bwsk_[A-Za-z0-9_-]{8,}|\bsk-[A-Za-z0-9_-]{8,}|\bAKIA[0-9A-Z]{12,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?|\bgh[pousr]_[A-Za-z0-9]{16,}"
)
_PAIR = re.compile(
    r"""(?i)((?:secret|token|password|passwd|authorization|cookie|signature|credential|api[_-]?key|access[_-]?key)s?"""
    r"""["']?\s*[:=]\s*)(["'])(?!\[)[^"']+\2"""
)
_BEARER = re.compile(r"(?i)\b(bearer|basic|token)\s+(?!\[)[A-Za-z0-9._~+/=-]{6,}")
_URL = re.compile(r"(?i)\b(https?|wss?|ftp|s3|gs)(://|%3a%2f%2f|:\\/\\/)([^\s\"'<>\\`]+)")
_BARE = re.compile(
    r"(?<![\w@.-])(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?(?![\w.])"
    r"|(?i:\b(?:localhost|(?:[a-z0-9_-]{1,63}\.){1,9}(?:internal|intranet|local|lan|corp|home|private|localdomain))\b)(?::\d{1,5})?"
    r"|(?i:\[?\b(?:f[cd][0-9a-f]{2}|fe80):[0-9a-f:]+\]?)"
)


class Scrubber:
    """Knows what is secret here; `also` adds to that. `origins` are replaced by the public ones that they stand for."""

    def __init__(self, secrets: Iterable[str] = (), origins: Mapping[str, str] | None = None) -> None:
        self._origins = dict(origins or {})
        self._forms: dict[str, None] = {}
        self._pattern: re.Pattern[str] | None = None
        self.also(*secrets)

    def also(self, *secrets: str) -> None:
        """Secrets that have come to be known."""
        known = len(self._forms)
        for secret in secrets:
            if secret.strip() not in self._forms:
                self._forms.update(dict.fromkeys(_written(secret)))
        if len(self._forms) != known:
            self._pattern = None

    def _known(self) -> re.Pattern[str]:
        """What finds every known secret, made when it is asked for: a long recording has many."""
        if self._pattern is None:
            self._pattern = self._compiled()
        return self._pattern

    def _compiled(self) -> re.Pattern[str]:
        whole = sorted((form for form in self._forms if len(form) >= SHORTEST), key=len, reverse=True)
        words = sorted((form for form in self._forms if len(form) < SHORTEST), key=len, reverse=True)
        parts = [re.escape(form) for form in whole] + [rf"(?<!\w){re.escape(form)}(?!\w)" for form in words]
        return re.compile("|".join(parts))

    def stands_for(self, origin: str, public: str) -> None:
        """An origin that is to be told as another."""
        if origin != public:
            self._origins[origin] = public

    def text(self, text: str) -> str:
        """The text without anything that nobody should see."""
        if self._forms:
            text = self._known().sub(KEY, text)
        for origin, public in self._origins.items():
            text = text.replace(origin, public)
        text = _URL.sub(self._url, text)
        text = _TOKENS.sub(SECRET, text)
        text = _PAIR.sub(lambda found: f"{found[1]}{found[2]}{SECRET}{found[2]}", text)
        text = _BEARER.sub(lambda found: f"{found[1]} {SECRET}", text)
        for origin, public in self._origins.items():
            text = text.replace(urlsplit(origin).netloc, urlsplit(public).netloc)
        return _BARE.sub(_bare, text)

    def value(self, value: Any) -> Any:
        """The same for all texts of a JSON value, names included, and what stands under a secret's name."""
        if isinstance(value, str):
            return type(value)(self.text(value))
        if isinstance(value, Mapping):
            return {self.text(str(name)): self._named(str(name), one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(one) for one in value]
        return value

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Those headers of an answer that say something; of the others the names, since a new one is news."""
        return {
            name.lower(): self.text(value) if _told(name.lower()) else ""
            for name, value in headers.items()
            if self.text(name) == name
        }

    def _named(self, name: str, value: Any) -> Any:
        if NAMES.search(name):
            if isinstance(value, str) and value:
                return SECRET
            if isinstance(value, list | tuple):
                return [self._named(name, one) for one in value]
        return self.value(value)

    def _url(self, found: re.Match[str]) -> str:
        scheme, slashes, rest = found[1], found[2], found[3]
        if slashes != "://":
            host = re.split(r"(?i)%2f|\\/|[/?#]", rest, maxsplit=1)[0]
            plain = _public(host) and not re.search(r"(?i)%3[fd]|[?=]", rest)
            return found[0] if plain else f"{scheme}{slashes}{HOST}"
        authority, slash, path = _split(rest)
        host = authority.rpartition("@")[2]
        shown = host if _public(host) else HOST
        path, mark, query = path.partition("?")
        if mark and not (query and all(_harmless(part) for part in query.split("#")[0].split("&"))):
            query = SIGNED
        return f"{scheme}://{shown}{slash}{path}{mark}{query}"


def key_in(authorization: str) -> str:
    """What is secret in the value of an Authorization header."""
    return authorization.strip().partition(" ")[2].strip() or authorization.strip()


def carried(headers: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What is secret in the headers of a request or an answer: keys, tokens and cookies."""
    for name, value in headers:
        if name.lower() == "cookie":
            yield from _cookies(value.split(";"))
        elif name.lower() == "set-cookie":
            # Several may have been joined, by line ends or by commas, which a date has too.
            yield from _cookies(one.partition(";")[0] for one in re.split(r"\n|,\s*(?=[^;,=\s]+=)", value))
        elif NAMES.search(name) and not _told(name.lower()):
            yield key_in(value)
            if "authorization" not in name.lower():
                yield value


def parameters(target: str) -> Iterator[str]:
    """What is secret in the query of a URL, or in a form."""
    for name, value in _PARAMETER.findall(target):
        if NAMES.search(name) and not is_masked(value):
            yield value
            yield unquote_plus(value)


def fields(body: Any) -> Iterator[str]:
    """What is secret in a body by the names of its fields, but for plain words: a schema has such names too."""
    if isinstance(body, str):
        yield from (value for value in parameters(body) if not _is_word(value))
    elif isinstance(body, Mapping):
        for name, value in body.items():
            told = value if isinstance(value, list) else [value]
            if NAMES.search(str(name)):
                texts = [one for one in told if isinstance(one, str) and not is_masked(one)]
                yield from (one for text in texts for one in {text, key_in(text)} if not _is_word(one))
            if not isinstance(value, str):
                yield from fields(value)
    elif isinstance(body, list):
        for one in body:
            if not isinstance(one, str):
                yield from fields(one)


def is_masked(value: object) -> bool:
    """Whether something was cut out of a text, so that its form says nothing any more."""
    return isinstance(value, str) and any(mark in value for mark in MARKS)


def _written(secret: str) -> Iterable[str]:
    """How a secret may be written: as it is, in a URL, in JSON, in Base64."""
    secret = secret.strip()
    if secret and secret not in MARKS:
        yield secret
        yield quote(secret, safe="")
        yield quote(secret)
        yield quote_plus(secret)
        yield secret.encode("unicode_escape").decode()
        escaped = secret.replace("\\", "\\\\").replace('"', '\\"')
        yield escaped
        yield escaped.replace("/", "\\/")
        yield secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
        if len(secret) >= SHORTEST:
            raw = secret.encode("utf-8", "surrogateescape")
            for encoded in (base64.b64encode(raw), base64.urlsafe_b64encode(raw)):
                yield encoded.decode()
                yield encoded.decode().rstrip("=")


def _cookies(pairs: Iterable[str]) -> Iterator[str]:
    """The values of cookies, but for those that are plain words, such as a language."""
    for pair in pairs:
        name, _, value = pair.strip().partition("=")
        value = value.strip().strip('"')
        if value and (NAMES.search(name) or not _is_word(value)):
            yield value
            yield unquote_plus(value)


def _is_word(value: str) -> bool:
    return len(value) < SHORTEST or _WORD.fullmatch(value) is not None


def _split(rest: str) -> tuple[str, str, str]:
    match = re.match(r"([^/?#]*)(.*)", rest, re.DOTALL)
    assert match is not None, "Every text is an authority and what follows it."
    slash = "/" if match[2].startswith("/") else ""
    return match[1], slash, match[2].removeprefix("/")


def _public(host: str) -> bool:
    name = host.lower().partition(":")[0].rstrip(".")
    return any(name == known or name.endswith(f".{known}") for known in PUBLIC)


def _harmless(part: str) -> bool:
    """A parameter whose value is short and plain: a flag, a number, a word of search."""
    name, _, value = part.partition("=")
    return (
        not NAMES.search(name)
        and re.fullmatch(r"[A-Za-z0-9_./-]{0,40}", value) is not None
        and not re.search(r"(?i)^(x-amz|x-goog|sig|expires|policy|key-pair|se$|sp$|sv$|hdn)", name)
    )


def _bare(found: re.Match[str]) -> str:
    host = found[0].partition(":")[0]
    try:
        return found[0] if re.fullmatch(r"[\d.]+", host) and ip_address(host).is_global else HOST
    except ValueError:
        return found[0]


def _told(name: str) -> bool:
    return name in HEADERS or "ratelimit" in name
