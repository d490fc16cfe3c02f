"""People: the administrator's list, one's own account and tokens, and signing out."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from govern.errors import InvalidRequestError, NotFoundError
from govern.services.ports import ROLES
from govern.web.auth import begin_session, person, require_role, services
from govern.web.portal.passkeys import creation_options, passkeys_possible

blueprint = Blueprint("people", __name__)
SCOPES = ("read", "write", "lineage", "outcomes")


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """End the session."""
    session.clear()
    return redirect(url_for("signing_in.sign_in"))


@blueprint.get("/people")
def everyone() -> str:
    """Everyone and their roles."""
    require_role("admin", "auditor", "compliance")
    return render_template("people.html", people=services().records.list_people(), roles=ROLES)


@blueprint.get("/notices")
def notices() -> str:
    """What people and systems were told."""
    require_role("admin", "auditor", "compliance", "platform")
    return render_template("notices.html", notices=services().records.list_notices())


@blueprint.post("/people")
def put() -> Response:
    """Add or change a person."""
    require_role("admin")
    email = request.form.get("email", "")
    services().records.put_person(
        email,
        name=request.form.get("name", "")[:200],
        roles=request.form.getlist("roles"),
        password=request.form.get("password") or None,
        disabled=bool(request.form.get("disabled")),
    )
    flash(f"Saved {email}.")
    return redirect(url_for("people.everyone"))


@blueprint.get("/account")
def account() -> str:
    """One's own roles, passkeys and tokens."""
    return _account(None)


def _account(secret: str | None) -> str:
    records, me = services().records, person()
    passkeys = records.passkeys_of(me.email)
    return render_template(
        "account.html",
        tokens=records.list_tokens(me.email),
        scopes=SCOPES,
        secret=secret,
        passkeys=passkeys,
        keys=services().own_keys(me.email),
        possible=passkeys_possible(),
        options=creation_options(me, passkeys),
    )


@blueprint.post("/account/password")
def change_password() -> Response:
    """Change one's own password; every other session ends."""
    records, me = services().records, person()
    if records.sign_in(me.email, request.form.get("old", "")) is None:
        raise InvalidRequestError("the present password is not right")
    changed = records.put_person(
        me.email, name=me.name, roles=me.roles, password=request.form.get("new", "")
    )
    begin_session(changed)
    flash("Password changed; other sessions have ended.")
    return redirect(url_for("people.account"))


@blueprint.post("/account/tokens")
def add_token() -> str:
    """Create an API token and show it this once."""
    days, scopes = request.form.get("days", "30"), request.form.getlist("scopes")
    if not days.isdecimal() or not scopes or not set(scopes) <= set(SCOPES):
        raise InvalidRequestError("choose at least one scope and a number of days")
    _, secret = services().records.add_token(
        person().email, name=request.form.get("name", ""), scopes=scopes, days=int(days)
    )
    return _account(secret)


@blueprint.post("/account/tokens/<token_id>/revoke")
def revoke_token(token_id: str) -> Response:
    """Revoke one's own token."""
    if not services().records.revoke_token(token_id, email=person().email):
        raise NotFoundError("no such token")
    flash("Revoked.")
    return redirect(url_for("people.account"))
