"""Sections 8 to 13: performance, fairness, explanations, mitigation, robustness, serving."""

from collections.abc import Mapping
from typing import Any

from reports.document import Block, Cell, Figure, Heading, KeyFact, KeyFacts, Paragraph, Section
from reports.drawing import Drawing
from reports.figures import (
    alarm_rows,
    attributions,
    bars,
    deletion,
    gap,
    group_rates,
    pair_rows,
    ratio_forest,
    ratio_rows,
    reliability,
    trade_off,
)
from reports.parts import Parts, table

PAIRS_SHOWN = 12


def middle(p: Parts) -> list[Section]:
    """Return the sections about measurements."""
    return [
        _performance(p),
        _fairness(p),
        _explanations(p),
        _mitigation(p),
        _robustness(p),
        _serving(p),
    ]


def _figure(key: str, drawn: Drawing, read: str, ev: tuple[str, ...]) -> Figure:
    return Figure(key, drawn.title, drawn.svg, drawn.description, read, ev)


def _performance(p: Parts) -> Section:
    m, ev, t = p.metrics("performance"), p.check_ev("performance"), p.t
    if not m:
        return p.section("performance", [])
    names = {
        "accuracy": "Accuracy",
        "balanced_accuracy": "Balanced accuracy",
        "auc": "AUC",
        "brier": "Brier score",
        "selection_rate": "Selection rate",
    }
    rows = [
        [name, Cell(t.number(m[k].get("value")), ev), t.interval(m[k].get("low"), m[k].get("high"))]
        for k, name in names.items()
        if isinstance(m.get(k), Mapping)
    ]
    c = m.get("confusion") or {}
    blocks: list[Block] = [
        table("Performance on the test data", "Metric|#Value|#95% interval", rows)
    ]
    blocks.append(
        table(
            "Decisions against recorded outcomes",
            "Recorded outcome|#Model denies|#Model approves",
            [
                ["Denied", Cell(t.number(c.get("tn")), ev), Cell(t.number(c.get("fp")), ev)],
                ["Approved", Cell(t.number(c.get("fn")), ev), Cell(t.number(c.get("tp")), ev)],
            ],
        )
    )
    if m.get("reliability"):
        drawn = reliability(m["reliability"], "Score against observed approval rate", fmt=t.number)
        blocks.append(_figure("fig-reliability", drawn, t("text.rel_read"), ev))
    return p.section("performance", blocks, new_page=True)


def _fairness(p: Parts) -> Section:
    m, blocks = p.metrics("fairness"), []
    for i, (name, f) in enumerate((m.get("features") or {}).items()):
        blocks += [*_attribute(p, i, str(name), f), *_beside(p, i, str(name), f)]
    blocks += _alarms(p, m.get("features") or {})
    return p.section(
        "fairness", [Paragraph(p.t("text.care")), *blocks] if blocks else [], new_page=True
    )


def _beside(p: Parts, i: int, name: str, f: Mapping[str, Any]) -> list[Block]:
    """Return the figures of the least equal pairs and of each group against everybody."""
    ev, t = p.check_ev("fairness"), p.t
    pairs = (f.get("pairwise") or {}).get("least_equal", [])
    drawn: list[Block] = []
    for key, rows, reference, title in (
        ("pairs", pairs, "reference", f"Least equal pairs by {name}"),
        ("all", f.get("to_overall", []), "", f"Selection rate over everybody's, by {name}"),
    ):
        enough = len(rows) > (len(f.get("comparisons", [])) if reference else 1)
        forest = ratio_rows(rows[:PAIRS_SHOWN], reference)
        if enough and any(row["value"] is not None for row in forest):
            figure = ratio_forest(forest, title, fmt=t.number, threshold_label=t.number(0.8, 2))
            drawn.append(_figure(f"fig-{key}-{i}", figure, t(f"text.{key}_read"), ev))
    return drawn


def _alarms(p: Parts, features: Mapping[str, Mapping[str, Any]]) -> list[Block]:
    """Return the figure of how often the worst group would fail by chance."""
    rows = alarm_rows(features)
    if not rows:
        return []
    figure = bars(rows, "How often the worst group would fail by chance", fmt=p.t.percent)
    return [_figure("fig-alarm", figure, p.t("text.alarm_read"), p.check_ev("fairness"))]


def _attribute(p: Parts, i: int, name: str, f: Mapping[str, Any]) -> list[Block]:
    blocks: list[Block] = [Heading(name[:1].upper() + name[1:])]
    blocks += _rates(p, i, name, f.get("groups", []))
    if f.get("comparisons"):
        blocks += _ratios(p, i, name, f["comparisons"])
    return [*blocks, *_left_out(p, name, f)]


def _rates(p: Parts, i: int, name: str, groups: list[Mapping[str, Any]]) -> list[Block]:
    ev, t = p.check_ev("fairness"), p.t
    drawn = group_rates(groups, f"Selection rate by {name}", fmt=t.percent)
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
    columns = "Group|#n|#Selected|#Rate|#95% interval|#TPR|#FPR"
    return [
        _figure(f"fig-rates-{i}", drawn, t("text.rates_read"), ev),
        table(f"Selection rates by {name}", columns, rows, dense=len(groups) > 20),
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
    title, limit = f"Selection-rate ratio by {name}", t.number(0.8, 2)
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
    columns = "Comparison|#Ratio|#95% interval|#Difference|#z|#p (Fisher)|#Shortfall"
    return [
        _figure(f"fig-ratio-{i}", drawn, t("text.ratio_read"), ev),
        table(f"Ratios, differences and tests by {name}", columns, rows, dense=True),
    ]


def _left_out(p: Parts, name: str, f: Mapping[str, Any]) -> list[Block]:
    ev, t, unknown = p.check_ev("fairness"), p.t, f.get("unknown") or {}
    said = (
        f"Unknown {name}: {unknown.get('count', 0)} people, counted and not guessed. The ratio "
        f"would lie between {t.number(unknown.get('ratio_worst'))} and "
        f"{t.number(unknown.get('ratio_best'))} in the worst and best case."
        if unknown.get("count")
        else f"Nobody's {name} is unknown."
    )
    excluded = [
        Paragraph(
            f"Left out: {x.get('group')} (n {x.get('n')}, {t.percent(x.get('share'))}): "
            f"{x.get('reason')}",
            ev,
        )
        for x in f.get("excluded", [])
    ]
    return [Paragraph(said, ev), *excluded]


def _explanations(p: Parts) -> Section:
    m, ev, t = p.metrics("explainability"), p.check_ev("explainability"), p.t
    if not m:
        return p.section("explanations", [])
    drawn = attributions(
        m.get("global", []), "Mean absolute contribution to the score", fmt=t.number
    )
    blocks: list[Block] = [
        Paragraph(
            f"Method: {m.get('method')}. Background: {(m.get('background') or {}).get('rows')} rows. "
            f"Largest additivity error {t.number(m.get('additivity_error'))}.",
            ev,
        ),
        _figure("fig-global", drawn, t("text.glob_read"), ev),
    ]
    if m.get("deletion"):
        moved = deletion(m["deletion"], "Score moved as features go", fmt=t.number)
        blocks.append(_figure("fig-deletion", moved, t("text.deletion_read"), ev))
    inner = m.get("inner") or {}
    if inner.get("global"):
        title = (
            f"Mean absolute contribution to the {inner.get('scale')}, over {inner.get('rows')} rows"
        )
        drawn = attributions(inner["global"], title, fmt=t.number)
        blocks.append(_figure("fig-inner", drawn, t("text.glob_read"), ev))
    if pairs := pair_rows(inner):
        drawn = attributions(pairs, "Mean absolute interaction of two features", fmt=t.number)
        blocks.append(_figure("fig-interactions", drawn, t("text.interactions_read"), ev))
    g = m.get("gap") or {}
    if g.get("by_feature"):
        drawn = gap(
            g["by_feature"],
            float(g.get("total") or 0),
            "Score gap between " + " and ".join(map(str, g.get("groups", []))) + ", by feature",
            fmt=t.number,
        )
        blocks.append(_figure("fig-gap", drawn, "", ev))
    blocks.append(
        table(
            "Features that point to a protected attribute",
            "Feature|Attribute|#AUC",
            [
                [x.get("feature"), x.get("attribute"), Cell(t.number(x.get("auc")), ev)]
                for x in m.get("proxies", [])[:10]
            ],
        )
    )
    blocks.append(
        table(
            "Sample decisions, pseudonymous",
            "Row|#Score|Principal reasons",
            [
                [
                    s.get("row"),
                    Cell(t.number(s.get("score")), ev),
                    "; ".join(
                        f"{r.get('feature')} {t.number(r.get('contribution'))}"
                        for r in s.get("reasons", [])[:4]
                    ),
                ]
                for s in m.get("samples", [])[:3]
            ],
        )
    )
    return p.section("explanations", blocks, new_page=True)


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
        "Accuracy against the lowest selection-rate ratio",
        fmt=t.number,
        x_label="Accuracy",
        y_label="Selection-rate ratio",
    )
    data = [
        [
            r.get("name"),
            t.word("outcome", r.get("outcome")),
            Cell(t.number((r.get("figures") or {}).get("ratio")), p.ev(r.get("statement"))),
            Cell(t.percent((r.get("figures") or {}).get("accuracy")), p.ev(r.get("statement"))),
            Cell(
                t.percent((r.get("figures") or {}).get("selection_rate")), p.ev(r.get("statement"))
            ),
            r.get("deciding_rule") or "",
        ]
        for r in rows
    ]
    ev = p.ev(*(r.get("statement") for r in rows))
    return p.section(
        "mitigation",
        [
            _figure("fig-trade", drawn, t("text.trade_read"), ev),
            table(
                "The candidates compared",
                "Candidate|Decision|#Ratio|#Accuracy|#Approved|Deciding rule",
                data,
            ),
        ],
        new_page=True,
    )


def _robustness(p: Parts) -> Section:
    m = p.metrics("repeatability")
    blocks: list[Block] = []
    if m:
        text = (
            f"{m.get('rows')} rows were scored {m.get('repeats')} times; {m.get('changed_rows')} "
            f"answers changed ({p.t.percent(m.get('share'))})."
        )
        blocks.append(Paragraph(text, p.check_ev("repeatability")))
    return p.section("robustness", [*blocks, *_disturbed(p)])


def _disturbed(p: Parts) -> list[Block]:
    """Noise and missing values: what moves the answer."""
    m, t, ev = p.metrics("performance").get("robustness"), p.t, p.check_ev("performance")
    if not isinstance(m, Mapping):
        return []
    changed = m.get("changed") or {}
    text = (
        f"With noise of {t.percent(m.get('noise_share'))} of every input's spread, "
        f"{t.percent(changed.get('value'))} of the answers change (95% interval "
        f"{t.percent(changed.get('low'))} – {t.percent(changed.get('high'))}, {m.get('rows')} rows)."
    )
    rows = [
        [
            r.get("feature"),
            Cell(t.percent(r.get("changed")), ev) if r.get("changed") is not None else "refused",
        ]
        for r in m.get("missing", [])
    ]
    return [
        Paragraph(text, ev),
        table(
            "Answers that change when one input is missing for everybody", "Input|#Changed", rows
        ),
    ]


def _serving(p: Parts) -> Section:
    s, t = p.get("serving"), p.t
    if not isinstance(s, Mapping):
        return p.section("serving", [])
    counts, seq, ev = s.get("counts") or {}, s.get("sequence") or {}, p.ev(s.get("statement"))
    gaps = len(seq.get("gaps", []))
    return p.section(
        "serving",
        [
            KeyFacts(
                (
                    KeyFact(
                        "Inferences on record", t.number(counts.get("inference")), "", None, ev
                    ),
                    KeyFact("Refusals on record", t.number(counts.get("refusal")), "", None, ev),
                    KeyFact(
                        "Gaps in the sequence",
                        t.number(gaps),
                        f"{seq.get('found')} of {seq.get('expected')} found",
                        "fail" if gaps else "pass",
                        ev,
                    ),
                )
            ),
            table(
                "Log head",
                "Property|Value",
                [
                    ["Origin", s.get("origin")],
                    ["Size", Cell(t.number(s.get("log_size")), ev)],
                    ["Root", Cell(str(s.get("root")), ev, code=True)],
                    ["Period", f"{t.date(s.get('first_at'))} – {t.date(s.get('last_at'))}"],
                    ["Keep until", t.date(s.get("retention_until"))],
                ],
            ),
        ],
    )
