"""Forgeries of who saw a log: cosignatures that are missing, borrowed, stale or changed."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dossier_workshop import START, Gate
from forgeries_inside import receipt as proof_of
from forging import Files, Forged, Forger, forgery

from govern.transparency.cosignature import Cosigner
from govern.transparency.note import note_text
from govern.transparency.trust import TrustRoot
from govern.transparency.trust_parts import TrustedWitness, Window

NOTES = ("log/checkpoint", "gates/demo/checkpoint", "gates/other/checkpoint")
SEEN = START + timedelta(hours=3)
Mark = Callable[[str, str], str]
"""From a file's name and the checkpoint in it to the cosignature lines to add."""


def witness(name: str = "witness.regulator.example/w1") -> Cosigner:
    """Return a witness with a new key."""
    return Cosigner(name, Ed25519PrivateKey.generate())


def asking(
    trust: TrustRoot, *witnesses: Cosigner, threshold: int = 1, until: datetime | None = None
) -> TrustRoot:
    """Return the trust file of an organisation that names these witnesses."""
    window = Window(START, until)
    named = tuple(TrustedWitness(item.verifier, window) for item in witnesses)
    thresholds = {**trust.thresholds, "witness": threshold}
    return replace(trust, witnesses=named, thresholds=thresholds)


def marked(files: Files, mark: Mark, names: Sequence[str] = NOTES) -> Files:
    """Return a dossier's files with lines added to its checkpoints."""
    changed = {name: files[name] + mark(name, files[name].decode()).encode() for name in names}
    return {**files, **changed}


def shown(
    forger: Forger,
    mark: Mark,
    *witnesses: Cosigner,
    names: Sequence[str] = NOTES,
    threshold: int = 1,
    until: datetime | None = None,
) -> Forged:
    """Return the genuine dossier with these lines, judged by who asks for these witnesses."""
    trust = asking(forger.story.shop.trust, *witnesses, threshold=threshold, until=until)
    return Forged(marked(forger.files(), mark, names), trust)


@forgery
def no_witness_where_one_is_asked_for(forger: Forger) -> Forged:
    return shown(forger, lambda name, note: "", witness())


@forgery
def gate_log_without_its_witness(forger: Forger) -> Forged:
    """The lineage log was cosigned; the gate's log was shown to nobody."""
    own = witness()
    return shown(forger, lambda name, note: own.cosign(note, SEEN), own, names=NOTES[:1])


@forgery
def cosignature_by_an_unknown_witness(forger: Forger) -> Forged:
    forgers = witness("witness.forger.example/w1")
    return shown(forger, lambda name, note: forgers.cosign(note, SEEN), witness())


@forgery
def cosignature_by_another_key_under_the_witness_name(forger: Forger) -> Forged:
    forgers = witness()
    return shown(forger, lambda name, note: forgers.cosign(note, SEEN), witness())


@forgery
def cosignature_under_the_witness_key_id(forger: Forger) -> Forged:
    """The forger's signature under the genuine witness's name and key id."""
    own, forgers = witness(), witness()

    def mark(name: str, note: str) -> str:
        line = forgers.cosign(note, SEEN)
        body = base64.b64decode(line.split(" ")[2])
        return _line(own, own.verifier.key_id + body[4:])

    return shown(forger, mark, own)


def _line(cosigner: Cosigner, body: bytes) -> str:
    return f"\u2014 {cosigner.verifier.name} {base64.b64encode(body).decode()}\n"


@forgery
def cosignature_for_another_size(forger: Forger) -> Forged:
    """The witness saw a smaller log; its line is put under the newest checkpoint."""
    own = witness()

    def mark(name: str, note: str) -> str:
        origin, size, root, *_ = note_text(note).split("\n")
        return own.cosign(f"{origin}\n{int(size) - 1}\n{root}\n\n\u2014 x AAAAAAA=\n", SEEN)

    return shown(forger, mark, own)


@forgery
def cosignature_for_another_log(forger: Forger) -> Forged:
    """The witness saw the other gate's log; its line is put under this gate's checkpoint."""
    own, files = witness(), forger.files()
    borrowed = {"gates/demo/checkpoint": files["gates/other/checkpoint"].decode()}
    return shown(
        forger, lambda name, note: own.cosign(borrowed.get(name, note), SEEN), own
    )


@forgery
def cosignature_with_another_time(forger: Forger) -> Forged:
    own = witness()

    def mark(name: str, note: str) -> str:
        body = bytearray(base64.b64decode(own.cosign(note, SEEN).split(" ")[2]))
        body[11] ^= 1
        return _line(own, bytes(body))

    return shown(forger, mark, own)


@forgery
def cosignature_outside_the_witness_validity(forger: Forger) -> Forged:
    own, until = witness(), SEEN - timedelta(hours=1)
    return shown(forger, lambda name, note: own.cosign(note, SEEN), own, until=until)


@forgery
def cut_cosignature(forger: Forger) -> Forged:
    own = witness()

    def mark(name: str, note: str) -> str:
        return _line(own, base64.b64decode(own.cosign(note, SEEN).split(" ")[2])[:-8])

    return shown(forger, mark, own)


@forgery
def one_witness_under_two_keys(forger: Forger) -> Forged:
    """Two are asked for; one witness signs with its old and its new key."""
    old, new = witness(), witness()

    def mark(name: str, note: str) -> str:
        return old.cosign(note, SEEN) + new.cosign(note, SEEN)

    return shown(forger, mark, old, new, threshold=2)


@forgery
def witness_line_by_the_log_itself(forger: Forger) -> Forged:
    """The log's keeper names a witness after the log and signs with the log's own key."""
    shop, own = forger.story.shop, witness()
    key = shop.keys.note_signer("lineage-log", own.verifier.name)

    def mark(name: str, note: str) -> str:
        return key.sign(note_text(note)).rpartition("\n\n")[2]

    return shown(forger, mark, own)


@forgery
def receipt_that_no_witness_saw(forger: Forger) -> Forged:
    trust = asking(forger.story.shop.trust, witness())
    return Forged(proof_of(forger), trust)


@forgery
def receipt_from_a_fork_shown_to_one_caller(forger: Forger) -> Forged:
    """The gate's own key signs a fork for one caller; the witness saw the other branch."""
    genuine, own = forger.story.shop.gates["demo"], witness()
    fork = Gate("demo", genuine.signer)
    fork.leaves = [*genuine.leaves[:-1], bytes(48)]
    line = own.cosign(genuine.note(), SEEN)
    trust = asking(forger.story.shop.trust, own)
    return Forged(proof_of(forger, gate=fork, note=fork.note() + line), trust)
