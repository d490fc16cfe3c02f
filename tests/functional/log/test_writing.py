"""The log's write path under faults and under two writers; the index rebuilt from files."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from govern.adapters import files, log_files
from govern.adapters.log_files import LogFiles
from govern.adapters.log_reading import PublishedLog
from govern.bootstrap import open_application
from govern.errors import CompletenessError, StorageError
from govern.transparency.checkpoint import Checkpoint, open_checkpoint
from govern.transparency.merkle import leaf_hash
from govern.transparency.note import NoteSigner
from govern.transparency.tree import Tree
from tests.support.home import govern, new_home, record_dataset, settings_of

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


# -- the index -------------------------------------------------------------------


def rows(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    with sqlite3.connect(home / "govern.db") as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        return {name: sorted(database.execute(f"SELECT * FROM {name}"), key=repr) for name in tables}


def drop_database(home: Path) -> None:
    for path in home.glob("govern.db*"):
        path.unlink()


def test_the_index_is_rebuilt_from_files_also_without_a_database(tmp_path: Path) -> None:
    home = tmp_path / "home"
    application = new_home(home)
    model = {"model.onnx": b"weights", "model.json": b"{}"}
    card = {"name": "m", "version": "1", "owner": "o", "risk_tier": "high", "domain": "credit",
            "intended_use": "tests", "use": "credit-decision", "jurisdictions": ["US"], "inputs": []}
    application.operations.register_candidate(card, model, "ada@bank.example")
    for name in ("a", "b"):
        record_dataset(application, name)
    application.close()
    before = rows(home)
    assert before["candidates"] and len(before["statements"]) >= 4
    for loss in (lambda: None, lambda: drop_database(home)):
        loss()
        done = govern(home, "log", "reindex")
        assert done.returncode == 0 and "indexed" in done.stdout, done.stderr
        assert rows(home) == before


def test_a_statement_published_but_not_indexed_is_indexed_at_the_next_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = new_home(tmp_path / "home")

    def stop(_: object) -> None:
        raise StorageError("the process was stopped")

    monkeypatch.setattr(application.records, "put_statement", stop)
    with pytest.raises(StorageError):
        record_dataset(application, "published")
    application.close()
    again = open_application(settings_of(tmp_path / "home"))
    assert [item.statement.predicate["name"] for item in again.operations.recorder.all()] == ["published"]
    again.close()


def test_a_missing_or_swapped_bundle_is_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    application = new_home(home)
    for name in ("a", "b"):
        record_dataset(application, name)
    application.close()
    bundles = home / "log" / "lineage" / "bundles"
    first, second = bundles / "000.sigstore.json", bundles / "001.sigstore.json"
    kept = first.read_bytes()
    first.unlink()
    missing = govern(home, "log", "reindex")
    assert missing.returncode == 16 and "entry 0 is missing" in missing.stderr
    first.write_bytes(second.read_bytes())
    assert govern(home, "log", "reindex").returncode == 14
    first.write_bytes(kept[:-30])
    assert govern(home, "log", "reindex").returncode == 10


def test_tail_show_prove_export(tmp_path: Path) -> None:
    import json

    home = tmp_path / "home"
    application = new_home(home)
    for name in ("a", "b"):
        record_dataset(application, name)
    application.close()
    listed = json.loads(govern(home, "log", "tail", "--json").stdout)
    assert [row["index"] for row in listed] == [0, 1] and listed[0]["kind"] == "dataset"
    shown = json.loads(govern(home, "log", "show", "1", "--json").stdout)
    assert shown["statement"]["predicate"]["name"] == "b"
    assert govern(home, "log", "show", "2").returncode == 1
    assert govern(home, "log", "tail", "--log", "none").returncode == 1
    assert govern(home, "log", "tail", "--log", "../keys").returncode == 1
    proof = tmp_path / "b.tlog-proof"
    assert govern(home, "log", "prove", "1", "-o", str(proof)).returncode == 0
    verified = govern(home, "verify", str(proof), "--trust", str(home / "trust.json"))
    assert verified.returncode == 0 and listed[1]["payload"] in verified.stdout
    proof.write_text(proof.read_text().replace("index 1", "index 0"))
    assert govern(home, "verify", str(proof), "--trust", str(home / "trust.json")).returncode == 13
    copy = tmp_path / "copy"
    assert govern(home, "log", "export", "-o", str(copy)).returncode == 0
    assert govern(home, "log", "export", "-o", str(copy)).returncode == 1
    assert (copy / "checkpoint").read_bytes() == (home / "log/lineage/checkpoint").read_bytes()
    assert len(list((copy / "bundles").iterdir())) == 2
