"""How values read on a page: digests, times, numbers, verdicts. Words first, colour never alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Flask, request
from markupsafe import Markup

from govern.web import auth
from reports.drawing import SANS, Drawing

VERDICTS = {
    "allow": ("Allowed", "good", "✓"),
    "deny": ("Denied", "bad", "✕"),
    "review": ("People decide", "open", "◐"),
    "pass": ("Pass", "good", "✓"),
    "fail": ("Fail", "bad", "✕"),
    "uncertain": ("Uncertain", "open", "◐"),
    "error": ("Error", "bad", "!"),
    "waived": ("Waived", "open", "≈"),
    "not-applicable": ("Does not apply", "quiet", "–"),
    "registered": ("Registered", "quiet", "○"),
    "checked": ("Checked", "quiet", "◔"),
    "admitted": ("Admitted", "good", "●"),
    "active": ("Serving", "good", "●"),
    "suspended": ("Suspended", "open", "❙❙"),
    "revoked": ("Revoked", "bad", "✕"),
    "expired": ("Expired", "quiet", "○"),
    "approve": ("Approves", "good", "✓"),
    "reject": ("Rejects", "bad", "✕"),
    "dissent": ("Dissents", "open", "≠"),
    "open": ("Waiting", "open", "◐"),
    "approved": ("Approved", "good", "✓"),
    "rejected": ("Rejected", "bad", "✕"),
    "withdrawn": ("Withdrawn", "quiet", "–"),
    "void": ("Void", "quiet", "–"),
    "changes": ("Changes asked", "open", "↺"),
    "enrolled": ("Enrolled", "good", "✓"),
    "not enrolled": ("Not enrolled yet", "open", "◐"),
    "waiting": ("Waiting", "open", "◐"),
    "sent": ("Sent", "good", "✓"),
    "given up": ("Given up", "bad", "✕"),
    "queued": ("Queued", "quiet", "○"),
    "leased": ("Running", "open", "◔"),
    "split": ("Running in shards", "open", "◔"),
    "done": ("Done", "good", "✓"),
    "failed": ("Failed", "bad", "✕"),
    "cancelled": ("Cancelled", "quiet", "–"),
}


_FONT = f' font-family="{SANS}"'  # The style sheet sets it once.


def register(app: Flask) -> None:
    """Attach filters and what every template sees."""
    app.jinja_env.filters.update(
        short=short,
        time=time,
        number=number,
        percent=percent,
        who=who,
        figure=figure,
        day=day,
        chance=chance,
        duration=duration,
    )
    app.jinja_env.globals["mark"] = mark

    @app.context_processor
    def shared() -> dict[str, Any]:
        return {
            "person": auth.signed_in(),
            "settings": auth.settings(),
            "csrf": auth.csrf_token,
            "here": request.path,
        }


def mark(status: str) -> Markup:
    """Return a verdict as glyph and word."""
    word, tone, glyph = VERDICTS.get(status, (status, "quiet", "·"))
    return Markup(
        '<span class="mark {}"><span class="glyph" aria-hidden="true">{}</span>{}</span>'
    ).format(tone, glyph, word)


def short(digest: str | None) -> str:
    """Return the first twelve hex digits."""
    return (digest or "").removeprefix("sha256:")[:12]


def time(text: str | None) -> Markup:
    """Return a time element: readable, exact in its attribute."""
    if not text:
        return Markup("—")
    moment = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(text, moment.strftime("%-d %b %Y, %H:%M"))


def day(text: str | None) -> Markup:
    """Return a date element."""
    if not text:
        return Markup("—")
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return Markup('<time datetime="{}">{}</time>').format(text, moment.strftime("%-d %b %Y"))


def number(value: Any, places: int = 3) -> str:
    """Return a number with fixed places; a dash for nothing."""
    if value is None or isinstance(value, bool):
        return "—" if value is None else ("yes" if value else "no")
    if isinstance(value, int):
        return f"{value:,}".replace(",", " ")
    return f"{value:.{places}f}".replace("-", "−") if isinstance(value, float) else str(value)


def chance(value: Any) -> str:
    """Return a p-value; a very small one as a bound."""
    if not isinstance(value, int | float):
        return "—"
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def percent(value: Any, places: int = 1) -> str:
    """Return a share as per cent."""
    return "—" if not isinstance(value, int | float) else f"{100 * value:.{places}f} %"


def duration(seconds: int) -> str:
    """Return a time in the unit that suits it."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            return f"{seconds // size} {unit}{'' if seconds // size == 1 else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def who(email: str | None) -> str:
    """Return the part of an address that names the person."""
    return (email or "").partition("@")[0]


def figure(drawing: Drawing | None) -> Markup:
    """Return an SVG figure; its text was escaped when it was drawn."""
    if drawing is None:
        return Markup("")
    return Markup(drawing.svg.replace(_FONT, ""))  # noqa: S704 - every label was escaped
