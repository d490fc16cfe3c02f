"""DSSE envelopes with several signatures, made by others: at least t of n keys must agree.

Our own statements are one signature each (see ``envelope``); this reads what other tools
write: any number of signatures, key ids or none, either base64 alphabet.
Source: secure-systems-lab/dsse, protocol.md, "Multi-signature Verification".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from govern.errors import MalformedError, SignatureError
from govern.transparency.canonical import parse_json
from govern.transparency.envelope import pae
from govern.transparency.signer import PublicKey

SIGNATURES_MAX = 64
_HASH_BY_BITS: dict[int, hashes.HashAlgorithm] = {
    256: hashes.SHA256(),
    384: hashes.SHA384(),
    521: hashes.SHA512(),
}


def is_envelope(value: Any) -> bool:
    """Say whether a value has an envelope's shape."""
    return isinstance(value, dict) and {"payload", "payloadType", "signatures"} <= set(value)


def verify_threshold(
    data: bytes, keys: Sequence[PublicKey], threshold: int
) -> tuple[bytes, str, tuple[int, ...]]:
    """Verify an envelope against keys of which at least ``threshold`` must have signed.

    Args:
        data: the envelope as JSON.
        keys: different public keys; the same key given twice counts once.
        threshold: how many must have signed, at least 1.

    Returns:
        payload, payload type, and the positions in ``keys`` of those that signed.

    Raises:
        MalformedError: not an envelope.
        SignatureError: fewer keys signed than needed.
    """
    if threshold < 1:
        raise MalformedError("a threshold is at least 1")
    payload, payload_type, signatures = _read(parse_json(data))
    message = pae(payload, payload_type)
    signed: dict[bytes, int] = {}
    for place, key in enumerate(keys):
        if any(verifies(key, signature, message) for signature in signatures):
            signed.setdefault(_raw(key), place)
    if len(signed) < threshold:
        raise SignatureError(f"{len(signed)} of the keys given signed, {threshold} are needed")
    return payload, payload_type, tuple(sorted(signed.values()))


def _read(value: Any) -> tuple[bytes, str, list[bytes]]:
    if not is_envelope(value):
        raise MalformedError("an envelope has payload, payloadType and signatures")
    rows, kind = value["signatures"], value["payloadType"]
    if not isinstance(rows, list) or not 1 <= len(rows) <= SIGNATURES_MAX:
        raise MalformedError(f"an envelope has 1 to {SIGNATURES_MAX} signatures")
    if not isinstance(kind, str) or not all(isinstance(row, dict) for row in rows):
        raise MalformedError("payloadType is text and each signature an object")
    return _decode(value["payload"]), kind, [_decode(row.get("sig")) for row in rows]


def _decode(text: Any) -> bytes:
    """Either alphabet, as the protocol demands; anything else is refused."""
    if not isinstance(text, str):
        raise MalformedError("payload and sig are base64 text")
    try:
        return base64.b64decode(text.translate(str.maketrans("-_", "+/")), validate=True)
    except (binascii.Error, ValueError):
        raise MalformedError("payload and sig are base64 text") from None


def verifies(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Say whether ``key`` signed ``message``; ECDSA in DER with the curve's usual hash."""
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, message)
        else:
            algorithm = _HASH_BY_BITS.get(key.curve.key_size)
            if algorithm is None:
                return False
            key.verify(signature, message, ec.ECDSA(algorithm))
    except InvalidSignature:
        return False
    return True


def _raw(key: PublicKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
