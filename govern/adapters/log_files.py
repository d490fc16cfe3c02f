"""A transparency log on disk in the C2SP tlog-tiles layout: the one writer's side.

The order of an append, and what a stop leaves behind at each step:

1. *sequence*: the entry bundle that holds the new entries is written durably. A stop
   after it leaves entries that no checkpoint covers: the next append overwrites them.
2. *integrate*: the hash tiles are written, then what the author keeps of each entry (its
   statement bundle). A stop leaves files that no checkpoint covers; they are rewritten
   with the same or other content by the next append.
3. *publish*: the signed checkpoint replaces the old one by rename. From here the entries
   are in the log, and everything that is needed to show them is durable.

Recovery is opening: the checkpoint says how many entries count, the entries give the
tree, and a root that differs from the checkpoint's refuses to open. A publication that
was reported lost and was not is found the same way. One writer at a time, by a file
lock; readers need none: see ``log_reading.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from govern.adapters.files import locked, write_durably
from govern.adapters.log_reading import PublishedLog
from govern.errors import CheckpointError, StorageError
from govern.transparency.bundle import LogProof
from govern.transparency.checkpoint import Checkpoint, sign_checkpoint
from govern.transparency.merkle import leaf_hash, leaf_hashes
from govern.transparency.note import NoteSigner, NoteVerifier, full_key_id
from govern.transparency.tiles import (
    TILE_WIDTH,
    bundle_path,
    entries_path,
    entry_bundle,
    tiles_after,
)
from govern.transparency.tree import Tree

Keep = Callable[[Sequence[LogProof]], Sequence[bytes]]


class LogFiles(PublishedLog):
    """One log: ``folder/checkpoint``, ``folder/tile/…`` and ``folder/bundles/…``.

    Args:
        folder: where it lies.
        signer: signs its checkpoints.
        earlier: keys that signed them before; the one that is there may be theirs.
    """

    def __init__(
        self, folder: Path, signer: NoteSigner, earlier: Sequence[NoteVerifier] = ()
    ) -> None:
        super().__init__(folder, signer.verifier, earlier)
        self._signer = signer
        self._tree = Tree()

    def take_up(self, signer: NoteSigner, earlier: Sequence[NoteVerifier]) -> None:
        """Sign with a newer key from now on."""
        self._signer = signer
        self.verifier = signer.verifier
        self._earlier = [key for key in earlier if key != signer.verifier]

    @classmethod
    def create(cls, folder: Path, signer: NoteSigner) -> LogFiles:
        """Create an empty log, on purpose and once.

        Raises:
            StorageError: a log is there already.
        """
        if (folder / "checkpoint").exists():
            raise StorageError(f"a log exists already in {folder.name}")
        log = cls(folder, signer)
        log._publish(log._sign())
        return log

    def append(self, entries: Sequence[bytes], keep: Keep | None = None) -> list[LogProof]:
        """Sequence, integrate and publish entries; return where each stands.

        Args:
            entries: leaf data, in order.
            keep: given the proofs, returns the bundle to keep of each entry; it is called
                before anything is published, and what it raises leaves the log as it was.

        Raises:
            StorageError: the file system refused; nothing counts until a later append or
                opening finds the checkpoint published after all.
        """
        with locked(self.folder / ".lock"):
            self._catch_up()
            first = self._tree.size
            try:
                self._sequence(first, entries)
                self._integrate(first, entries)
                note = self._sign()
                proofs = [self._proof(first + place, note) for place in range(len(entries))]
                if keep is not None:
                    self._keep(first, keep(proofs))
                self._publish(note)
            except BaseException:
                self._tree.truncate(first)
                raise
            return proofs

    def _catch_up(self) -> None:
        """Read what is published beyond the tree in memory (another process may write)."""
        checkpoint = self.checkpoint()
        if checkpoint.size < self._tree.size:
            raise CheckpointError("the log on disk is shorter than it was: rolled back")
        new = self.entries(self._tree.size, checkpoint.size)
        self._tree.append([leaf_hash(entry) for entry in new])
        if self._tree.root() != checkpoint.root:
            raise CheckpointError("the log's entries do not lead to its checkpoint")

    def _sequence(self, first: int, entries: Sequence[bytes]) -> None:
        index = first // TILE_WIDTH
        pending = self.entry_bundle(index, first % TILE_WIDTH) if first % TILE_WIDTH else []
        pending += list(entries)
        while pending:
            part, pending = pending[:TILE_WIDTH], pending[TILE_WIDTH:]
            write_durably(self.folder / entries_path(index, len(part)), entry_bundle(part))
            index += 1

    def _integrate(self, first: int, entries: Sequence[bytes]) -> None:
        self._tree.append(leaf_hashes(entries))
        for path, data in tiles_after(self._tree, first):
            write_durably(self.folder / path, data)

    def _keep(self, first: int, bundles: Sequence[bytes]) -> None:
        for place, bundle in enumerate(bundles):
            write_durably(self.folder / bundle_path(first + place), bundle)

    def _sign(self) -> str:
        checkpoint = Checkpoint(self.origin, self._tree.size, self._tree.root())
        return sign_checkpoint(checkpoint, self._signer)

    def _publish(self, note: str) -> None:
        write_durably(self.folder / "checkpoint", note.encode())

    def _proof(self, index: int, note: str) -> LogProof:
        size = self._tree.size
        return LogProof(
            key_id=full_key_id(self.origin, self._signer.verifier.public_key),
            index=index,
            size=size,
            root=self._tree.root(),
            hashes=tuple(self._tree.inclusion(index, size)),
            checkpoint=note,
        )
