"""RFC 3161 timestamps: make and verify a TimeStampResp.

The token is a CMS SignedData (RFC 5652) over a TSTInfo, with one ECDSA signer and only
the authority's own certificate inside, bound by signingCertificateV2 (RFC 5816).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from govern.errors import MalformedError, SignatureError, UntrustedSignerError
from govern.transparency import der
from govern.transparency.der import Node
from govern.transparency.signer import PrivateKey, as_signer

_SIGNED_DATA = der.oid("1.2.840.113549.1.7.2")
_TST_INFO = der.oid("1.2.840.113549.1.9.16.1.4")
_CONTENT_TYPE = der.oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = der.oid("1.2.840.113549.1.9.4")
_SIGNING_TIME = der.oid("1.2.840.113549.1.9.5")
_SIGNING_CERTIFICATE_V2 = der.oid("1.2.840.113549.1.9.16.2.47")
_SHA256 = der.tlv(der.SEQUENCE, der.oid("2.16.840.1.101.3.4.2.1"))
# RFC 5754 section 2: the parameters are absent, and readers accept NULL as well.
_SHA256_FORMS = (_SHA256, der.tlv(der.SEQUENCE, der.oid("2.16.840.1.101.3.4.2.1"), b"\x05\x00"))
_ECDSA_SHA256 = der.tlv(der.SEQUENCE, der.oid("1.2.840.10045.4.3.2"))
_POLICY = der.oid("1.3.6.1.4.1.57264.2")


def make_timestamp(
    data: bytes,
    *,
    now: datetime,
    tsa_key: PrivateKey,
    tsa_cert: x509.Certificate,
    serial: int,
) -> bytes:
    """Return a granted TimeStampResp over ``data``.

    Args:
        data: what is timestamped; only its SHA-256 enters the token.
        now: time in the token, whole seconds.
        serial: unique number of the token.
    """
    token = make_token(
        hashlib.sha256(data).digest(), now=now, tsa_key=tsa_key, tsa_cert=tsa_cert, serial=serial
    )
    return der.tlv(der.SEQUENCE, der.tlv(der.SEQUENCE, der.integer(0)), token)


def make_token(
    digest: bytes,
    *,
    now: datetime,
    tsa_key: PrivateKey,
    tsa_cert: x509.Certificate,
    serial: int,
) -> bytes:
    """Return a TimeStampToken over a SHA-256 digest, as ``make_timestamp`` wraps one."""
    moment = der.tlv(der.GENERALIZED_TIME, now.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode())
    imprint = der.tlv(der.SEQUENCE, _SHA256, der.tlv(der.OCTET_STRING, digest))
    info = der.tlv(der.SEQUENCE, der.integer(1), _POLICY, imprint, der.integer(serial), moment)
    attributes = _attributes(info, tsa_cert)
    signature = as_signer(tsa_key).sign(der.tlv(der.SET, attributes))
    signer = der.tlv(
        der.SEQUENCE,
        der.integer(1),
        der.tlv(der.SEQUENCE, tsa_cert.issuer.public_bytes(), der.integer(tsa_cert.serial_number)),
        _SHA256,
        der.tlv(0xA0, attributes),
        _ECDSA_SHA256,
        der.tlv(der.OCTET_STRING, signature),
    )
    content = der.tlv(der.SEQUENCE, _TST_INFO, der.tlv(0xA0, der.tlv(der.OCTET_STRING, info)))
    signed = der.tlv(
        der.SEQUENCE,
        der.integer(3),
        der.tlv(der.SET, _SHA256),
        content,
        der.tlv(0xA0, tsa_cert.public_bytes(Encoding.DER)),
        der.tlv(der.SET, signer),
    )
    return der.tlv(der.SEQUENCE, _SIGNED_DATA, der.tlv(0xA0, signed))


def _attributes(info: bytes, cert: x509.Certificate) -> bytes:
    digest = hashlib.sha256(cert.public_bytes(Encoding.DER)).digest()
    cert_id = der.tlv(der.SEQUENCE, der.tlv(der.OCTET_STRING, digest))
    signing = der.tlv(der.SEQUENCE, der.tlv(der.SEQUENCE, cert_id))
    content = der.tlv(der.OCTET_STRING, hashlib.sha256(info).digest())
    return b"".join(
        sorted(
            [
                _attribute(_CONTENT_TYPE, _TST_INFO),
                _attribute(_MESSAGE_DIGEST, content),
                _attribute(_SIGNING_CERTIFICATE_V2, signing),
            ]
        )
    )


def _attribute(kind: bytes, value: bytes) -> bytes:
    return der.tlv(der.SEQUENCE, kind, der.tlv(der.SET, value))


def names_authority(response: bytes, cert: x509.Certificate) -> bool:
    """Say whether a response names ``cert`` as its signer (RFC 5816); nothing is verified."""
    try:
        named = _named_certificate(_attribute_values(_parse(response)[1]))
    except (MalformedError, ValueError, KeyError, IndexError):
        return False
    return named == hashlib.sha256(cert.public_bytes(Encoding.DER)).digest()


def verify_timestamp(
    response: bytes, data: bytes, *, tsa_chain: Sequence[x509.Certificate]
) -> datetime:
    """Verify a TimeStampResp over ``data`` and return its time.

    (1) granted; (2) one signer, the authority's certificate, named by ESS; (3) the signed
    attributes hold the TSTInfo's digest and verify; (4) the imprint is of ``data``;
    (5) the certificate may timestamp, chains to the root, and was valid at that time.

    Raises:
        MalformedError: not such a response.
        SignatureError: it is over other data, or its signature does not verify.
        UntrustedSignerError: another authority, or outside its validity.
    """
    try:
        info, attributes, signature = _parse(response)
        values = _attribute_values(attributes)
        _, _, imprint, _, moment, *_ = der.read_one(info).expect(der.SEQUENCE).children()
        algorithm, hashed = imprint.children()
        at = datetime.strptime(moment.content.decode(), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except (ValueError, KeyError, IndexError, UnicodeDecodeError):
        raise MalformedError("not an RFC 3161 timestamp as expected here") from None
    cert = tsa_chain[0]
    _check_attributes(values, info, cert)
    _check_signature(cert, signature, der.tlv(der.SET, attributes.content))
    if algorithm.encoded not in _SHA256_FORMS or hashed.content != hashlib.sha256(data).digest():
        raise SignatureError("the timestamp is over other data")
    _check_authority(tsa_chain, at)
    return at


def _parse(response: bytes) -> tuple[bytes, Node, bytes]:
    status, token = der.read_one(response).expect(der.SEQUENCE).children()
    if status.encoded != der.tlv(der.SEQUENCE, der.integer(0)):
        raise MalformedError("the timestamp was not granted")
    kind, wrapped = token.expect(der.SEQUENCE).children()
    _, algorithms, content, _, signers = wrapped.children()[0].children()
    content_kind, octets = content.children()
    if kind.encoded != _SIGNED_DATA or content_kind.encoded != _TST_INFO:
        raise MalformedError("the timestamp is not SignedData over a TSTInfo")
    (signer,) = signers.expect(der.SET).children()
    _, _, digest, attributes, algorithm, signature = signer.children()
    digests = (algorithms.content, digest.encoded)
    if any(one not in _SHA256_FORMS for one in digests) or algorithm.encoded != _ECDSA_SHA256:
        raise MalformedError("the timestamp is not ECDSA with SHA-256")
    return octets.children()[0].expect(der.OCTET_STRING).content, attributes, signature.content


def _attribute_values(attributes: Node) -> dict[bytes, bytes]:
    values = {}
    for attribute in attributes.expect(0xA0).children():
        kind, held = attribute.children()
        values[kind.encoded] = held.expect(der.SET).content
    return values


def _check_attributes(values: dict[bytes, bytes], info: bytes, cert: x509.Certificate) -> None:
    expected = _attribute_values(der.read_one(der.tlv(0xA0, _attributes(info, cert))))
    extra = set(values) - set(expected) - {_SIGNING_TIME}
    if extra:
        raise MalformedError("the timestamp holds an unknown signed attribute")
    if _named_certificate(values) != hashlib.sha256(cert.public_bytes(Encoding.DER)).digest():
        raise UntrustedSignerError("the timestamp is from an authority not in the trust file")
    if any(values.get(kind) != expected[kind] for kind in (_CONTENT_TYPE, _MESSAGE_DIGEST)):
        raise SignatureError("the timestamp's signed attributes do not fit its content")


def _named_certificate(values: dict[bytes, bytes]) -> bytes | None:
    """Return the digest of the signer's certificate, the first named (RFC 5035 section 3)."""
    try:
        signing = der.read_one(values[_SIGNING_CERTIFICATE_V2]).expect(der.SEQUENCE)
        first = signing.children()[0].children()[0]
        algorithm, *rest = first.expect(der.SEQUENCE).children()
        if algorithm.encoded in _SHA256_FORMS:
            algorithm = rest[0]
        return algorithm.expect(der.OCTET_STRING).content
    except (KeyError, IndexError, ValueError):
        return None


def _check_signature(cert: x509.Certificate, signature: bytes, signed: bytes) -> None:
    key = cert.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise UntrustedSignerError("the timestamp authority's key is not ECDSA")
    try:
        key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise SignatureError("the timestamp's signature does not verify") from None


def _check_authority(chain: Sequence[x509.Certificate], at: datetime) -> None:
    usage = chain[0].extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    if not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise UntrustedSignerError("the certificate may not timestamp")
    check_chain(chain, at, "timestamp authority")


def check_chain(chain: Sequence[x509.Certificate], at: datetime, what: str) -> None:
    """Check each certificate's issuer, signature and validity up to the last, the anchor.

    Raises:
        UntrustedSignerError: a link does not hold, or one was not valid at ``at``.
    """
    for place, cert in enumerate(chain):
        if not cert.not_valid_before_utc <= at <= cert.not_valid_after_utc:
            raise UntrustedSignerError(f"a {what} certificate was not valid at {at:%Y-%m-%d %H:%M}")
        if place + 1 < len(chain):
            try:
                cert.verify_directly_issued_by(chain[place + 1])
            except (ValueError, TypeError, InvalidSignature):
                raise UntrustedSignerError(f"a {what} certificate has another issuer") from None
