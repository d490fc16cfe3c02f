"""Short-lived identity certificates from a private authority, in the form Fulcio issues.

A leaf carries an e-mail address (critical SAN, empty subject), the issuer that
established it (Fulcio OIDs .1 and .8), code signing, and exactly one signed certificate
timestamp (RFC 6962 section 3.3) from the private certificate log's key.
Sources: sigstore/fulcio docs/certificate-specification.md; RFC 6962 section 3.2.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from govern.errors import MalformedError, UntrustedSignerError
from govern.transparency import der
from govern.transparency.signer import PrivateKey, as_signer, certifying_key, p256_public
from govern.transparency.timestamp import check_chain

_ISSUER_V1 = ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
_ISSUER_V2 = ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_SCT_LIST = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signed, as the certificate says: an e-mail address and who vouched for it."""

    email: str
    issuer: str


def name(organization: str, common_name: str) -> x509.Name:
    """Return a distinguished name of organisation and common name."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def make_root(
    subject: x509.Name, key: PrivateKey, *, now: datetime, days: int = 7300
) -> x509.Certificate:
    """Return the self-signed root, which may certify one authority below it."""
    return _authority(subject, subject, key, key, 1, now, days)


def make_ca(
    subject: x509.Name,
    key: PrivateKey,
    *,
    root_key: PrivateKey,
    root_cert: x509.Certificate,
    now: datetime,
    days: int = 3650,
) -> x509.Certificate:
    """Return an authority under the root that may sign leaves and revocation lists."""
    return _authority(subject, root_cert.subject, key, root_key, 0, now, days)


def _authority(
    subject: x509.Name,
    issuer: x509.Name,
    key: PrivateKey,
    issuer_key: PrivateKey,
    below: int,
    now: datetime,
    days: int,
) -> x509.Certificate:
    public, above = (p256_public(as_signer(one)) for one in (key, issuer_key))
    return (
        _builder(subject, issuer, public, now, days)
        .add_extension(x509.BasicConstraints(True, below), True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above), False)
        .sign(certifying_key(issuer_key), hashes.SHA256())
    )


def make_service_cert(
    subject: x509.Name,
    key: PrivateKey,
    *,
    ca_key: PrivateKey,
    ca_cert: x509.Certificate,
    purpose: str,
    now: datetime,
    days: int = 1825,
) -> x509.Certificate:
    """Return a long-lived certificate for ``timestamp`` or ``report`` signing.

    Report signing wants nonRepudiation and no code-signing-only EKU, so that PDF
    viewers, pyHanko and pdfsig all accept it.
    """
    public, above = (p256_public(as_signer(one)) for one in (key, ca_key))
    builder = _builder(subject, ca_cert.subject, public, now, days)
    builder = builder.add_extension(x509.BasicConstraints(False, None), True)
    if purpose == "timestamp":
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(usage, True)
        builder = builder.add_extension(_key_usage(digital_signature=True), True)
    else:
        both = _key_usage(digital_signature=True, content_commitment=True)
        builder = builder.add_extension(both, True)
    return (
        builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above), False)
        .sign(certifying_key(ca_key), hashes.SHA256())
    )


def make_revocation_list(
    root_cert: x509.Certificate,
    root_key: PrivateKey,
    revoked: Mapping[int, datetime],
    *,
    number: int,
    now: datetime,
    days: int = 1825,
) -> x509.CertificateRevocationList:
    """Return the root's revocation list (RFC 5280 section 5), for readers of sealed PDFs.

    Args:
        root_cert: the root.
        root_key: its key.
        revoked: serial number to the time since when the certificate does not count.
        number: grows with each list of a root.
        now: the present.
        days: how long a reader may rely on it; as long as the certificates below live.
    """
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root_cert.subject)
        .last_update(now)
        .next_update(now + days * _DAY)
        .add_extension(x509.CRLNumber(number), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(p256_public(as_signer(root_key))),
            False,
        )
    )
    for serial, since in sorted(revoked.items()):
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(certifying_key(root_key), hashes.SHA256())


def issue_identity(
    identity: Identity,
    public_key: ec.EllipticCurvePublicKey,
    *,
    ca_key: PrivateKey,
    ca_cert: x509.Certificate,
    ct_key: PrivateKey,
    now: datetime,
    minutes: int = 10,
) -> x509.Certificate:
    """Return a leaf for ``identity`` with one embedded certificate timestamp."""
    issuer = identity.issuer.encode()
    start = now.replace(microsecond=0) - timedelta(minutes=1)
    above, certifier = p256_public(as_signer(ca_key)), as_signer(ct_key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(ca_cert.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(minutes=minutes + 1))
        .add_extension(_key_usage(digital_signature=True), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above), False)
        .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(identity.email)]), True)
        .add_extension(x509.UnrecognizedExtension(_ISSUER_V1, issuer), False)
        .add_extension(x509.UnrecognizedExtension(_ISSUER_V2, der.tlv(der.UTF8, issuer)), False)
    )
    issuing = certifying_key(ca_key)
    tbs = builder.sign(issuing, hashes.SHA256()).tbs_certificate_bytes
    signed = _sct_input(tbs, ca_cert, int(now.timestamp() * 1000))
    listed = _sct_list(p256_public(certifier), now, certifier.sign(signed))
    held = x509.UnrecognizedExtension(_SCT_LIST, der.tlv(der.OCTET_STRING, listed))
    return builder.add_extension(held, False).sign(issuing, hashes.SHA256())


def verify_identity(
    cert: x509.Certificate,
    *,
    ca_chain: Sequence[x509.Certificate],
    ct_keys: Sequence[bytes],
    at: datetime,
) -> Identity:
    """Check a leaf at a time and return who it names.

    Args:
        ca_chain: the issuing authority first, the anchor last.
        ct_keys: DER SubjectPublicKeyInfo of certificate logs valid at ``at``.
        at: the proven signing time.

    Raises:
        MalformedError: not such a leaf.
        UntrustedSignerError: wrong authority, wrong purpose, outside its validity, or not
            seen by a trusted certificate log.
    """
    try:
        extensions = cert.extensions
        usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        raw = extensions.get_extension_for_oid(_ISSUER_V2).value
        (email,) = names.get_values_for_type(x509.RFC822Name)
        issuer = der.read_one(getattr(raw, "value", b"")).expect(der.UTF8).content.decode()
    except (x509.ExtensionNotFound, ValueError, x509.DuplicateExtension) as error:
        raise MalformedError(f"not an identity certificate: {str(error)[:80]}") from None
    if ExtendedKeyUsageOID.CODE_SIGNING not in usage:
        raise UntrustedSignerError("the certificate is not for signing")
    check_chain([cert, *ca_chain], at, "signing")
    _verify_sct(cert, ca_chain[0], ct_keys)
    return Identity(email, issuer)


def certificate_log_of(cert: x509.Certificate) -> bytes:
    """Return the id (SHA-256 of its key) of the log that certified ``cert``; verified before."""
    (sct,) = cert.extensions.get_extension_for_class(
        x509.PrecertificateSignedCertificateTimestamps
    ).value
    return bytes(sct.log_id)


def _verify_sct(cert: x509.Certificate, ca: x509.Certificate, ct_keys: Sequence[bytes]) -> None:
    try:
        held = cert.extensions.get_extension_for_class(
            x509.PrecertificateSignedCertificateTimestamps
        )
        (sct,) = held.value
        tbs = cert.tbs_precertificate_bytes
    except (x509.ExtensionNotFound, ValueError):
        raise UntrustedSignerError("the certificate does not hold exactly one SCT") from None
    when = sct.timestamp.replace(tzinfo=UTC)
    millis = round(when.timestamp() * 1000)
    signed = _sct_input(tbs, ca, millis)
    for key_bytes in ct_keys:
        key = load_der_public_key(key_bytes)
        if hashlib.sha256(key_bytes).digest() != sct.log_id:
            continue
        if not isinstance(key, ec.EllipticCurvePublicKey):
            continue
        try:
            key.verify(sct.signature, signed, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise UntrustedSignerError("the certificate's SCT does not verify") from None
        return
    raise UntrustedSignerError("the certificate's SCT is from a log not in the trust file")


def _sct_input(tbs: bytes, ca: x509.Certificate, millis: int) -> bytes:
    """Return what an SCT over a precertificate signs (RFC 6962 section 3.2)."""
    issuer_key = ca.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    entry = hashlib.sha256(issuer_key).digest() + len(tbs).to_bytes(3, "big") + tbs
    return struct.pack(">BBQH", 0, 0, millis, 1) + entry + b"\0\0"


def _sct_list(key: ec.EllipticCurvePublicKey, now: datetime, signature: bytes) -> bytes:
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    millis = int(now.timestamp() * 1000)
    head = b"\0" + hashlib.sha256(spki).digest() + struct.pack(">Q", millis) + b"\0\0\x04\x03"
    sct = head + struct.pack(">H", len(signature)) + signature
    return struct.pack(">HH", len(sct) + 2, len(sct)) + sct


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    days: int,
) -> x509.CertificateBuilder:
    start = now.replace(microsecond=0) - timedelta(minutes=5)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + days * _DAY)
    )


def _key_usage(**on: bool) -> x509.KeyUsage:
    flags = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{flag: on.get(flag, False) for flag in flags})
