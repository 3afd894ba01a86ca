"""Who may call the control API: whoever has the token, and on loopback everybody who is no stranger's web page."""

from __future__ import annotations

import dataclasses
import hmac
import ipaddress
import secrets

from understudy.mockserver.control_asked import Wrong
from understudy.mockserver.settings import Settings

HEADER = b"x-understudy-token"


def is_loopback(host: str) -> bool:
    """Whether an address, or the name of one, can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost" or host.lower().endswith(".localhost")


def with_token(settings: Settings) -> Settings:
    """The same settings, with a control token that is drawn now if one is needed and none was given."""
    if settings.control_token is not None or is_loopback(settings.host):
        return settings
    return dataclasses.replace(settings, control_token=secrets.token_urlsafe(16))


class Access:
    """With a token, that is what a caller must have. Without one, the connection must have come in by loopback, and
    the Host that it was made for must be loopback too: a page of any web site can have its own name lead to 127.0.0.1
    (DNS rebinding), and a browser then lets it call this server and read the answers, but not change that header.
    Pages that do not rebind are kept out by the browser: they cannot send an Authorization header across origins.
    """

    def __init__(self, token: str | None) -> None:
        self._token = None if token is None else token.encode()

    def check(self, given: bytes | None, address: str, host: str) -> None:
        """Raises Wrong for a caller without the right token, where one is needed. `address` is where on this machine
        the connection arrived, and no IP address where there is no network between; `host` what the client calls it."""
        if self._token is not None:
            if given is None or not hmac.compare_digest(given, self._token):
                problem = "needs the header X-Understudy-Token" if given is None else "has the wrong X-Understudy-Token"
                message = f"This call {problem}: --control-token sets it, or else the server printed one at its start."
                raise Wrong("X-Understudy-Token", None, message, status=403)
            return
        try:
            local = ipaddress.ip_address(address).is_loopback
        except ValueError:
            return
        if not local:
            message = f"This server is reached over the network, at {address}, and has no control token: give it one."
            raise Wrong("X-Understudy-Token", None, message, status=403)
        if not is_loopback(host):
            message = (
                f"Without a control token this server answers to 127.0.0.1, [::1] and localhost, not to {host!r}: "
                "a web page could have its own name lead here. Use one of those, or set --control-token."
            )
            raise Wrong("Host", host, message, ("127.0.0.1", "[::1]", "localhost"), status=403)
