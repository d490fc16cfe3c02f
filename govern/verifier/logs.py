"""Walk a log of a dossier, entry bundle by entry bundle, and compare it with its checkpoint.

Memory does not grow with the log: the tree is kept as its right edge (``Frontier``), and
of the hash tiles one a level at a time. Reads no file by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from govern.errors import (
    CompletenessError,
    DigestMismatchError,
    MalformedError,
    ProofError,
    SignatureError,
    VerificationError,
)
from govern.transparency.checkpoint import Checkpoint
from govern.transparency.cosignature import Cosignature, require_witnesses
from govern.transparency.merkle import leaf_hashes
from govern.transparency.note import note_text
from govern.transparency.tiles import (
    TILE_WIDTH,
    entries_path,
    parse_entry_bundle,
    tile_path,
)
from govern.transparency.tree import TILE_LEVELS, Frontier, fold
from govern.transparency.trust import TrustRoot
from govern.transparency.trust_parts import TrustedLog

Visit = Callable[[int, Sequence[bytes]], None]


@dataclass(frozen=True, slots=True)
class KnownState:
    """A state of the log that was signed or anchored before: ``what`` names where."""

    size: int
    root: bytes
    what: str


def open_note(
    files: Mapping[str, bytes], folder: str, trust: TrustRoot, origin: str
) -> tuple[Checkpoint, TrustedLog]:
    """Return the checkpoint of the log ``origin``, verified, and the key that signed it.

    That key's window is the caller's to check, against the newest entry's time.

    Raises:
        CompletenessError: it is missing.
        MalformedError, SignatureError, CheckpointError: it does not verify, or another
            log signed it.
        UntrustedSignerError: the log is not trusted.
    """
    name = f"{folder}/checkpoint" if folder else "checkpoint"
    note = files.get(name)
    if note is None:
        raise CompletenessError(f"{name} is missing")
    try:
        text = note.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedError(f"{name} is not text") from None
    trust.log_keys(origin)
    checkpoint, log = open_trusted(text, trust)
    if log.origin != origin:
        raise SignatureError(f"{name} is signed by {log.origin}, not by {origin}")
    return checkpoint, log


def open_trusted(note: str, trust: TrustRoot) -> tuple[Checkpoint, TrustedLog]:
    """Verify a checkpoint under whichever key the trust file gives its origin.

    Raises:
        UntrustedSignerError: the trust file does not name the log.
        SignatureError, CheckpointError: none of its keys signed.
    """
    return trust.open_checkpoint(note, note_text(note).partition("\n")[0])


def witnessed(files: Mapping[str, bytes], folder: str, trust: TrustRoot) -> list[Cosignature]:
    """Refuse a log whose checkpoint fewer witnesses cosigned than the trust file asks for.

    Raises:
        UntrustedSignerError, CheckpointError: the threshold is missed.
    """
    name = f"{folder}/checkpoint" if folder else "checkpoint"
    note = files[name].decode("utf-8")
    return require_witnesses(note, trust.witnesses, trust.witness_threshold)


def walk_log(
    files: Mapping[str, bytes],
    folder: str,
    checkpoint: Checkpoint,
    states: Sequence[KnownState],
    visit: Visit,
) -> Frontier:
    """Verify one log of a dossier, and show its entries.

    Args:
        files: the dossier's files.
        folder: where the log lies, such as ``log`` or ``gates/demo``.
        checkpoint: the verified checkpoint.
        states: states that the log must extend.
        visit: called for each entry bundle with the index of its first entry, and its
            entries; what it raises is raised once the root was compared, so that an
            entry that is not the log's is reported as such.

    Returns:
        the right edge of the tree at the checkpoint's size.

    Raises:
        CompletenessError: an entry bundle is missing or short, or a state is beyond the end.
        ProofError: the entries lead to another root, or the log was rewritten.
        DigestMismatchError: a hash tile differs from the entries.
    """
    walk = _Walk(files, folder, sorted(states, key=lambda state: state.size), visit)
    for first in range(0, checkpoint.size, TILE_WIDTH):
        width = min(TILE_WIDTH, checkpoint.size - first)
        walk.take(_bundle(files, folder, first // TILE_WIDTH, width))
    walk.finish(checkpoint)
    check_reach(states, checkpoint.size)
    walk.refuse()
    return walk.frontier


def check_reach(states: Sequence[KnownState], size: int) -> None:
    """Refuse a log that is shorter than a state seen before.

    Raises:
        CompletenessError: its newest entries were cut off.
    """
    for state in states:
        if state.size > size:
            raise CompletenessError(
                f"{state.what}: {state.size} entries were anchored, {size} are here: the newest "
                "were cut off"
            )


def _bundle(files: Mapping[str, bytes], folder: str, index: int, width: int) -> list[bytes]:
    path = f"{folder}/{entries_path(index, width)}"
    data = files.get(path)
    if data is None:
        raise CompletenessError(f"{path} is missing: the log has a gap or was cut")
    bundle = parse_entry_bundle(data)
    if len(bundle) != width:
        raise CompletenessError(f"{path} holds {len(bundle)} entries instead of {width}")
    return bundle


class _Walk:
    """The state of a walk: the right edge, the states ahead, the tiles being filled."""

    def __init__(
        self,
        files: Mapping[str, bytes],
        folder: str,
        states: Sequence[KnownState],
        visit: Visit,
    ) -> None:
        self.frontier = Frontier()
        self._files, self._folder, self._visit = files, folder, visit
        self._refusals: list[VerificationError] = []
        self._ahead = list(reversed(states))
        self._tiles: list[list[bytes]] = [[]]
        self._done: list[int] = [0]

    def take(self, entries: Sequence[bytes]) -> None:
        """Add one bundle; only the last one may be partial."""
        first = self.frontier.size
        hashes = leaf_hashes(entries)
        self._check_states(hashes)
        joined = b"".join(hashes)
        self._tiles[0] = [joined]
        if len(hashes) == TILE_WIDTH:
            self._close_tile(0, joined)
            root = fold(joined)
            self.frontier.add(root, TILE_LEVELS)
            self._raise(1, root)
        else:
            for value in hashes:
                self.frontier.add(value)
        self._show(first, entries)

    def _show(self, first: int, entries: Sequence[bytes]) -> None:
        try:
            if not self._refusals:
                self._visit(first, entries)
        except VerificationError as refusal:
            self._refusals.append(refusal)

    def finish(self, checkpoint: Checkpoint) -> None:
        """Check what is left: states at the end, the root, partial tiles."""
        self._check_states([])
        if self.frontier.root() != checkpoint.root:
            raise ProofError(
                f"{self._folder}: an entry was changed; the entries lead to another root"
            )
        for level, parts in enumerate(self._tiles):
            if parts:
                self._check_tile(level, b"".join(parts))

    def refuse(self) -> None:
        """Raise what was found in tiles and entries, now that the log itself holds."""
        if self._refusals:
            raise self._refusals[0]

    def _check_states(self, hashes: Sequence[bytes]) -> None:
        if not self._ahead or self._ahead[-1].size > self.frontier.size + len(hashes):
            return
        edge, taken = self.frontier.copy(), 0
        while self._ahead and self._ahead[-1].size <= self.frontier.size + len(hashes):
            state = self._ahead.pop()
            while edge.size < state.size:
                edge.add(hashes[taken])
                taken += 1
            if edge.root() != state.root:
                raise ProofError(
                    f"{state.what}: the log had another root at size {state.size}: it was rewritten"
                )

    def _raise(self, level: int, value: bytes) -> None:
        """Add a finished tile's root to the tile above it."""
        if len(self._tiles) == level:
            self._tiles.append([])
            self._done.append(0)
        self._tiles[level].append(value)
        if len(self._tiles[level]) == TILE_WIDTH:
            joined = b"".join(self._tiles[level])
            self._close_tile(level, joined)
            self._raise(level + 1, fold(joined))

    def _close_tile(self, level: int, joined: bytes) -> None:
        self._check_tile(level, joined)
        self._tiles[level] = []
        self._done[level] += 1

    def _check_tile(self, level: int, joined: bytes) -> None:
        path = f"{self._folder}/{tile_path(level, self._done[level], len(joined) // 32)}"
        if self._files.get(path, joined) != joined:
            self._refusals.insert(0, DigestMismatchError(f"{path} differs from the log's entries"))
