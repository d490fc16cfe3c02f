"""PAdES signatures on a finished PDF, made offline with a PEM key and its certificates.

It signs; it does not judge whether the certificate is trusted and fetches no revocation data.
"""

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

from asn1crypto import pem, x509
from asn1crypto.algos import SignedDigestAlgorithm
from asn1crypto.crl import CertificateList
from pyhanko.keys import load_private_key_from_pemder_data
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.timestamps import TimeStamper
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from reports.errors import ReportError

FIELD = "ReportSeal"
_SIGNATURE_BYTES_MAX = 72


def certificates_of(chain_pem: bytes) -> list[x509.Certificate]:
    """Return the certificates of a PEM chain, leaf first.

    Raises:
        ReportError: there is none.
    """
    try:
        found = [x509.Certificate.load(der) for _, _, der in pem.unarmor(chain_pem, multiple=True)]
    except ValueError:
        found = []
    if not found:
        raise ReportError("The report key's certificate chain holds no PEM certificate.")
    return found


class _CallbackSigner(signers.Signer):
    """A P-256 key known only by what it signs."""

    def __init__(self, sign: Callable[[bytes], bytes], chain: list[x509.Certificate]) -> None:
        super().__init__(
            signing_cert=chain[0],
            cert_registry=_registry(chain),
            signature_mechanism=SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
        )
        self._sign = sign

    async def async_sign_raw(
        self, data: bytes, digest_algorithm: str, dry_run: bool = False
    ) -> bytes:
        """Sign; a dry run asks only how long a signature may be."""
        return bytes(_SIGNATURE_BYTES_MAX) if dry_run else self._sign(data)


def _registry(chain: list[x509.Certificate]) -> SimpleCertificateStore:
    store = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    store.register_multiple(chain[1:])
    return store


def _signer(key_pem: bytes, chain: list[x509.Certificate], password: bytes | None) -> Any:
    try:
        key = load_private_key_from_pemder_data(key_pem, passphrase=password)
    except (ValueError, TypeError):
        raise ReportError(
            "The report key cannot be read as a PEM private key with this passphrase."
        ) from None
    return signers.SimpleSigner(
        signing_cert=chain[0], signing_key=key, cert_registry=_registry(chain)
    )


def sign_pdf(
    pdf: bytes,
    *,
    key_pem: bytes | None,
    sign: Callable[[bytes], bytes] | None = None,
    cert_chain_pem: bytes,
    reason: str,
    password: bytes | None = None,
    timestamper: TimeStamper | None = None,
    crls: Sequence[bytes] = (),
) -> bytes:
    """Seal a PDF with a PAdES signature in an invisible field.

    Args:
        pdf: the unsigned file.
        key_pem: the private key, PKCS#8 or SEC1; unused where ``sign`` is given.
        sign: returns a DER ECDSA signature over SHA-256 of its argument.
        cert_chain_pem: its certificate first, then the issuers up to the root.
        reason: the meaning of the seal, shown by readers.
        password: for an encrypted key.
        timestamper: an RFC 3161 source; without one the level is B-B.
        crls: DER revocation lists; with them and a timestamper the level is B-LT.

    Returns:
        The signed PDF; the unsigned bytes are its beginning.

    Raises:
        ReportError: key or chain cannot be read, or signing is refused.
    """
    chain = certificates_of(cert_chain_pem)
    extra: dict[str, Any] = {}
    if timestamper is not None and crls:
        context = ValidationContext(
            trust_roots=[chain[-1]],
            other_certs=chain[1:],
            allow_fetching=False,
            crls=[CertificateList.load(c) for c in crls],
            revocation_mode="hard-fail",
        )
        extra = {"embed_validation_info": True, "validation_context": context}
    meta = signers.PdfSignatureMetadata(
        field_name=FIELD,
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        reason=reason,
        **extra,
    )
    own = _CallbackSigner(sign, chain) if sign else _signer(key_pem or b"", chain, password)
    signer = signers.PdfSigner(meta, signer=own, timestamper=timestamper)
    try:
        out = signer.sign_pdf(IncrementalPdfFileWriter(BytesIO(pdf)))
    except Exception as error:
        raise ReportError(f"The report could not be signed: {error}") from error
    return bytes(out.getbuffer())
