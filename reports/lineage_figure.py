"""The lineage graph as layered SVG: kinds from left to right, edges as curves, nodes as links.

It lays out what it is given and checks nothing about the lineage itself.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from reports import drawing as d
from reports.drawing import Drawing

ORDER = (
    "data",
    "features",
    "training",
    "model",
    "check",
    "decision",
    "approval",
    "admission",
    "serving",
)
WIDTH = 720.0
PER_COLUMN = 8


def _columns(nodes: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    rank = {kind: i for i, kind in enumerate(ORDER)}
    found: dict[int, list[Mapping[str, Any]]] = {}
    for node in nodes:
        found.setdefault(rank.get(str(node.get("kind")), len(ORDER)), []).append(node)
    return [found[key][:PER_COLUMN] for key in sorted(found)]


def _box(node: Mapping[str, Any], x: float, y: float, w: float, kind: str, href: str | None) -> str:
    digest = str(node.get("digest") or "").removeprefix("sha256:")[:8]
    label = str(node.get("label") or "")
    room = max(6, int(w / 4.1))
    parts = [
        d.rect(x, y, w, 38, "#ffffff", f' stroke="{d.BLUE}" stroke-width="0.9" rx="2"'),
        d.rect(x, y, 2.6, 38, d.BLUE),
        d.text(x + 7, y + 10.5, d.clip(kind, room + 3), 6.6, colour=d.MUTED, weight=600),
        d.text(x + 7, y + 21.5, d.clip(label, room), 7.8, weight=600),
        d.text(x + 7, y + 32, digest, 6.8, colour=d.MUTED),
    ]
    body = "".join(parts)
    return f"<a href={quoteattr(href)}>{body}</a>" if href else body


def lineage(
    nodes: Sequence[Mapping[str, Any]],
    edges: Sequence[Sequence[str]],
    title: str,
    *,
    kind_word: Callable[[str], str] = str,
    href: Callable[[Mapping[str, Any]], str | None] | None = None,
) -> Drawing:
    """Draw a lineage graph.

    Args:
        nodes: ``id, kind, label, digest`` each; kinds are those of ORDER.
        edges: pairs of node ids, from cause to effect.
        kind_word: turns a kind into the reader's word.
        href: gives a node's link, or None for no link.

    Returns:
        A Drawing; its description names every step in order.
    """
    columns = _columns(nodes)
    count = max(len(columns), 1)
    slot = WIDTH / count
    w, tallest = slot - 15, max([len(c) for c in columns] or [1])
    height = 16 + tallest * 48.0
    place: dict[str, tuple[float, float]] = {}
    boxes: list[str] = []
    for i, column in enumerate(columns):
        offset = 8 + (tallest - len(column)) * 24.0
        for j, node in enumerate(column):
            x, y = i * slot + 4, offset + j * 48
            place[str(node.get("id"))] = (x, y + 19)
            boxes.append(
                _box(node, x, y, w, kind_word(str(node.get("kind"))), href(node) if href else None)
            )
    curves = [_curve(place[str(a)], place[str(b)], w) for a, b in _known(edges, place)]
    names = {str(node.get("id")): str(node.get("label")) for node in nodes}
    said = "; ".join(f"{names[a]} → {names[b]}" for a, b in _known(edges, place))
    return d.svg(WIDTH, height, curves + boxes, title, f"{title}. {said}.")


def _known(edges: Sequence[Sequence[str]], place: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs = [(str(e[0]), str(e[1])) for e in edges if len(e) == 2]
    return [(a, b) for a, b in pairs if a in place and b in place]


def _curve(start: tuple[float, float], end: tuple[float, float], w: float) -> str:
    (x1, y1), (x2, y2) = (start[0] + w, start[1]), end
    middle = (x1 + x2) / 2
    shape = (
        f"M{d.n(x1)} {d.n(y1)} C{d.n(middle)} {d.n(y1)} {d.n(middle)} {d.n(y2)} {d.n(x2)} {d.n(y2)}"
    )
    tip = f"M{d.n(x2 - 4)} {d.n(y2 - 2.2)} L{d.n(x2)} {d.n(y2)} L{d.n(x2 - 4)} {d.n(y2 + 2.2)} Z"
    return d.path(shape, d.MUTED, 0.8) + d.path(tip, d.MUTED, 0.4, d.MUTED)
