"""The lineage graph as layered SVG: kinds from left to right, edges as curves, nodes as links.

It lays out what it is given and checks nothing about the lineage itself. What is missing is
drawn dashed where it should stand. A column that is too long ends in a box with the number
left out; the description and the table beside it name every node.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from reports import drawing as d
from reports.drawing import Drawing

ORDER = (
    "signature",
    "run",
    "data",
    "features",
    "training",
    "model",
    "check",
    "waiver",
    "decision",
    "approval",
    "admission",
    "change",
    "serving",
)
WIDTH = 720.0
COLUMN = 148.0
PER_COLUMN = 8
ROW = 48.0
BOX = 38.0

Node = Mapping[str, Any]
Place = tuple[float, float]
Words = Mapping[str, str]
WORDS: Words = {"gaps": "Missing: {gaps}.", "more": "and {n} more", "missing": "missing"}


def natural_width(nodes: Sequence[Node], missing: Sequence[Node] = ()) -> float:
    """Return the width in pixels at which labels of about thirty characters fit."""
    return max(WIDTH, COLUMN * len({str(node.get("kind")) for node in [*nodes, *missing]}))


def lineage(
    nodes: Sequence[Node],
    edges: Sequence[Sequence[str]],
    title: str,
    *,
    kind_word: Callable[[str], str] = str,
    href: Callable[[Node], str | None] | None = None,
    missing: Sequence[Node] = (),
    width: float = WIDTH,
    words: Words = WORDS,
) -> Drawing:
    """Draw a lineage graph.

    Args:
        nodes: ``id, kind, label, digest`` each; kinds are those of ORDER.
        edges: pairs of node ids, from cause to effect.
        title: the figure's title.
        kind_word: turns a kind into the reader's word.
        href: gives a node's link, or None for no link.
        missing: gaps, ``id, kind, label, asked_by`` each.
        width: of the figure, in pixels.
        words: for gaps and for what is left out, as ``WORDS``.

    Returns:
        A Drawing; its description names every step in order, and every gap.
    """
    gaps = [{**gap, "missing": True} for gap in missing]
    pairs = [(str(edge[0]), str(edge[1])) for edge in edges if len(edge) == 2]
    pairs += [(str(gap["id"]), str(gap.get("asked_by"))) for gap in gaps]
    columns = _columns([*nodes, *gaps], pairs, words)
    slot = width / max(len(columns), 1)
    w, tallest = slot - 15, max([len(column) for column in columns] or [1])
    place: dict[str, Place] = {}
    boxes: list[str] = []
    for at, column in enumerate(columns):
        top = 8 + (tallest - len(column)) * ROW / 2
        for row, node in enumerate(column):
            x, y = at * slot + 4, top + row * ROW
            place[str(node.get("id"))] = (x, y + BOX / 2)
            boxes.append(_box(node, x, y, w, kind_word(str(node.get("kind"))), href, words))
    dashed = {str(gap["id"]) for gap in gaps}
    drawn = [(a, b) for a, b in pairs if a in place and b in place]
    curves = [_curve(place[a], place[b], w, dashed=a in dashed) for a, b in drawn]
    said = _said([*nodes, *gaps], pairs, words)
    return d.svg(width, 16 + tallest * ROW, curves + boxes, title, f"{title}. {said}")


def _said(nodes: Sequence[Node], pairs: Sequence[tuple[str, str]], words: Words) -> str:
    names = {str(node.get("id")): str(node.get("label")) for node in nodes}
    gaps = [str(node.get("label")) for node in nodes if node.get("missing")]
    steps = "; ".join(f"{names[a]} → {names[b]}" for a, b in pairs if a in names and b in names)
    return f"{steps}." + (f" {words['gaps'].format(gaps='; '.join(gaps))}" if gaps else "")


def _columns(
    nodes: Sequence[Node], pairs: Sequence[tuple[str, str]], words: Words
) -> list[list[Node]]:
    """Sort nodes into columns by kind, each ordered by where its causes stand."""
    rank = {kind: place for place, kind in enumerate(ORDER)}
    found: dict[int, list[Node]] = {}
    for node in nodes:
        found.setdefault(rank.get(str(node.get("kind")), len(ORDER)), []).append(node)
    causes: dict[str, list[str]] = {}
    for source, target in pairs:
        causes.setdefault(target, []).append(source)
    height: dict[str, float] = {}
    columns = []
    for key in sorted(found):
        column = sorted(found[key], key=lambda node: _centre(node, causes, height))
        for row, node in enumerate(column):
            height[str(node.get("id"))] = row - len(column) / 2
        columns.append(_cut(column, words))
    return columns


def _centre(node: Node, causes: Mapping[str, Sequence[str]], height: Mapping[str, float]) -> float:
    known = [height[id_] for id_ in causes.get(str(node.get("id")), ()) if id_ in height]
    return sum(known) / len(known) if known else 0.0


def _cut(column: list[Node], words: Words) -> list[Node]:
    if len(column) <= PER_COLUMN:
        return column
    kept = column[: PER_COLUMN - 1]
    rest = {"id": f"more:{column[0].get('kind')}", "kind": column[0].get("kind")}
    return [*kept, {**rest, "label": words["more"].format(n=len(column) - len(kept)), "more": True}]


def _box(
    node: Node,
    x: float,
    y: float,
    w: float,
    kind: str,
    href: Callable[[Node], str | None] | None,
    words: Words,
) -> str:
    digest = str(node.get("digest") or "").removeprefix("sha256:")[:8]
    label = str(node.get("label") or "")
    room = max(6, int(w / 4.1))
    colour = d.ORANGE if node.get("missing") else d.BLUE
    dash = ' stroke-dasharray="3 2.4"' if node.get("missing") else ""
    foot = words["missing"] if node.get("missing") else digest
    whole = f"{kind}: {label}" + (f", {foot}" if foot else "")
    parts = [
        f"<title>{escape(whole)}</title>",
        d.rect(x, y, w, BOX, "#ffffff", f' stroke="{colour}" stroke-width="0.9" rx="2"{dash}'),
        d.rect(x, y, 2.6, BOX, colour),
        d.text(x + 7, y + 10.5, d.clip(kind, room + 3), 6.6, colour=d.MUTED, weight=600),
        d.text(x + 7, y + 21.5, d.clip(label, room), 7.8, weight=600),
        d.text(x + 7, y + 32, foot, 6.8, colour=colour if node.get("missing") else d.MUTED),
    ]
    body = f"<g>{''.join(parts)}</g>"
    plain = node.get("missing") or node.get("more")
    target = href(node) if href and not plain else None
    return f"<a href={quoteattr(target)}>{body}</a>" if target else body


def _curve(start: Place, end: Place, w: float, *, dashed: bool) -> str:
    (x1, y1), (x2, y2) = (start[0] + w, start[1]), end
    middle, colour = (x1 + x2) / 2, d.ORANGE if dashed else d.MUTED
    shape = (
        f"M{d.n(x1)} {d.n(y1)} C{d.n(middle)} {d.n(y1)} {d.n(middle)} {d.n(y2)} {d.n(x2)} {d.n(y2)}"
    )
    tip = f"M{d.n(x2 - 4)} {d.n(y2 - 2.2)} L{d.n(x2)} {d.n(y2)} L{d.n(x2 - 4)} {d.n(y2 + 2.2)} Z"
    return d.path(shape, colour, 0.8) + d.path(tip, colour, 0.4, colour)
