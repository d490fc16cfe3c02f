"""The report as data: a tree of frozen blocks with no layout, no markup and no I/O.

It says what a report contains. How that looks is decided in reports/html.py and reports/styles.
"""

from dataclasses import dataclass, field
from typing import Literal

Status = Literal["pass", "fail", "review", "neutral", "missing", "future"]


@dataclass(frozen=True)
class Cell:
    """One table cell. `evidence` holds evidence ids such as ``E4``; `target` a block id to link."""

    text: str
    evidence: tuple[str, ...] = ()
    status: Status | None = None
    code: bool = False
    strong: bool = False
    target: str | None = None


@dataclass(frozen=True)
class Column:
    """A table column: its heading, and whether it holds numbers."""

    title: str
    numeric: bool = False


@dataclass(frozen=True)
class Table:
    """A captioned table. Rows hold one cell for each column; the first column heads its row."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    dense: bool = False
    kind: Literal["table"] = "table"


@dataclass(frozen=True)
class Paragraph:
    """Running text with the evidence that supports it."""

    text: str
    evidence: tuple[str, ...] = ()
    lead: bool = False
    kind: Literal["paragraph"] = "paragraph"


@dataclass(frozen=True)
class Heading:
    """A second-level heading inside a section."""

    text: str
    kind: Literal["heading"] = "heading"


@dataclass(frozen=True)
class Bullets:
    """A list of short sentences."""

    items: tuple[Paragraph, ...]
    kind: Literal["bullets"] = "bullets"


@dataclass(frozen=True)
class Figure:
    """A vector figure; `description` says its numbers in words and becomes the alternative text."""

    id: str
    caption: str
    svg: str
    description: str
    how_to_read: str = ""
    evidence: tuple[str, ...] = ()
    kind: Literal["figure"] = "figure"


@dataclass(frozen=True)
class KeyFact:
    """One large number or word with its label."""

    label: str
    value: str
    detail: str = ""
    status: Status | None = None
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeyFacts:
    """A row of key facts."""

    items: tuple[KeyFact, ...]
    kind: Literal["keyfacts"] = "keyfacts"


@dataclass(frozen=True)
class Callout:
    """A boxed remark; `status` gives its sign and colour."""

    title: str
    text: str
    status: Status = "neutral"
    evidence: tuple[str, ...] = ()
    kind: Literal["callout"] = "callout"


@dataclass(frozen=True)
class Quote:
    """A person's words in full, as they signed them."""

    text: str
    by: str
    detail: str
    status: Status = "neutral"
    evidence: tuple[str, ...] = ()
    kind: Literal["quote"] = "quote"


@dataclass(frozen=True)
class NotProvided:
    """Something that only a person can state and nobody has stated."""

    what: str
    text: str
    kind: Literal["notprovided"] = "notprovided"


@dataclass(frozen=True)
class Definitions:
    """Terms with their meaning; the formula may be empty."""

    items: tuple[tuple[str, str, str], ...]
    kind: Literal["definitions"] = "definitions"


@dataclass(frozen=True)
class Commands:
    """Shell lines to copy."""

    caption: str
    lines: tuple[str, ...]
    kind: Literal["commands"] = "commands"


Block = (
    Table
    | Paragraph
    | Heading
    | Bullets
    | Figure
    | KeyFacts
    | Callout
    | Quote
    | NotProvided
    | Definitions
    | Commands
)


@dataclass(frozen=True)
class Section:
    """A numbered section. `new_page` starts it on a fresh page; `single_page` asks for one page."""

    id: str
    title: str
    blocks: tuple[Block, ...]
    new_page: bool = False
    single_page: bool = False
    landscape: bool = False


@dataclass(frozen=True)
class Cover:
    """The cover: title lines, the decision as a word, and a list of label and value."""

    kicker: str
    title: str
    subtitle: str
    decision: str
    decision_label: str
    decision_status: Status
    facts: tuple[tuple[str, str, bool], ...]
    footer: str


@dataclass(frozen=True)
class Document:
    """A whole report.

    Args:
        words: the fixed words that the page furniture needs (``page``, ``of``, ``contents`` …).
    """

    kind: str
    language: str
    title: str
    author: str
    description: str
    created_at: str
    cover: Cover
    sections: tuple[Section, ...]
    words: dict[str, str] = field(default_factory=dict)
