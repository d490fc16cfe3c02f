"""Deployments: what is admitted where, and suspend, reinstate, revoke, admit."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from govern.errors import CheckpointError, InvalidRequestError, NotFoundError
from govern.services import viewing
from govern.transparency.digest import check_digest
from govern.web.auth import person, require_role, services, settings

blueprint = Blueprint("deployments", __name__)
DAYS_MAX = 366


@blueprint.get("/deployments")
def deployments() -> str:
    """Every deployment with its admissions and each gate's log."""
    view = viewing.deployments_view(services().records, datetime.now(UTC))
    return render_template("deployments.html", deployments=view, gates=gate_heads())


def gate_heads() -> list[dict[str, object]]:
    """Return name and size of each gate's log, from its published checkpoint."""
    found = []
    for note in sorted((settings().home / "gates").glob("*/log/checkpoint")):
        lines = note.read_text("utf-8").splitlines()
        if len(lines) < 3 or not lines[1].isdecimal():
            raise CheckpointError(f"the checkpoint of gate {note.parent.parent.name} is malformed")
        name = note.parent.parent.name
        found.append({"name": name, "origin": lines[0], "size": int(lines[1]), "root": lines[2]})
    return found


@blueprint.post("/admissions")
def admit() -> Response:
    """Admit a candidate to a deployment."""
    require_role("platform")
    days = request.form.get("days", "30")
    if not days.isdecimal() or not 1 <= int(days) <= DAYS_MAX:
        raise InvalidRequestError(f"an admission lasts 1 to {DAYS_MAX} days")
    services().admit(
        check_digest(request.form.get("candidate", "")),
        request.form.get("deployment", "").strip(),
        request.form.get("environment", "production").strip(),
        {"kind": "embedded"},
        int(days),
        person().email,
    )
    flash("Admitted; gates learn it with their next snapshot.")
    return redirect(url_for("deployments.deployments"))


@blueprint.post("/admissions/<digest>/change")
def change(digest: str) -> Response:
    """Suspend, reinstate or revoke."""
    require_role("platform", "compliance")
    act, reason = request.form.get("change", ""), request.form.get("reason", "").strip()
    if act not in ("suspend", "reinstate", "revoke"):
        raise InvalidRequestError("suspend, reinstate or revoke")
    if services().records.admission(check_digest(digest)) is None:
        raise NotFoundError("no admission has this digest")
    getattr(services(), act)(digest, person().email, reason)
    flash(f"Done: {act}. Gates learn it with their next snapshot.")
    return redirect(url_for("deployments.deployments"))
