"""DSSE envelopes (Dead Simple Signing Envelope v1.0): exactly one signature each.

Source: secure-systems-lab/dsse, protocol.md. Several signers of one payload are several
bundles over the same bytes, as Sigstore bundles ask.
"""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from govern.errors import MalformedError, SignatureError
from govern.transparency.encoding import b64, unb64
from govern.transparency.signer import PrivateKey, PublicKey, as_signer
from govern.transparency.statement import PAYLOAD_TYPE


def pae(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """Return the pre-authentication encoding, the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def sign_envelope(payload: bytes, key: PrivateKey) -> dict[str, Any]:
    """Return an envelope over an in-toto payload, signed with Ed25519 or ECDSA/SHA-256."""
    signature = as_signer(key).sign(pae(payload))
    return {
        "payload": b64(payload),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"sig": b64(signature)}],
    }


def open_parts(envelope: Any) -> tuple[bytes, bytes]:
    """Return payload and raw signature, not verified.

    Raises:
        MalformedError: not an envelope of one in-toto payload and one signature.
    """
    if not isinstance(envelope, dict) or set(envelope) != {"payload", "payloadType", "signatures"}:
        raise MalformedError("an envelope has payload, payloadType and signatures")
    signatures = envelope["signatures"]
    if envelope["payloadType"] != PAYLOAD_TYPE:
        raise MalformedError(f"expected payloadType {PAYLOAD_TYPE}")
    if not isinstance(signatures, list) or len(signatures) != 1 or set(signatures[0]) != {"sig"}:
        raise MalformedError("an envelope here has exactly one signature without a keyid")
    return unb64(envelope["payload"], "payload"), unb64(signatures[0]["sig"], "signature")


def verify_envelope(envelope: Any, key: PublicKey) -> bytes:
    """Return the payload if ``key`` signed it.

    Raises:
        MalformedError: not an envelope.
        SignatureError: the signature does not verify.
    """
    payload, signature = open_parts(envelope)
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, pae(payload))
        else:
            key.verify(signature, pae(payload), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise SignatureError("the envelope's signature does not verify") from None
    return payload
