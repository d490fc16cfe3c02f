"""TLS towards clients and upstreams: contexts of the standard library, TLS 1.2 at least.

Who a client is by its certificate is the certificate's subject as RFC 4514 writes it.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography import x509

from govern.errors import InvalidRequestError


def server_context(certificate: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    """Return the context to serve with; with ``client_ca``, clients must have a certificate.

    Raises:
        InvalidRequestError: a file cannot be read as what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_pair(context, certificate, key)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        _load_ca(context, client_ca)
    return context


def upstream_context(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Return the context for upstreams: their names are checked against ``ca`` or the system's.

    Raises:
        InvalidRequestError: a file cannot be read as what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca is None:
        context.load_default_certs()
    else:
        _load_ca(context, ca)
    if certificate is not None and key is not None:
        load_pair(context, certificate, key)
    return context


def load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Load a certificate chain and its key; connections from now on use them.

    Raises:
        InvalidRequestError: one cannot be read, or they do not belong together.
    """
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        why = error.reason if isinstance(error, ssl.SSLError) else error
        raise InvalidRequestError(
            f"{certificate.name} and {key.name} are no certificate and its key in PEM: {why}"
        ) from None


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def _load_ca(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(ca)
    except OSError as error:
        raise InvalidRequestError(f"{ca.name} holds no certificates in PEM: {error}") from None


def subject_of(connection: ssl.SSLObject | None) -> str | None:
    """Return the subject of the client's verified certificate, or None where there is none."""
    data = connection.getpeercert(binary_form=True) if connection is not None else None
    if not data:
        return None
    try:
        return x509.load_der_x509_certificate(data).subject.rfc4514_string() or None
    except ValueError:
        return None


def subject_of_pem(certificate: bytes) -> str | None:
    """Return the subject of a client's verified certificate, given in PEM."""
    try:
        return x509.load_pem_x509_certificate(certificate).subject.rfc4514_string() or None
    except ValueError:
        return None
