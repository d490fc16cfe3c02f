"""API reads: candidates, statements, jobs, approval requests and admissions as JSON."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request

from govern.errors import InvalidRequestError, NotFoundError
from govern.services import viewing
from govern.transparency.digest import check_digest
from govern.web.auth import services

blueprint = Blueprint("api_read", __name__, url_prefix="/api/v1")


@blueprint.get("/candidates")
def candidates() -> Response:
    """Search the inventory."""
    page = viewing.inventory_view(
        services().records,
        query=request.args.get("q", ""),
        status=request.args.get("status") or None,
        tier=request.args.get("tier") or None,
        sort=request.args.get("sort", "-registered_at"),
        page=number("page", 1),
        size=number("size", 50),
    )
    return jsonify(asdict(page))


@blueprint.get("/candidates/<digest>")
def candidate(digest: str) -> Response:
    """One candidate with decision, checks, votes, admissions and statements."""
    view = viewing.candidate_view(services().records, check_digest(digest), datetime.now(UTC))
    return jsonify(_plain(view))


@blueprint.get("/statements/<digest>")
def statement(digest: str) -> Response:
    """One statement as the exact Sigstore bundle that was stored."""
    bundle = services().records.bundle(check_digest(digest))
    if bundle is None:
        raise NotFoundError("no statement has this digest")
    return Response(bundle, mimetype="application/vnd.dev.sigstore.bundle.v0.3+json")


@blueprint.get("/lineage/<digest>")
def lineage(digest: str) -> Response:
    """The lineage around a digest: nodes, edges and gaps; ``?records=1`` counts gate records."""
    records = number("records", 0) > 0
    return jsonify(services().lineage(check_digest(digest), records=records))


@blueprint.get("/jobs/<job_id>")
def job(job_id: str) -> Response:
    """One job and its progress."""
    found = services().records.job(job_id)
    if found is None:
        raise NotFoundError("no job has this id")
    return jsonify(asdict(found))


@blueprint.get("/approval-requests")
def approval_requests() -> Response:
    """Approval requests in a state (default ``open``)."""
    rows = services().records.list_requests(state=request.args.get("state", "open"))
    return jsonify({"requests": [asdict(row) for row in rows]})


@blueprint.get("/admissions")
def admissions() -> Response:
    """Admissions, newest first."""
    rows = services().records.list_admissions(deployment=request.args.get("deployment") or None)
    return jsonify({"admissions": [asdict(row) for row in rows]})


def number(name: str, default: int) -> int:
    """Return a whole number from the query.

    Raises:
        InvalidRequestError: it is none.
    """
    text = request.args.get(name, "") or str(default)
    if not text.isdecimal() or len(text) > 9:
        raise InvalidRequestError(f"{name} is a whole number")
    return int(text)


def _plain(view: dict[str, Any]) -> dict[str, Any]:
    dataclass_lists = ("admissions", "requests", "jobs")
    return {
        **view,
        "row": asdict(view["row"]),
        **{name: [asdict(item) for item in view[name]] for name in dataclass_lists},
    }
