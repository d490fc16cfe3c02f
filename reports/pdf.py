"""HTML to one PDF file that is PDF/A-3a and PDF/UA-1, with attachments; no signature here.

Every address but the bundled fonts and the document's own figures is refused, so a report never
fetches anything. The same document and attachments give the same bytes.
"""

import gc
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import pydyf  # type: ignore[import-untyped]
from weasyprint import CSS, HTML, Attachment
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from reports.document import Document, Figure
from reports.errors import ReportError
from reports.html import IDENTITY_MARK, body_identity, figures, stylesheet, to_html

MEDIA = {".json": "application/json", ".txt": "text/plain", ".zip": "application/zip"}

_UA_SCHEMA = """<rdf:Description rdf:about=""
 xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/" pdfuaid:part="1"/>
<rdf:Description rdf:about=""
 xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
 xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#"
 xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
<pdfaSchema:schema>PDF/UA identification schema</pdfaSchema:schema>
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">
<pdfaProperty:name>part</pdfaProperty:name>
<pdfaProperty:valueType>Integer</pdfaProperty:valueType>
<pdfaProperty:category>internal</pdfaProperty:category>
<pdfaProperty:description>Part of PDF/UA to which the file conforms</pdfaProperty:description>
</rdf:li></rdf:Seq></pdfaSchema:property>
</rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>
"""


class ClosedFetcher(URLFetcher):  # type: ignore[misc]
    """Serves bundled fonts and the document's figures; refuses every other address."""

    def __init__(self, drawings: Mapping[str, Figure]) -> None:
        """Keep the figures that may be read."""
        super().__init__(allowed_protocols=())
        self._drawings = drawings

    def fetch(self, url: str, headers: Any = None) -> URLFetcherResponse:
        """Return a bundled resource.

        Raises:
            FatalURLFetchingError: the address is not one of the report's own.
        """
        kind, _, name = url.partition(":")
        if kind == "figure" and name in self._drawings:
            svg = self._drawings[name].svg.encode("utf-8")
            return URLFetcherResponse(url, svg, {"Content-Type": "image/svg+xml"})
        if kind == "font" and "/" not in name and name.endswith(".ttf"):
            data = resources.files("reports.fonts").joinpath(name).read_bytes()
            return URLFetcherResponse(url, data, {"Content-Type": "font/sfnt"})
        raise FatalURLFetchingError(f"A report never fetches outside resources; refused: {url}")


def _attachment(name: str, data: bytes, moment: datetime) -> Attachment:
    return Attachment(
        string=data,
        name=name,
        description=name,
        relationship="Data",
        created=moment,
        modified=moment,
    )


def _claim_ua(identifier: str) -> Any:
    """Return a finisher that adds the PDF/UA claim to the XMP packet and shows the title."""

    def finish(_document: Any, pdf: pydyf.PDF) -> None:
        preferences = pdf.catalog.setdefault("ViewerPreferences", pydyf.Dictionary())
        preferences["DisplayDocTitle"] = "true"
        for item in pdf.objects:
            if isinstance(item, pydyf.Stream) and item.extra.get("Subtype") == "/XML":
                item.stream = [
                    part.replace(b"</rdf:RDF>", _UA_SCHEMA.encode() + b"</rdf:RDF>")
                    for part in item.stream
                ]

    return finish


def moment_of(created_at: str) -> datetime:
    """Return an RFC 3339 UTC time as a datetime.

    Raises:
        ReportError: it is not one.
    """
    try:
        return datetime.strptime(created_at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise ReportError(
            f"The report's time must look like 2026-11-24T09:00:00Z, not {created_at!r}."
        ) from None


@contextmanager
def _collecting_later() -> Iterator[None]:
    """Collect no cycles meanwhile: layout builds one graph that lives to its end.

    Walking it again and again took an eighth of the time and found little; a report of 27 pages
    needs a third more memory for it.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def to_pdf(document: Document, attachments: Mapping[str, bytes]) -> tuple[bytes, str]:
    """Lay a document out as PDF.

    Args:
        document: what to show; the digest of its content becomes its running head.
        attachments: file name to bytes, embedded as associated files.

    Returns:
        The unsigned PDF and the digest of its content (``sha256:…``).

    Raises:
        ReportError: the time is malformed or an outside resource was asked for.
    """
    moment = moment_of(document.created_at)
    page = to_html(document, for_print=True)
    identity = body_identity(page)
    page = page.replace(IDENTITY_MARK, identity[7:39], 1)
    fetcher, fonts = ClosedFetcher(figures(document)), FontConfiguration()
    words = document.words
    css = stylesheet("print.css").replace("PAGEWORD", words["page"]).replace("OFWORD", words["of"])
    try:
        with _collecting_later():
            sheet = CSS(string=css, font_config=fonts, url_fetcher=fetcher)
            pdf: bytes = HTML(string=page, url_fetcher=fetcher, base_url="report:/").write_pdf(
                stylesheets=[sheet],
                font_config=fonts,
                pdf_variant="pdf/a-3a",
                pdf_tags=True,
                pdf_identifier=hashlib.md5(identity.encode(), usedforsecurity=False).digest(),
                attachments=[_attachment(k, v, moment) for k, v in sorted(attachments.items())],
                finisher=_claim_ua(identity),
                full_fonts=False,
            )
    except FatalURLFetchingError as error:
        raise ReportError(str(error)) from None
    return pdf, identity
