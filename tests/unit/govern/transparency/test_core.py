"""Published numbers and refusals of the signing and log core."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from govern.errors import CheckpointError, MalformedError, ProofError, SignatureError
from govern.transparency.canonical import canonical_json, parse_json
from govern.transparency.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from govern.transparency.digest import check_digest, folder_digest
from govern.transparency.encoding import format_time, parse_time, unb64
from govern.transparency.merkle import leaf_hash, verify_consistency, verify_inclusion
from govern.transparency.note import NoteSigner, NoteVerifier, open_note
from govern.transparency.statement import make_statement, parse_statement
from govern.transparency.tiles import entry_bundle, parse_entry_bundle, tile_path
from govern.transparency.tree import Tree

pytestmark = pytest.mark.unit

# The leaves and roots of the RFC 6962 reference tree (certificate-transparency tests).
LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657",
                 "606162636465666768696a6b6c6d6e6f")
]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


@pytest.mark.parametrize("size", sorted(ROOTS))
def test_reference_roots(size: int) -> None:
    assert Tree.from_leaves(LEAVES[:size]).root().hex() == ROOTS[size]


def test_empty_root_is_sha256_of_nothing() -> None:
    assert Tree().root() == hashlib.sha256(b"").digest()


def test_every_proof_verifies_and_no_other_index() -> None:
    tree = Tree.from_leaves(LEAVES)
    for size in range(1, 9):
        for index in range(size):
            proof = tree.inclusion(index, size)
            leaf = leaf_hash(LEAVES[index])
            verify_inclusion(index=index, size=size, leaf=leaf, proof=proof, root=tree.root(size))
            if size > 1:
                with pytest.raises(ProofError):
                    verify_inclusion(
                        index=(index + 1) % size, size=size, leaf=leaf, proof=proof,
                        root=tree.root(size),
                    )


def test_log_forked_is_refused() -> None:
    one, two = Tree.from_leaves(LEAVES), Tree.from_leaves([*LEAVES[:3], b"forged", *LEAVES[4:]])
    with pytest.raises(ProofError):
        verify_consistency(
            old_size=5, new_size=8, old_root=one.root(5), new_root=two.root(8),
            proof=two.consistency(5, 8),
        )
    with pytest.raises(ProofError, match="forked"):
        verify_consistency(
            old_size=8, new_size=8, old_root=one.root(), new_root=two.root(), proof=[]
        )


def test_rollback_is_refused() -> None:
    tree = Tree.from_leaves(LEAVES)
    with pytest.raises(ProofError, match="cannot extend"):
        verify_consistency(
            old_size=8, new_size=5, old_root=tree.root(8), new_root=tree.root(5), proof=[]
        )


@pytest.mark.parametrize(
    ("value", "text"),
    [  # RFC 8785 appendix B and ECMAScript number printing
        (1e21, "1e+21"), (1e20, "100000000000000000000"), (1e-6, "0.000001"), (1e-7, "1e-7"),
        (333333333.33333329, "333333333.3333333"), (4.50, "4.5"), (-0.0, "0"),
        (5e-324, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"),
        ({"b": 1, "a": [True, None]}, '{"a":[true,null],"b":1}'), ("\u20ac\n", '"\u20ac\\n"'),
    ],
)
def test_canonical_json(value: object, text: str) -> None:
    assert canonical_json(value).decode() == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, {1: 2}, b"x", "\ud800"])
def test_what_is_not_json_is_refused(value: object) -> None:
    with pytest.raises(MalformedError):
        canonical_json(value)


@pytest.mark.parametrize(
    "data",
    [b'{"a":1,"a":2}', b"NaN", b"[1e999]", b"\xff", b"{", b"[" * 70 + b"]" * 70, b"{} {}", b""],
)
def test_what_two_readers_could_read_differently_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_json(data)


def test_note_roundtrip_and_forgeries() -> None:
    signer = NoteSigner("example.org/log", Ed25519PrivateKey.generate())
    other = NoteSigner("example.org/log", Ed25519PrivateKey.generate())
    note = signer.sign("hello\n")
    assert open_note(note, [NoteVerifier.from_vkey(signer.vkey)]) == ("hello\n", [signer.name])
    with pytest.raises(SignatureError, match="no known key"):
        open_note(note, [other.verifier])
    with pytest.raises(SignatureError, match="does not verify"):
        open_note(note.replace("hello", "jello"), [signer.verifier])


def test_checkpoint_of_another_origin_is_refused() -> None:
    key = Ed25519PrivateKey.generate()
    note = sign_checkpoint(Checkpoint("other", 1, bytes(32)), NoteSigner("log", key))
    with pytest.raises(CheckpointError, match="expected a checkpoint of log"):
        open_checkpoint(note, NoteSigner("log", key).verifier)


def test_tile_paths_of_the_specification() -> None:
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path(1, 0, 5) == "tile/1/000.p/5"


def test_cut_entry_bundle_is_refused() -> None:
    data = entry_bundle([b"one", b"two"])
    assert parse_entry_bundle(data) == [b"one", b"two"]
    with pytest.raises(MalformedError, match="cut"):
        parse_entry_bundle(data[:-1])


def test_base64_with_padding_bits_is_refused() -> None:
    with pytest.raises(MalformedError, match="canonical"):
        unb64("QUJ=", "value")


def test_times_have_one_form() -> None:
    assert format_time(parse_time("2026-11-24T02:00:00Z")) == "2026-11-24T02:00:00Z"
    for text in ("2026-11-24T02:00:00", "2026-11-24T02:00:00+01:00Z", "2026-13-01T00:00:00Z", 5):
        with pytest.raises(MalformedError):
            parse_time(text)


def test_digests_are_checked() -> None:
    with pytest.raises(MalformedError, match="expected a digest"):
        check_digest("sha256:" + "A" * 64)
    assert folder_digest([("b", "sha256:" + "0" * 64), ("a", "sha256:" + "1" * 64)]) == (
        "sha256:" + hashlib.sha256(b"\x11" * 32 + b"\x00" * 32).hexdigest()
    )


def test_statement_roundtrip() -> None:
    payload = make_statement("urn:x", [("m", "sha256:" + "a" * 64)], {"k": 1})
    statement = parse_statement(payload)
    assert statement.payload == payload and statement.predicate == {"k": 1}
    with pytest.raises(MalformedError, match="not an in-toto statement"):
        parse_statement(b"{}")
