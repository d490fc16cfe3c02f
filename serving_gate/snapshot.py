"""Where the gate's knowledge of what is admitted comes from.

Every second the control plane's signed snapshot is fetched, verified through
``govern.domain.snapshot.open_snapshot`` (which loads every admission's evidence), and
taken over if it is not older than the one in use. The accepted document is kept on disk,
so that a restart neither needs the control plane nor can be moved backwards.
"""

from __future__ import annotations

import asyncio
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from govern.domain.snapshot import LineageState, Snapshot
from govern.errors import ExpiredError, GovernError, RollbackError
from serving_gate.decide import View

SNAPSHOT_BYTES_MAX = 64 << 20
FETCH_SECONDS = 5.0
Opener = Callable[[bytes, datetime], Snapshot]


def fetch(url: str) -> bytes:
    """Return the snapshot document at ``url`` (blocking).

    Raises:
        OSError: the control plane cannot be reached or its answer is too large.
    """
    request = urllib.request.Request(url, headers={"accept": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=FETCH_SECONDS) as response:
        data: bytes = response.read(SNAPSHOT_BYTES_MAX + 1)
    if len(data) > SNAPSHOT_BYTES_MAX:
        raise OSError("the snapshot is too large")
    return data


class SnapshotKeeper:
    """Holds the newest verified snapshot; it only moves forward."""

    def __init__(
        self,
        path: Path,
        opener: Opener,
        *,
        stale_seconds: float,
        fetcher: Callable[[], bytes] | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.view: View | None = None
        self.fresh_until = 0.0
        self.problem: str | None = None
        self.accepted = self.rejected = 0
        self._path = path
        self._open = opener
        self._stale_seconds = stale_seconds
        self._fetcher = fetcher
        self._clock = clock
        self._snapshot: Snapshot | None = None
        self._document: bytes | None = None

    def lineage(self) -> LineageState | None:
        """Return the lineage log's checkpoint in the newest snapshot in use, if it shows one."""
        if self.view is None or self._snapshot is None:
            return None
        return self._snapshot.lineage

    def load(self) -> None:
        """Take over the snapshot kept on disk, if there is one that verifies.

        An expired one is opened as of when it was written: it admits nothing, but
        remains the mark below which nothing is accepted.
        """
        try:
            document = self._path.read_bytes()
        except FileNotFoundError:
            return
        try:
            self._accept(document, datetime.now(UTC), persist=False)
        except ExpiredError as error:
            self.problem = f"the snapshot on disk has expired: {error}"
            self._remember_expired(document)
        except GovernError as error:
            self.problem = f"the snapshot on disk does not verify: {error}"

    def _remember_expired(self, document: bytes) -> None:
        """Open an expired document as of when the file was written, as a mark only."""
        written = datetime.fromtimestamp(self._path.stat().st_mtime, UTC)
        try:
            self._snapshot = self._open(document, written)
        except GovernError:
            return
        self._document = None

    def offer(self, document: bytes) -> None:
        """Verify a document and take it over.

        Raises:
            VerificationError: it does not verify; the one in use stands.
        """
        now = datetime.fromtimestamp(self._clock(), UTC)
        if document == self._document and self._snapshot is not None:
            self._refresh(now.timestamp())
            return
        try:
            self._accept(document, now, persist=True)
        except GovernError:
            self.rejected += 1
            raise

    def _accept(self, document: bytes, now: datetime, *, persist: bool) -> None:
        snapshot = self._open(document, now)
        snapshot.require_newer_than(self._snapshot)
        if persist:
            _write(self._path, document)
        self._snapshot, self._document = snapshot, document
        self.view = View.of(snapshot)
        self.accepted += 1
        self._refresh(now.timestamp() if persist else snapshot.issued_at.timestamp())

    def _refresh(self, heard_at: float) -> None:
        self.fresh_until = heard_at + self._stale_seconds
        self.problem = None

    def verify_again(self) -> None:
        """Verify the next document even if it is the one in use: trust has changed."""
        self._document = None

    async def poll(self, seconds: float) -> None:
        """Fetch every ``seconds``, until cancelled."""
        while True:
            await self.poll_once()
            await asyncio.sleep(seconds)

    async def poll_once(self) -> None:
        """Fetch and offer once; a failure is kept as ``problem`` and changes nothing."""
        if self._fetcher is None:
            return
        try:
            document = await asyncio.to_thread(self._fetcher)
            await asyncio.to_thread(self.offer, document)
        except RollbackError as error:
            self.problem = f"refused: {error}"
        except (OSError, ValueError, urllib.error.URLError) as error:
            self.problem = f"the control plane cannot be reached: {type(error).__name__}"
        except GovernError as error:
            self.problem = f"refused: {error}"


def _write(path: Path, document: bytes) -> None:
    temporary = path.with_name(f".{path.name}.part")
    try:
        with open(temporary, "wb") as file:
            file.write(document)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)  # the one in memory serves; a restart fetches again
