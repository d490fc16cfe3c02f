"""Figures of reports and portal: deterministic, accessible SVG made from plain values.

Each function returns a Drawing whose description says the numbers in words. Shape, position and
words carry the meaning, colour only repeats it. No figure reads files, the clock or the network.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reports import drawing as d
from reports.drawing import Drawing, Scale

WIDTH = 480.0
Format = Callable[[float], str]
MAX_ROWS = 40


def _plain(value: float) -> str:
    return f"{value:.3f}"


def share(value: float) -> str:
    """Return a share as percent."""
    return f"{100 * value:.1f}%"


def _axis(scale: Scale, top: float, bottom: float, fmt: Format, count: int = 5) -> list[str]:
    parts: list[str] = []
    for tick in scale.ticks(count):
        x = scale(tick)
        parts += [
            d.line(x, top, x, bottom, d.RULE, 0.5),
            d.text(x, bottom + 12, fmt(tick), 8, "middle", d.MUTED),
        ]
    return parts


def _number(value: Any, default: float = 0.0) -> float:
    return float(value) if isinstance(value, int | float) else default


def group_rates(
    groups: Sequence[Mapping[str, Any]],
    title: str,
    *,
    fmt: Format = share,
    more: str = "and {n} more in the table",
) -> Drawing:
    """Draw selection rates with their intervals, one row for each group.

    Args:
        groups: ``group, n, selected, rate, rate_low, rate_high`` each; see the check's metrics.
    """
    shown = list(groups)[:MAX_ROWS]
    lows = [_number(g.get("rate_low"), _number(g.get("rate"))) for g in shown] or [0.0]
    low = max(0.0, int(min(lows) * 10) / 10 - 0.05)
    scale, row = Scale(low, 1.0, 130, WIDTH - 74), 20.0
    bottom = 14 + row * len(shown)
    parts = _axis(scale, 8, bottom, lambda v: fmt(v).replace(".0", "").replace(",0", ""))
    said: list[str] = []
    for i, g in enumerate(shown):
        y, rate = 18 + row * i, _number(g.get("rate"))
        a, b = _number(g.get("rate_low"), rate), _number(g.get("rate_high"), rate)
        parts += [
            d.text(122, y + 3, d.clip(g.get("group"), 22), 9.5, "end"),
            d.line(scale(a), y, scale(b), y, d.BLUE, 1.6),
            d.line(scale(a), y - 3.5, scale(a), y + 3.5, d.BLUE, 1.2),
            d.line(scale(b), y - 3.5, scale(b), y + 3.5, d.BLUE, 1.2),
            d.dot(scale(rate), y, 3.6, d.BLUE),
            d.text(WIDTH - 66, y + 3, fmt(rate), 9.5, weight=600),
            d.text(WIDTH - 2, y + 3, f"n {g.get('n', '')}", 8, "end", d.MUTED),
        ]
        said.append(f"{g.get('group')}: {fmt(rate)} ({fmt(a)} – {fmt(b)}), n {g.get('n')}")
    if len(groups) > len(shown):
        said.append(more.format(n=len(groups) - len(shown)))
    return d.svg(WIDTH, bottom + 18, parts, title, f"{title}. {'; '.join(said)}.")


def ratio_forest(
    rows: Sequence[Mapping[str, Any]],
    title: str,
    *,
    threshold: float = 0.8,
    threshold_label: str = "0.80",
    fmt: Format = _plain,
) -> Drawing:
    """Draw selection-rate ratios with intervals against a threshold line and the line of parity.

    Args:
        rows: ``label, value, low, high`` each; a value below the threshold is drawn as a square.
    """
    shown = [r for r in rows if r.get("value") is not None][:MAX_ROWS]
    low = min([_number(r.get("low"), 1.0) for r in shown] + [threshold - 0.1])
    high = max([_number(r.get("high"), 1.0) for r in shown] + [1.1])
    scale, row = Scale(int(low * 10) / 10, min(high, 2.0) + 0.02, 150, WIDTH - 50), 21.0
    bottom = 30 + row * len(shown)
    parts = _axis(scale, 20, bottom, lambda v: fmt(v)[:4], 6)
    parts += [
        d.rect(scale.start, 20, scale(threshold) - scale.start, bottom - 20, "#f6ece4"),
        d.line(scale(threshold), 16, scale(threshold), bottom, d.ORANGE, 1.3, "4 2"),
        d.text(scale(threshold), 12, threshold_label, 8.5, "middle", d.ORANGE, 600),
        d.line(scale(1.0), 20, scale(1.0), bottom, d.INK, 0.9),
    ]
    said: list[str] = []
    for i, r in enumerate(shown):
        y, value = 32 + row * i, _number(r.get("value"))
        a, b = _number(r.get("low"), value), _number(r.get("high"), value)
        below = value < threshold
        colour = d.ORANGE if below else d.BLUE
        mark = (
            d.rect(scale(value) - 3.6, y - 3.6, 7.2, 7.2, colour)
            if below
            else d.dot(scale(value), y, 4, colour)
        )
        parts += [
            d.text(142, y + 3, d.clip(r.get("label"), 28), 9.2, "end"),
            d.line(scale(a), y, scale(b), y, colour, 1.5),
            mark,
            d.text(WIDTH - 42, y + 3, fmt(value), 9.5, weight=600),
        ]
        said.append(f"{r.get('label')}: {fmt(value)} ({fmt(a)} – {fmt(b)})")
    return d.svg(
        WIDTH, bottom + 18, parts, title, f"{title}. {threshold_label}. {'; '.join(said)}."
    )


def ratio_rows(rows: Sequence[Mapping[str, Any]], reference: str) -> list[dict[str, Any]]:
    """Return comparisons as ``ratio_forest`` draws them.

    Args:
        rows: ``group, ratio, ratio_low, ratio_high`` each, as the fairness check gives them.
        reference: key of the other group; empty where it is everybody.
    """
    return [
        {
            "label": f"{r.get('group')} / {r.get(reference)}" if reference else r.get("group"),
            "value": r.get("ratio"),
            "low": r.get("ratio_low"),
            "high": r.get("ratio_high"),
        }
        for r in rows
    ]


def alarm_rows(features: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the false-alarm chance of each feature as ``bars`` draws it; unknown ones left out."""
    found = [
        {"feature": name, "mean_abs": (one.get("false_alarm") or {}).get("chance")}
        for name, one in features.items()
    ]
    return [row for row in found if row["mean_abs"] is not None]


def deletion(
    areas: Mapping[str, Any],
    title: str,
    *,
    labels: tuple[str, str] = ("strongest first", "at random"),
    fmt: Format = _plain,
) -> Drawing:
    """Draw how far the score moves as features go: in the explanation's order, and at random.

    Args:
        areas: ``area`` and ``random_area``, mean moves of the score.
        labels: what to call the two.
    """
    rows = [
        {"feature": labels[0], "mean_abs": areas.get("area")},
        {"feature": labels[1], "mean_abs": areas.get("random_area")},
    ]
    return bars(rows, title, fmt=fmt)


def bars(
    rows: Sequence[Mapping[str, Any]],
    title: str,
    *,
    label: str = "feature",
    value: str = "mean_abs",
    fmt: Format = _plain,
    limit: int = 12,
) -> Drawing:
    """Draw horizontal bars from zero; negative values go to the left and are hatched by outline."""
    shown = list(rows)[:limit]
    values = [_number(r.get(value)) for r in shown] or [0.0]
    scale = Scale(min([0.0, *values]), max([0.0, *values]), 130, WIDTH - 60)
    row, zero = 17.0, scale(0.0)
    bottom = 8 + row * len(shown)
    parts, said = [], []
    for i, (r, v) in enumerate(zip(shown, values, strict=False)):
        y = 6 + row * i
        colour, extra = (d.BLUE, "") if v >= 0 else ("#ffffff", f' stroke="{d.ORANGE}"')
        parts += [
            d.text(122, y + 10, d.clip(r.get(label), 22), 9.2, "end"),
            d.rect(zero, y + 2, scale(v) - zero, row - 6, colour, extra),
            d.text(max(scale(v), zero) + 5, y + 10, fmt(v), 8.8, "start", d.INK),
        ]
        said.append(f"{r.get(label)}: {fmt(v)}")
    parts.append(d.line(zero, 4, zero, bottom, d.INK, 0.8))
    return d.svg(WIDTH, bottom + 6, parts, title, f"{title}. {'; '.join(said)}.")


def attributions(
    rows: Sequence[Mapping[str, Any]], title: str, *, fmt: Format = _plain, limit: int = 12
) -> Drawing:
    """Draw global attributions: mean absolute contribution of each feature, largest first."""
    ranked = sorted(rows, key=lambda r: (-_number(r.get("mean_abs")), str(r.get("feature"))))
    return bars(ranked, title, fmt=fmt, limit=limit)


def pair_rows(inner: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the interactions of an explanation from inside as rows of ``attributions``."""
    pairs = (inner.get("interactions") or {}).get("pairs", ())
    return [
        {"feature": " x ".join(map(str, row.get("features", ()))), "mean_abs": row.get("mean_abs")}
        for row in pairs
    ]


def reasons(rows: Sequence[Mapping[str, Any]], title: str, *, fmt: Format = _plain) -> Drawing:
    """Draw the signed contributions of one decision, as the check ranked them."""
    return bars(rows, title, value="contribution", fmt=fmt, limit=8)


def gap(
    rows: Sequence[Mapping[str, Any]],
    total: float,
    title: str,
    *,
    total_label: str = "total",
    fmt: Format = _plain,
    limit: int = 9,
) -> Drawing:
    """Draw how much each feature adds to the score gap between two groups, and the total."""
    ranked = sorted(rows, key=lambda r: (-abs(_number(r.get("value"))), str(r.get("feature"))))
    rest = sum(_number(r.get("value")) for r in ranked[limit:])
    shown: list[dict[str, Any]] = [dict(r) for r in ranked[:limit]]
    if len(ranked) > limit:
        shown.append({"feature": f"+ {len(ranked) - limit}", "value": rest})
    shown.append({"feature": total_label, "value": total})
    return bars(shown, title, value="value", fmt=fmt, limit=limit + 2)


def reliability(
    bins: Sequence[Mapping[str, Any]],
    title: str,
    *,
    x_label: str = "mean score",
    y_label: str = "observed rate",
    fmt: Format = _plain,
) -> Drawing:
    """Draw a reliability curve; the area of each disc grows with the rows in the bin."""
    shown = [b for b in bins if b.get("n") and b.get("rate") is not None]
    size, left, top = 210.0, 46.0, 8.0
    x, y = Scale(0, 1, left, left + size), Scale(0, 1, top + size, top)
    parts: list[str] = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts += [
            d.line(x(tick), top, x(tick), top + size, d.RULE, 0.5),
            d.line(left, y(tick), left + size, y(tick), d.RULE, 0.5),
            d.text(x(tick), top + size + 12, fmt(tick)[:4], 8, "middle", d.MUTED),
            d.text(left - 5, y(tick) + 3, fmt(tick)[:4], 8, "end", d.MUTED),
        ]
    parts.append(d.line(x(0), y(0), x(1), y(1), d.MUTED, 0.9, "3 3"))
    most = max([_number(b.get("n")) for b in shown] or [1.0])
    points = [(x(_number(b.get("mean_score"))), y(_number(b.get("rate"))), b) for b in shown]
    if points:
        parts.append(
            d.path("M" + " L".join(f"{d.n(a)} {d.n(b)}" for a, b, _ in points), d.BLUE, 1.4)
        )
    parts += [
        d.dot(a, b, 2.2 + 5 * (_number(r.get("n")) / most) ** 0.5, d.BLUE, "#ffffff")
        for a, b, r in points
    ]
    parts += [
        d.text(left + size / 2, top + size + 26, x_label, 9, "middle"),
        d.text(left + size + 12, top + 10, y_label, 9),
    ]
    for i, (_, _, b) in enumerate(points):
        label = f"{fmt(_number(b.get('mean_score')))} → {fmt(_number(b.get('rate')))}"
        parts.append(
            d.text(
                left + size + 12,
                top + 28 + 14 * i,
                f"{label}   n {b.get('n')}",
                8.5,
                colour=d.MUTED,
            )
        )
    said = "; ".join(
        f"{fmt(_number(b.get('mean_score')))} → {fmt(_number(b.get('rate')))}, n {b.get('n')}"
        for b in shown
    )
    return d.svg(WIDTH, top + size + 32, parts, title, f"{title}. {said}.")


def trade_off(
    rows: Sequence[Mapping[str, Any]],
    title: str,
    *,
    x_label: str,
    y_label: str,
    threshold: float = 0.8,
    fmt: Format = _plain,
) -> Drawing:
    """Draw candidates by accuracy and by selection-rate ratio; the chosen one is filled."""
    shown = [r for r in rows if r.get("accuracy") is not None and r.get("ratio") is not None]
    xs = [_number(r.get("accuracy")) for r in shown] or [0.5]
    ys = [_number(r.get("ratio")) for r in shown] + [threshold]
    left, top, w, h = 46.0, 10.0, 300.0, 170.0
    x = Scale(min(xs) - 0.012, max(xs) + 0.012, left, left + w)
    y = Scale(min(ys) - 0.06, 1.02, top + h, top)
    parts = [
        d.line(left, y(threshold), left + w, y(threshold), d.ORANGE, 1.2, "4 2"),
        d.text(left + w + 6, y(threshold) + 3, fmt(threshold)[:4], 8.5, colour=d.ORANGE),
    ]
    for tick in x.ticks(4):
        parts += [
            d.line(x(tick), top, x(tick), top + h, d.RULE, 0.5),
            d.text(x(tick), top + h + 12, fmt(tick), 8, "middle", d.MUTED),
        ]
    for tick in y.ticks(4):
        parts += [
            d.line(left, y(tick), left + w, y(tick), d.RULE, 0.5),
            d.text(left - 5, y(tick) + 3, fmt(tick)[:4], 8, "end", d.MUTED),
        ]
    said = []
    for i, r in enumerate(shown):
        a, b = x(_number(r.get("accuracy"))), y(_number(r.get("ratio")))
        chosen = bool(r.get("chosen"))
        parts += [
            d.dot(a, b, 8, d.BLUE if chosen else "#ffffff", d.BLUE),
            d.text(a, b + 3, i + 1, 8.5, "middle", "#ffffff" if chosen else d.INK, 600),
            d.text(
                left + w + 14,
                top + 12 + 15 * i,
                f"{i + 1}  {d.clip(r.get('name'), 24)}",
                9,
                weight=600 if chosen else 400,
            ),
        ]
        said.append(
            f"{i + 1} {r.get('name')}: {x_label} {fmt(_number(r.get('accuracy')))}, "
            f"{y_label} {fmt(_number(r.get('ratio')))}"
        )
    parts += [
        d.text(left + w / 2, top + h + 26, x_label, 9, "middle"),
        d.text(left, top - 2, y_label, 9),
    ]
    return d.svg(WIDTH, top + h + 32, parts, title, f"{title}. {'; '.join(said)}.")
