"""Read X.509 certificates (RFC 5280) so that whatever is wrong with one is one kind of error."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from govern.errors import MalformedError

_WRONG = (
    ValueError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
)


def load_certificate(der: bytes) -> x509.Certificate:
    """Return a certificate whose names, dates and extensions can be read.

    ``cryptography`` reads extensions only when they are asked for, and raises exceptions
    with no common ancestor; here they are asked for at once.

    Raises:
        MalformedError: it cannot be read.
    """
    try:
        found = x509.load_der_x509_certificate(der)
        _ = found.extensions, found.subject, found.issuer
        _ = found.not_valid_before_utc, found.not_valid_after_utc
    except _WRONG as error:
        raise MalformedError(f"a certificate cannot be read: {str(error)[:80]}") from None
    return found
