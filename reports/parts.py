"""What every section builder needs: the facts, the words, and evidence ids by digest.

It reads facts and never changes or guesses them: what is missing stays missing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from reports.document import (
    Block,
    Cell,
    Column,
    Cover,
    Document,
    Figure,
    NotProvided,
    Paragraph,
    Section,
    Status,
    Table,
)
from reports.drawing import Drawing
from reports.errors import ReportError
from reports.texts import Texts

SIGN: dict[str, Status] = {
    "pass": "pass",
    "fail": "fail",
    "uncertain": "review",
    "error": "fail",
    "waived": "review",
    "not-applicable": "neutral",
    "allow": "pass",
    "deny": "fail",
    "review": "review",
    "approve": "pass",
    "reject": "fail",
    "dissent": "review",
}


class Parts:
    """Facts with the words of the report's language."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        """Check the frame of the facts and number the evidence.

        Raises:
            ReportError: the facts have no candidate.
        """
        if not isinstance(facts.get("candidate"), Mapping):
            raise ReportError("A report needs the candidate it is about; the facts have none.")
        self.facts = facts
        self.t = Texts(str(self.get("report.language", "en")))
        self.ids = {
            e.get("digest"): e.get("id") or f"E{i}" for i, e in enumerate(self.rows("evidence"), 1)
        }

    def get(self, path: str, default: Any = None) -> Any:
        """Return the value under a dotted path, or the default."""
        value: Any = self.facts
        for key in path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return default if value is None else value

    def rows(self, path: str) -> list[Mapping[str, Any]]:
        """Return the objects of a list under a path; anything else counts as none."""
        value = self.get(path, [])
        return [v for v in value if isinstance(v, Mapping)] if isinstance(value, list) else []

    def metrics(self, check: str) -> Mapping[str, Any]:
        """Return a check's metrics."""
        found = self.get(f"checks.{check}.result.metrics", {})
        return found if isinstance(found, Mapping) else {}

    def ev(self, *digests: Any) -> tuple[str, ...]:
        """Return the evidence ids of statement digests."""
        return tuple(dict.fromkeys(self.ids[d] for d in digests if d in self.ids))

    def check_ev(self, check: str) -> tuple[str, ...]:
        """Return the evidence id of a check's statement."""
        return self.ev(self.get(f"checks.{check}.statement"))

    def nothing(self) -> Paragraph:
        """Say that no evidence exists."""
        return Paragraph(self.t("text.nothing"))

    def human(self, key: str, what: str) -> list[Block]:
        """Return a person's statement with its author, or NOT PROVIDED."""
        said = self.get(f"human.{key}")
        if not isinstance(said, Mapping) or not said.get("text"):
            return [NotProvided(what, self.t("text.human"))]
        return [
            Paragraph(str(said["text"])),
            Paragraph(f"{said.get('by', '')}, {self.t.date(said.get('on'))}"),
        ]

    def attribute(self, name: Any) -> str:
        """Return a sensitive attribute as this language calls it; any other as it is named."""
        return self.t.word("attribute", name)

    def answer(self, name: str) -> list[Block]:
        """Return what a person declared on the card under its question, or NOT PROVIDED."""
        for row in self.rows("declarations"):
            if row.get("name") == name:
                said = (
                    f"{row.get('answer', '')} ({row.get('by', '')}, {self.t.date(row.get('on'))})"
                )
                return [Paragraph(f"{self.declared(name)}. {said}", self.card_ev)]
        return self.human(name, self.declared(name))

    @property
    def card_ev(self) -> tuple[str, ...]:
        """The evidence id of the candidate's card."""
        return self.ev(self.get("candidate.statement"))

    def declared(self, name: str) -> str:
        """Return what a declaration answers, in words."""
        known = self.t.word("declaration", name)
        return name.replace("_", " ").capitalize() if known == name else known

    def document(
        self, kind: str, kicker: str, cover: Cover, sections: Sequence[Section]
    ) -> Document:
        """Close a report of a kind about the candidate."""
        return Document(
            kind=kind,
            language=self.t.language,
            title=f"{kicker}: {self.title}",
            author=str(self.get("report.issuer", "govern")),
            description=str(self.get("report.id", kicker)),
            created_at=str(self.facts.get("created_at", "")),
            cover=cover,
            sections=tuple(sections),
            words=self.t.prefixed("words"),
        )

    @property
    def title(self) -> str:
        """The candidate's name and version."""
        return f"{self.get('candidate.name', '')} {self.get('candidate.version', '')}".strip()

    def section(self, key: str, blocks: list[Block], **look: bool) -> Section:
        """Close a section; an empty one says so."""
        return Section(key, self.t(f"section.{key}"), tuple(blocks) or (self.nothing(),), **look)


def figure_of(key: str, drawn: Drawing, read: str, ev: tuple[str, ...]) -> Figure:
    """Return a drawing as a figure: how to read it, and the evidence behind it."""
    return Figure(key, drawn.title, drawn.svg, drawn.description, read, ev)


def table(
    caption: str,
    columns: str,
    rows: list[list[Any]],
    note: str = "",
    dense: bool = False,
) -> Table:
    """Build a table from a column line such as ``Group|#n|Rate`` (``#`` marks numbers)."""
    heads = tuple(Column(c.lstrip("#"), c.startswith("#")) for c in columns.split("|"))
    cells = tuple(tuple(c if isinstance(c, Cell) else Cell(str(c)) for c in row) for row in rows)
    return Table(caption, heads, cells, note, dense)
