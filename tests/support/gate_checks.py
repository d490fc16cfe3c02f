"""What must hold of a gate's folder whatever happened: every answer recorded, no fork."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from govern.domain.gate_record import Receipt
from govern.transparency.checkpoint import Checkpoint, open_checkpoint
from govern.transparency.encoding import unb64
from govern.transparency.merkle import leaf_hash, verify_inclusion
from govern.transparency.note import NoteVerifier
from govern.transparency.tree import Tree
from serving_gate.archive import read_all
from tests.support.gate_lab import GateLab


def verifier(lab: GateLab) -> NoteVerifier:
    """Return the key of the gate's log, from the trust file."""
    return next(log.verifier for log in lab.workshop.trust.logs if log.origin.endswith("demo"))


def check_proof(text: bytes, lab: GateLab, leaf: bytes, index: int) -> Checkpoint:
    """Check a tlog-proof of a leaf by its words; return its checkpoint."""
    head, _, note = text.decode().partition("\n\n")
    magic, extra, place, *hashes = head.split("\n")
    checkpoint = open_checkpoint(note, verifier(lab))
    assert magic == "c2sp.org/tlog-proof@v1"
    assert unb64(extra.removeprefix("extra ")) == leaf
    assert place == f"index {index}"
    verify_inclusion(
        index=index,
        size=checkpoint.size,
        leaf=leaf_hash(leaf),
        proof=[unb64(item) for item in hashes],
        root=checkpoint.root,
    )
    return checkpoint


def check_log(lab: GateLab, receipts: Iterable[Receipt], notes: Iterable[str] = ()) -> None:
    """Check that receipts have records, and that every checkpoint seen leads to one tree.

    Args:
        lab: its gate has ended, so that its last checkpoint covers everything.
        receipts: of answers that clients got; no two may name one record.
        notes: checkpoints seen on the way.
    """
    records = list(read_all(lab.gate_home))
    seen: set[int] = set()
    for receipt in receipts:
        assert receipt.index not in seen, "two answers for one record"
        seen.add(receipt.index)
        archived = records[receipt.index]
        assert archived is not None
        assert archived.leaf == receipt.leaf
    tree = Tree()
    tree.append([leaf_hash(item.leaf) for item in records if item])
    last = (lab.gate_home / "log" / "checkpoint").read_text()
    for note in (*notes, last):
        checkpoint = open_checkpoint(note, verifier(lab))
        assert tree.root(checkpoint.size) == checkpoint.root
    assert open_checkpoint(last, verifier(lab)).size == len(records)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 4) -> None:
    """Wait for a condition.

    Raises:
        AssertionError: it did not come about in time.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)
