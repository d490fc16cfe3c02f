"""An authenticator in software: makes a passkey and signs as a browser and its device would.

What it says (page, flags, counter) can be said wrongly, as an attacker's would.
"""

from __future__ import annotations

import hashlib
import json
import struct
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from govern.transparency.passkey import PRESENT, SYNCED, VERIFIED, Passkey, pack_assertion
from govern.transparency.sshsig import armor_passkey, signed_blob

RP_ID, ORIGIN = "govern.bank.example", "https://govern.bank.example"


def b64url(data: bytes) -> str:
    """Return base64 for addresses, without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class SoftPasskey:
    """A passkey whose private half lies in memory."""

    rp_id: str = RP_ID
    origin: str = ORIGIN
    flags: int = PRESENT | VERIFIED
    counter: int = 0
    more: dict[str, object] = field(default_factory=dict)
    extensions: bytes = b""
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    @property
    def public(self) -> ec.EllipticCurvePublicKey:
        """The public half."""
        return self.key.public_key()

    @property
    def passkey(self) -> Passkey:
        """What the trust file says of it."""
        return Passkey(self.rp_id, self.origin, not self.flags & SYNCED, "")

    def but(self, **changes: object) -> SoftPasskey:
        """Return the same key, used otherwise."""
        return replace(self, **changes)

    def answer(self, challenge: bytes) -> tuple[bytes, bytes, bytes]:
        """Return authenticator data, client data and DER signature."""
        self.counter += 1
        said = {
            "type": "webauthn.get", "challenge": b64url(challenge), "origin": self.origin,
            "crossOrigin": False, **self.more,
        }  # fmt: skip
        client = json.dumps(said, separators=(",", ":")).encode()
        rp_hash = hashlib.sha256(self.rp_id.encode()).digest()
        data = rp_hash + struct.pack(">BI", self.flags, self.counter) + self.extensions
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return data, client, signature

    def sign(self, words: bytes, namespace: str) -> str:
        """Return an armored SSHSIG signature over ``words``."""
        inner = pack_assertion(*self.answer(signed_blob(words, namespace)))
        return armor_passkey(self.public, self.rp_id, namespace, inner)
