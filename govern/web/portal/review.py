"""The approval queue and the page where people vote."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from govern.errors import InvalidRequestError, NotFoundError, RefusedError
from govern.services import viewing
from govern.services.ports import REQUEST_STATES
from govern.services.viewing_lineage import View
from govern.transparency.encoding import format_time
from govern.web.auth import person, require_role, services, withdraw_own
from govern.web.portal.inventory import figures_for
from govern.web.portal.passkeys import signing_page

blueprint = Blueprint("review", __name__)
ANSWER_CHARS_MIN = 3
MESSAGE_LABELS = [
    ("question", "a question"),
    ("answer", "an answer"),
    ("changes", "a call for changes, which closes the request"),
    ("recusal", "my recusal: I take no part"),
    ("delegation", "handing my review to the person named below"),
]


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
    """Everything a reviewer needs, in reading order; the first look begins the review."""
    now, records = datetime.now(UTC), services().records
    found = records.request(request_id)
    if found is not None and "reviewer" in person().roles:
        records.note_evidence_opened(
            request_id,
            email=person().email,
            statement=found.decision,
            at=format_time(now.replace(microsecond=0)),
        )
    view = viewing.approval_view(records, request_id, person().email, now)
    return render_template(
        "approval.html",
        view=view,
        refusal=_refusal(view),
        others=_others(view),
        kinds=MESSAGE_LABELS if "reviewer" in person().roles else MESSAGE_LABELS[:2],
        **figures_for(view),
    )


def _others(view: View) -> list[str]:
    """Return the reviewers to whom this review may be handed."""
    out = {person().email, *view["barred"], *view["stepped_back"]}
    people = services().records.list_people()
    return [one.email for one in people if "reviewer" in one.roles and one.email not in out]


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
    if me.email in view["stepped_back"]:
        return f"{me.email} {view['stepped_back'][me.email]}."
    if any(vote["approver"] == me.email for vote in view["votes"]):
        return "You have voted on this decision."
    keys = services().own_keys(me.email)
    if keys.needed and not keys.passkeys:
        return (
            "Your votes need a key of your own: `govern approval approve --ssh-key` in a terminal, "
            "or a passkey, which you make on your account page."
        )
    return None


@blueprint.post("/approvals/<request_id>/vote")
def vote(request_id: str) -> Response | str:
    """Cast a vote, with an answer to every concern; with a passkey, show what it will sign."""
    require_role("reviewer")
    records, me = services().records, person()
    if "admin" in me.roles:
        raise RefusedError("an administrator cannot approve")
    view = viewing.approval_view(records, request_id, me.email, datetime.now(UTC))
    choice = request.form.get("vote", "")
    given = (request_id, me.email, choice, _comment(view, choice), sorted(view["opened"]))
    review = view["review"]
    keys = services().own_keys(me.email)
    if keys.passkeys:
        return signing_page(request_id, services().prepare_vote(*given, review=review), keys, view)
    services().approve(*given, review=review)
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
    """Ask the author, answer, ask for changes, step back, or hand the review on."""
    kind = request.form.get("kind", "question")
    if services().records.request(request_id) is None:
        raise NotFoundError("no approval request has this id")
    services().say(
        request_id,
        person().email,
        kind,
        request.form.get("text", ""),
        request.form.get("to", "").strip() or None,
    )
    flash("Kept with the request.")
    return redirect(url_for("review.approval", request_id=request_id, _anchor="questions"))


@blueprint.post("/approvals/<request_id>/withdraw")
def withdraw(request_id: str) -> Response:
    """Withdraw an open request."""
    withdraw_own(request_id)
    flash("Withdrawn.")
    return redirect(url_for("review.approvals"))
