"""The lineage log's checkpoints, put on record in this gate's own log.

A snapshot shows the lineage log's newest checkpoint. When that log has grown since the
last one on record, a record of kind ``anchor`` with the signed note is written, durable
like any other. A lineage log that is rewritten or cut afterwards contradicts a log that
another key signs and other people keep (docs/specs/log.md). After a start the current
checkpoint is put on record again. It does not judge the snapshot: see ``snapshot.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from govern.domain.gate_record import ANCHORED
from govern.domain.snapshot import LineageState
from serving_gate.pending import Pending
from serving_gate.recorder import Recorder


class Anchors:
    """Writes an anchor whenever the lineage log has grown."""

    def __init__(self, recorder: Recorder, newest: Callable[[], LineageState | None]) -> None:
        self.written = 0
        self._recorder = recorder
        self._newest = newest
        self._size = -1
        self._under_way = False

    def write(self) -> None:
        """Put the newest checkpoint on record, unless it is there or on its way."""
        found = self._newest()
        if found is None or self._under_way or found.checkpoint.size <= self._size:
            return
        self._under_way = True
        size = found.checkpoint.size
        self._recorder.submit(
            Pending(
                kind="anchor",
                method="",
                path="",
                status=0,
                done=lambda _index, _leaf: self._done(size),
                failed=self._failed,
                keep_bodies=False,
                request_more={ANCHORED: found.note},
            )
        )

    def _done(self, size: int) -> None:
        self._size, self._under_way = size, False
        self.written += 1

    def _failed(self) -> None:
        self._under_way = False  # the next round tries again

    async def write_every(self, seconds: float) -> None:
        """Look for a newer checkpoint, until cancelled."""
        while True:
            self.write()
            await asyncio.sleep(seconds)
