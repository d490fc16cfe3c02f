"""Verify the seal of a report: one PAdES signature over every byte of the PDF. Pure.

(1) the signature's byte range is the whole file save the signature itself;
(2) the CMS holds the digest of those bytes, in signed attributes (RFC 5652 section 5.4);
(3) the certificate, bound by signingCertificateV2 (RFC 5035), signed these attributes;
(4) it may seal reports and was issued by the authority in the trust file;
(5) where the CMS carries an RFC 3161 time, the trusted authority saw the signature then.

Only the form of ETSI EN 319 142-1 that reports have is read: one signer, ECDSA with
SHA-256, nothing that is not verified. So no byte of the CMS is without meaning.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from govern.errors import (
    CompletenessError,
    DigestMismatchError,
    MalformedError,
    SignatureError,
    UntrustedSignerError,
)
from govern.transparency import der
from govern.transparency.certificates import load_certificate
from govern.transparency.der import Node
from govern.transparency.timestamp import check_chain
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import proven_time
from govern.verifier.pdf import Pdf, SealField

SEAL_BYTES_MAX = 1 << 18
_SIGNED_DATA = der.oid("1.2.840.113549.1.7.2")
_DATA = der.oid("1.2.840.113549.1.7.1")
_CONTENT_TYPE = der.oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = der.oid("1.2.840.113549.1.9.4")
_SIGNING_CERTIFICATE_V2 = der.oid("1.2.840.113549.1.9.16.2.47")
_TIMESTAMP_TOKEN = der.oid("1.2.840.113549.1.9.16.2.14")
_SHA256 = der.oid("2.16.840.1.101.3.4.2.1")
_SHA256_FORMS = (
    der.tlv(der.SEQUENCE, _SHA256),
    der.tlv(der.SEQUENCE, _SHA256, der.tlv(der.NULL)),
)
_ECDSA_SHA256 = der.tlv(der.SEQUENCE, der.oid("1.2.840.10045.4.3.2"))
_ONE = der.integer(1)


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal that verified; ``proven_at`` is None where it carries no time of an authority."""

    certificate: x509.Certificate
    proven_at: datetime | None

    @property
    def name(self) -> str:
        """The signer, as the certificate calls it."""
        return self.certificate.subject.rfc4514_string()


@dataclass(frozen=True, slots=True)
class _Cms:
    certificates: list[bytes]
    sid: bytes
    attributes: Node
    signature: bytes
    token: bytes | None


def verify_seal(pdf: Pdf, trust: TrustRoot) -> Seal:
    """Verify the seal of a report, without its certificate's validity in time.

    Args:
        pdf: the report.
        trust: the trust root.

    Raises:
        CompletenessError: bytes outside the seal, such as an update made afterwards.
        DigestMismatchError: the file was changed after it was sealed.
        SignatureError, UntrustedSignerError, MalformedError: by the step that failed.
    """
    field = pdf.seal()
    covered = _covered(pdf, field)  # (1)
    cms = _read_cms(_contents(pdf.data, field))
    values = _attribute_values(cms.attributes)
    if values.pop(_CONTENT_TYPE, None) != _DATA:
        raise MalformedError("the seal is not over data")
    digest = der.tlv(der.OCTET_STRING, hashlib.sha256(covered).digest())
    if values.pop(_MESSAGE_DIGEST, None) != digest:  # (2)
        raise DigestMismatchError("the report was changed after it was sealed")
    certificate = _signer(cms, values, trust)
    _check_signature(certificate, cms)  # (3)
    _check_purpose(certificate)  # (4)
    return Seal(certificate, _proven_at(cms, trust))  # (5)


def check_valid(seal: Seal, trust: TrustRoot, at: datetime) -> None:
    """Check that the seal's certificate chains to the authority and was valid at ``at``.

    Raises:
        UntrustedSignerError: it does not, or was not.
    """
    signer = trust.authority(seal.certificate, trust.report_signers, at, "report signer")
    own = () if seal.certificate == signer.chain[0] else (seal.certificate,)
    check_chain([*own, *signer.chain], at, "report")


def _covered(pdf: Pdf, field: SealField) -> bytes:
    if field.about.get("SubFilter") != "ETSI.CAdES.detached":
        raise MalformedError("the report's signature is not PAdES")
    size = len(pdf.data)
    if field.about.get("ByteRange") != [0, field.start, field.end, size - field.end]:
        raise CompletenessError(
            "the seal does not cover the file as it is: something was added, or the end was cut"
        )
    return pdf.data[: field.start] + pdf.data[field.end :]


def _contents(data: bytes, field: SealField) -> bytes:
    """Return the CMS: upper-case hexadecimal digits, then zeros to the end."""
    text = data[field.start + 1 : field.end - 1]
    if len(text) > 2 * SEAL_BYTES_MAX:
        raise MalformedError(f"the seal is over {SEAL_BYTES_MAX} bytes")
    try:
        raw = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        raise MalformedError("the seal is not hexadecimal") from None
    if raw.hex() != text.decode().lower() or text not in (text.upper(), text.lower()):
        raise MalformedError("the seal is not written in one way")
    node, rest = der.read_first(raw)
    if rest.strip(b"\0"):
        raise MalformedError("the seal has something behind it")
    return node.encoded


def _read_cms(data: bytes) -> _Cms:
    try:
        kind, wrapped = der.read_one(data).expect(der.SEQUENCE).children()
        (signed,) = wrapped.expect(0xA0).children()
        version, algorithms, content, certificates, signers = signed.children()
        (algorithm,) = algorithms.expect(der.SET).children()
        (signer,) = signers.expect(der.SET).children()
        _, sid, digest, attributes, scheme, signature, *unsigned = signer.children()
    except ValueError:
        raise MalformedError("the seal is not a CMS signature as expected here") from None
    fixed = (kind.encoded, version.encoded, content.encoded, scheme.encoded)
    if fixed != (_SIGNED_DATA, _ONE, der.tlv(der.SEQUENCE, _DATA), _ECDSA_SHA256):
        raise MalformedError("the seal is not detached SignedData with ECDSA and SHA-256")
    if signer.children()[0].encoded != _ONE or signer.tag != der.SEQUENCE:
        raise MalformedError("the seal's signer has another form")
    if not {algorithm.encoded, digest.encoded} <= set(_SHA256_FORMS):
        raise MalformedError("the seal's digest is not SHA-256")
    held = [item.encoded for item in certificates.expect(0xA0).children()]
    signature.expect(der.OCTET_STRING)
    return _Cms(held, sid.encoded, attributes, signature.content, _token(unsigned))


def _token(unsigned: list[Node]) -> bytes | None:
    if not unsigned:
        return None
    try:
        (held,) = unsigned
        (attribute,) = held.expect(0xA1).children()
        kind, values = attribute.expect(der.SEQUENCE).children()
        (token,) = values.expect(der.SET).children()
    except ValueError:
        raise MalformedError("the seal holds unsigned attributes that are not one time") from None
    if kind.encoded != _TIMESTAMP_TOKEN:
        raise MalformedError("the seal holds an unsigned attribute that is not a time")
    return token.encoded


def _attribute_values(attributes: Node) -> dict[bytes, bytes]:
    values: dict[bytes, bytes] = {}
    for attribute in attributes.expect(0xA0).children():
        try:
            kind, held = attribute.children()
        except ValueError:
            raise MalformedError("a signed attribute of the seal is malformed") from None
        if kind.encoded in values:
            raise MalformedError("a signed attribute of the seal is there twice")
        values[kind.encoded] = held.expect(der.SET).content
    return values


def _signer(cms: _Cms, values: dict[bytes, bytes], trust: TrustRoot) -> x509.Certificate:
    """Return the certificate that the signed attributes bind; nothing else may be enclosed."""
    bound = values.get(_SIGNING_CERTIFICATE_V2, b"")
    above = {_der(cert) for signer in trust.report_signers for cert in signer.chain[1:]}
    mine = [held for held in cms.certificates if held not in above]
    if len(mine) != 1 or len(set(cms.certificates)) != len(cms.certificates):
        raise UntrustedSignerError("the seal is not by a certificate of the trusted authority")
    hashed = der.tlv(der.OCTET_STRING, hashlib.sha256(mine[0]).digest())
    if _first_certificate_hash(bound) != hashed:
        raise SignatureError("the seal binds another certificate than it encloses")
    certificate = load_certificate(mine[0])
    serial = der.integer(certificate.serial_number)
    if cms.sid != der.tlv(der.SEQUENCE, certificate.issuer.public_bytes(), serial):
        raise SignatureError("the seal names another certificate than it encloses")
    return certificate


def _der(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)


def _first_certificate_hash(attribute: bytes) -> bytes:
    """Return certHash of the first ESSCertIDv2 (RFC 5035); SHA-256 is its default."""
    try:
        node: Any = der.read_one(attribute)
        for _ in range(3):
            node = node.expect(der.SEQUENCE).children()[0]
    except IndexError:
        raise MalformedError("the seal's signing certificate attribute is empty") from None
    return bytes(node.encoded)


def _check_signature(certificate: x509.Certificate, cms: _Cms) -> None:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise UntrustedSignerError("the seal's key is not ECDSA")
    try:
        signed = der.tlv(der.SET, cms.attributes.content)
        key.verify(cms.signature, signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise SignatureError("the seal's signature does not verify") from None


def _check_purpose(certificate: x509.Certificate) -> None:
    """A report certificate signs for good (content commitment) and is nobody's identity."""
    try:
        extensions = certificate.extensions
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        basic = extensions.get_extension_for_class(x509.BasicConstraints).value
        purposes = {item.oid for item in extensions}
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        raise UntrustedSignerError("the seal's certificate is not one for reports") from None
    allowed = usage.digital_signature and usage.content_commitment and not basic.ca
    if not allowed or x509.ExtendedKeyUsage.oid in purposes:
        raise UntrustedSignerError("the seal's certificate is not one for reports")


def _proven_at(cms: _Cms, trust: TrustRoot) -> datetime | None:
    if cms.token is None:
        return None
    granted = der.tlv(der.SEQUENCE, der.integer(0))
    response = der.tlv(der.SEQUENCE, granted, cms.token)
    return proven_time(response, cms.signature, trust)[1]
