"""The log's write path under faults and under two writers."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from govern.adapters import files, log_files
from govern.adapters.log_files import LogFiles
from govern.adapters.log_reading import PublishedLog
from govern.errors import CompletenessError, StorageError
from govern.transparency.checkpoint import Checkpoint, open_checkpoint
from govern.transparency.merkle import leaf_hash
from govern.transparency.note import NoteSigner
from govern.transparency.tree import Tree

pytestmark = pytest.mark.functional
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
ORIGIN = "bank.example/govern/lineage"


def open_log(folder: Path) -> LogFiles:
    return LogFiles(folder, NoteSigner(ORIGIN, KEY))


def audit(folder: Path, acknowledged: dict[int, bytes], seen: list[Checkpoint]) -> None:
    """Rebuild the whole log by its public files; nothing acknowledged is lost, nothing forked."""
    log = PublishedLog(folder, NoteSigner(ORIGIN, KEY).verifier)
    checkpoint, entries = log.checkpoint(), list(log.entries())
    tree = Tree.from_leaves(entries)
    assert (tree.size, tree.root()) == (checkpoint.size, checkpoint.root)
    assert log.tree().root() == checkpoint.root
    for index, entry in acknowledged.items():
        assert entries[index] == entry
        proof = log.prove(index)
        proof.check(entry, checkpoint)
    for old in seen:
        assert tree.root(old.size) == old.root, "forked"
    for index, entry in enumerate(entries):
        assert log.bundle(index) == b"bundle of " + entry


def failing(number: int, *, kept: bool) -> Callable[..., None]:
    """Return a ``write_durably`` whose write ``number`` is reported lost, and is or is not."""
    count = 0

    def write(path: Path, data: bytes, **options: Any) -> None:
        nonlocal count
        count += 1
        if count != number:
            files.write_durably(path, data, **options)
            return
        if kept:
            files.write_durably(path, data, **options)
        raise StorageError("no space left on device")

    return write


@pytest.mark.parametrize("size", [0, 5, 254, 255])
def test_every_write_fails_once_lost_and_once_kept(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "log"
    LogFiles.create(folder, NoteSigner(ORIGIN, KEY))
    acknowledged: dict[int, bytes] = {}
    seen: list[Checkpoint] = []

    def append(entries: list[bytes]) -> None:
        proofs = open_or_same.append(entries, lambda proofs: [b"bundle of " + item for item in entries])
        for proof, entry in zip(proofs, entries, strict=True):
            acknowledged[proof.index] = entry
            seen.append(open_checkpoint(proof.checkpoint, open_or_same.verifier))

    open_or_same = open_log(folder)
    if size:
        append([b"first %d" % at for at in range(size)])
    fresh, failures = 0, 0
    for kept in (False, True):
        for number in range(1, 12):
            fresh += 1
            monkeypatch.setattr(log_files, "write_durably", failing(number, kept=kept))
            try:
                append([b"%d %d" % (fresh, at) for at in range(3)])
            except StorageError:
                failures += 1
            monkeypatch.setattr(log_files, "write_durably", files.write_durably)
            if fresh % 3 == 0:
                open_or_same = open_log(folder)  # a restart, now and then
            append([b"after %d" % fresh])
    assert failures >= 12
    audit(folder, acknowledged, seen)


def _append_many(folder: Path, name: bytes, count: int) -> None:
    log = open_log(folder)
    for at in range(count):
        entry = b"%s %d" % (name, at)
        log.append([entry], lambda _, entry=entry: [b"bundle of " + entry])


def test_two_processes_at_once_never_fork(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    LogFiles.create(folder, NoteSigner(ORIGIN, KEY))
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_append_many, args=(folder, name, 25)) for name in (b"a", b"b")]
    for writer in writers:
        writer.start()
    seen = []
    log = PublishedLog(folder, NoteSigner(ORIGIN, KEY).verifier)
    while any(writer.is_alive() for writer in writers):
        seen.append(log.checkpoint())
    assert [writer.exitcode for writer in writers] == [0, 0]
    entries = list(log.entries())
    for name in (b"a", b"b"):
        assert [entry for entry in entries if entry.startswith(name)] == [b"%s %d" % (name, at) for at in range(25)]
    assert [item.size for item in seen] == sorted(item.size for item in seen)
    audit(folder, {}, seen)


def test_a_statement_that_does_not_verify_is_never_published(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    log = LogFiles.create(folder, NoteSigner(ORIGIN, KEY))

    def refuse(_: object) -> list[bytes]:
        raise CompletenessError("no")

    with pytest.raises(CompletenessError):
        log.append([b"x"], refuse)
    assert log.checkpoint().size == 0
    log.append([b"y"], lambda _: [b"bundle of y"])
    audit(folder, {0: b"y"}, [])
    assert Tree.from_leaves([b"y"]).hash_at(0, 0) == leaf_hash(b"y")
