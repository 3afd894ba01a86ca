"""Those who wait for something to happen, and are woken when it does."""

from __future__ import annotations

import asyncio


class Waiters(set["asyncio.Future[None]"]):
    """Futures of one event loop; nobody who has left is in here."""

    def wake(self) -> None:
        for waiter in self:
            if not waiter.done():
                waiter.set_result(None)

    async def sleep(self, milliseconds: float | None) -> None:
        """Waits until woken or until the time has passed; without one, until woken."""
        waiter = asyncio.get_running_loop().create_future()
        self.add(waiter)
        try:
            # One millisecond more than asked for, so that a clock has arrived and not almost.
            await asyncio.wait({waiter}, timeout=None if milliseconds is None else milliseconds / 1000 + 0.001)
        finally:
            self.discard(waiter)
