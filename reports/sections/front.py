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
    return [
        _summary(p),
        decision(p),
        regimes(p),
        _use(p),
        data_section(p),
        model_section(p),
        lineage_section(p),
    ]


def _summary(p: Parts) -> Section:
    worst, t = p.metrics("fairness").get("worst") or {}, p.t
    feature = (p.metrics("fairness").get("features") or {}).get(worst.get("feature")) or {}
    ratio, accuracy = (
        feature.get("ratio") or {},
        p.metrics("performance").get("accuracy") or {},
    )
    outcome = str(p.get("decision.value.outcome", "none"))
    votes = p.rows("approvals")
    dissent = sum(v.get("vote") == "dissent" for v in votes)
    blocks: list[Block] = [Paragraph(str(p.get("candidate.intended_use", "")), lead=True)]
    blocks.append(
        KeyFacts(
            (
                KeyFact(
                    t("cover.decision"),
                    t.word("outcome", outcome),
                    t.date(p.get("decision.value.as_of")),
                    SIGN.get(outcome),
                    p.ev(p.get("decision.statement")),
                ),
                KeyFact(
                    t("summary.worst", feature=p.attribute(worst.get("feature", ""))),
                    t.number(ratio.get("value")),
                    t(
                        "summary.worst_detail",
                        group=ratio.get("group"),
                        reference=ratio.get("reference"),
                        interval=t.interval(ratio.get("low"), ratio.get("high")),
                    ),
                    None,
                    p.check_ev("fairness"),
                ),
                KeyFact(
                    t("summary.accuracy"),
                    t.percent(accuracy.get("value")),
                    t(
                        "summary.interval",
                        low=t.percent(accuracy.get("low")),
                        high=t.percent(accuracy.get("high")),
                    ),
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
        lines.append(Paragraph(t("summary.further", count=t.number(len(found) - SHOWN_FIRST))))
    blocks += [
        Heading(t("summary.mattered")),
        *(lines or [Paragraph(t("summary.all_met"))]),
    ]
    blocks.append(
        Paragraph(
            t(
                "summary.votes",
                approvals=sum(v.get("vote") == "approve" for v in votes),
                dissents=dissent,
            ),
            p.ev(*(v.get("statement") for v in votes)),
        )
    )
    blocks.append(Heading(t("summary.unknown")))
    said = p.get("human.limitations.text")
    blocks += [Paragraph(str(said))] if said else p.human("limitations", t("summary.limitations"))
    blocks.append(Callout(t("summary.care"), t("text.care")))
    return p.section("summary", blocks, single_page=True)


def _use(p: Parts) -> Section:
    blocks: list[Block] = []
    for key, what in p.t.prefixed("use").items():
        blocks += [Heading(what), *p.human(key, what)]
    return p.section("use", blocks, new_page=True)


def data_section(p: Parts) -> Section:
    """Return the section about the data."""
    m, ev = p.metrics("data"), p.check_ev("data")
    if not m:
        return p.section("data", [])
    split = m.get("split") or {}
    blocks: list[Block] = [
        Paragraph(
            p.t(
                "data.rows",
                rows=p.t.number(m.get("rows")),
                train=p.t.number(split.get("train")),
                test=p.t.number(split.get("test")),
                both=p.t.number(split.get("overlap", 0)),
                rate=p.t.percent(m.get("label_rate")),
            ),
            ev,
        )
    ]
    blocks.append(
        table(
            p.t("data.sentinels"),
            p.t("data.sentinel_columns"),
            [
                [s.get("column"), s.get("value"), Cell(str(s.get("count")), ev)]
                for s in m.get("sentinels", [])
            ],
        )
    )
    groups = [
        [p.attribute(f), g, Cell(p.t.number(c), ev)]
        for f, gs in (m.get("group_counts") or {}).items()
        for g, c in gs.items()
    ]
    groups += [
        [p.attribute(f), p.t("data.unknown"), Cell(p.t.number(c), ev)]
        for f, c in (m.get("unknown") or {}).items()
    ]
    blocks.append(table(p.t("data.groups"), p.t("data.group_columns"), groups))
    for key in ("leaking_refused", "protected_excluded"):
        names = ", ".join(map(str, m.get(key, []))) or p.t("data.none")
        blocks.append(Paragraph(f"{p.t(f'data.{key}')}: {names}.", ev))
    return p.section("data", blocks, new_page=True)


def model_section(p: Parts) -> Section:
    """Return the section about the candidate itself."""
    c, t = p.get("candidate", {}), p.t
    names = [str(i.get("name", i)) if isinstance(i, dict) else str(i) for i in c.get("inputs", [])]
    ev = p.ev(c.get("statement"))
    rows = [
        [t("model.format"), c.get("format", "")],
        [t("model.author"), c.get("author", "")],
        [t("model.owner"), c.get("owner", "")],
        [t("model.risk_tier"), t.word("tier", c.get("risk_tier", ""))],
        [
            t("model.protected"),
            ", ".join(map(str, c.get("protected_inputs", []))) or t("data.none"),
        ],
        [t("model.randomised"), t("model.yes" if c.get("randomised") else "model.no")],
        [t("model.algorithm"), (c.get("training") or {}).get("algorithm", "")],
        [t("model.seed"), (c.get("training") or {}).get("seed", "")],
        [t("model.inputs"), ", ".join(names)],
    ]
    return p.section(
        "model",
        [
            table(
                t("model.caption"),
                t("model.columns"),
                [[a, Cell(str(b), ev)] for a, b in rows],
            )
        ],
    )


def lineage_section(p: Parts) -> Section:
    """Return the section about where it comes from."""
    nodes, edges = p.rows("lineage.nodes"), p.get("lineage.edges", [])
    if not nodes:
        return p.section("lineage", [])
    word = lambda kind: p.t.word("kind", kind)  # noqa: E731
    drawn = lineage(nodes, edges, p.t("lineage.title"), kind_word=word, words=p.t.prefixed("drawn"))
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
                p.t("lineage.complete")
                if p.get("lineage.complete")
                else p.t("lineage.gaps", gaps="; ".join(map(str, gaps))),
                lead=True,
            ),
            Figure("fig-lineage", drawn.title, drawn.svg, drawn.description),
            table(p.t("lineage.caption"), p.t("lineage.columns"), rows, dense=True),
        ],
        new_page=True,
    )
