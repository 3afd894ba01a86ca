"""Where webhooks may go: a URL's host and its addresses against what the settings allow."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Not `is_private`: that also holds for link-local addresses, where clouds keep their machines' credentials.
LOOPBACK = tuple(map(ipaddress.ip_network, ("127.0.0.0/8", "::1/128")))
PRIVATE = (*LOOPBACK, *map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
EVERYWHERE = tuple(map(ipaddress.ip_network, ("0.0.0.0/0", "::/0")))
WORDS = {"loopback": LOOPBACK, "private": PRIVATE, "any": EVERYWHERE}
_OLD_FORM = re.compile(r"(0x)?[0-9a-f]+(\.(0x)?[0-9a-f]+){0,3}", re.ASCII)
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?", re.ASCII)


class Target(NamedTuple):
    """Where a URL leads: a host name or address in lower case, and a port."""

    host: str
    port: int


def parse_target(url: str) -> Target:
    """Where an absolute http or https URL leads. Raises ValueError for any other text."""
    if not url.isprintable() or " " in url:
        raise ValueError("characters that no URL has")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an absolute http or https URL")
    return Target(parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))


def parse_address(host: str) -> Address | None:
    """The address that a host is written as, in whichever form resolvers take; None for a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return _parse_old_form(host)
    return getattr(address, "ipv4_mapped", None) or address


def _parse_old_form(host: str) -> Address | None:
    """`2852039166`, `0x7f.1` and the like, which mean IPv4 addresses."""
    try:
        return ipaddress.ip_address(socket.inet_aton(host)) if _OLD_FORM.fullmatch(host) else None
    except OSError:
        return None


def parse_network(text: str) -> Network:
    """A block, or an address as a block of its own. Raises ValueError for other text."""
    address = parse_address(text)
    return ipaddress.ip_network(text if address is None else address)


@dataclass(frozen=True, slots=True)
class Hosts:
    """The hosts that may be called: by name, whatever their address is, or by address."""

    text: str
    names: frozenset[str]
    networks: tuple[Network, ...]

    def names_it(self, host: str) -> bool:
        return host.rstrip(".") in self.names

    def refused(self, addresses: Sequence[str]) -> str | None:
        """The first of a host's addresses that may not be called; None when all may."""
        return next((text for text in addresses if not self._holds(parse_address(text))), None)

    def _holds(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self.networks)


def parse_hosts(text: str) -> Hosts:
    """`loopback`, `private` (which includes loopback), `any`, host names and CIDR blocks, with commas."""
    names, networks = set(), list[Network]()
    for part in filter(None, (part.strip().lower() for part in text.split(","))):
        if part in WORDS:
            networks += WORDS[part]
            continue
        try:
            networks.append(parse_network(part))
        except ValueError as error:
            if not _NAME.fullmatch(part) or not re.search("[a-z]", part):
                raise ValueError(
                    f"{part!r} is none of loopback, private, any, a host name or a block such as 10.1.0.0/16"
                ) from error
            names.add(part.rstrip("."))
    if not names and not networks:
        raise ValueError(f"{text!r} names no hosts: expected loopback, private, any, host names or CIDR blocks")
    return Hosts(text, frozenset(names), tuple(networks))
