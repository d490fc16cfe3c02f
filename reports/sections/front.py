"""Sections 1 to 7: summary, decision, regimes, use, data, model, lineage. Arranges, never judges."""

from reports.document import (
    Block,
    Callout,
    Cell,
    Figure,
    Heading,
    KeyFact,
    KeyFacts,
    Paragraph,
    Section,
)
from reports.lineage_figure import lineage
from reports.parts import SIGN, Parts, table

ORDER = ("fail", "error", "uncertain", "waived", "pass", "not-applicable")


def front(p: Parts) -> list[Section]:
    """Return the front sections."""
    return [_summary(p), _decision(p), _regimes(p), _use(p), _data(p), _model(p), _lineage(p)]


def _summary(p: Parts) -> Section:
    worst, t = p.metrics("fairness").get("worst") or {}, p.t
    feature = (p.metrics("fairness").get("features") or {}).get(worst.get("feature")) or {}
    ratio, accuracy = feature.get("ratio") or {}, p.metrics("performance").get("accuracy") or {}
    outcome = str(p.get("decision.value.outcome", "none"))
    votes = p.rows("approvals")
    dissent = sum(v.get("vote") == "dissent" for v in votes)
    blocks: list[Block] = [Paragraph(str(p.get("candidate.intended_use", "")), lead=True)]
    blocks.append(
        KeyFacts(
            (
                KeyFact(
                    "Policy decision",
                    t.word("outcome", outcome),
                    t.date(p.get("decision.value.as_of")),
                    SIGN.get(outcome),
                    p.ev(p.get("decision.statement")),
                ),
                KeyFact(
                    f"Lowest selection-rate ratio ({worst.get('feature', '')})",
                    t.number(ratio.get("value")),
                    f"{ratio.get('group')} against {ratio.get('reference')}; 95% interval "
                    f"{t.interval(ratio.get('low'), ratio.get('high'))}",
                    None,
                    p.check_ev("fairness"),
                ),
                KeyFact(
                    "Accuracy on the test data",
                    t.percent(accuracy.get("value")),
                    f"95% interval {t.percent(accuracy.get('low'))} – {t.percent(accuracy.get('high'))}",
                    None,
                    p.check_ev("performance"),
                ),
            )
        )
    )
    failed = [r for r in p.rows("decision.value.rules") if r.get("status") in ORDER[:4]]
    lines = [
        Paragraph(f"{r.get('title')}: {r.get('message')}", p.ev(*r.get("evidence", [])))
        for r in failed[:6]
    ]
    blocks += [
        Heading("What mattered"),
        *(lines or [Paragraph("Every rule that applied was met.")]),
    ]
    blocks.append(
        Paragraph(
            f"{sum(v.get('vote') == 'approve' for v in votes)} approvals and "
            f"{dissent} dissent are printed in full in section 15.",
            p.ev(*(v.get("statement") for v in votes)),
        )
    )
    blocks.append(Heading("What is not known"))
    said = p.get("human.limitations.text")
    blocks += [Paragraph(str(said))] if said else p.human("limitations", "Limitations")
    blocks.append(Callout("What this report does and does not say", t("text.care")))
    return p.section("summary", blocks, single_page=True)


def _decision(p: Parts) -> Section:
    rules = sorted(
        p.rows("decision.value.rules"),
        key=lambda r: ORDER.index(r["status"]) if r.get("status") in ORDER else 9,
    )
    rows = [
        [
            Cell(str(r.get("title")), strong=r.get("status") in ORDER[:2]),
            r.get("subject") or "",
            Cell(
                p.t.number(r.get("value")),
                p.ev(*r.get("evidence", [])) if r.get("value") is not None else (),
            ),
            p.t.interval(r.get("low"), r.get("high")),
            p.t.number(r.get("threshold")),
            Cell(
                p.t.word("status", r.get("status")),
                p.ev(*r.get("evidence", [])),
                SIGN.get(str(r.get("status"))),
            ),
        ]
        for r in rules
    ]
    blocks: list[Block] = [
        table(
            "Rules, worst outcome first",
            "Rule|Subject|#Measured|#95% interval|#Threshold|Outcome",
            rows,
        )
    ]
    blocks += [
        Paragraph(
            f"{r.get('title')}. {r.get('message')} ({r.get('citation') or r.get('pack')})",
            p.ev(*r.get("evidence", [])),
        )
        for r in rules
        if r.get("message")
    ]
    return p.section("decision", blocks if rules else [], new_page=True)


def _regimes(p: Parts) -> Section:
    rows = [
        [
            k.get("title") or k.get("id"),
            k.get("version", ""),
            k.get("jurisdiction", ""),
            k.get("status", ""),
            p.t.date(k.get("effective_from")),
            Cell(str(k.get("digest", ""))[7:23], code=True),
        ]
        for k in p.rows("packs")
    ]
    blocks: list[Block] = [
        table(
            "Policy packs and the state of the law they cite",
            "Pack|Version|Jurisdiction|Status|In force from|Digest",
            rows,
        )
    ]
    req = [
        [
            k.get("regime", ""),
            k.get("requirement", ""),
            Cell(str(k.get("status", "")), p.ev(k.get("statement"))),
        ]
        for k in p.rows("regimes")
    ]
    if req:
        blocks.append(table("Requirements", "Regime|Requirement|Status", req))
    return p.section("regimes", blocks if rows or req else [])


def _use(p: Parts) -> Section:
    blocks: list[Block] = []
    for key, what in (
        ("intended_use", "Intended use"),
        ("users", "Users"),
        ("affected", "Persons affected"),
        ("out_of_scope", "Out of scope"),
    ):
        blocks += [Heading(what), *p.human(key, what)]
    return p.section("use", blocks, new_page=True)


def _data(p: Parts) -> Section:
    m, ev = p.metrics("data"), p.check_ev("data")
    if not m:
        return p.section("data", [])
    split = m.get("split") or {}
    blocks: list[Block] = [
        Paragraph(
            f"{p.t.number(m.get('rows'))} rows; {p.t.number(split.get('train'))} to train and "
            f"{p.t.number(split.get('test'))} to test, {split.get('overlap', 0)} in both. The outcome was "
            f"positive in {p.t.percent(m.get('label_rate'))} of the rows.",
            ev,
        )
    ]
    blocks.append(
        table(
            "Values that stand for missing",
            "Column|#Value|#Rows",
            [
                [s.get("column"), s.get("value"), Cell(str(s.get("count")), ev)]
                for s in m.get("sentinels", [])
            ],
        )
    )
    groups = [
        [f, g, Cell(p.t.number(c), ev)]
        for f, gs in (m.get("group_counts") or {}).items()
        for g, c in gs.items()
    ]
    groups += [[f, "unknown", Cell(p.t.number(c), ev)] for f, c in (m.get("unknown") or {}).items()]
    blocks.append(table("People by group", "Attribute|Group|#Rows", groups))
    for word, key in (
        ("Refused because they leak the outcome", "leaking_refused"),
        ("Protected and kept out of the features", "protected_excluded"),
    ):
        blocks.append(Paragraph(f"{word}: {', '.join(map(str, m.get(key, []))) or 'none'}.", ev))
    return p.section("data", blocks, new_page=True)


def _model(p: Parts) -> Section:
    c = p.get("candidate", {})
    names = [str(i.get("name", i)) if isinstance(i, dict) else str(i) for i in c.get("inputs", [])]
    ev = p.ev(c.get("statement"))
    rows = [
        ["Format", c.get("format", "")],
        ["Author", c.get("author", "")],
        ["Owner", c.get("owner", "")],
        ["Risk tier", c.get("risk_tier", "")],
        ["Protected inputs", ", ".join(map(str, c.get("protected_inputs", []))) or "none"],
        ["Randomised answers", "yes" if c.get("randomised") else "no"],
        ["Algorithm", (c.get("training") or {}).get("algorithm", "")],
        ["Seed", (c.get("training") or {}).get("seed", "")],
        ["Inputs", ", ".join(names)],
    ]
    return p.section(
        "model",
        [table("The candidate", "Property|Value", [[a, Cell(str(b), ev)] for a, b in rows])],
    )


def _lineage(p: Parts) -> Section:
    nodes, edges = p.rows("lineage.nodes"), p.get("lineage.edges", [])
    if not nodes:
        return p.section("lineage", [])
    word = lambda kind: p.t.word("kind", kind)  # noqa: E731
    drawn = lineage(nodes, edges, "Lineage of the candidate", kind_word=word)
    gaps = p.get("lineage.gaps", [])
    rows = [
        [
            word(x.get("kind")),  # type: ignore[no-untyped-call]
            x.get("label", ""),
            x.get("by", ""),
            p.t.date(x.get("at")),
            Cell(str(x.get("digest", ""))[7:23], p.ev(x.get("digest")), code=True),
        ]
        for x in nodes
    ]
    return p.section(
        "lineage",
        [
            Paragraph(
                "The lineage is complete."
                if p.get("lineage.complete")
                else "The lineage has gaps: " + "; ".join(map(str, gaps)),
                lead=True,
            ),
            Figure("fig-lineage", drawn.title, drawn.svg, drawn.description),
            table("The same lineage as a table", "Kind|Name|By|When|Digest", rows, dense=True),
        ],
        new_page=True,
    )
