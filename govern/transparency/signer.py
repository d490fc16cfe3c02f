"""What a signing key must be able to do, wherever it lives: show its public half and sign.

Two algorithms: ECDSA on P-256 with SHA-256 (signatures in DER) and Ed25519 (RFC 8032).
A key in a file, in memory or in a PKCS#11 token all fit; nothing here opens one.
"""

from __future__ import annotations

from typing import Any, NoReturn, Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from govern.errors import StorageError
from govern.transparency.digest import digest_of

PublicKey = ec.EllipticCurvePublicKey | Ed25519PublicKey


class Signer(Protocol):
    """A private key that never shows itself."""

    def public_key(self) -> PublicKey:
        """Return the public half."""

    def sign(self, message: bytes, /) -> bytes:
        """Return the signature: DER ECDSA over SHA-256, or 64 bytes of Ed25519."""


PrivateKey = ec.EllipticCurvePrivateKey | Ed25519PrivateKey | Signer


class EcSigner:
    """A P-256 private key in memory."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self.key = key

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the public half."""
        return self.key.public_key()

    def sign(self, message: bytes, /) -> bytes:
        """Return a DER signature over SHA-256 of ``message``."""
        return self.key.sign(message, ec.ECDSA(hashes.SHA256()))


def as_signer(key: PrivateKey) -> Signer:
    """Return any private key as a signer."""
    return EcSigner(key) if isinstance(key, ec.EllipticCurvePrivateKey) else key


def open_key(pem: bytes, passphrase: bytes | None, file: str) -> Signer:
    """Return the key in a PKCS#8 file, encrypted or not.

    Args:
        pem: the file's bytes.
        passphrase: what opens it; ignored where the file is not encrypted.
        file: its name, for sentences.

    Raises:
        StorageError: it is no key of a known kind, or the passphrase is missing or wrong.
    """
    encrypted = b"ENCRYPTED" in pem[:200]
    if encrypted and passphrase is None:
        raise StorageError(
            f"{file} is encrypted; name the file with its passphrase in GOVERN_PASSPHRASE_FILE"
        )
    try:
        key = load_pem_private_key(pem, passphrase if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        why = "the passphrase does not open it" if encrypted else "it is not a PKCS#8 private key"
        raise StorageError(f"{file} cannot be opened: {why}") from None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp256r1":
        return EcSigner(key)
    if isinstance(key, Ed25519PrivateKey):
        return key
    raise StorageError(f"{file} is neither a P-256 nor an Ed25519 key")


def spki(key: PublicKey) -> bytes:
    """Return a public key as DER SubjectPublicKeyInfo (RFC 5280 section 4.1)."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_id(key: PublicKey) -> str:
    """Return a key's id: the digest of its SubjectPublicKeyInfo."""
    return digest_of(spki(key))


def raw_key_id(raw: bytes) -> str:
    """Return the id of an Ed25519 key given as its 32 raw bytes."""
    return key_id(Ed25519PublicKey.from_public_bytes(raw))


def certificate_key_id(cert: x509.Certificate) -> str:
    """Return the id of the key that a certificate is about."""
    public = cert.public_key()
    return digest_of(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def algorithm_of(key: PublicKey) -> str:
    """Return ``Ed25519`` or ``ECDSA P-256``."""
    return "Ed25519" if isinstance(key, Ed25519PublicKey) else "ECDSA P-256"


def p256_public(signer: Signer) -> ec.EllipticCurvePublicKey:
    """Return the public half of a signer that must be P-256.

    Raises:
        TypeError: it is of another kind.
    """
    public = signer.public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != "secp256r1":
        raise TypeError("expected a P-256 key")
    return public


def ed25519_public(signer: Signer) -> bytes:
    """Return the 32 raw bytes of a signer that must be Ed25519.

    Raises:
        TypeError: it is of another kind.
    """
    public = signer.public_key()
    if not isinstance(public, Ed25519PublicKey):
        raise TypeError("expected an Ed25519 key")
    return public.public_bytes_raw()


def certifying_key(key: PrivateKey) -> ec.EllipticCurvePrivateKey:
    """Return a P-256 signer as ``cryptography``'s certificate builder takes it."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key
    signer = as_signer(key)
    return signer.key if isinstance(signer, EcSigner) else _Certifying(signer)


class _Certifying(ec.EllipticCurvePrivateKey):
    """A signer in the shape of a private key; what would need the secret is refused."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return p256_public(self._signer)

    @property
    def curve(self) -> ec.EllipticCurve:
        return self.public_key().curve

    @property
    def key_size(self) -> int:
        return self.public_key().key_size

    def sign(self, data: Any, signature_algorithm: Any) -> bytes:
        return self._signer.sign(bytes(data))

    def exchange(self, *_: Any) -> NoReturn:
        raise TypeError("this key only signs")

    def private_numbers(self) -> NoReturn:
        raise TypeError("this key does not show itself")

    def private_bytes(self, *_: Any) -> NoReturn:
        raise TypeError("this key does not show itself")

    def __copy__(self) -> _Certifying:
        return self

    def __deepcopy__(self, memo: Any) -> _Certifying:
        return self
