"""SSHSIG signatures: what ``ssh-keygen -Y sign`` makes and ``ssh-keygen -Y verify`` reads.

Source: OpenSSH, PROTOCOL.sshsig. A signature names its public key, a namespace, and a hash;
it is over ``"SSHSIG" || namespace || reserved || hash name || H(message)``, each a string
with its length in four bytes. Read here: Ed25519 (RFC 8709) and ECDSA on P-256 (RFC 5656),
with SHA-256 or SHA-512, and passkeys (``govern.transparency.passkey``). Not read: RSA, other
hardware-backed ``sk`` keys, certificates.
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
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_ssh_public_key,
)

from govern.errors import MalformedError, SignatureError
from govern.transparency.passkey import (
    SIGNATURE_KIND,
    Assertion,
    key_blob,
    key_line,
    read_assertion,
)
from govern.transparency.signer import PublicKey
from govern.transparency.ssh_wire import ssh_string, ssh_strings

SSHSIG_CHARS_MAX = 4096
_MAGIC, _VERSION = b"SSHSIG", 1
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
_ECDSA = b"ecdsa-sha2-nistp256"
_LINE = 70


@dataclass(frozen=True, slots=True)
class SshSignature:
    """A parsed signature; nothing is verified yet."""

    key: PublicKey
    namespace: str
    hash_name: bytes
    algorithm: bytes
    signature: bytes
    assertion: Assertion | None = None


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
    key, namespace, reserved, hash_name, inner = ssh_strings(blob[10:], 5)
    (algorithm,) = ssh_strings(inner, 1, rest=True)
    if reserved or hash_name not in _HASHES:
        raise MalformedError("an SSH signature uses SHA-256 or SHA-512, and reserves nothing")
    try:
        name = namespace.decode("ascii")
    except UnicodeDecodeError:
        raise MalformedError("the namespace of an SSH signature is not ASCII") from None
    behind = inner[4 + len(algorithm) :]
    if algorithm == SIGNATURE_KIND:
        public, assertion = read_assertion(key, behind)
        return SshSignature(public, name, hash_name, algorithm, behind, assertion)
    (signature,) = ssh_strings(behind, 1)
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
    signed = signed_blob(message, namespace, signature.hash_name)
    try:
        _verify(signature, signed)
    except (InvalidSignature, ValueError):
        raise SignatureError("an SSH signature does not verify") from None


def signed_blob(message: bytes, namespace: str, hash_name: bytes = b"sha256") -> bytes:
    """Return the bytes that an SSHSIG signature over ``message`` is made over."""
    digest = _HASHES[hash_name](message).digest()
    return _MAGIC + b"".join(map(ssh_string, (namespace.encode(), b"", hash_name, digest)))


def armor_passkey(key: ec.EllipticCurvePublicKey, rp_id: str, namespace: str, inner: bytes) -> str:
    """Return a passkey's assertion as an armored SSHSIG signature.

    Args:
        key: the passkey's public half.
        rp_id: the relying party's id.
        namespace: what the signature is for.
        inner: ``pack_assertion``'s bytes, whose challenge was ``signed_blob``'s.
    """
    parts = (key_blob(key, rp_id), namespace.encode(), b"", b"sha256", inner)
    blob = _MAGIC + struct.pack(">I", _VERSION) + b"".join(map(ssh_string, parts))
    text = b64encode(blob).decode()
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return "\n".join([_BEGIN, *lines, _END, ""])


def public_line(signature: SshSignature) -> str:
    """Return the public key that a signature names, as one line of ``allowed_signers``."""
    key = signature.key
    if signature.assertion is not None and isinstance(key, ec.EllipticCurvePublicKey):
        return key_line(key, signature.assertion.rp_id.decode("latin-1"))
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def _verify(signature: SshSignature, signed: bytes) -> None:
    key = signature.key
    if signature.assertion is not None and isinstance(key, ec.EllipticCurvePublicKey):
        signature.assertion.verify(key, signed)
    elif isinstance(key, Ed25519PublicKey) and signature.algorithm == b"ssh-ed25519":
        key.verify(signature.signature, signed)
    elif isinstance(key, ec.EllipticCurvePublicKey) and signature.algorithm == _ECDSA:
        r, s = (int.from_bytes(part, "big") for part in ssh_strings(signature.signature, 2))
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
    else:
        raise InvalidSignature


def _public_key(blob: bytes) -> PublicKey:
    (kind,) = ssh_strings(blob, 1, rest=True)
    return read_ssh_public_key(f"{kind.decode('latin-1')} {b64encode(blob).decode()}")
