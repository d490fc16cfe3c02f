"""A passkey's signature (WebAuthn, ES256) as one of OpenSSH's: ``webauthn-sk-ecdsa-sha2-nistp256``.

A browser signs ``authenticatorData || SHA-256(clientDataJSON)`` (W3C Web Authentication
Level 3, section 7.2), and the client data carries a challenge. Where the challenge is what an
SSHSIG signature is over, the assertion can be packed as an SSHSIG signature, and stock
``ssh-keygen -Y verify`` reads it (OpenSSH, PROTOCOL.u2f, "webauthn signatures").

``ssh-keygen`` does not ask whether the authenticator verified its user, nor for the page's
address; both are asked for here. Pure: no browser, no network, no clock.
"""

from __future__ import annotations

import hashlib
import json
import struct
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from govern.errors import MalformedError, SignatureError
from govern.transparency.ssh_wire import ssh_string, ssh_strings

KEY_KIND = b"sk-ecdsa-sha2-nistp256@openssh.com"
SIGNATURE_KIND = b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com"
CLIENT_DATA_BYTES_MAX = 1024
HEAD_BYTES = 37  # hash of the relying party's id (32), flags (1), counter (4)
PRESENT, VERIFIED, SYNCED, CREDENTIAL, EXTENDED = 0x01, 0x04, 0x08, 0x40, 0x80
_CURVE = b"nistp256"


@dataclass(frozen=True, slots=True)
class Passkey:
    """What the trust file says of a passkey beside its public key.

    Args:
        rp_id: the relying party's id: the portal's host, or a domain above it.
        origin: the one address, such as ``https://govern.bank.example``, whose pages may ask.
        device_bound: no copy of it exists elsewhere (the flag "backup eligible" is off).
        aaguid: the authenticator's model, as it called itself when the key was made.
    """

    rp_id: str
    origin: str
    device_bound: bool
    aaguid: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the ``passkey`` member of a key in the trust file."""
        return {
            "rpId": self.rp_id,
            "origin": self.origin,
            "deviceBound": self.device_bound,
            "aaguid": self.aaguid,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Passkey:
        """Read the ``passkey`` member.

        Raises:
            MalformedError: something is missing or of another type.
        """
        found = cls(value["rpId"], value["origin"], value["deviceBound"], value["aaguid"])
        texts = (found.rp_id, found.origin, found.aaguid)
        if not all(isinstance(text, str) for text in texts) or type(found.device_bound) is not bool:
            raise MalformedError("a passkey has rpId, origin, aaguid (texts) and deviceBound")
        return found


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an authenticator signed, taken apart; nothing is verified yet.

    Args:
        rp_id: whose hash begins the authenticator data.
        flags: of the authenticator data; one byte.
        counter: how often the authenticator signed, or 0 where it does not count.
        origin: the address of the page that asked, as the client data has it.
        client_data: the client data's bytes, JSON.
        extensions: what follows the counter, CBOR; mostly empty.
    """

    rp_id: bytes
    flags: int
    counter: int
    origin: bytes
    client_data: bytes
    extensions: bytes
    r: int
    s: int

    def verify(self, key: ec.EllipticCurvePublicKey, challenge: bytes) -> None:
        """Verify the assertion over a challenge.

        Args:
            key: the passkey's public half.
            challenge: the bytes that the page gave the browser to sign.

        Raises:
            SignatureError: another challenge, no user verification, or another key.
            InvalidSignature: the signature does not verify.
        """
        self._require_flags()
        self._require_client_data(challenge)
        head = hashlib.sha256(self.rp_id).digest() + struct.pack(">BI", self.flags, self.counter)
        signed = head + self.extensions + hashlib.sha256(self.client_data).digest()
        key.verify(encode_dss_signature(self.r, self.s), signed, ec.ECDSA(SHA256()))

    def require_of(self, passkey: Passkey) -> None:
        """Refuse an assertion made elsewhere than where this passkey is used.

        Raises:
            SignatureError: another relying party, page or kind of passkey.
        """
        if self.rp_id != passkey.rp_id.encode() or self.origin != passkey.origin.encode():
            raise SignatureError(
                f"a passkey signed on a page of {passkey.origin} was expected, got one of "
                f"{self.origin.decode('latin-1'):.100}"
            )
        if self.synced and passkey.device_bound:
            raise SignatureError("a passkey that was bound to its device says that it is synced")

    @property
    def synced(self) -> bool:
        """Whether copies of the passkey may exist (the flag "backup eligible")."""
        return bool(self.flags & SYNCED)

    def _require_flags(self) -> None:
        if not self.flags & PRESENT:
            raise SignatureError("a passkey signed with nobody present")
        if not self.flags & VERIFIED:
            raise SignatureError(
                "a passkey signed without verifying its user; a fingerprint, face or PIN is needed"
            )
        if self.flags & CREDENTIAL or bool(self.flags & EXTENDED) != bool(self.extensions):
            raise SignatureError("a passkey's flags do not fit what it signed")

    def _require_client_data(self, challenge: bytes) -> None:
        text = urlsafe_b64encode(challenge).rstrip(b"=")
        start = b'{"type":"webauthn.get","challenge":"%s","origin":"%s"' % (text, self.origin)
        if not self.client_data.startswith((start + b",", start + b"}")):
            raise SignatureError("a passkey's signature is over other words, or for another page")
        try:
            value = json.loads(self.client_data)
        except (ValueError, RecursionError):
            raise SignatureError("a passkey's client data is not JSON") from None
        if value.get("crossOrigin") is True or value.get("origin") != self.origin.decode("latin-1"):
            raise SignatureError("a passkey was asked from inside another page")


def read_assertion(
    key_blob: bytes, signature: bytes
) -> tuple[ec.EllipticCurvePublicKey, Assertion]:
    """Return key and assertion of an SSHSIG signature of this kind.

    Args:
        key_blob: the public key as SSHSIG has it.
        signature: what follows the algorithm's name in the inner signature.

    Raises:
        MalformedError: it is cut, or not of this form.
    """
    key, rp_id = _read_key(key_blob)
    (numbers,) = ssh_strings(signature, 1, rest=True)
    rest = signature[4 + len(numbers) :]
    if len(rest) < 5:
        raise MalformedError("an SSH signature is cut")
    flags, counter = struct.unpack(">BI", rest[:5])
    origin, client_data, extensions = ssh_strings(rest[5:], 3)
    if len(client_data) > CLIENT_DATA_BYTES_MAX:
        raise MalformedError(f"a passkey's client data has at most {CLIENT_DATA_BYTES_MAX} bytes")
    r, s = (int.from_bytes(part, "big") for part in ssh_strings(numbers, 2))
    return key, Assertion(rp_id, flags, counter, origin, client_data, extensions, r, s)


def _read_key(blob: bytes) -> tuple[ec.EllipticCurvePublicKey, bytes]:
    kind, curve, point, rp_id = ssh_strings(blob, 4)
    if kind != KEY_KIND or curve != _CURVE:
        raise MalformedError("a passkey is ECDSA on P-256")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point), rp_id
    except ValueError:
        raise MalformedError("a passkey's public key cannot be read") from None


def key_blob(key: ec.EllipticCurvePublicKey, rp_id: str) -> bytes:
    """Return a passkey's public half as OpenSSH has it."""
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return b"".join(map(ssh_string, (KEY_KIND, _CURVE, point, rp_id.encode())))


def key_line(key: ec.EllipticCurvePublicKey, rp_id: str) -> str:
    """Return a passkey's public half as one line, as in ``allowed_signers``."""
    return f"{KEY_KIND.decode()} {b64encode(key_blob(key, rp_id)).decode()}"


def pack_assertion(authenticator_data: bytes, client_data: bytes, signature: bytes) -> bytes:
    """Return the inner SSH signature of what a browser gave back.

    Args:
        authenticator_data: hash of the relying party's id, flags, counter, extensions.
        client_data: the client data's bytes, JSON.
        signature: ECDSA in DER.

    Raises:
        MalformedError: it is not what a browser gives back.
    """
    if len(authenticator_data) < HEAD_BYTES or len(client_data) > CLIENT_DATA_BYTES_MAX:
        raise MalformedError("the passkey's answer has another size than expected")
    try:
        r, s = decode_dss_signature(signature)
        origin = json.loads(client_data)["origin"].encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise MalformedError("the passkey's answer cannot be read") from None
    numbers = b"".join(ssh_string(_mpint(number)) for number in (r, s))
    body = ssh_string(numbers) + authenticator_data[32:37]
    parts = (origin, client_data, authenticator_data[HEAD_BYTES:])
    return ssh_string(SIGNATURE_KIND) + body + b"".join(map(ssh_string, parts))


def _mpint(number: int) -> bytes:
    """Return a positive number as an SSH mpint's bytes (RFC 4251 section 5)."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big")
