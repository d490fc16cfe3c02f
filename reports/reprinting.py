"""Whether a report's pages show the facts attached to it: lay them out again and compare.

The same facts, time and attachments give the same bytes (reports/pdf.py), and the unsigned file
is the beginning of the sealed one. It judges neither the seal nor whether the facts are true;
`govern verify` does. Another version of the layout engine may set the same facts otherwise.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from itertools import zip_longest

import pikepdf

from reports.errors import ReportError
from reports.render import render_report

FACTS = "evidence.json"
PDF_BYTES_MAX = 1 << 28


@dataclass(frozen=True)
class Reprint:
    """What laying a report out again showed.

    Attributes:
        pages: how many the file has.
        differing: numbers of the pages that draw something else, from 1.
        same: whether the file is, up to its seal, byte for byte the one made again, fonts,
            figures and texts for screen readers included.
    """

    pages: int
    differing: tuple[int, ...]
    same: bool


def reprint(data: bytes) -> Reprint:
    """Lay out a report's attached facts again and compare every page.

    Args:
        data: the PDF, at most ``PDF_BYTES_MAX`` bytes.

    Raises:
        ReportError: not a report, too large, or its facts cannot be laid out.
    """
    if len(data) > PDF_BYTES_MAX:
        raise ReportError(f"A report has at most {PDF_BYTES_MAX} bytes; this has {len(data)}.")
    try:
        with pikepdf.open(BytesIO(data)) as pdf:
            files = {name: held.get_file().read_bytes() for name, held in pdf.attachments.items()}
            made_at = _rfc3339(str(pdf.docinfo.get("/CreationDate", "")))
            shown = _pages(pdf)
    except pikepdf.PdfError:
        raise ReportError("This is not a PDF that can be read.") from None
    again = _laid_out(_facts(files), files, made_at)
    with pikepdf.open(BytesIO(again)) as pdf:
        wanted = _pages(pdf)
    pairs = enumerate(zip_longest(shown, wanted), 1)
    differing = tuple(number for number, (one, other) in pairs if one != other)
    return Reprint(len(shown), differing, data.startswith(again))


def _laid_out(facts: Mapping[str, object], files: Mapping[str, bytes], made_at: str) -> bytes:
    try:
        return render_report(facts, attachments=files, created_at=made_at).pdf
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ReportError(f"The attached {FACTS} cannot be laid out: {error}") from None


def _facts(files: Mapping[str, bytes]) -> Mapping[str, object]:
    try:
        found = json.loads(files[FACTS])
    except KeyError:
        raise ReportError(f"The PDF has no {FACTS} attached; it is no report.") from None
    except ValueError:
        raise ReportError(f"The attached {FACTS} is not JSON.") from None
    if not isinstance(found, dict):
        raise ReportError(f"The attached {FACTS} is not one object.")
    return found


def _pages(pdf: pikepdf.Pdf) -> list[bytes]:
    """Return what each page draws."""
    return [page.Contents.read_bytes() for page in pdf.pages]


def _rfc3339(text: str) -> str:
    """Return a PDF date such as D:20261124090000Z as RFC 3339."""
    try:
        return datetime.strptime(text, "D:%Y%m%d%H%M%SZ").strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: DTZ007
    except ValueError:
        raise ReportError(f"The PDF does not say when it was made: {text!r:.40}") from None
