"""Sections 14 to 22: people, waivers, incidents, changes, limits, evidence, verification, words."""

from reports.document import Block, Cell, Commands, Definitions, Paragraph, Quote, Section
from reports.parts import SIGN, Parts, table


def back(p: Parts) -> list[Section]:
    """Return the closing sections."""
    return [
        p.section("oversight", p.human("oversight", "Human oversight")),
        _approvals(p),
        _list(p, "waivers", "Rule|Reason|Owner|Expires", ("rule", "reason", "owner", "expires_at")),
        _list(p, "incidents", "What|State|Owner|Due", ("title", "state", "owner", "due")),
        _list(p, "changes", "What|Before|After", ("what", "before", "after")),
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
            f"{p.t.word('vote', v.get('vote'))} as {', '.join(map(str, v.get('roles', [])))}, "
            f"{p.t.date(v.get('approved_at'))}; {len(v.get('evidence_read', []))} pieces of evidence read",
            SIGN.get(str(v.get("vote")), "neutral"),
            p.ev(v.get("statement")),
        )
        for v in votes[:200]
    ]
    if len(votes) > 200:
        blocks.append(Paragraph(f"{len(votes) - 200} further votes are in the attached evidence."))
    blocks += [
        Paragraph(f"Refused attempt by {r.get('by')}: {r.get('reason')}")
        for r in p.rows("approval_request.refused")
    ]
    a = p.get("admission")
    if isinstance(a, dict):
        blocks.append(
            Paragraph(
                f"Admitted to {a.get('deployment')} ({a.get('environment')}) by {a.get('admitted_by')} on "
                f"{p.t.date(a.get('admitted_at'))}, valid until {p.t.date(a.get('expires_at'))}.",
                p.ev(a.get("statement")),
            )
        )
    return p.section("approvals", blocks, new_page=True)


def _list(p: Parts, key: str, columns: str, names: tuple[str, ...]) -> Section:
    rows = [
        [
            Cell(str(r.get(names[0], "")), p.ev(r.get("statement"))),
            *(str(r.get(n, "")) for n in names[1:]),
        ]
        for r in p.rows(key)
    ]
    return p.section(key, [table(p.t(f"section.{key}"), columns, rows)] if rows else [])


def _limits(p: Parts) -> Section:
    blocks: list[Block] = []
    for key, what in (
        ("limitations", "Known limitations"),
        ("label", "Limits of the label"),
        ("legal_basis", "Legal basis"),
        ("alternatives", "Less discriminatory alternatives"),
        ("residual_risk", "Acceptance of the remaining risk"),
    ):
        blocks += p.human(key, what)
    declared = [
        [
            str(row.get("name", "")).replace("_", " ").capitalize(),
            Cell(str(row.get("answer", "")), p.ev(p.get("candidate.statement"))),
            row.get("by", ""),
            p.t.date(row.get("on")),
        ]
        for row in p.rows("declarations")
    ]
    if declared:
        blocks.append(table("Declared on the model's card", "Question|Answer|By|On", declared))
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
                "Signed statements behind this report",
                "Id|Statement|Created|Digest",
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
            Paragraph(
                "Each step works without a network. The trust file must come to you by a way you trust."
            ),
            Commands("The seal of this file", (f"pdfsig {name}",)),
            Commands(
                "The embedded evidence", (f"pdfdetach -saveall {name}", "sha256sum evidence.json")
            ),
            Commands(
                "Every figure, recomputed from the evidence",
                (f"govern verify {name} --trust {p.get('verify.trust', 'trust.json')}",),
            ),
        ],
    )


def _glossary(p: Parts) -> Section:
    items = [(term, *text.partition("|")[::2]) for term, text in p.t.prefixed("glossary").items()]
    return p.section("glossary", [Definitions(tuple(items))])
