"""Rebuild a log from its tiles and compare it with its checkpoint. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from govern.errors import (
    CompletenessError,
    DigestMismatchError,
    MalformedError,
    ProofError,
)
from govern.transparency.checkpoint import Checkpoint
from govern.transparency.cosignature import Cosignature, require_witnesses
from govern.transparency.merkle import leaf_hash
from govern.transparency.note import note_text
from govern.transparency.tiles import TILE_WIDTH, entries_path, parse_entry_bundle, tiles_after
from govern.transparency.tree import Tree
from govern.transparency.trust import TrustedLog, TrustRoot


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
    note = files[f"{folder}/checkpoint"].decode("utf-8")
    return require_witnesses(note, trust.witnesses, trust.witness_threshold)


def open_log(
    files: Mapping[str, bytes], folder: str, trust: TrustRoot, origin: str
) -> tuple[Checkpoint, list[bytes], Tree, TrustedLog]:
    """Verify one log of a dossier.

    Args:
        files: the dossier's files.
        folder: where the log lies, such as ``log`` or ``gates/demo``.
        trust: the keys that the log has had.
        origin: which log it should be.

    Returns:
        its checkpoint, its entries in order, the tree over them, and the key that signed;
        the caller checks that key's window against the time of the newest entry.

    Raises:
        CompletenessError: an entry bundle is missing or short.
        ProofError: the entries lead to another root.
        DigestMismatchError: a hash tile differs from the entries.
    """
    note = files.get(f"{folder}/checkpoint")
    if note is None:
        raise CompletenessError(f"{folder}/checkpoint is missing")
    try:
        text = note.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedError(f"{folder}/checkpoint is not text") from None
    checkpoint, log = trust.open_checkpoint(text, origin)
    entries = _entries(files, folder, checkpoint.size)
    tree = Tree()
    tree.append([leaf_hash(entry) for entry in entries])
    if tree.root() != checkpoint.root:
        raise ProofError(f"{folder}: an entry was changed; the entries lead to another root")
    _check_tiles(files, folder, tree)
    return checkpoint, entries, tree, log


def _entries(files: Mapping[str, bytes], folder: str, size: int) -> list[bytes]:
    entries: list[bytes] = []
    for index in range(-(-size // TILE_WIDTH)):
        width = min(TILE_WIDTH, size - index * TILE_WIDTH)
        path = f"{folder}/{entries_path(index, width)}"
        if path not in files:
            raise CompletenessError(f"{path} is missing: the log has a gap or was cut")
        bundle = parse_entry_bundle(files[path])
        if len(bundle) != width:
            raise CompletenessError(f"{path} holds {len(bundle)} entries instead of {width}")
        entries += bundle
    return entries


def _check_tiles(files: Mapping[str, bytes], folder: str, tree: Tree) -> None:
    for path, data in tiles_after(tree, 0):
        if files.get(f"{folder}/{path}", data) != data:
            raise DigestMismatchError(f"{folder}/{path} differs from the log's entries")


def check_root(tree: Tree, size: int, root: bytes, what: str) -> None:
    """Refuse a log that is shorter than, or forked from, a state seen before.

    Raises:
        CompletenessError: the log is shorter: its newest entries were cut off.
        ProofError: the log had another root at that size.
    """
    if size > tree.size:
        raise CompletenessError(
            f"{what}: {size} entries were anchored, {tree.size} are here: the newest were cut off"
        )
    if tree.root(size) != root:
        raise ProofError(f"{what}: the log had another root at size {size}: it was rewritten")
