"""Vectors made by others, checked in with source and licence: trees, notes, envelopes, signatures."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from govern.errors import GovernError, ProofError, SignatureError
from govern.transparency.encoding import b64
from govern.transparency.envelope import pae, verify_envelope
from govern.transparency.merkle import (
    EMPTY_ROOT,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from govern.transparency.note import NoteVerifier, open_note
from govern.transparency.statement import PAYLOAD_TYPE
from govern.transparency.tree import Tree

VECTORS = Path(__file__).parent / "vectors"
pytestmark = pytest.mark.conformance


def read(name: str) -> dict[str, Any]:
    value = json.loads((VECTORS / name).read_text())
    assert "commit" in value["source"], "every vector names where it is from"
    return value


def hashes(values: list[str] | None) -> list[bytes]:
    return [b64decode(value) for value in values or []]


def test_rfc6962_inclusion_proofs() -> None:
    rows = read("rfc6962.json")["inclusion"]
    for row in rows:
        def verify(row: dict[str, Any] = row) -> None:
            verify_inclusion(index=row["leafIdx"], size=row["treeSize"], leaf=b64decode(row["leafHash"] or ""),
                             proof=hashes(row["proof"]), root=b64decode(row["root"] or ""))
        if row["wantErr"]:
            with pytest.raises(ProofError):
                verify()
                pytest.fail(row["desc"])
        else:
            verify()
    assert sum(row["wantErr"] for row in rows) > 50


def test_rfc6962_consistency_proofs() -> None:
    rows = read("rfc6962.json")["consistency"]
    for row in rows:
        def verify(row: dict[str, Any] = row) -> None:
            verify_consistency(old_size=row["size1"], new_size=row["size2"], old_root=b64decode(row["root1"] or ""),
                               new_root=b64decode(row["root2"] or ""), proof=hashes(row["proof"]))
        short = any(len(b64decode(row[root] or "")) != 32 for root in ("root1", "root2"))
        if row["wantErr"] or short:  # stricter here: a root that is no hash is refused, needed or not
            with pytest.raises(ProofError):
                verify()
                pytest.fail(row["desc"])
        else:
            verify()
    assert sum(row["wantErr"] for row in rows) > 50


def test_rfc6962_tree_of_the_certificate_transparency_project() -> None:
    """Leaves and roots of google/certificate-transparency's Merkle tests, as all ports carry them."""
    leaves = [bytes.fromhex(text) for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")]
    roots = (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
    tree = Tree.from_leaves(leaves)
    assert [tree.root(size).hex() for size in range(1, 9)] == list(roots)
    assert tree.root(0) == EMPTY_ROOT
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert node_hash(b"N123", b"N456").hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"


def test_c2sp_signed_note() -> None:
    vector = read("signed_note.json")
    verifier = NoteVerifier.from_vkey(vector["vkey"])
    assert verifier.vkey == vector["vkey"]
    assert open_note(vector["note"], [verifier]) == ("This is an example message.\n", ["example.com/foo"])
    with pytest.raises(SignatureError):
        open_note(vector["note"].replace("example message", "exemple message"), [verifier])


def test_wycheproof_ed25519() -> None:
    for case in read("wycheproof_ed25519.json")["cases"]:
        verifier = NoteVerifier("x", bytes.fromhex(case["key"]))
        accepted = verifier.accepts(bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
        assert accepted is case["valid"], (case["id"], case["flags"])


def test_wycheproof_ecdsa_p256(monkeypatch: pytest.MonkeyPatch) -> None:
    from govern.transparency import envelope

    monkeypatch.setattr(envelope, "pae", lambda payload: payload)  # the vectors sign plain messages
    for case in read("wycheproof_ecdsa_p256.json")["cases"]:
        point = bytes.fromhex(case["key"])
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        signed = {"payload": b64(bytes.fromhex(case["msg"])), "payloadType": PAYLOAD_TYPE,
                  "signatures": [{"sig": b64(bytes.fromhex(case["sig"]))}]}
        try:
            verify_envelope(signed, key)
            accepted = True
        except GovernError:
            accepted = False
        assert accepted is case["valid"], (case["id"], case["flags"])


def test_dsse_example() -> None:
    vector = read("dsse.json")
    assert pae(vector["payload"].encode(), vector["payloadType"]).decode() == vector["pae"]
    raw = b64decode(vector["signature_r_and_s"])
    signature = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    numbers = ec.EllipticCurvePublicNumbers(int(vector["x"]), int(vector["y"]), ec.SECP256R1())
    from cryptography.hazmat.primitives import hashes as algorithms

    message = pae(vector["payload"].encode(), vector["payloadType"])
    numbers.public_key().verify(signature, message, ec.ECDSA(algorithms.SHA256()))
