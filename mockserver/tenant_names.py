"""What of a key chance goes by, so that a test that is run again has another tenant and the same luck."""

from __future__ import annotations

NONCE = "~"


def name_of(tenant: str) -> str:
    """A key without its nonce: `~` and what follows the last one. A key without that is its own name.

    Two keys of the same name draw the same outcomes, images and secrets, and the same ids as long as nobody has them.
    """
    return tenant.rpartition(NONCE)[0] or tenant
