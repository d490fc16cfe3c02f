"""Which keys a statement rests on, each named by the SHA-256 of its SubjectPublicKeyInfo.

A signer's certificate lives for one signature; what is recalled is usually the key of the
authority that issued it, of the timestamp authority or of the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from govern.transparency.bundle import parse_bundle
from govern.transparency.digest import digest_of
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import VerifiedStatement


def certificate_key(certificate: x509.Certificate) -> str:
    """Return the id of the key in a certificate (RFC 5280, section 4.1.2.7)."""
    key = certificate.public_key()
    return digest_of(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@cache
def raw_key(public_key: bytes) -> str:
    """Return the id of an Ed25519 key given as 32 bytes (RFC 8410, section 4)."""
    key = Ed25519PublicKey.from_public_bytes(public_key)
    return digest_of(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def statement_keys(item: VerifiedStatement, trust: TrustRoot) -> Mapping[str, str]:
    """Return role to key id of the keys behind a statement."""
    bundle = parse_bundle(item.bundle)
    log = trust.log_by_id(bundle.proof.key_id)
    return {
        "signer": certificate_key(bundle.certificate),
        "identity authority": certificate_key(trust.ca_chain[0]),
        "timestamp authority": certificate_key(trust.tsa_chain[0]),
        "lineage log": raw_key(log.verifier.public_key),
    }


def gate_key(trust: TrustRoot, origin: str) -> str | None:
    """Return the id of a gate log's key; None where the log is not trusted."""
    found = [log for log in trust.logs if log.origin == origin and log.kind == "gate"]
    return raw_key(found[-1].verifier.public_key) if found else None
