"""Small helpers to write SVG by hand: deterministic, escaped, with title and description inside.

It knows shapes, scales and colours; what is drawn is decided in reports/figures.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

INK = "#1c2530"
MUTED = "#5b6672"
RULE = "#c9ced4"
BLUE = "#1f5a89"
PALE = "#b9cfe0"
ORANGE = "#b4500f"
GREEN = "#1d6b52"
SANS = "'Report Sans','Source Sans 3','DejaVu Sans',sans-serif"


@dataclass(frozen=True)
class Drawing:
    """A finished figure: the SVG text, its title and the sentence that says its numbers."""

    svg: str
    title: str
    description: str


def clip(text: object, length: int) -> str:
    """Shorten a label to a length; the full text stays in the description and the table."""
    shown = " ".join(str(text).split())
    return shown if len(shown) <= length else shown[: length - 1] + "…"


def n(value: float) -> str:
    """Write a coordinate with at most two decimals, the same on every machine."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def line(
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    colour: str = RULE,
    width: float = 0.8,
    dash: str = "",
) -> str:
    """Draw a straight line."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{n(x1)}" y1="{n(y1)}" x2="{n(x2)}" y2="{n(y2)}" stroke="{colour}" '
        f'stroke-width="{n(width)}"{dashed}/>'
    )


def rect(x: float, y: float, w: float, h: float, fill: str, extra: str = "") -> str:
    """Draw a rectangle; a negative width is drawn to the left."""
    if w < 0:
        x, w = x + w, -w
    return f'<rect x="{n(x)}" y="{n(y)}" width="{n(w)}" height="{n(h)}" fill="{fill}"{extra}/>'


def dot(x: float, y: float, r: float, fill: str, stroke: str = "none") -> str:
    """Draw a disc."""
    return (
        f'<circle cx="{n(x)}" cy="{n(y)}" r="{n(r)}" fill="{fill}" stroke="{stroke}" '
        'stroke-width="1.2"/>'
    )


def path(d: str, colour: str, width: float = 1.0, fill: str = "none") -> str:
    """Draw a path."""
    return f'<path d="{d}" fill="{fill}" stroke="{colour}" stroke-width="{n(width)}"/>'


def text(
    x: float,
    y: float,
    value: object,
    size: float = 9.0,
    anchor: str = "start",
    colour: str = INK,
    weight: int = 400,
) -> str:
    """Set a label, escaped."""
    return (
        f'<text x="{n(x)}" y="{n(y)}" font-family="{SANS}" font-size="{n(size)}" '
        f'text-anchor="{anchor}" fill="{colour}" font-weight="{weight}">'
        f"{escape(str(value))}</text>"
    )


def svg(width: float, height: float, parts: Sequence[str], title: str, description: str) -> Drawing:
    """Close a figure: adds the view box, title, description and a role.

    A figure is an image to a screen reader; one with links is a group, so that they can be
    reached (WAI-ARIA 1.2: children of ``img`` are presentational).
    """
    role = "group" if any("<a " in part for part in parts) else "img"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {n(width)} {n(height)}" '
        f'width="{n(width)}" height="{n(height)}" role="{role}" '
        f"aria-label={quoteattr(title)}>"
    )
    body = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{''.join(parts)}</svg>"
    return Drawing(head + body, title, description)


class Scale:
    """A linear scale from a data range to a pixel range; values outside are held at the ends."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        """Keep both ranges; an empty data range is widened by one."""
        self.low, self.high = (low, high) if high > low else (low, low + 1.0)
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        """Return the position of a value."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Return round values inside the range."""
        span = (self.high - self.low) / max(count, 1)
        power = 10.0
        while power > span:
            power /= 10.0
        step = next((m * power for m in (1, 2, 5, 10) if m * power >= span), power * 10)
        first = -(-self.low // step) * step
        return [
            round(first + i * step, 10) for i in range(40) if first + i * step <= self.high + 1e-9
        ]
