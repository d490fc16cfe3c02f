"""Sections 2 and 3: what was decided, what kept rules from being met, and every requirement.

What is open comes first, each finding in a sentence; what was measured and holds stands in
one table; what holds without a figure is a line in its regime's table. Rules that hold say
nothing more: their message tells what a failure would mean. Arranges, never judges.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reports.document import Block, Cell, Paragraph, Section, Table
from reports.parts import SIGN, Parts, table

OPEN = ("fail", "error", "uncertain", "waived")
ORDER = (*OPEN, "pass", "not-applicable")
WEIGHT = ("deny", "review", "advise")
SUBJECTS_MAX = 6


@dataclass(frozen=True, slots=True)
class Line:
    """One rule's outcome, for one subject or for several that came out alike."""

    pack: str
    title: str
    status: str
    severity: str
    subjects: tuple[str, ...]
    figures: tuple[Any, Any, Any, Any]
    message: str
    citation: str
    evidence: tuple[str, ...]


def lines(p: Parts) -> list[Line]:
    """Return the decision's rules, worst first; outcomes that differ in the subject alone join."""
    joined: dict[tuple[Any, ...], Line] = {}
    for row in p.rows("decision.value.rules"):
        line = _line(p, row)
        key = (line.pack, line.title, line.status, line.figures, line.message, line.evidence)
        before = joined.get(key)
        joined[key] = replace(line, subjects=before.subjects + line.subjects) if before else line
    return sorted(joined.values(), key=_rank)


def _line(p: Parts, row: Mapping[str, Any]) -> Line:
    return Line(
        pack=str(row.get("pack", "")),
        title=str(row.get("title") or row.get("rule", "")),
        status=str(row.get("status", "")),
        severity=str(row.get("severity", "")),
        subjects=(str(row["subject"]),) if row.get("subject") else (),
        figures=(row.get("value"), row.get("low"), row.get("high"), row.get("threshold")),
        message=str(row.get("message") or ""),
        citation=str(row.get("citation") or row.get("pack", "")),
        evidence=p.ev(*row.get("evidence", [])),
    )


def _rank(line: Line) -> tuple[int, int]:
    order = ORDER.index(line.status) if line.status in ORDER else len(ORDER)
    weight = WEIGHT.index(line.severity) if line.severity in WEIGHT else len(WEIGHT)
    return (weight, order) if line.status in OPEN else (len(WEIGHT), order)


def open_rules(p: Parts) -> list[Line]:
    """Return what is not met, uncertain, waived or could not be decided; the gravest first."""
    return [line for line in lines(p) if line.status in OPEN]


def decision(p: Parts) -> Section:
    """Return section 2."""
    found = lines(p)
    if not found:
        return p.section("decision", [], new_page=True)
    waiting = [line for line in found if line.status in OPEN]
    held = [line for line in found if line.status == "pass" and line.figures[0] is not None]
    blocks: list[Block] = [
        Paragraph(_tally(p), p.ev(p.get("decision.statement")), lead=True),
        *([Paragraph(p.t("decision.language"))] if p.t("decision.language") else []),
    ]
    if waiting:
        blocks.append(_figures(p, p.t("decision.open"), waiting))
        blocks += [_sentence(p, line) for line in waiting]
    if held:
        blocks.append(_figures(p, p.t("decision.held"), held))
    blocks.append(Paragraph(p.t("decision.rest")))
    return p.section("decision", blocks, new_page=True)


def _tally(p: Parts) -> str:
    counts = Counter(str(row.get("status")) for row in p.rows("decision.value.rules"))
    parts = [f"{counts[key]} {p.t.word('status', key)}" for key in ORDER if counts[key]]
    packs = len(p.rows("decision.value.packs"))
    return p.t("decision.tally", rules=sum(counts.values()), packs=packs, counts=", ".join(parts))


def _figures(p: Parts, caption: str, found: Sequence[Line]) -> Table:
    rows = [
        [
            Cell(line.title, strong=line.severity == "deny" and line.status in OPEN),
            _subjects(p, line),
            Cell(_number(p, line.figures[0]), line.evidence if line.figures[0] is not None else ()),
            p.t.interval(line.figures[1], line.figures[2]) if line.figures[1] is not None else "",
            _number(p, line.figures[3]),
            Cell(
                _outcome(p, line),
                line.evidence if line.figures[0] is None else (),
                SIGN.get(line.status),
            ),
        ]
        for line in found
    ]
    return table(caption, p.t("decision.columns"), rows)


def _outcome(p: Parts, line: Line) -> str:
    said = p.t.word("status", line.status)
    return f"{said}, {p.t.word('severity', line.severity)}" if line.status in OPEN else said


def _number(p: Parts, value: Any) -> str:
    return "" if value is None else p.t.number(value)


def _subjects(p: Parts, line: Line) -> str:
    shown = ", ".join(line.subjects[:SUBJECTS_MAX])
    more = len(line.subjects) - SUBJECTS_MAX
    return p.t("decision.more", shown=shown, count=more) if more > 0 else shown


def _sentence(p: Parts, line: Line) -> Paragraph:
    about = f" [{_subjects(p, line)}]" if line.subjects else ""
    return Paragraph(f"{line.title}{about}. {line.message} ({line.citation})", line.evidence)


def regimes(p: Parts) -> Section:
    """Return section 3: the packs with their dates, and each regime's requirements."""
    packs = [
        [
            k.get("title") or k.get("id"),
            k.get("version", ""),
            k.get("jurisdiction", ""),
            p.t.word("pack_status", k.get("status", "")),
            p.t.date(k.get("effective_from")),
            Cell(str(k.get("digest", ""))[7:23], code=True),
        ]
        for k in p.rows("packs")
    ]
    blocks: list[Block] = []
    if packs:
        blocks.append(table(p.t("regimes.packs"), p.t("regimes.pack_columns"), packs))
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for row in p.rows("regimes"):
        grouped.setdefault(str(row.get("regime", "")), []).append(row)
    for regime, rows in grouped.items():
        blocks += _regime(p, regime, rows)
    return p.section("regimes", blocks)


def _regime(p: Parts, regime: str, rows: Sequence[Mapping[str, Any]]) -> list[Block]:
    counts = Counter(str(row.get("status", "")) for row in rows)
    said = ", ".join(f"{count} {p.t.word('regime', status)}" for status, count in counts.items())
    cells = [
        [
            str(row.get("requirement", "")),
            Cell(
                p.t.word("regime", row.get("status", "")),
                p.ev(row.get("statement")),
                _REGIME_SIGN.get(str(row.get("status"))),
            ),
        ]
        for row in rows
    ]
    return [table(f"{regime}: {said}", p.t("regimes.columns"), cells, dense=True)]


_REGIME_SIGN = {
    "met": SIGN["pass"],
    "not met": SIGN["fail"],
    "advice": SIGN["uncertain"],
    "waived": SIGN["waived"],
    "not applicable": SIGN["not-applicable"],
}
