"""Copy a log's public files into a new folder, checked: half an export never appears."""

from __future__ import annotations

import shutil
from pathlib import Path

from govern.adapters.files import write_durably
from govern.adapters.log_reading import PublishedLog
from govern.errors import ProofError
from govern.transparency.merkle import leaf_hash
from govern.transparency.tiles import (
    TILE_WIDTH,
    bundle_path,
    entries_path,
    entry_bundle,
    tiles_after,
)
from govern.transparency.tree import Tree


def export_log(log: PublishedLog, folder: Path, *, bundles: bool) -> int:
    """Write checkpoint, entries, hash tiles and, for the lineage log, bundles to ``folder``.

    Returns:
        how many entries the log has.

    Raises:
        ProofError: the entries do not lead to the checkpoint.
        CompletenessError, StorageError: something is missing.
    """
    note = log.checkpoint_note()
    checkpoint = log.checkpoint()
    entries = list(log.entries(0, checkpoint.size))
    tree = Tree()
    tree.append([leaf_hash(entry) for entry in entries])
    if tree.root() != checkpoint.root:
        raise ProofError("the log's entries do not lead to its checkpoint")
    files = dict(tiles_after(tree, 0))
    for at in range(0, len(entries), TILE_WIDTH):
        part = entries[at : at + TILE_WIDTH]
        files[entries_path(at // TILE_WIDTH, len(part))] = entry_bundle(part)
    if bundles:
        files |= {bundle_path(index): log.bundle(index) for index in range(len(entries))}
    cosigned = log.cosigned_note()
    if cosigned is not None:
        files["cosigned"] = cosigned.encode()
    _write(folder, {**files, "checkpoint": note.encode()})
    return checkpoint.size


def _write(folder: Path, files: dict[str, bytes]) -> None:
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        for name, data in files.items():
            write_durably(part / name, data)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
