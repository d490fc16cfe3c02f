"""Sign-in and first-run set-up: the doors that must be open."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from govern.errors import ConflictError, RefusedError
from govern.web import auth
from govern.web.config import FORM_BYTES_MAX

blueprint = Blueprint("signing_in", __name__)


@blueprint.get("/sign-in")
def sign_in() -> str | Response:
    """The sign-in page; set-up where nobody is here yet."""
    if auth.services().records.count_people() == 0:
        return redirect(url_for("signing_in.set_up"))
    return render_template("sign_in.html", next=_inside(request.args.get("next", "")), failed=False)


@blueprint.post("/sign-in")
def do_sign_in() -> tuple[str, int] | Response:
    """Check a password; equal answers and time for unknown names and wrong passwords."""
    request.max_content_length = FORM_BYTES_MAX
    auth.check_csrf()
    _slow_down()
    found = auth.services().records.sign_in(
        request.form.get("email", ""), request.form.get("password", "")
    )
    target = _inside(request.form.get("next", ""))
    if found is None:
        return render_template("sign_in.html", next=target, failed=True), 401
    auth.begin_session(found)
    return redirect(target or url_for("inventory.home"))


@blueprint.get("/set-up")
def set_up() -> str:
    """The page that makes the first administrator; gone once someone is here."""
    if auth.services().records.count_people():
        raise ConflictError("this installation is set up already")
    return render_template("set_up.html")


@blueprint.post("/set-up")
def do_set_up() -> Response:
    """Make the first administrator and sign them in."""
    request.max_content_length = FORM_BYTES_MAX
    auth.check_csrf()
    _slow_down()
    first = auth.services().records.create_first_admin(
        request.form.get("email", ""),
        name=request.form.get("name", "")[:200],
        password=request.form.get("password", ""),
    )
    auth.begin_session(first)
    flash("Set up. Now add the people who build, check, review and run models.")
    return redirect(url_for("people.everyone"))


def _slow_down() -> None:
    if not auth.throttle().allow(request.remote_addr or "", time.monotonic()):
        raise RefusedError("too many attempts from here; wait a minute")


def _inside(target: str) -> str:
    """Return a path on this site, or nothing: no redirect leads elsewhere."""
    parts = urlsplit(target)
    safe = target.startswith("/") and not target.startswith(("//", "/\\")) and not parts.netloc
    return target if safe and "\\" not in target else ""
