"""Document to HTML: one jinja template, everything escaped, nothing fetched.

It adds no content. Figures stay inline SVG for reading in a browser, and become numbered images
for the PDF, where an image carries its alternative text.
"""

import hashlib
from functools import lru_cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports.columns import pieces, widths
from reports.document import Block, Document, Figure
from reports.glyphs import printable

IDENTITY_MARK = "<!--identity-->"
SIGNS = {"pass": "●", "fail": "■", "review": "▲", "neutral": "○", "missing": "◇", "future": "◷"}


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.finalize = _finalize
    environment.filters["breakable"] = breakable
    environment.filters["widths"] = widths
    return environment


def _finalize(value: object) -> object:
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def breakable(text: str) -> Markup:
    """Return escaped text in which very long words may break; digests break every 16 signs."""
    words = printable(str(text)).split(" ")
    return Markup(" ").join(Markup("<wbr>").join(pieces(word)) for word in words)


def figures(document: Document) -> dict[str, Figure]:
    """Return the figures of a document by id."""
    blocks: list[Block] = [b for section in document.sections for b in section.blocks]
    return {b.id: b for b in blocks if isinstance(b, Figure)}


def stylesheet(name: str) -> str:
    """Return one of the bundled stylesheets."""
    return resources.files("reports.styles").joinpath(name).read_text("utf-8")


def to_html(document: Document, *, for_print: bool = False) -> str:
    """Return the whole document as one HTML page.

    Args:
        document: what to show.
        for_print: True for the PDF engine, False for a browser (styles and figures inline).

    Returns:
        HTML; for a fixed document always the same text. Printed, it has ``IDENTITY_MARK`` where
        the digest of the content belongs; no text of a report can contain the mark.
    """
    styles = "" if for_print else stylesheet("screen.css")
    return (
        _environment()
        .get_template("document.html")
        .render(
            doc=document,
            for_print=for_print,
            styles=Markup(styles),
            signs=SIGNS,
            markup=Markup,
            identity=Markup(IDENTITY_MARK),
        )
    )


def body_identity(html: str) -> str:
    """Return a short digest of the content, used as running head and PDF identifier."""
    return "sha256:" + hashlib.sha256(html.encode("utf-8")).hexdigest()
