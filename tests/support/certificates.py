"""A small certificate authority for tests of TLS. Holds no assertions."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


class Authority:
    """Issues certificates into a folder: ``NAME.pem``, ``NAME.key`` and its own ``NAME-ca.pem``."""

    def __init__(self, folder: Path, name: str = "test") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _name(f"{name} CA")
        self.path = folder / f"{name}-ca.pem"
        public = self._key.public_key()
        built = _builder(self._subject, public, self._subject).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        built = built.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        certificate = built.add_extension(usage, critical=True).sign(self._key, SHA256())
        self.path.write_bytes(certificate.public_bytes(Encoding.PEM))

    def issue(self, name: str, *, address: str | None = None) -> tuple[Path, Path]:
        """Return the files of a new certificate and its key.

        Args:
            name: its common name, and the files' name.
            address: an IP address that it is for, if it is a server's.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        built = _builder(_name(name, "Bank"), key.public_key(), self._subject)
        own = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        built = built.add_extension(own, critical=False)
        if address is not None:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
            built = built.add_extension(names, critical=False)
        paths = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        paths[0].write_bytes(built.sign(self._key, SHA256()).public_bytes(Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        return paths


def _name(common: str, organisation: str | None = None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if organisation is not None:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    return x509.Name(parts)


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, issuer: x509.Name
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return x509.CertificateBuilder(
        issuer, subject, key, x509.random_serial_number(),
        now - timedelta(minutes=5), now + timedelta(days=1),
    )  # fmt: skip
