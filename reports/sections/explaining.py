"""Section: what moves the score, and how that was found out."""

from collections.abc import Mapping, Sequence
from typing import Any

from reports.document import (
    Block,
    Cell,
    Paragraph,
    Section,
)
from reports.figures import (
    attributions,
    deletion,
    gap,
    pair_rows,
)
from reports.parts import Parts, figure_of, table

PROXIES_SHOWN = 10
SAMPLES_SHOWN = 3
REASONS_SHOWN = 4


def explanations_section(p: Parts) -> Section:
    """Return the section about what moves the score."""
    m = p.metrics("explainability")
    if not m:
        return p.section("explanations", [])
    inner = m.get("inner") or {}
    blocks = [
        *_method(p, m),
        *_deletion(p, m),
        *_inside(p, inner),
        *_gap(p, m.get("gap") or {}),
        _proxies(p, m.get("proxies", [])),
        _samples(p, m.get("samples", [])),
    ]
    return p.section("explanations", blocks, new_page=True)


def _method(p: Parts, m: Mapping[str, Any]) -> list[Block]:
    ev, t = p.check_ev("explainability"), p.t
    said = t(
        "explanations.method",
        method=m.get("method"),
        rows=t.number((m.get("background") or {}).get("rows")),
        error=t.number(m.get("additivity_error")),
    )
    drawn = attributions(m.get("global", []), t("explanations.global"), fmt=t.number)
    return [Paragraph(said, ev), figure_of("fig-global", drawn, t("text.glob_read"), ev)]


def _deletion(p: Parts, m: Mapping[str, Any]) -> list[Block]:
    t = p.t
    if not m.get("deletion"):
        return []
    labels = (t("explanations.strongest"), t("explanations.random"))
    drawn = deletion(m["deletion"], t("explanations.deletion"), labels=labels, fmt=t.number)
    ev = p.check_ev("explainability")
    return [figure_of("fig-deletion", drawn, t("text.deletion_read"), ev)]


def _inside(p: Parts, inner: Mapping[str, Any]) -> list[Block]:
    """Return what was read from inside the model: values, and pairs of inputs."""
    ev, t = p.check_ev("explainability"), p.t
    blocks: list[Block] = []
    if inner.get("global"):
        scale = t.word("scale", inner.get("scale"))
        title = t("explanations.inner", scale=scale, rows=t.number(inner.get("rows")))
        drawn = attributions(inner["global"], title, fmt=t.number)
        blocks.append(figure_of("fig-inner", drawn, t("text.glob_read"), ev))
    if pairs := pair_rows(inner):
        drawn = attributions(pairs, t("explanations.interactions"), fmt=t.number)
        blocks.append(figure_of("fig-interactions", drawn, t("text.interactions_read"), ev))
    return blocks


def _gap(p: Parts, g: Mapping[str, Any]) -> list[Block]:
    t = p.t
    if not g.get("by_feature"):
        return []
    drawn = gap(
        g["by_feature"],
        float(g.get("total") or 0),
        t("explanations.gap", groups=" / ".join(map(str, g.get("groups", [])))),
        total_label=t("explanations.total"),
        fmt=t.number,
    )
    return [figure_of("fig-gap", drawn, "", p.check_ev("explainability"))]


def _proxies(p: Parts, rows: Sequence[Mapping[str, Any]]) -> Block:
    ev, t = p.check_ev("explainability"), p.t
    cells = [
        [x.get("feature"), p.attribute(x.get("attribute")), Cell(t.number(x.get("auc")), ev)]
        for x in rows[:PROXIES_SHOWN]
    ]
    return table(t("explanations.proxies"), t("explanations.proxy_columns"), cells)


def _samples(p: Parts, rows: Sequence[Mapping[str, Any]]) -> Block:
    ev, t = p.check_ev("explainability"), p.t
    cells = [
        [
            s.get("row"),
            Cell(t.number(s.get("score")), ev),
            "; ".join(
                f"{r.get('feature')} {t.number(r.get('contribution'))}"
                for r in s.get("reasons", [])[:REASONS_SHOWN]
            ),
        ]
        for s in rows[:SAMPLES_SHOWN]
    ]
    return table(t("explanations.samples"), t("explanations.sample_columns"), cells)
