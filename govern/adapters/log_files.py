"""A transparency log on disk in the C2SP tlog-tiles layout.

The order of an append, and what a crash leaves behind at each step:

1. *sequence*: the entry bundle that holds the new entry is written durably. A crash
   after it leaves an entry without a checkpoint: the next append overwrites it.
2. *integrate*: the hash tiles are written. A crash leaves tiles that no checkpoint
   covers; they are rewritten with the same or other content by the next append.
3. *publish*: the signed checkpoint replaces the old one by rename. From here the entry
   is in the log.

Recovery is opening: the checkpoint says how many entries count, the entries give the
tree, and a root that differs from the checkpoint's refuses to open. One writer at a
time, by a file lock; readers need none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from govern.adapters.files import locked, write_durably
from govern.errors import CheckpointError, MalformedError, StorageError
from govern.transparency.bundle import LogProof
from govern.transparency.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from govern.transparency.merkle import leaf_hash
from govern.transparency.note import NoteSigner, full_key_id
from govern.transparency.tiles import (
    TILE_WIDTH,
    entries_path,
    entry_bundle,
    parse_entry_bundle,
    tiles_after,
)
from govern.transparency.tree import Tree


class LogFiles:
    """One log: ``folder/checkpoint`` and ``folder/tile/…``."""

    def __init__(self, folder: Path, signer: NoteSigner) -> None:
        self.folder = folder
        self._signer = signer
        self._tree = Tree()

    @classmethod
    def create(cls, folder: Path, signer: NoteSigner) -> LogFiles:
        """Create an empty log, on purpose and once.

        Raises:
            StorageError: a log is there already.
        """
        if (folder / "checkpoint").exists():
            raise StorageError(f"a log exists already in {folder.name}")
        log = cls(folder, signer)
        log._publish()
        return log

    @property
    def origin(self) -> str:
        """The log's name."""
        return self._signer.name

    def checkpoint_note(self) -> str:
        """Return the published checkpoint."""
        try:
            return (self.folder / "checkpoint").read_text("utf-8")
        except FileNotFoundError:
            raise StorageError("the log has no checkpoint; was `govern init` run?") from None

    def checkpoint(self) -> Checkpoint:
        """Return the published checkpoint, verified under the log's own key."""
        return open_checkpoint(self.checkpoint_note(), self._signer.verifier)

    def append(self, entries: Sequence[bytes]) -> list[LogProof]:
        """Sequence, integrate and publish entries; return where each stands.

        Raises:
            StorageError: the file system refused; nothing was published.
        """
        with locked(self.folder / ".lock"):
            self._catch_up()
            first = self._tree.size
            try:
                self._sequence(first, entries)
                self._tree.append([leaf_hash(entry) for entry in entries])
                for path, data in tiles_after(self._tree, first):
                    write_durably(self.folder / path, data)
                note = self._publish()
            except (OSError, StorageError):
                self._tree.truncate(first)
                raise
            return [self._proof(first + place, note) for place in range(len(entries))]

    def entries(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the entries ``start`` to ``end`` (by default all that are published)."""
        end = self.checkpoint().size if end is None else end
        for index in range(start // TILE_WIDTH, -(-end // TILE_WIDTH)):
            bundle = self._bundle(index, min(TILE_WIDTH, end - index * TILE_WIDTH))
            low = max(0, start - index * TILE_WIDTH)
            yield from bundle[low : end - index * TILE_WIDTH]

    def tree(self) -> Tree:
        """Return the tree over all published entries."""
        self._catch_up()
        return self._tree

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
        pending = self._bundle(index, first % TILE_WIDTH) if first % TILE_WIDTH else []
        pending += list(entries)
        while pending:
            part, pending = pending[:TILE_WIDTH], pending[TILE_WIDTH:]
            write_durably(self.folder / entries_path(index, len(part)), entry_bundle(part))
            index += 1

    def _bundle(self, index: int, width: int) -> list[bytes]:
        """Read at least ``width`` entries of bundle ``index``: full, or the partial one."""
        for path in (entries_path(index), entries_path(index, width)):
            try:
                data = (self.folder / path).read_bytes()
            except FileNotFoundError:
                continue
            entries = parse_entry_bundle(data)
            if len(entries) < width:
                raise MalformedError(f"{path} holds {len(entries)} entries instead of {width}")
            return entries[:width]
        raise StorageError(f"the log lacks entry bundle {index} of width {width}")

    def _publish(self) -> str:
        checkpoint = Checkpoint(self.origin, self._tree.size, self._tree.root())
        note = sign_checkpoint(checkpoint, self._signer)
        write_durably(self.folder / "checkpoint", note.encode())
        return note

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
