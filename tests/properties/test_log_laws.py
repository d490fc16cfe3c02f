"""Laws of logs, proofs and cosignatures that hold for every input."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from govern.errors import LogError, MalformedError, ProofError, SignatureError, VerificationError
from govern.transparency.checkpoint import Checkpoint, sign_checkpoint
from govern.transparency.cosignature import Cosigner, cosignatures, require_witnesses
from govern.transparency.merkle import leaf_hash, verify_consistency, verify_inclusion
from govern.transparency.note import NoteSigner
from govern.transparency.tiles import tile_path, tiles_after
from govern.transparency.tlog_proof import TlogProof, parse_tlog_proof
from govern.transparency.tree import TileTree, Tree
from govern.transparency.trust_parts import TrustedWitness, Window
from govern.transparency.witnessing import AddCheckpoint, judge, parse_request

SIGNER = NoteSigner("bank.example/log", Ed25519PrivateKey.from_private_bytes(b"l" * 32))
WITNESS = Cosigner("w.example/1", Ed25519PrivateKey.from_private_bytes(b"w" * 32))
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
WINDOW = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC))


def flip(data: bytes, bit: int) -> bytes:
    at = bit % (8 * len(data))
    return data[: at // 8] + bytes([data[at // 8] ^ 1 << at % 8]) + data[at // 8 + 1 :]


def note_of(tree: Tree, size: int) -> str:
    return sign_checkpoint(Checkpoint(SIGNER.name, size, tree.root(size)), SIGNER)


@given(st.integers(1, 700), st.data())
@settings(max_examples=60, deadline=None)
def test_one_changed_bit_of_anything_fails_inclusion(size: int, data: st.DataObject) -> None:
    tree = Tree.from_leaves(b"%d" % at for at in range(size))
    index, bit = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, 10_000))
    good = {"index": index, "size": size, "leaf": leaf_hash(b"%d" % index), "root": tree.root(),
            "proof": tree.inclusion(index)}
    verify_inclusion(**good)
    bent = [
        {"leaf": flip(good["leaf"], bit)}, {"root": flip(good["root"], bit)},
        {"index": index ^ 1 << bit % 10}, {"proof": [*good["proof"], good["leaf"]]},
    ]
    if good["proof"]:
        place = bit % len(good["proof"])
        changed = list(good["proof"])
        changed[place] = flip(changed[place], bit)
        bent += [{"proof": changed}, {"proof": good["proof"][:-1]}]
    for part in bent:
        with pytest.raises(ProofError):
            verify_inclusion(**{**good, **part})


@given(st.integers(1, 300), st.data())
@settings(max_examples=60, deadline=None)
def test_one_changed_bit_of_anything_fails_consistency(size: int, data: st.DataObject) -> None:
    tree = Tree.from_leaves(b"%d" % at for at in range(size))
    old, bit = data.draw(st.integers(1, size)), data.draw(st.integers(0, 10_000))
    good = {"old_size": old, "new_size": size, "old_root": tree.root(old), "new_root": tree.root(),
            "proof": tree.consistency(old)}
    verify_consistency(**good)
    bent = [{"old_root": flip(good["old_root"], bit)}, {"new_root": flip(good["new_root"], bit)},
            {"proof": [*good["proof"], good["new_root"]]}]
    if good["proof"]:
        place = bit % len(good["proof"])
        changed = list(good["proof"])
        changed[place] = flip(changed[place], bit)
        bent.append({"proof": changed})
    for part in bent:
        with pytest.raises(ProofError):
            verify_consistency(**{**good, **part})


@given(st.integers(1, 700), st.data())
@settings(max_examples=40, deadline=None)
def test_proofs_from_tiles_are_those_from_memory(size: int, data: st.DataObject) -> None:
    tree = Tree.from_leaves(b"%d" % at for at in range(size))
    tiles = dict(tiles_after(tree, 0))
    read = TileTree(size, lambda level, index, width: tiles[tile_path(level, index, width)])
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    assert read.root() == tree.root()
    assert read.inclusion(index) == tree.inclusion(index)
    assert read.consistency(old) == tree.consistency(old)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_a_witness_only_moves_forward(sizes: list[int]) -> None:
    tree = Tree.from_leaves(b"%d" % at for at in range(60))
    latest: dict[str, Checkpoint] = {}
    for size in sizes:
        known = latest[SIGNER.name].size if latest else 0
        proof = tree.consistency(known, size) if known <= size else []
        request = parse_request(AddCheckpoint(known, tuple(proof), note_of(tree, size)).text().encode())
        answer = judge(request, logs={SIGNER.name: [SIGNER.verifier]}, latest=latest)
        assert answer.status == (200 if size >= known else 400)
        if answer.accepted is not None:
            latest[SIGNER.name] = answer.accepted
    assert (latest[SIGNER.name].size if latest else 0) == max(sizes)


@given(st.integers(0, 100_000))
@settings(max_examples=80, deadline=None)
def test_one_changed_bit_of_a_cosigned_checkpoint_is_no_cosignature_of_it(bit: int) -> None:
    tree = Tree.from_leaves([b"a", b"b"])
    note = note_of(tree, 2)
    cosigned = note + WITNESS.cosign(note, NOW)
    trusted = [TrustedWitness(WITNESS.verifier, WINDOW)]
    assert [item.seen_at for item in require_witnesses(cosigned, trusted, 1)] == [NOW]
    text = cosigned.encode()
    start, end = 0, len(cosigned.partition("\n\n")[0].encode()) + 1
    line = text.rindex("— ".encode())
    for low, high in ((start, end), (line, len(text))):
        at = low * 8 + bit % ((high - low) * 8)
        with pytest.raises((MalformedError, SignatureError, LogError)):
            require_witnesses(flip(text, at).decode("utf-8", "replace"), trusted, 1)


def test_a_witness_counts_once_and_in_its_window() -> None:
    note = note_of(Tree.from_leaves([b"a"]), 1)
    twice = note + WITNESS.cosign(note, NOW) + WITNESS.cosign(note, datetime(2026, 11, 26, tzinfo=UTC))
    trusted = [TrustedWitness(WITNESS.verifier, WINDOW)]
    assert len(cosignatures(twice, [WITNESS.verifier])) == 2
    assert len(require_witnesses(twice, trusted, 1)) == 1
    for text, code in ((twice, 13), (note, 13)):
        with pytest.raises(VerificationError) as refused:
            require_witnesses(text, trusted, 2)
        assert refused.value.exit_code == code
    late = note + WITNESS.cosign(note, datetime(2027, 2, 1, tzinfo=UTC))
    with pytest.raises(VerificationError) as refused:
        require_witnesses(late, trusted, 1)
    assert refused.value.exit_code == 12
    assert require_witnesses(note, [], 0) == []


@given(st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_rubbish_is_no_request_and_no_proof(data: bytes) -> None:
    for read in (parse_request, parse_tlog_proof):
        for given_bytes in (data, b"old 0\n\n" + data, b"c2sp.org/tlog-proof@v1\nindex 0\n\n" + data):
            try:
                read(given_bytes)
            except MalformedError:
                continue


@given(st.integers(0, 2**40), st.lists(st.binary(min_size=32, max_size=32), max_size=63),
       st.none() | st.binary(max_size=60))
def test_tlog_proofs_round_trip(index: int, hashes: list[bytes], extra: bytes | None) -> None:
    proof = TlogProof(index, tuple(hashes), note_of(Tree.from_leaves([b"a"]), 1), extra)
    assert parse_tlog_proof(proof.text().encode()) == proof
