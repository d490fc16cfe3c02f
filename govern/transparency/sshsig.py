"""SSHSIG signatures: what ``ssh-keygen -Y sign`` makes and ``ssh-keygen -Y verify`` reads.

Source: OpenSSH, PROTOCOL.sshsig. A signature names its public key, a namespace, and a hash;
it is over ``"SSHSIG" || namespace || reserved || hash name || H(message)``, each a string
with its length in four bytes. Read here: Ed25519 (RFC 8709) and ECDSA on P-256 (RFC 5656),
with SHA-256 or SHA-512. Not read: RSA, hardware-backed ``sk`` keys, certificates.
"""

from __future__ import annotations

import hashlib
import struct
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from govern.errors import MalformedError, SignatureError
from govern.transparency.signer import PublicKey

SSHSIG_CHARS_MAX = 4096
_MAGIC, _VERSION = b"SSHSIG", 1
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
_ECDSA = b"ecdsa-sha2-nistp256"


@dataclass(frozen=True, slots=True)
class SshSignature:
    """A parsed signature; nothing is verified yet."""

    key: PublicKey
    namespace: str
    hash_name: bytes
    algorithm: bytes
    signature: bytes


def parse_sshsig(text: str) -> SshSignature:
    """Read an armored signature.

    Raises:
        MalformedError: another form, another kind of key, or another hash.
    """
    if len(text) > SSHSIG_CHARS_MAX:
        raise MalformedError(f"an SSH signature has at most {SSHSIG_CHARS_MAX} characters")
    lines = text.strip().splitlines()
    if len(lines) < 3 or (lines[0], lines[-1]) != (_BEGIN, _END):
        raise MalformedError("not an SSH signature: expected what `ssh-keygen -Y sign` writes")
    try:
        blob = b64decode("".join(lines[1:-1]), validate=True)
    except (Base64Error, ValueError):
        raise MalformedError("an SSH signature holds base64 between its two lines") from None
    if blob[:6] != _MAGIC or blob[6:10] != struct.pack(">I", _VERSION):
        raise MalformedError("an SSH signature of another version")
    key, namespace, reserved, hash_name, inner = _strings(blob[10:], 5)
    algorithm, signature = _strings(inner, 2)
    if reserved or hash_name not in _HASHES:
        raise MalformedError("an SSH signature uses SHA-256 or SHA-512, and reserves nothing")
    try:
        name = namespace.decode("ascii")
    except UnicodeDecodeError:
        raise MalformedError("the namespace of an SSH signature is not ASCII") from None
    return SshSignature(_public_key(key), name, hash_name, algorithm, signature)


def read_ssh_public_key(line: str) -> PublicKey:
    """Return the key in a line such as ``ssh-ed25519 AAAA… comment``.

    Raises:
        MalformedError: no such line, or a kind of key that is not read here.
    """
    try:
        key = load_ssh_public_key(line.strip().encode())
    except (ValueError, NotImplementedError, UnsupportedAlgorithm):
        raise MalformedError("not an SSH public key, as in a file that ends in .pub") from None
    if isinstance(key, Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise MalformedError("an SSH key is Ed25519 or ECDSA on P-256: ssh-keygen -t ed25519")


def verify_sshsig(signature: SshSignature, message: bytes, namespace: str) -> None:
    """Verify a signature under the key that it names.

    Raises:
        SignatureError: it is over other bytes, or for another namespace.
    """
    if signature.namespace != namespace:
        raise SignatureError(
            f"an SSH signature for {namespace!r} was expected, got {signature.namespace!r:.60}"
        )
    digest = _HASHES[signature.hash_name](message).digest()
    parts = (namespace.encode(), b"", signature.hash_name, digest)
    signed = _MAGIC + b"".join(struct.pack(">I", len(part)) + part for part in parts)
    try:
        _verify(signature, signed)
    except (InvalidSignature, ValueError):
        raise SignatureError("an SSH signature does not verify") from None


def _verify(signature: SshSignature, signed: bytes) -> None:
    key = signature.key
    if isinstance(key, Ed25519PublicKey) and signature.algorithm == b"ssh-ed25519":
        key.verify(signature.signature, signed)
    elif isinstance(key, ec.EllipticCurvePublicKey) and signature.algorithm == _ECDSA:
        r, s = (int.from_bytes(part, "big") for part in _strings(signature.signature, 2))
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
    else:
        raise InvalidSignature


def _public_key(blob: bytes) -> PublicKey:
    (kind,) = _strings(blob, 1, rest=True)
    return read_ssh_public_key(f"{kind.decode('latin-1')} {b64encode(blob).decode()}")


def _strings(data: bytes, count: int, *, rest: bool = False) -> list[bytes]:
    """Split length-prefixed strings; ``rest`` lets more follow."""
    found = []
    for _ in range(count):
        size = int.from_bytes(data[:4], "big")
        if len(data) < 4 + size:
            raise MalformedError("an SSH signature is cut")
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    if data and not rest:
        raise MalformedError("an SSH signature has something behind it")
    return found
