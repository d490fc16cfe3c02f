"""PAdES signatures on a finished PDF, made offline with a PEM key and its certificates.

It signs; it does not judge whether the certificate is trusted and fetches no revocation data.
"""

import logging
from collections.abc import Callable
from io import BytesIO
from typing import Any

from asn1crypto import cms, pem, x509
from asn1crypto.algos import SignedDigestAlgorithm
from asn1crypto.crl import CertificateList
from pyhanko.keys import load_private_key_from_pemder_data
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.signers.pdf_signer import DSSContentSettings, SigDSSPlacementPreference
from pyhanko.sign.timestamps import TimeStamper
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from reports.errors import ReportError

FIELD = "ReportSeal"
# It warns that nothing is fetched, and that is meant.
logging.getLogger("pyhanko.sign").setLevel(logging.ERROR)
_SIGNATURE_BYTES_MAX = 72
_ONE_REVISION = DSSContentSettings(
    include_vri=False, placement=SigDSSPlacementPreference.TOGETHER_WITH_SIGNATURE
)


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


class _CallbackTimeStamper(TimeStamper):
    """A timestamp authority known only by the tokens that it makes."""

    def __init__(self, make: Callable[[bytes], bytes]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._make = make

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> cms.ContentInfo:
        """Return a token over a digest."""
        return cms.ContentInfo.load(self._make(message_digest))


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
    timestamp: Callable[[bytes], bytes] | None = None,
    revocations: bytes | None = None,
) -> bytes:
    """Seal a PDF with a PAdES signature in an invisible field.

    Args:
        pdf: the unsigned file.
        key_pem: the private key, PKCS#8 or SEC1; unused where ``sign`` is given.
        sign: returns a DER ECDSA signature over SHA-256 of its argument.
        cert_chain_pem: its certificate first, then the issuers up to the root.
        reason: the meaning of the seal, shown by readers.
        password: for an encrypted key.
        timestamp: returns an RFC 3161 token over a SHA-256 digest; without it the level is
            B-B.
        revocations: the root's revocation list, DER; with it and a timestamp the level is
            B-LT, certificates and list lying in the signed revision itself.

    Returns:
        The signed PDF; the unsigned bytes are its beginning.

    Raises:
        ReportError: key or chain cannot be read, or signing is refused.
    """
    chain = certificates_of(cert_chain_pem)
    timestamper = None if timestamp is None else _CallbackTimeStamper(timestamp)
    lasting = _lasting(chain, revocations) if timestamper and revocations is not None else {}
    meta = signers.PdfSignatureMetadata(
        field_name=FIELD,
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        reason=reason,
        **lasting,
    )
    own = _CallbackSigner(sign, chain) if sign else _signer(key_pem or b"", chain, password)
    signer = signers.PdfSigner(meta, signer=own, timestamper=timestamper)
    try:
        out = signer.sign_pdf(IncrementalPdfFileWriter(BytesIO(pdf)))
    except Exception as error:
        raise ReportError(f"The report could not be signed: {error}") from error
    return bytes(out.getbuffer())


def _lasting(chain: list[Any], revocations: bytes) -> dict[str, Any]:
    """Return what makes a seal B-LT: certificates and the revocation list lie inside it."""
    context = ValidationContext(
        trust_roots=[chain[-1]],
        other_certs=chain[1:],
        allow_fetching=False,
        crls=[CertificateList.load(revocations)],
        revocation_mode="require",
    )
    return {
        "embed_validation_info": True,
        "validation_context": context,
        "dss_settings": _ONE_REVISION,
    }
