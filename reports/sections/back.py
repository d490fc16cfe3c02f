"""Sections 14 to 22: people, waivers, incidents, changes, limits, evidence, verification, words."""

from collections.abc import Mapping, Sequence
from typing import Any

from reports.document import (
    Block,
    Cell,
    Commands,
    Definitions,
    Paragraph,
    Quote,
    Section,
)
from reports.parts import SIGN, Parts, table

STAMP_SECONDS = 60


def back(p: Parts) -> list[Section]:
    """Return the closing sections."""
    return [
        p.section("oversight", p.human("oversight", p.t("section.oversight"))),
        _approvals(p),
        _list(p, "waivers", ("rule", "reason", "owner", "expires_at")),
        _list(p, "incidents", ("title", "state", "owner", "due")),
        changes_section(p),
        _limits(p),
        evidence_index(p),
        verify_steps(p),
        _glossary(p),
    ]


def _approvals(p: Parts) -> Section:
    votes = sorted(p.rows("approvals"), key=lambda v: str(v.get("approved_at")))
    blocks: list[Block] = [
        Quote(
            str(v.get("comment") or "—"),
            str(v.get("name") or v.get("approver")),
            p.t(
                "approvals.detail",
                vote=p.t.word("vote", v.get("vote")),
                roles=", ".join(p.t.word("role", role) for role in v.get("roles", [])),
                at=p.t.date(v.get("approved_at")),
                read=p.t.number(len(v.get("evidence_read", []))),
            ),
            SIGN.get(str(v.get("vote")), "neutral"),
            p.ev(v.get("statement")),
        )
        for v in votes[:200]
    ]
    if len(votes) > 200:
        blocks.append(Paragraph(p.t("approvals.further", count=p.t.number(len(votes) - 200))))
    quick, kept = rubber_stamps(votes)
    if kept:
        count = {"quick": p.t.number(quick), "kept": p.t.number(kept)}
        blocks.append(Paragraph(p.t("approvals.stamps", **count)))
    blocks += [
        Paragraph(p.t("approvals.refused", by=r.get("by"), reason=r.get("reason")))
        for r in p.rows("approval_request.refused")
    ]
    a = p.get("admission")
    if isinstance(a, dict):
        blocks.append(
            Paragraph(
                p.t(
                    "approvals.admitted",
                    deployment=a.get("deployment"),
                    environment=a.get("environment"),
                    by=a.get("admitted_by"),
                    at=p.t.date(a.get("admitted_at")),
                    until=p.t.date(a.get("expires_at")),
                ),
                p.ev(a.get("statement")),
            )
        )
    return p.section("approvals", blocks, new_page=True)


def rubber_stamps(votes: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Return how many votes look unread, and of how many it was kept how the review went."""
    kept = [vote["review"] for vote in votes if isinstance(vote.get("review"), dict)]
    quick = [one for one in kept if one["seconds"] < STAMP_SECONDS or one["opened"] == 0]
    return len(quick), len(kept)


def _list(p: Parts, key: str, names: tuple[str, ...]) -> Section:
    rows = [
        [
            Cell(str(r.get(names[0], "")), p.ev(r.get("statement"))),
            *(str(r.get(n, "")) for n in names[1:]),
        ]
        for r in p.rows(key)
    ]
    return p.section(
        key, [table(p.t(f"section.{key}"), p.t(f"columns.{key}"), rows)] if rows else []
    )


def changes_section(p: Parts) -> Section:
    """Return what changed since the report before."""
    return _list(p, "changes", ("what", "before", "after"))


def _limits(p: Parts) -> Section:
    blocks: list[Block] = []
    for key, what in p.t.prefixed("limits").items():
        blocks += p.human(key, what)
    declared = [
        [
            p.declared(str(row.get("name", ""))),
            Cell(str(row.get("answer", "")), p.ev(p.get("candidate.statement"))),
            row.get("by", ""),
            p.t.date(row.get("on")),
        ]
        for row in p.rows("declarations")
    ]
    if declared:
        blocks.append(table(p.t("declared.caption"), p.t("declared.columns"), declared))
    return p.section("limits", blocks, new_page=True)


def evidence_index(p: Parts) -> Section:
    """Return the list of signed statements behind a report."""
    rows = [
        [
            Cell(str(p.ids.get(e.get("digest"), "")), code=True),
            e.get("title") or e.get("kind", ""),
            p.t.date(e.get("created")),
            Cell(str(e.get("digest", "")), code=True),
        ]
        for e in p.rows("evidence")
    ]
    return p.section(
        "evidence",
        [
            table(
                p.t("evidence.caption"),
                p.t("evidence.columns"),
                rows,
                dense=True,
            )
        ]
        if rows
        else [],
        new_page=True,
    )


def verify_steps(p: Parts) -> Section:
    """Return what a reader types to verify a report."""
    name = str(p.get("verify.report_file", "report.pdf"))
    return p.section(
        "verify",
        [
            Paragraph(p.t("verify.intro")),
            Commands(p.t("verify.seal"), (f"pdfsig {name}",)),
            Commands(
                p.t("verify.embedded"),
                (f"pdfdetach -saveall {name}", "sha256sum evidence.json"),
            ),
            Commands(
                p.t("verify.figures"),
                (f"govern verify {name} --trust {p.get('verify.trust', 'trust.json')}",),
            ),
        ],
    )


def _glossary(p: Parts) -> Section:
    items = [text.split("|") for text in p.t.prefixed("glossary").values()]
    return p.section(
        "glossary",
        [Definitions(tuple((term, meaning, formula) for term, meaning, formula in items))],
    )
