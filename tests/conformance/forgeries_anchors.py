"""Forgeries against the bond between the two logs: what a gate saw of the lineage log."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dossier_workshop import Gate, Workshop, prepare
from forging import Forged, Forger, forgery, sealed

from govern.transparency.checkpoint import Checkpoint, sign_checkpoint
from govern.transparency.note import NoteSigner
from govern.transparency.tree import Tree


def lineage_signer(shop: Workshop) -> NoteSigner:
    """Return the lineage log's own key."""
    return shop.keys.note_signer("lineage-log", shop.log.origin)


def other_history(shop: Workshop, size: int) -> str:
    """Return a checkpoint that the lineage key signed over other entries."""
    tree = Tree()
    tree.append([bytes([9]) * 32] * size)
    return sign_checkpoint(Checkpoint(shop.log.origin, size, tree.root()), lineage_signer(shop))


def seen(forger: Forger, *notes: str | None, hide: bool = False) -> Forged:
    """Return a sealed dossier whose gate put these checkpoints on record."""
    shop = forger.shop()
    item, gate = prepare(shop), shop.gates["demo"]
    del shop.gates["other"]
    gate.answer(shop.clock(), item)
    for note in notes:
        gate.see(shop.clock(), shop.log.checkpoint_note() if note == "genuine" else note)
    shop.anchor(gate)
    if hide:
        del gate.records[gate.lineage_records[-1]]
    return sealed(shop, item)


@forgery
def lineage_log_rewritten_behind_the_gates(forger: Forger) -> Forged:
    shop = Workshop(forger.folder / "same-keys")
    return rewritten(shop, 5)


@forgery
def lineage_log_cut_behind_the_gates(forger: Forger) -> Forged:
    shop = Workshop(forger.folder / "same-keys")
    return rewritten(shop, 10_000)


def rewritten(shop: Workshop, size: int) -> Forged:
    """Return a dossier by an insider with the lineage key, whose gate saw another history."""
    item, gate = prepare(shop), shop.gates["demo"]
    del shop.gates["other"]
    gate.see(shop.clock(), other_history(shop, size))
    gate.answer(shop.clock(), item)
    shop.anchor(gate)
    return sealed(shop, item)


@forgery
def anchor_left_out_of_the_dossier(forger: Forger) -> Forged:
    return seen(forger, "genuine", hide=True)


@forgery
def anchor_without_a_checkpoint(forger: Forger) -> Forged:
    return seen(forger, None)


@forgery
def anchor_by_a_forgers_key(forger: Forger) -> Forged:
    signer = NoteSigner(forger.story.shop.log.origin, Ed25519PrivateKey.generate())
    tree = Tree()
    tree.append([bytes(32)])
    return seen(forger, sign_checkpoint(Checkpoint(signer.name, 1, tree.root()), signer))


@forgery
def anchor_of_another_log(forger: Forger) -> Forged:
    shop = forger.shop()
    item, gate = prepare(shop), shop.gates["demo"]
    shop.gates["other"].answer(shop.clock(), item)
    gate.see(shop.clock(), shop.gates["other"].note())
    shop.anchor(gate)
    return sealed(shop, item)


@forgery
def anchors_that_go_back(forger: Forger) -> Forged:
    shop = forger.shop()
    early = shop.log.checkpoint_note()
    item, gate = prepare(shop), shop.gates["demo"]
    del shop.gates["other"]
    gate.see(shop.clock(), shop.log.checkpoint_note())
    gate.see(shop.clock(), early)
    shop.anchor(gate)
    return sealed(shop, item)


@forgery
def anchor_that_quotes_an_admission(forger: Forger) -> Forged:
    shop = forger.shop()
    item, gate = prepare(shop), shop.gates["demo"]
    del shop.gates["other"]
    assert item.admission is not None
    gate.see(shop.clock(), shop.log.checkpoint_note(), admission=item.admission.digest)
    shop.anchor(gate)
    return sealed(shop, item)


@forgery
def answer_passed_off_as_an_anchor(forger: Forger) -> Forged:
    """The record named as an anchor is an answer."""
    shop = forger.shop()
    item, gate = prepare(shop), shop.gates["demo"]
    del shop.gates["other"]
    gate.answer(shop.clock(), item)
    claim(gate, 0)
    shop.anchor(gate)
    gate.lineage_records.clear()
    return sealed(shop, item)


def claim(gate: Gate, record: int) -> None:
    """Name a record as the newest by which the gate saw the lineage log."""
    gate.lineage_records.append(record)
