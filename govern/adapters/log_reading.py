"""Read a published log from its folder: checkpoint, entries, proofs, bundles.

It needs the log's public key alone and takes no lock: checkpoints replace each other by
rename, full tiles never change, and a reader asks for nothing beyond its checkpoint.
A ``cosigned`` file beside the checkpoint is the newest state that witnesses saw.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from govern.adapters.files import locked, write_durably
from govern.errors import (
    CompletenessError,
    MalformedError,
    NotFoundError,
    SignatureError,
    StorageError,
    UntrustedSignerError,
    VerificationError,
)
from govern.transparency.checkpoint import Checkpoint, open_checkpoint
from govern.transparency.note import NoteVerifier, note_text
from govern.transparency.tiles import (
    TILE_WIDTH,
    bundle_path,
    entries_path,
    parse_entry_bundle,
    tile_path,
)
from govern.transparency.tlog_proof import TlogProof
from govern.transparency.tree import Provable, TileTree
from govern.transparency.trust import TrustRoot

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def log_folder(home: Path, name: str) -> Path:
    """Return the folder of a log: ``lineage``, or a gate's.

    Raises:
        NotFoundError: the name cannot be a log's.
    """
    if not _NAME.fullmatch(name):
        raise NotFoundError(f"no such log: {name[:70]!r}")
    return home / "log" / "lineage" if name == "lineage" else home / "gates" / name / "log"


def published_note(folder: Path) -> bytes:
    """Return the newest checkpoint, with the witnesses' lines if they saw this very state.

    Raises:
        NotFoundError: there is no log.
    """
    try:
        newest = (folder / "checkpoint").read_bytes()
    except FileNotFoundError:
        raise NotFoundError("the log has nothing there") from None
    try:
        cosigned = (folder / "cosigned").read_bytes()
    except FileNotFoundError:
        return newest
    same = newest.partition(b"\n\n")[0] == cosigned.partition(b"\n\n")[0]
    return cosigned if same else newest


class PublishedLog:
    """One log's folder, its public key, and those it had before."""

    def __init__(
        self, folder: Path, verifier: NoteVerifier, earlier: Sequence[NoteVerifier] = ()
    ) -> None:
        self.folder = folder
        self.verifier = verifier
        self._earlier = [key for key in earlier if key != verifier]

    @property
    def origin(self) -> str:
        """The log's name."""
        return self.verifier.name

    def checkpoint_note(self) -> str:
        """Return the published checkpoint."""
        try:
            return (self.folder / "checkpoint").read_text("utf-8")
        except FileNotFoundError:
            raise StorageError("the log has no checkpoint; was `govern init` run?") from None

    def checkpoint(self) -> Checkpoint:
        """Return the published checkpoint, verified under one of the log's own keys.

        Raises:
            SignatureError: another key signed it: it was forged, or the key was rotated
                and this process, which holds the old one, must be started again.
        """
        return self._open(self.checkpoint_note())

    def _open(self, note: str) -> Checkpoint:
        for key in (self.verifier, *self._earlier):
            with suppress(SignatureError):
                return open_checkpoint(note, key)
        raise SignatureError(
            f"the checkpoint of {self.origin} is not signed with a key that this process knows; "
            "if the key was rotated, start the process again"
        )

    def cosigned_note(self) -> str | None:
        """Return the newest checkpoint that witnesses cosigned, if there is one."""
        try:
            return (self.folder / "cosigned").read_text("utf-8")
        except FileNotFoundError:
            return None

    def keep_cosigned(self, note: str) -> None:
        """Keep a cosigned checkpoint; lines over the same state join, an older one is dropped.

        Raises:
            VerificationError: it is not this log's.
            StorageError: the file system refused.
        """
        new = self._open(note)
        with locked(self.folder / ".cosigned.lock"):
            known = self.cosigned_note()
            if known is not None:
                old = self._open(known)
                if old.size > new.size:
                    return
                if note_text(known) == note_text(note):
                    lines = [line for line in note.splitlines() if line not in known.splitlines()]
                    note = known + "".join(f"{line}\n" for line in lines)
            write_durably(self.folder / "cosigned", note.encode())

    def tree(self, size: int | None = None) -> Provable:
        """Return the tree of the first ``size`` entries (by default all published)."""
        return TileTree(self.checkpoint().size if size is None else size, self._tile)

    def _tile(self, level: int, index: int, width: int) -> bytes:
        for path in (tile_path(level, index), tile_path(level, index, width)):
            try:
                return (self.folder / path).read_bytes()
            except FileNotFoundError:
                continue
        raise CompletenessError(f"the log lacks hash tile {level}/{index} of width {width}")

    def entries(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the entries ``start`` to ``end`` (by default all that are published)."""
        end = self.checkpoint().size if end is None else end
        for index in range(start // TILE_WIDTH, -(-end // TILE_WIDTH)):
            bundle = self.entry_bundle(index, min(TILE_WIDTH, end - index * TILE_WIDTH))
            low = max(0, start - index * TILE_WIDTH)
            yield from bundle[low : end - index * TILE_WIDTH]

    def entry(self, index: int) -> bytes:
        """Return one published entry.

        Raises:
            NotFoundError: the log is not that long.
        """
        size = self.checkpoint().size
        if not 0 <= index < size:
            raise NotFoundError(f"the log {self.origin} has {size} entries; there is no {index}")
        width = min(TILE_WIDTH, size - index // TILE_WIDTH * TILE_WIDTH)
        return self.entry_bundle(index // TILE_WIDTH, width)[index % TILE_WIDTH]

    def entry_bundle(self, index: int, width: int) -> list[bytes]:
        """Read ``width`` entries of bundle ``index``: from the full one, or the partial one."""
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

    def bundle(self, index: int) -> bytes:
        """Return the statement bundle whose entry stands at ``index`` (lineage log).

        Raises:
            CompletenessError: it is missing.
        """
        try:
            return (self.folder / bundle_path(index)).read_bytes()
        except FileNotFoundError:
            raise CompletenessError(f"the bundle of log entry {index} is missing") from None

    def prove(self, index: int) -> TlogProof:
        """Return the tlog-proof of an entry, with the entry as ``extra``.

        It rests on the newest checkpoint that witnesses saw, if that covers the entry.

        Raises:
            NotFoundError: the log is not that long.
        """
        entry = self.entry(index)
        note = self.cosigned_note()
        if note is None or self._open(note).size <= index:
            note = self.checkpoint_note()
        size = self._open(note).size
        hashes = tuple(self.tree(size).inclusion(index))
        return TlogProof(index, hashes, note, extra=entry)


def open_published(home: Path, name: str) -> tuple[PublishedLog, TrustRoot]:
    """Open a log of a home for reading, by the key that the home's trust file names.

    Raises:
        NotFoundError: there is no such log.
        StorageError: the home is not initialised.
        VerificationError: the checkpoint is not signed by a trusted key of such a log.
    """
    try:
        trust = TrustRoot.from_json((home / "trust.json").read_bytes())
    except FileNotFoundError:
        raise StorageError(f"{home.name} is not initialised; run `govern init` first") from None
    folder = log_folder(home, name)
    if not (folder / "checkpoint").is_file():
        raise NotFoundError(f"there is no log {name} here; `lineage`, or a gate's name")
    note = (folder / "checkpoint").read_text("utf-8")
    origin = note_text(note).partition("\n")[0]
    kind = "lineage" if name == "lineage" else "gate"
    failure: VerificationError = UntrustedSignerError(
        f"the trust file names no {kind} log {origin}"
    )
    for log in trust.logs:
        if (log.origin, log.kind) == (origin, kind):
            try:
                open_checkpoint(note, log.verifier)
            except SignatureError as error:
                failure = error
                continue
            keys = [known.verifier for known in trust.log_keys(origin)]
            return PublishedLog(folder, log.verifier, keys), trust
    raise failure
