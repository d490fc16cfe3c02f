"""The approval queue and the page where people vote."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from govern.errors import InvalidRequestError, RefusedError
from govern.services import viewing
from govern.services.ports import REQUEST_STATES
from govern.services.viewing_lineage import View
from govern.transparency.encoding import format_time
from govern.web.auth import person, require_role, services, withdraw_own
from govern.web.portal.inventory import figures_for

blueprint = Blueprint("review", __name__)
ANSWER_CHARS_MIN = 3


@blueprint.get("/approvals")
def approvals() -> str:
    """The queue, the longest waiting first."""
    state = request.args.get("state", "open")
    if state not in REQUEST_STATES:
        raise InvalidRequestError(f"a state is one of {', '.join(REQUEST_STATES)}")
    queue = viewing.approval_queue(services().records, datetime.now(UTC), state)
    return render_template("approvals.html", queue=queue, state=state, states=REQUEST_STATES)


@blueprint.get("/approvals/<request_id>")
def approval(request_id: str) -> str:
    """Everything a reviewer needs, in reading order."""
    view = viewing.approval_view(services().records, request_id, person().email, datetime.now(UTC))
    return render_template("approval.html", view=view, refusal=_refusal(view), **figures_for(view))


def _refusal(view: View) -> str | None:
    """Say why this person cannot vote, or None; the service has the last word."""
    me, state = person(), view["request"].state
    if state not in ("open", "approved"):
        return f"This request is {state}."
    if "reviewer" not in me.roles:
        return "You are not a reviewer."
    if "admin" in me.roles:
        return "An administrator cannot approve."
    if me.email in view["barred"]:
        return f"Separation of duties: {me.email} {view['barred'][me.email]}."
    if any(vote["approver"] == me.email for vote in view["votes"]):
        return "You have voted on this decision."
    return None


@blueprint.post("/approvals/<request_id>/vote")
def vote(request_id: str) -> Response:
    """Cast a vote, with an answer to every concern."""
    require_role("reviewer")
    records, me = services().records, person()
    if "admin" in me.roles:
        raise RefusedError("an administrator cannot approve")
    view = viewing.approval_view(records, request_id, me.email, datetime.now(UTC))
    choice = request.form.get("vote", "")
    comment = _comment(view, choice)
    services().approve(request_id, me.email, choice, comment, sorted(view["opened"]))
    flash("Your vote is signed and in the log.")
    return redirect(url_for("review.approval", request_id=request_id, _anchor="votes"))


def _comment(view: View, choice: str) -> str:
    """Join the answers to the concerns and the general comment.

    Raises:
        InvalidRequestError: an approval that leaves a concern unanswered.
    """
    parts = []
    for place, concern in enumerate(view["concerns"]):
        answer = request.form.get(f"answer-{place}", "").strip()
        if choice == "approve" and len(answer) < ANSWER_CHARS_MIN:
            raise InvalidRequestError(
                f"say why {concern['title']!r} does not stop you; every open item needs an answer"
            )
        if answer:
            subject = f" ({concern['subject']})" if concern.get("subject") else ""
            parts.append(f"{concern['title']}{subject}: {answer}")
    general = request.form.get("comment", "").strip()
    return "\n".join(parts + ([general] if general else []))


@blueprint.post("/approvals/<request_id>/messages")
def message(request_id: str) -> Response:
    """Ask the author, answer, or ask for changes."""
    view = viewing.approval_view(services().records, request_id, person().email, datetime.now(UTC))
    services().records.add_message(
        view["request"].id,
        author=person().email,
        kind=request.form.get("kind", "question"),
        text=request.form.get("text", ""),
        at=format_time(datetime.now(UTC).replace(microsecond=0)),
    )
    flash("Kept with the request.")
    return redirect(url_for("review.approval", request_id=request_id, _anchor="questions"))


@blueprint.post("/approvals/<request_id>/withdraw")
def withdraw(request_id: str) -> Response:
    """Withdraw an open request."""
    withdraw_own(request_id)
    flash("Withdrawn.")
    return redirect(url_for("review.approvals"))
