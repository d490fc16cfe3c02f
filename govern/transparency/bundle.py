"""Sigstore bundles v0.3: envelope, certificate, RFC 3161 time and inclusion proof.

One file that verifies offline. Written as canonical JSON, read only as canonical JSON,
so that no byte of a bundle is without meaning. The log entry is Rekor's ``dsse`` 0.0.1
body; it is recomputed from the envelope, never believed.
Source: sigstore/protobuf-specs, sigstore_bundle.proto; rekor types/dsse 0.0.1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from govern.errors import MalformedError
from govern.transparency.canonical import canonical_json, parse_json
from govern.transparency.certificates import load_certificate
from govern.transparency.encoding import b64, unb64
from govern.transparency.envelope import open_parts

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
BUNDLE_BYTES_MAX = 16 << 20
PROOF_HASHES_MAX = 64


@dataclass(frozen=True, slots=True)
class LogProof:
    """Where an entry stands in a log, and the proof of it."""

    key_id: bytes
    index: int
    size: int
    root: bytes
    hashes: tuple[bytes, ...]
    checkpoint: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """A parsed bundle; nothing in it is verified yet."""

    envelope: dict[str, Any]
    payload: bytes
    signature: bytes
    certificate: x509.Certificate
    timestamp: bytes
    proof: LogProof


def entry_body(envelope: dict[str, Any], certificate: x509.Certificate) -> bytes:
    """Return the log entry for an envelope: the canonicalised ``dsse`` 0.0.1 body."""
    payload, signature = open_parts(envelope)
    pem = certificate.public_bytes(Encoding.PEM)
    return canonical_json(
        {
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": _hash(canonical_json(envelope)),
                "payloadHash": _hash(payload),
                "signatures": [{"signature": b64(signature), "verifier": b64(pem)}],
            },
        }
    )


def _hash(data: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}


def write_bundle(
    envelope: dict[str, Any], certificate: x509.Certificate, timestamp: bytes, proof: LogProof
) -> bytes:
    """Return the bundle as canonical JSON."""
    entry = {
        "logIndex": str(proof.index),
        "logId": {"keyId": b64(proof.key_id)},
        "kindVersion": {"kind": "dsse", "version": "0.0.1"},
        "integratedTime": "0",
        "inclusionProof": {
            "logIndex": str(proof.index),
            "rootHash": b64(proof.root),
            "treeSize": str(proof.size),
            "hashes": [b64(value) for value in proof.hashes],
            "checkpoint": {"envelope": proof.checkpoint},
        },
        "canonicalizedBody": b64(entry_body(envelope, certificate)),
    }
    material = {
        "certificate": {"rawBytes": b64(certificate.public_bytes(Encoding.DER))},
        "tlogEntries": [entry],
        "timestampVerificationData": {"rfc3161Timestamps": [{"signedTimestamp": b64(timestamp)}]},
    }
    return canonical_json(
        {"mediaType": MEDIA_TYPE, "verificationMaterial": material, "dsseEnvelope": envelope}
    )


def parse_bundle(data: bytes) -> Bundle:
    """Read a bundle, without verifying it.

    Raises:
        MalformedError: not a bundle, not canonical JSON, or with a field out of place.
    """
    value = parse_json(data, bytes_max=BUNDLE_BYTES_MAX)
    if not isinstance(value, dict) or value.get("mediaType") != MEDIA_TYPE:
        raise MalformedError(f"not a Sigstore bundle: expected mediaType {MEDIA_TYPE}")
    try:
        bundle = _read(value)
        rewritten = write_bundle(
            bundle.envelope, bundle.certificate, bundle.timestamp, bundle.proof
        )
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise MalformedError(f"bundle is malformed: {error!r:.100}") from None
    if rewritten != data:
        raise MalformedError("bundle is not in canonical form, or a derived field differs")
    return bundle


def _read(value: Any) -> Bundle:
    material, envelope = value["verificationMaterial"], value["dsseEnvelope"]
    (entry,) = material["tlogEntries"]
    (stamp,) = material["timestampVerificationData"]["rfc3161Timestamps"]
    payload, signature = open_parts(envelope)
    der = unb64(material["certificate"]["rawBytes"], "certificate")
    return Bundle(
        envelope=envelope,
        payload=payload,
        signature=signature,
        certificate=load_certificate(der),
        timestamp=unb64(stamp["signedTimestamp"], "timestamp"),
        proof=_read_proof(entry),
    )


def _read_proof(entry: Any) -> LogProof:
    proof = entry["inclusionProof"]
    return LogProof(
        key_id=unb64(entry["logId"]["keyId"], "log id"),
        index=_count(proof["logIndex"]),
        size=_count(proof["treeSize"]),
        root=unb64(proof["rootHash"], "root hash"),
        hashes=_hashes(proof["hashes"]),
        checkpoint=proof["checkpoint"]["envelope"],
    )


def _hashes(values: Sequence[Any]) -> tuple[bytes, ...]:
    if len(values) > PROOF_HASHES_MAX:
        raise MalformedError(f"inclusion proof has more than {PROOF_HASHES_MAX} hashes")
    return tuple(unb64(value, "proof hash") for value in values)


def _count(text: Any) -> int:
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or len(text) > 19:
        raise MalformedError("log index and tree size are decimal text")
    return int(text)
