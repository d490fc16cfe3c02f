"""API writes: register, check, decide, request, vote, admit, suspend. Services decide all."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, jsonify, request

from govern.errors import InvalidRequestError
from govern.services.ports import Suspend
from govern.services.report_form import ReportForm
from govern.transparency.digest import check_digest
from govern.transparency.encoding import parse_time
from govern.web.auth import person, require_role, services, withdraw_own
from govern.web.config import FORM_BYTES_MAX

blueprint = Blueprint("api_write", __name__, url_prefix="/api/v1")
FILES_MAX = 1_000
WAIVER_TERMS = ("pack", "rule", "reason", "compensating_control", "until")


def body() -> dict[str, Any]:
    """Return the JSON object of the request.

    Raises:
        InvalidRequestError: it is none, or too long.
    """
    request.max_content_length = FORM_BYTES_MAX
    value = request.get_json(silent=True)
    if not isinstance(value, dict):
        raise InvalidRequestError("send a JSON object as application/json")
    return value


def text(value: dict[str, Any], key: str, default: str | None = None) -> str:
    """Return a text field.

    Raises:
        InvalidRequestError: missing, or not text.
    """
    found = value.get(key, default)
    if not isinstance(found, str):
        raise InvalidRequestError(f"the field {key!r} is a text and is needed")
    return found


@blueprint.post("/candidates")
def register() -> tuple[Response, int]:
    """Register a candidate: multipart with ``card`` (JSON) and the folder's files."""
    require_role("author")
    try:
        card = json.loads(request.form.get("card", ""))
    except ValueError:
        raise InvalidRequestError("the form field `card` is not JSON") from None
    files = {str(item.filename): item.read() for item in request.files.getlist("files")}
    if not isinstance(card, dict) or not files or len(files) > FILES_MAX:
        raise InvalidRequestError(f"send a card and 1 to {FILES_MAX} files")
    digest = services().register_candidate(card, files, person().email)
    return jsonify({"digest": digest}), 201


@blueprint.post("/candidates/<digest>/checks")
def checks(digest: str) -> tuple[Response, int]:
    """Queue checks."""
    require_role("validator", "author")
    names = body().get("checks", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidRequestError("`checks` is a list of names")
    jobs = services().run_checks(check_digest(digest), names, person().email)
    return jsonify({"jobs": jobs}), 202


@blueprint.post("/candidates/<digest>/decisions")
def decisions(digest: str) -> tuple[Response, int]:
    """Decide by the packs in force."""
    require_role("validator", "author", "compliance")
    return jsonify({"decision": services().decide(check_digest(digest), person().email)}), 201


@blueprint.post("/approval-requests")
def request_approval() -> tuple[Response, int]:
    """Ask reviewers about the newest decision; refused if `decision_digest` is another."""
    require_role("author", "validator")
    value = body()
    expected = check_digest(text(value, "decision_digest")) if "decision_digest" in value else None
    candidate = check_digest(text(value, "candidate"))
    made = services().request_approval(candidate, person().email, expected)
    return jsonify({"id": made}), 201


@blueprint.post("/approval-requests/<request_id>/<any(approve, reject, dissent):vote>")
def vote(request_id: str, vote: str) -> tuple[Response, int]:
    """Vote on a request."""
    require_role("reviewer")
    value = body()
    read = value.get("evidence_read", [])
    if not isinstance(read, list) or not all(isinstance(item, str) for item in read):
        raise InvalidRequestError("`evidence_read` is a list of digests")
    digest = services().approve(request_id, person().email, vote, text(value, "comment", ""), read)
    return jsonify({"approval": digest}), 201


@blueprint.post("/approval-requests/<request_id>/withdraw")
def withdraw(request_id: str) -> Response:
    """Withdraw an open request."""
    withdraw_own(request_id)
    return jsonify({"id": request_id, "state": "withdrawn"})


@blueprint.post("/waivers")
def grant_waiver() -> tuple[Response, int]:
    """Sign a waiver: all its terms, or the `terms` digest that another person granted."""
    require_role("compliance")
    value = body()
    candidate = check_digest(text(value, "candidate"))
    names = ("terms",) if "terms" in value else WAIVER_TERMS
    wanted = {name: text(value, name) for name in names}
    terms = services().grant_waiver(candidate, wanted, person().email)
    return jsonify({"candidate": candidate, "terms": terms}), 201


@blueprint.post("/candidates/<digest>/waivers/revoke")
def revoke_waiver(digest: str) -> tuple[Response, int]:
    """Revoke a waiver by its terms, and the admissions that rest on it."""
    require_role("compliance")
    value = body()
    terms = check_digest(text(value, "terms"))
    reason = text(value, "reason")
    statement = services().revoke_waiver(check_digest(digest), terms, reason, person().email)
    return jsonify({"statement": statement}), 201


@blueprint.post("/admissions")
def admit() -> tuple[Response, int]:
    """Admit a candidate to a deployment."""
    require_role("platform")
    value = body()
    upstream, days = value.get("upstream", {}), value.get("days", 30)
    if not isinstance(upstream, dict) or not isinstance(days, int):
        raise InvalidRequestError("`upstream` is an object and `days` a whole number")
    digest = services().admit(
        check_digest(text(value, "candidate")),
        text(value, "deployment"),
        text(value, "environment", "production"),
        upstream,
        days,
        person().email,
    )
    return jsonify({"admission": digest}), 201


@blueprint.post("/admissions/<digest>/<any(suspend, reinstate, revoke):change>")
def change(digest: str, change: str) -> Response:
    """Suspend, reinstate or revoke an admission."""
    require_role("platform", "compliance")
    act = getattr(services(), change)
    return jsonify({"statement": act(check_digest(digest), person().email, text(body(), "reason"))})


@blueprint.post("/recalls")
def recall() -> tuple[Response, int]:
    """List what a digest, key or person touched; with ``suspend`` true, stop what is live."""
    require_role("platform", "compliance", "validator")
    value = body()
    suspend, dry_run, since = (value.get(key) for key in ("suspend", "dry_run", "since"))
    if not isinstance(suspend or False, bool) or not isinstance(dry_run or False, bool):
        raise InvalidRequestError("`suspend` and `dry_run` are true or false")
    change = None
    if suspend:
        require_role("platform")
        change = Suspend(text(value, "reason"), person().email, bool(dry_run))
    moment = None if since is None else parse_time(since)
    found = services().recall(text(value, "target"), moment=moment, suspend=change)
    return jsonify(found), 201 if "statement" in found else 200


@blueprint.post("/reports")
def reports() -> tuple[Response, int]:
    """Queue an audit report."""
    require_role("compliance", "validator")
    value = body()
    candidate = value.get("candidate")
    form = ReportForm(str(value.get("kind", "model-audit")), str(value.get("language", "en")))
    if candidate is not None:
        candidate = check_digest(candidate)
    return jsonify({"job": services().build_report(candidate, person().email, form)}), 202
