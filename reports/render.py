"""Facts to a signed report in one call: document, HTML, PDF, seal.

It keeps no state, reads no clock (the creation time is an argument) and writes no file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reports.content import build_document
from reports.document import Document
from reports.html import to_html
from reports.pdf import to_pdf
from reports.signing import sign_pdf


@dataclass(frozen=True)
class RenderedReport:
    """A finished report: the file, the digest of its content, and the document it shows."""

    pdf: bytes
    body_digest: str
    document: Document

    @property
    def html(self) -> str:
        """The same content as one web page."""
        return to_html(self.document)


def render_report(
    facts: Mapping[str, Any],
    *,
    key_pem: bytes | None = None,
    sign: Callable[[bytes], bytes] | None = None,
    cert_chain_pem: bytes = b"",
    attachments: Mapping[str, bytes] | None = None,
    created_at: str,
    password: bytes | None = None,
    timestamp: Callable[[bytes], bytes] | None = None,
    revocations: bytes | None = None,
) -> RenderedReport:
    """Render a report and seal it.

    Args:
        facts: see docs/specs/report_facts.md.
        key_pem: the report key; without it and ``sign`` the PDF is left unsigned.
        sign: signs instead of ``key_pem``, as DER ECDSA over SHA-256: a key that stays
            where it is, such as in a PKCS#11 token.
        cert_chain_pem: the key's certificate chain, leaf first.
        attachments: name to bytes, such as evidence.json, trust.json and VERIFY.txt.
        created_at: RFC 3339 UTC, printed and written into the file.
        password: for an encrypted key.
        timestamp: returns an RFC 3161 token over a SHA-256 digest.
        revocations: DER revocation list of the root, embedded where there is a timestamp.

    Returns:
        A RenderedReport; the body digest is equal for equal facts and creation time.

    Raises:
        ReportError: the facts lack what a report cannot do without, or signing fails.
    """
    document = build_document({**facts, "created_at": created_at})
    pdf, digest = to_pdf(document, attachments or {})
    if key_pem is not None or sign is not None:
        pdf = sign_pdf(
            pdf,
            key_pem=key_pem,
            sign=sign,
            cert_chain_pem=cert_chain_pem,
            reason=document.title,
            password=password,
            timestamp=timestamp,
            revocations=revocations,
        )
    return RenderedReport(pdf, digest, document)
