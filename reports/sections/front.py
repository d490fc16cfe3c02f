"""Sections 1 and 4 to 7: summary, use, data, model, lineage. Arranges, never judges."""

from collections.abc import Mapping
from typing import Any

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

UNKNOWN = "unknown"
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
    t, said = p.t, p.get("human.limitations.text")
    blocks: list[Block] = [
        Paragraph(str(p.get("candidate.intended_use", "")), lead=True),
        KeyFacts((_decided(p), _worst(p), _accuracy(p))),
        Heading(t("summary.mattered")),
        *(_mattered(p) or [Paragraph(t("summary.all_met"))]),
        _votes(p),
        Heading(t("summary.unknown")),
    ]
    blocks += [Paragraph(str(said))] if said else p.human("limitations", t("summary.limitations"))
    blocks.append(Callout(t("summary.care"), t("text.care")))
    return p.section("summary", blocks, single_page=True)


def _decided(p: Parts) -> KeyFact:
    outcome = str(p.get("decision.value.outcome", "none"))
    return KeyFact(
        p.t("cover.decision"),
        p.t.word("outcome", outcome),
        p.t.date(p.get("decision.value.as_of")),
        SIGN.get(outcome),
        p.ev(p.get("decision.statement")),
    )


def _worst(p: Parts) -> KeyFact:
    t, worst = p.t, p.metrics("fairness").get("worst") or {}
    feature = (p.metrics("fairness").get("features") or {}).get(worst.get("feature")) or {}
    ratio = feature.get("ratio") or {}
    detail = t(
        "summary.worst_detail",
        group=ratio.get("group"),
        reference=ratio.get("reference"),
        interval=t.interval(ratio.get("low"), ratio.get("high")),
    )
    name = t("summary.worst", feature=p.attribute(worst.get("feature", "")))
    return KeyFact(name, t.number(ratio.get("value")), detail, None, p.check_ev("fairness"))


def _accuracy(p: Parts) -> KeyFact:
    t, accuracy = p.t, p.metrics("performance").get("accuracy") or {}
    low, high = t.percent(accuracy.get("low")), t.percent(accuracy.get("high"))
    detail = t("summary.interval", low=low, high=high)
    value = t.percent(accuracy.get("value"))
    return KeyFact(t("summary.accuracy"), value, detail, None, p.check_ev("performance"))


def _mattered(p: Parts) -> list[Block]:
    """Return the rules that were not met, the first of them with their sentences."""
    t, found = p.t, open_rules(p)
    lines: list[Block] = [
        Paragraph(f"{rule.title}: {rule.message}", rule.evidence) for rule in found[:SHOWN_FIRST]
    ]
    if len(found) > SHOWN_FIRST:
        lines.append(Paragraph(t("summary.further", count=t.number(len(found) - SHOWN_FIRST))))
    return lines


def _votes(p: Parts) -> Block:
    votes = p.rows("approvals")
    said = p.t(
        "summary.votes",
        approvals=sum(v.get("vote") == "approve" for v in votes),
        dissents=sum(v.get("vote") == "dissent" for v in votes),
    )
    return Paragraph(said, p.ev(*(v.get("statement") for v in votes)))


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
    blocks.append(table(p.t("data.groups"), p.t("data.group_columns"), _people(p, m, ev)))
    for key in ("leaking_refused", "protected_excluded"):
        names = ", ".join(map(str, m.get(key, []))) or p.t("data.none")
        blocks.append(Paragraph(f"{p.t(f'data.{key}')}: {names}.", ev))
    return p.section("data", blocks, new_page=True)


def _people(p: Parts, m: Mapping[str, Any], ev: tuple[str, ...]) -> list[list[Any]]:
    """Return a row for each group of each attribute, people of no known group last."""
    counts, unknown = m.get("group_counts") or {}, m.get("unknown") or {}
    rows: list[list[Any]] = []
    for name in {**counts, **unknown}:
        known = {group: n for group, n in counts.get(name, {}).items() if group != UNKNOWN}
        rows += [[p.attribute(name), group, Cell(p.t.number(n), ev)] for group, n in known.items()]
        if name in unknown:
            count = Cell(p.t.number(unknown[name]), ev)
            rows.append([p.attribute(name), p.t("data.unknown"), count])
    return rows


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
