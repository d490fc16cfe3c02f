"""Sections 1 and 4 to 7: summary, use, data, model, lineage. Arranges, never judges."""

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
from reports.sections.decision import decision, open_rules, regimes

SHOWN_FIRST = 6


def front(p: Parts) -> list[Section]:
    """Return the front sections."""
    return [_summary(p), decision(p), regimes(p), _use(p), _data(p), _model(p), _lineage(p)]


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
    found = open_rules(p)
    lines = [
        Paragraph(f"{rule.title}: {rule.message}", rule.evidence) for rule in found[:SHOWN_FIRST]
    ]
    if len(found) > SHOWN_FIRST:
        lines.append(Paragraph(f"{len(found) - SHOWN_FIRST} further findings are in section 2."))
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


def _use(p: Parts) -> Section:
    blocks: list[Block] = []
    for key, what in (
        ("intended_use", "Intended use"),
        ("users", "Users"),
        ("affected", "Persons affected"),
        ("conditions", "Conditions of use"),
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
