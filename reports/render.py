"""Facts to a signed report in one call: document, HTML, PDF, seal.

It keeps no state, reads no clock (the creation time is an argument) and writes no file.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.content import build_document
from reports.html import to_html
from reports.pdf import to_pdf
from reports.signing import sign_pdf


@dataclass(frozen=True)
class RenderedReport:
    """A finished report: the file, the digest of its content, and the same content as HTML."""

    pdf: bytes
    body_digest: str
    html: str


def render_report(
    facts: Mapping[str, Any],
    *,
    key_pem: bytes | None = None,
    sign: Callable[[bytes], bytes] | None = None,
    cert_chain_pem: bytes = b"",
    attachments: Mapping[str, bytes] | None = None,
    created_at: str,
    password: bytes | None = None,
    timestamper: Any = None,
    crls: Sequence[bytes] = (),
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
        timestamper: a pyHanko time stamper (RFC 3161) or None.
        crls: DER revocation lists to embed.

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
            timestamper=timestamper,
            crls=crls,
        )
    return RenderedReport(pdf, digest, to_html(document))
