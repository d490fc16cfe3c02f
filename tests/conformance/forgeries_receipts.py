"""Forgeries of what a caller keeps: receipt headers, and the receipts in a dossier."""

from __future__ import annotations

import json
from typing import Any

from dossier_workshop import receipts_of
from forgeries_inside import receipt as proof_of
from forging import Forged, Forger, flip, forgery

from govern.domain.gate_record import receipt_header

PATH = "gates/demo/receipts.txt"


def header(forger: Forger, **changes: Any) -> bytes:
    """Return the header of record 1, with parts replaced."""
    gate, first = forger.story.shop.gates["demo"], forger.story.first
    parts = {
        "origin": gate.signer.name,
        "index": 1,
        "leaf": gate.leaves[1],
        "admission": first.admission.digest if first.admission else None,
        **changes,
    }
    return receipt_header(**parts).encode()


def against(forger: Forger, content: bytes) -> Forged:
    """Hand a receipt in, to be found in the genuine dossier."""
    return Forged(content, forger.story.shop.trust, against=forger.files())


@forgery
def receipt_header_with_another_leaf(forger: Forger) -> Forged:
    leaf = flip(forger.story.shop.gates["demo"].leaves[1])
    return against(forger, header(forger, leaf=leaf))


@forgery
def receipt_header_for_another_index(forger: Forger) -> Forged:
    return against(forger, header(forger, index=2))


@forgery
def receipt_header_from_another_gate(forger: Forger) -> Forged:
    return against(forger, header(forger, origin=forger.story.shop.gates["other"].signer.name))


@forgery
def receipt_header_from_an_unknown_log(forger: Forger) -> Forged:
    return against(forger, header(forger, origin="elsewhere.example/gate"))


@forgery
def receipt_header_beyond_the_log(forger: Forger) -> Forged:
    return against(forger, header(forger, index=99))


@forgery
def receipt_header_quoting_an_unknown_admission(forger: Forger) -> Forged:
    return against(forger, header(forger, admission="sha256:" + "0" * 64))


@forgery
def receipt_header_quoting_a_decision_as_admission(forger: Forger) -> Forged:
    decision = forger.story.first.decision
    assert decision
    return against(forger, header(forger, admission=decision.digest))


@forgery
def receipt_header_alone(forger: Forger) -> Forged:
    return forger.hand_in(header(forger))


@forgery
def receipt_header_with_a_parameter_more(forger: Forger) -> Forged:
    return against(forger, header(forger) + b'; answer="approve"')


@forgery
def receipt_header_in_another_encoding(forger: Forger) -> Forged:
    return against(forger, header(forger).replace(b"bank", "bänk".encode("latin-1"), 1))


@forgery
def receipt_header_with_another_proof(forger: Forger) -> Forged:
    gate = forger.story.shop.gates["demo"]
    size = gate.tree().size
    other = proof_of(forger, leaf=gate.leaves[2], index=2, proof=gate.tree().inclusion(2, size))
    value = {"receipt": header(forger).decode(), "proof": other.decode()}
    return forger.hand_in(json.dumps(value).encode())


@forgery
def receipt_header_with_a_forged_proof(forger: Forger) -> Forged:
    proof = proof_of(forger, proof=[bytes(32)] * 3)
    value = {"receipt": header(forger).decode(), "proof": proof.decode()}
    return forger.hand_in(json.dumps(value).encode())


@forgery
def receipt_header_against_a_changed_log(forger: Forger) -> Forged:
    """The forger changes the leaf in the dossier's log as well, to the one in his receipt."""
    gate, files = forger.story.shop.gates["demo"], forger.files()
    leaf = flip(gate.leaves[1])
    path = next(name for name in files if name.startswith("gates/demo/tile/entries/"))
    files[path] = files[path].replace(gate.leaves[1], leaf)
    return Forged(header(forger, leaf=leaf), forger.story.shop.trust, against=files)


# -- the receipts in a dossier ---------------------------------------------------


def with_receipts(forger: Forger, lines: list[str]) -> Forged:
    files = forger.files()
    files[PATH] = "".join(f"{line}\n" for line in lines).encode()
    return forger.hand_in(files)


def genuine(forger: Forger) -> list[str]:
    return receipts_of(forger.story.shop.gates["demo"])


@forgery
def changed_receipt_in_a_dossier(forger: Forger) -> Forged:
    lines = genuine(forger)
    leaf = flip(forger.story.shop.gates["demo"].leaves[1])
    lines[1] = header(forger, leaf=leaf).decode()
    return with_receipts(forger, lines)


@forgery
def deleted_receipt_in_a_dossier(forger: Forger) -> Forged:
    return with_receipts(forger, genuine(forger)[1:])


@forgery
def receipt_twice_in_a_dossier(forger: Forger) -> Forged:
    lines = genuine(forger)
    return with_receipts(forger, [lines[0], *lines])


@forgery
def receipts_in_another_order(forger: Forger) -> Forged:
    return with_receipts(forger, genuine(forger)[::-1])


@forgery
def receipt_of_another_gate_in_a_dossier(forger: Forger) -> Forged:
    return with_receipts(forger, receipts_of(forger.story.shop.gates["other"]))


@forgery
def receipt_of_an_answer_that_was_never_given(forger: Forger) -> Forged:
    return with_receipts(forger, [*genuine(forger), header(forger, index=500).decode()])


@forgery
def receipt_in_a_dossier_quoting_an_unknown_admission(forger: Forger) -> Forged:
    lines = genuine(forger)
    lines[1] = header(forger, admission="sha256:" + "0" * 64).decode()
    return with_receipts(forger, lines)


@forgery
def receipts_with_an_endless_line(forger: Forger) -> Forged:
    files = forger.files()
    files[PATH] += b"x" * 5000
    return forger.hand_in(files)
