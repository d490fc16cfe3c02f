"""RFC 6962 hashes and proof verification over plain numbers and bytes.

Verification follows RFC 9162 sections 2.1.3.2 (inclusion) and 2.1.4.2 (consistency).
This module neither stores nor builds a tree; ``tree.py`` does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from govern.errors import ProofError
from govern.transparency.short_hash import SHORT_BYTES_MAX, short_sha256

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Return SHA-256(0x00 || data) (RFC 6962 section 2.1)."""
    engine = short_sha256 if len(data) < SHORT_BYTES_MAX else hashlib.sha256
    return engine(b"\0" + data).digest()


def leaf_hashes(entries: Sequence[bytes]) -> list[bytes]:
    """Return the leaf hash of every entry; a third faster than one by one."""
    if max(map(len, entries), default=0) >= SHORT_BYTES_MAX:
        return [leaf_hash(entry) for entry in entries]
    return [short_sha256(b"\0" + entry).digest() for entry in entries]


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 || left || right) (RFC 6962 section 2.1)."""
    return short_sha256(b"\1" + left + right).digest()


def verify_inclusion(
    *, index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that the leaf hash stands at ``index`` in the tree of ``size`` with ``root``.

    Raises:
        ProofError: it does not, or the proof has the wrong length.
    """
    if not 0 <= index < size:
        raise ProofError(f"index {index} is outside a tree of size {size}")
    _check_hashes([leaf, root, *proof])
    position, last, value = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofError("inclusion proof is too long")
        if position & 1 or position == last:
            value = node_hash(sibling, value)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            value = node_hash(value, sibling)
        position >>= 1
        last >>= 1
    if last != 0:
        raise ProofError("inclusion proof is too short")
    if value != root:
        raise ProofError(f"inclusion proof of index {index} leads to another root")


def verify_consistency(
    *, old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of ``new_size`` extends the tree of ``old_size``.

    Raises:
        ProofError: it does not, or the proof has the wrong length.
    """
    _check_hashes([old_root, new_root, *proof])
    if not 0 <= old_size <= new_size:
        raise ProofError(f"a tree of size {new_size} cannot extend one of size {old_size}")
    if old_size in (0, new_size):
        _check_trivial(old_size, new_size, old_root, new_root, proof)
        return
    hashes = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    if not hashes:
        raise ProofError("consistency proof is empty")
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old_value = new_value = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofError("consistency proof is too long")
        if position & 1 or position == last:
            old_value = node_hash(sibling, old_value)
            new_value = node_hash(sibling, new_value)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new_value = node_hash(new_value, sibling)
        position >>= 1
        last >>= 1
    if last != 0:
        raise ProofError("consistency proof is too short")
    if old_value != old_root or new_value != new_root:
        raise ProofError(f"the tree of size {new_size} does not extend the one of {old_size}")


def _check_trivial(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    if proof:
        raise ProofError("consistency proof should be empty here")
    if old_size == 0 and old_root != EMPTY_ROOT:
        raise ProofError("the root of an empty tree is SHA-256 of nothing")
    if old_size == new_size and old_root != new_root:
        raise ProofError(f"two roots for one tree size {new_size}: the log forked")


def _check_hashes(hashes: Sequence[bytes]) -> None:
    for value in hashes:
        if len(value) != HASH_BYTES:
            raise ProofError(f"expected hashes of {HASH_BYTES} bytes, got {len(value)}")
