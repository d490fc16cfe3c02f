"""Sequence, integrate, publish: an answer leaves only after its record is durable.

The order for a batch (at most 256 records), and what a crash leaves at each step:

1. *sequence*: records get consecutive numbers, are committed to, encrypted, and written
   to the journal with one ``fdatasync``. A crash before it ends leaves a cut tail that
   recovery ignores: nobody was answered.
2. *integrate*: the leaves enter the tree in memory, and the answers leave. A crash
   leaves durable records without a checkpoint: recovery integrates them again.
3. *publish*: about every second, or when a receipt asks, tiles and the signed checkpoint
   are written. A crash leaves tiles without a checkpoint: they are written again.

A batch that cannot be made durable never enters the tree: its answers become 503
``cannot-record``. So do those that wait for a disk longer than they may; should their batch
become durable after all, the log has records of answers that were not given, never the
reverse. Until the disk takes a new segment, an empty batch tries it again and again, and
the gate lets nobody in. One writer per folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from govern.domain.gate_archive import make_frame, pack_payload
from govern.domain.gate_record import make_leaf
from govern.errors import CheckpointError, SignatureError, StorageError
from govern.transparency.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from govern.transparency.note import NoteSigner, NoteVerifier
from serving_gate.edge_tree import EdgeTree, File
from serving_gate.histogram import Histogram
from serving_gate.journal import Journal, check_journal
from serving_gate.keyring import Keyring
from serving_gate.log_files import LogFolder
from serving_gate.pending import Pending, record_bytes
from serving_gate.times import micros_text

BATCH_RECORDS_MAX = 256
BATCH_BYTES_MAX = 8 << 20


@dataclass(slots=True)
class _Batch:
    first: int
    pending: list[Pending]
    leaves: list[bytes]
    frames: bytes
    keys: bytes
    started: float


class Recorder:
    """The one writer of a gate's journal and log."""

    def __init__(
        self,
        folder: Path,
        signer: NoteSigner,
        *,
        segment_bytes_max: int,
        earlier: Sequence[NoteVerifier] = (),
    ) -> None:
        self.origin = signer.name
        self.log = LogFolder(folder / "log")
        self.published_size = 0
        self.batches = self.failures = 0
        self.commits = Histogram()
        self.journal_error: str | None = None
        self.publish_error: str | None = None
        self._signer, self._earlier = signer, earlier
        self._sign_again = False
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _lock(folder / ".writer")
        self._journal = Journal(folder / "payloads", segment_bytes_max)
        self._keyring = Keyring(folder / "payloads")
        self._tree = EdgeTree()
        self._unpublished: list[File] = []
        self._waiting: deque[Pending] = deque()
        self._in_flight: _Batch | None = None
        self._scheduled = False
        self._publishing: asyncio.Future[None] | None = None
        self._jobs: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._recover(folder / "payloads")
        self.size_at_start = self._tree.size

    @property
    def size(self) -> int:
        """Number of durable records."""
        return self._tree.size

    @property
    def waiting(self) -> int:
        """Number of records that are not durable yet."""
        return len(self._waiting)

    @property
    def spool_bytes(self) -> int:
        """Bytes of payload segments on disk."""
        return self._journal.bytes

    def _recover(self, payloads: Path) -> None:
        """Continue where the journal ends, by the same steps that write."""
        note = self.log.checkpoint()
        if note is not None:
            checkpoint = self._open_checkpoint(note)
            self._tree = self.log.restore(checkpoint.size)
            if self._tree.root() != checkpoint.root:
                raise CheckpointError("the gate log's tiles do not lead to its checkpoint")
            self.published_size = checkpoint.size
        leaves = [frame.leaf for frame in check_journal(payloads, self._tree.size)]
        self._integrate(leaves)
        if note is None or leaves:
            self._publish_files(*self._prepare_publication())

    def _open_checkpoint(self, note: str) -> Checkpoint:
        """Open the last checkpoint; a key that was rotated since may have signed it."""
        for verifier in self._earlier:
            with suppress(SignatureError):
                return open_checkpoint(note, verifier)
        return open_checkpoint(note, self._signer.verifier)

    def take_up(self, signer: NoteSigner) -> None:
        """Sign with a newer key from now on; what is published is signed with it next."""
        self._signer, self._sign_again = signer, True

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the thread that waits for the disk."""
        self._loop = loop
        self._thread = threading.Thread(target=self._work, name="gate-journal", daemon=True)
        self._thread.start()

    def submit(self, pending: Pending) -> None:
        """Queue a record; ``done(index, leaf)`` or ``failed()`` is called on the loop."""
        self._waiting.append(pending)
        if self._in_flight is None and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._sequence)

    def _sequence(self) -> None:
        self._scheduled = False
        if self._in_flight is None and self._waiting:
            self._hand_over()

    def _hand_over(self) -> None:
        self._in_flight = batch = self._build()
        self._jobs.put(batch)

    def watch(self, timeout_seconds: float) -> None:
        """Refuse what waits too long for the disk; try a disk that failed again.

        Args:
            timeout_seconds: how long a batch may take to become durable.
        """
        batch = self._in_flight
        if batch is None:
            if self.journal_error is not None:
                self._hand_over()
        elif time.monotonic() - batch.started >= timeout_seconds:
            self.journal_error = f"the disk has not answered for {timeout_seconds:g} s"
            given_up, batch.pending = [*batch.pending, *self._waiting], []
            self._waiting.clear()
            self._refuse(given_up)

    def _refuse(self, pending: list[Pending]) -> None:
        self.failures += len(pending)
        for item in pending:
            item.failed()

    def _build(self) -> _Batch:
        batch: list[Pending] = []
        size = 0
        while self._waiting and len(batch) < BATCH_RECORDS_MAX and size < BATCH_BYTES_MAX:
            pending = self._waiting.popleft()
            size += len(pending.request_body or b"") + len(pending.response_body or b"")
            batch.append(pending)
        first, noise, now = self._tree.size, os.urandom(44 * len(batch)), time.time_ns() // 1000
        at = micros_text(now)
        self._keyring.renew()
        leaves: list[bytes] = []
        parts: list[bytes] = []
        for place, pending in enumerate(batch):
            salt = noise[44 * place : 44 * place + 32]
            record = record_bytes(pending, first + place, at, salt)
            leaf = make_leaf(first + place, now, hashlib.sha256(salt + record).digest())
            key_id, cipher = self._keyring.cipher(pending.subject)
            nonce = noise[44 * place + 32 : 44 * place + 44]
            if pending.keep_bodies:
                plain = pack_payload(salt, record, pending.request_body, pending.response_body)
            else:
                plain = pack_payload(salt, record, None, None)
            parts.append(make_frame(leaf, key_id, nonce, cipher.encrypt(nonce, plain, leaf)))
            leaves.append(leaf)
        keys = self._keyring.take_pending()
        return _Batch(first, batch, leaves, b"".join(parts), keys, time.monotonic())

    def _work(self) -> None:
        """Wait for the disk, off the event loop."""
        while (batch := self._jobs.get()) is not None:
            error: str | None = None
            try:
                if batch.keys:
                    self._keyring.save(batch.keys)
                self._journal.append(batch.first, batch.frames)
            except (OSError, StorageError) as problem:
                error = str(problem)
            try:
                self._loop.call_soon_threadsafe(self._committed, batch, error)
            except RuntimeError:
                return  # the loop is closed: the process is ending

    def _committed(self, batch: _Batch, error: str | None) -> None:
        self._in_flight = None
        self.journal_error = error
        self.batches += 1
        self.commits.observe(time.monotonic() - batch.started)
        if error is None:
            self._integrate(batch.leaves)
        elif batch.keys:
            self._keyring.forget_unsaved(batch.keys)
        if self._waiting:
            self._sequence()
        if error is not None:
            self._refuse(batch.pending)
            return
        index = batch.first
        for pending, leaf in zip(batch.pending, batch.leaves, strict=False):
            pending.done(index, leaf)
            index += 1

    def _integrate(self, leaves: list[bytes]) -> None:
        self._unpublished += self._tree.append(leaves)

    def _prepare_publication(self) -> tuple[int, list[File], str]:
        files = self._unpublished + self._tree.partial()
        checkpoint = Checkpoint(self.origin, self._tree.size, self._tree.root())
        return self._tree.size, files, sign_checkpoint(checkpoint, self._signer)

    def _publish_files(self, size: int, files: list[File], note: str) -> None:
        self.log.write(files, note)
        full = {path for path, _ in files}
        self._unpublished = [file for file in self._unpublished if file[0] not in full]
        self.published_size = size

    async def publish(self) -> None:
        """Write tiles and checkpoint for everything durable; joins one under way.

        Raises:
            StorageError: the file system refused; it will be tried again.
        """
        while self._publishing is not None:
            await asyncio.shield(self._publishing)
        if self.published_size == self._tree.size and not self._sign_again:
            return
        self._sign_again = False
        self._publishing = self._loop.create_future()
        size, files, note = self._prepare_publication()
        try:
            await asyncio.to_thread(self.log.write, files, note)
            written = {path for path, _ in files}
            self._unpublished = [item for item in self._unpublished if item[0] not in written]
            self.published_size, self.publish_error = size, None
        except StorageError as error:
            self.publish_error, self._sign_again = str(error), True
            raise
        finally:
            waiting, self._publishing = self._publishing, None
            waiting.set_result(None)

    async def publish_every(self, seconds: float) -> None:
        """Publish whenever there is something new, until cancelled."""
        while True:
            await asyncio.sleep(seconds)
            with contextlib.suppress(StorageError):  # it stands in publish_error
                await self.publish()

    async def drain(self, seconds: float) -> bool:
        """Wait until every submitted record is durable or refused, then publish.

        Returns:
            False when the disk did not answer in time; then the process can only end.
        """
        try:
            async with asyncio.timeout(seconds):
                while self._in_flight is not None or self._waiting:
                    await asyncio.sleep(0.005)
                with contextlib.suppress(StorageError):
                    await self.publish()
                self._jobs.put(None)
                await asyncio.to_thread(self._thread.join)
        except TimeoutError:
            return False
        self.close()
        return True

    def close(self) -> None:
        """Give up the journal and the writer's lock."""
        self._journal.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StorageError("another gate process writes to this folder") from None
    return descriptor
