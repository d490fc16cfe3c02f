"""Certificates that no reader should trip over: one sentence each, whatever is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from govern.errors import MalformedError
from govern.transparency.certificates import load_certificate

KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test")])
NOW = datetime(2026, 11, 25, tzinfo=UTC)
DER = (
    x509.CertificateBuilder().subject_name(NAME).issuer_name(NAME).public_key(KEY.public_key())
    .serial_number(7).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    .add_extension(x509.SubjectAlternativeName([x509.RFC822Name("a@b.example")]), critical=True)
    .add_extension(x509.BasicConstraints(True, 0), critical=True)
    .sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)
)  # fmt: skip


def test_a_certificate_is_read() -> None:
    assert load_certificate(DER).serial_number == 7


def test_a_certificate_of_an_unknown_version_is_refused() -> None:
    at = DER.index(bytes.fromhex("a003020102")) + 4
    with pytest.raises(MalformedError, match="106 is not a valid X509 version"):
        load_certificate(DER[:at] + bytes([106]) + DER[at + 1 :])


def test_an_extension_that_stands_there_twice_is_refused() -> None:
    constraints, name = bytes.fromhex("0603551d13"), bytes.fromhex("0603551d11")
    with pytest.raises(MalformedError, match="cannot be read"):
        load_certificate(DER.replace(constraints, name))


@given(st.integers(0, len(DER) - 1), st.integers(1, 255))
def test_any_changed_byte_is_read_or_refused_in_one_sentence(at: int, change: int) -> None:
    changed = DER[:at] + bytes([DER[at] ^ change]) + DER[at + 1 :]
    said = ""
    try:
        load_certificate(changed)
    except MalformedError as error:
        said = str(error)
    assert "\n" not in said
