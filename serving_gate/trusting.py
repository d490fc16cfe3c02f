"""The trust file while the gate runs: a newer one is taken up, with the log key's successor.

Every second the file is read again. A newer one that follows the one in use
(``govern.transparency.succession``) is taken up: snapshots are verified under it, and
checkpoints are signed with the gate's current key. One that does not follow, or whose key
for this gate is not here, is a problem: until it is mended nothing is answered, rather
than recorded under a key that has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from govern.errors import GovernError
from govern.transparency.succession import check_succession
from govern.transparency.trust import TrustRoot


class TrustKeeper:
    """Holds the trust file in use; it only moves forward.

    Args:
        trust: the file to begin with.
        read: returns the bytes of the file in force.
        take_up: called with each newer file before it counts; what it raises is a problem.
        changed: called once it counts.
    """

    def __init__(
        self,
        trust: TrustRoot,
        read: Callable[[], bytes],
        take_up: Callable[[TrustRoot], None],
        changed: Callable[[], None],
    ) -> None:
        self.trust = trust
        self.problem: str | None = None
        self._read, self._take_up, self._changed = read, take_up, changed

    def look(self) -> None:
        """Read the file once and take it up if it is newer; ``problem`` says if it cannot be."""
        try:
            data = self._read()
            if data != self.trust.raw:
                found = TrustRoot.from_json(data)
                check_succession(self.trust, found)
                self._take_up(found)
                self.trust = found
                self._changed()
            self.problem = None
        except (GovernError, OSError) as error:
            self.problem = f"the trust file in force cannot be taken up: {error}"

    async def look_every(self, seconds: float) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(seconds)
