"""Sections 8 to 13: performance, fairness, explanations, mitigation, robustness, serving."""

from collections.abc import Mapping
from typing import Any

from reports.document import (
    Block,
    Cell,
    Heading,
    KeyFact,
    KeyFacts,
    Paragraph,
    Section,
)
from reports.figures import (
    alarm_rows,
    bars,
    group_rates,
    ratio_forest,
    ratio_rows,
    reliability,
    trade_off,
)
from reports.parts import Parts, figure_of, table
from reports.sections.explaining import explanations_section

PAIRS_SHOWN = 12


def middle(p: Parts) -> list[Section]:
    """Return the sections about measurements."""
    return [
        performance_section(p),
        fairness_section(p),
        explanations_section(p),
        _mitigation(p),
        robustness_section(p),
        serving_section(p),
    ]


def performance_section(p: Parts) -> Section:
    """Return the section about performance."""
    m, ev, t = p.metrics("performance"), p.check_ev("performance"), p.t
    if not m:
        return p.section("performance", [])
    names = t.prefixed("metric")
    rows = [
        [
            name,
            Cell(t.number(m[k].get("value")), ev),
            t.interval(m[k].get("low"), m[k].get("high")),
        ]
        for k, name in names.items()
        if isinstance(m.get(k), Mapping)
    ]
    c = m.get("confusion") or {}
    blocks: list[Block] = [table(t("performance.caption"), t("performance.columns"), rows)]
    blocks.append(
        table(
            t("performance.confusion"),
            t("performance.confusion_columns"),
            [
                [
                    t("performance.denied"),
                    Cell(t.number(c.get("tn")), ev),
                    Cell(t.number(c.get("fp")), ev),
                ],
                [
                    t("performance.approved"),
                    Cell(t.number(c.get("fn")), ev),
                    Cell(t.number(c.get("tp")), ev),
                ],
            ],
        )
    )
    if m.get("reliability"):
        drawn = reliability(
            m["reliability"],
            t("performance.reliability"),
            x_label=t("performance.mean_score"),
            y_label=t("performance.observed"),
            fmt=t.number,
        )
        blocks.append(figure_of("fig-reliability", drawn, t("text.rel_read"), ev))
    return p.section("performance", blocks, new_page=True)


def fairness_section(p: Parts) -> Section:
    """Return the section about differences between groups."""
    m, blocks = p.metrics("fairness"), []
    for i, (name, f) in enumerate((m.get("features") or {}).items()):
        blocks += [*_attribute(p, i, str(name), f), *_beside(p, i, str(name), f)]
    blocks += _alarms(p, m.get("features") or {})
    return p.section(
        "fairness",
        [Paragraph(p.t("text.care")), *blocks] if blocks else [],
        new_page=True,
    )


def _beside(p: Parts, i: int, name: str, f: Mapping[str, Any]) -> list[Block]:
    """Return the figures of the least equal pairs and of each group against everybody."""
    ev, t = p.check_ev("fairness"), p.t
    pairs = (f.get("pairwise") or {}).get("least_equal", [])
    drawn: list[Block] = []
    for key, rows, reference, title in (
        ("pairs", pairs, "reference", t("fairness.pairs", by=p.attribute(name))),
        (
            "all",
            f.get("to_overall", []),
            "",
            t("fairness.overall", by=p.attribute(name)),
        ),
    ):
        enough = len(rows) > (len(f.get("comparisons", [])) if reference else 1)
        forest = ratio_rows(rows[:PAIRS_SHOWN], reference)
        if enough and any(row["value"] is not None for row in forest):
            figure = ratio_forest(forest, title, fmt=t.number, threshold_label=t.number(0.8, 2))
            drawn.append(figure_of(f"fig-{key}-{i}", figure, t(f"text.{key}_read"), ev))
    return drawn


def _alarms(p: Parts, features: Mapping[str, Mapping[str, Any]]) -> list[Block]:
    """Return the figure of how often the worst group would fail by chance."""
    rows = alarm_rows({p.attribute(name): one for name, one in features.items()})
    if not rows:
        return []
    figure = bars(rows, p.t("fairness.alarm"), fmt=p.t.percent)
    return [figure_of("fig-alarm", figure, p.t("text.alarm_read"), p.check_ev("fairness"))]


def _attribute(p: Parts, i: int, name: str, f: Mapping[str, Any]) -> list[Block]:
    blocks: list[Block] = [Heading(p.attribute(name)[:1].upper() + p.attribute(name)[1:])]
    blocks += _rates(p, i, name, f.get("groups", []))
    if f.get("comparisons"):
        blocks += _ratios(p, i, name, f["comparisons"])
    return [*blocks, *_left_out(p, name, f)]


def _rates(p: Parts, i: int, name: str, groups: list[Mapping[str, Any]]) -> list[Block]:
    ev, t = p.check_ev("fairness"), p.t
    drawn = group_rates(
        groups,
        t("fairness.rate", by=p.attribute(name)),
        fmt=t.percent,
        more=t("drawn.more_rows"),
    )
    rows = [
        [
            g.get("group"),
            t.number(g.get("n")),
            t.number(g.get("selected")),
            Cell(t.percent(g.get("rate")), ev),
            t.interval(g.get("rate_low"), g.get("rate_high")),
            t.number(g.get("tpr")),
            t.number(g.get("fpr")),
        ]
        for g in groups
    ]
    return [
        figure_of(f"fig-rates-{i}", drawn, t("text.rates_read"), ev),
        table(
            t("fairness.rates", by=p.attribute(name)),
            t("fairness.rate_columns"),
            rows,
            dense=len(groups) > 20,
        ),
    ]


def _ratios(p: Parts, i: int, name: str, pairs: list[Mapping[str, Any]]) -> list[Block]:
    ev, t = p.check_ev("fairness"), p.t
    forest = [
        {
            "label": f"{c.get('group')} / {c.get('reference')}",
            "value": c.get("ratio"),
            "low": c.get("ratio_low"),
            "high": c.get("ratio_high"),
        }
        for c in pairs
    ]
    title, limit = t("fairness.ratio", by=p.attribute(name)), t.number(0.8, 2)
    drawn = ratio_forest(forest, title, fmt=t.number, threshold_label=limit)
    rows = [
        [
            f"{c.get('group')} / {c.get('reference')}",
            Cell(t.number(c.get("ratio")), ev),
            t.interval(c.get("ratio_low"), c.get("ratio_high")),
            t.percent(c.get("difference")),
            t.number(c.get("z"), 2),
            t.number(c.get("fisher_p"), 4),
            t.number(c.get("shortfall"), 1),
        ]
        for c in pairs
    ]
    caption = t("fairness.ratios", by=p.attribute(name))
    return [
        figure_of(f"fig-ratio-{i}", drawn, t("text.ratio_read"), ev),
        table(caption, t("fairness.ratio_columns"), rows, dense=True),
    ]


def _left_out(p: Parts, name: str, f: Mapping[str, Any]) -> list[Block]:
    ev, t, unknown = p.check_ev("fairness"), p.t, f.get("unknown") or {}
    said = (
        t(
            "fairness.unknown",
            by=p.attribute(name),
            count=t.number(unknown.get("count", 0)),
            worst=t.number(unknown.get("ratio_worst")),
            best=t.number(unknown.get("ratio_best")),
        )
        if unknown.get("count")
        else t("fairness.all_known", by=p.attribute(name))
    )
    excluded = [
        Paragraph(
            t(
                "fairness.left_out",
                group=x.get("group"),
                n=t.number(x.get("n")),
                share=t.percent(x.get("share")),
                reason=x.get("reason"),
            ),
            ev,
        )
        for x in f.get("excluded", [])
    ]
    return [Paragraph(said, ev), *excluded]


def _mitigation(p: Parts) -> Section:
    rows, t = p.rows("compared"), p.t
    if not rows:
        return p.section("mitigation", [])
    points = [
        {
            **(r.get("figures") or {}),
            "name": r.get("name"),
            "chosen": r.get("digest") == p.get("candidate.digest"),
        }
        for r in rows
    ]
    drawn = trade_off(
        points,
        t("mitigation.trade"),
        fmt=t.number,
        x_label=t("mitigation.accuracy"),
        y_label=t("mitigation.ratio"),
    )
    data = [
        [
            r.get("name"),
            t.word("outcome", r.get("outcome")),
            Cell(
                t.number((r.get("figures") or {}).get("ratio")),
                p.ev(r.get("statement")),
            ),
            Cell(
                t.percent((r.get("figures") or {}).get("accuracy")),
                p.ev(r.get("statement")),
            ),
            Cell(
                t.percent((r.get("figures") or {}).get("selection_rate")),
                p.ev(r.get("statement")),
            ),
            r.get("deciding_rule") or "",
        ]
        for r in rows
    ]
    ev = p.ev(*(r.get("statement") for r in rows))
    return p.section(
        "mitigation",
        [
            figure_of("fig-trade", drawn, t("text.trade_read"), ev),
            table(
                t("mitigation.caption"),
                t("mitigation.columns"),
                data,
            ),
        ],
        new_page=True,
    )


def robustness_section(p: Parts) -> Section:
    """Return the section about what moves answers."""
    m = p.metrics("repeatability")
    blocks: list[Block] = []
    if m:
        text = p.t(
            "robustness.repeated",
            rows=p.t.number(m.get("rows")),
            repeats=p.t.number(m.get("repeats")),
            changed=p.t.number(m.get("changed_rows")),
            share=p.t.percent(m.get("share")),
        )
        blocks.append(Paragraph(text, p.check_ev("repeatability")))
    return p.section("robustness", [*blocks, *_disturbed(p)])


def _disturbed(p: Parts) -> list[Block]:
    """Noise and missing values: what moves the answer."""
    m, t, ev = (
        p.metrics("performance").get("robustness"),
        p.t,
        p.check_ev("performance"),
    )
    if not isinstance(m, Mapping):
        return []
    changed = m.get("changed") or {}
    text = t(
        "robustness.noise",
        noise=t.percent(m.get("noise_share")),
        changed=t.percent(changed.get("value")),
        low=t.percent(changed.get("low")),
        high=t.percent(changed.get("high")),
        rows=t.number(m.get("rows")),
    )
    rows = [
        [
            r.get("feature"),
            Cell(t.percent(r.get("changed")), ev)
            if r.get("changed") is not None
            else t("robustness.refused"),
        ]
        for r in m.get("missing", [])
    ]
    return [
        Paragraph(text, ev),
        table(t("robustness.missing"), t("robustness.missing_columns"), rows),
    ]


def serving_section(p: Parts) -> Section:
    """Return the section about what gates recorded."""
    s, t = p.get("serving"), p.t
    if not isinstance(s, Mapping):
        return p.section("serving", [])
    counts, seq, ev = (
        s.get("counts") or {},
        s.get("sequence") or {},
        p.ev(s.get("statement")),
    )
    gaps = len(seq.get("gaps", []))
    return p.section(
        "serving",
        [
            KeyFacts(
                (
                    KeyFact(
                        t("serving.inferences"),
                        t.number(counts.get("inference")),
                        "",
                        None,
                        ev,
                    ),
                    KeyFact(
                        t("serving.refusals"),
                        t.number(counts.get("refusal")),
                        "",
                        None,
                        ev,
                    ),
                    KeyFact(
                        t("serving.gaps"),
                        t.number(gaps),
                        t(
                            "serving.found",
                            found=t.number(seq.get("found")),
                            expected=t.number(seq.get("expected")),
                        ),
                        "fail" if gaps else "pass",
                        ev,
                    ),
                )
            ),
            table(
                t("serving.head"),
                t("model.columns"),
                [
                    [t("serving.origin"), s.get("origin")],
                    [t("serving.size"), Cell(t.number(s.get("log_size")), ev)],
                    [t("serving.root"), Cell(str(s.get("root")), ev, code=True)],
                    [
                        t("serving.period"),
                        f"{t.date(s.get('first_at'))} – {t.date(s.get('last_at'))}",
                    ],
                    [t("serving.keep"), t.date(s.get("retention_until"))],
                ],
            ),
        ],
    )
