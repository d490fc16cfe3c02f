"""Probes: alive, ready, and counts for a metrics scraper. No names, no digests."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from govern.services.ports import JOB_STATES
from govern.web.auth import services

blueprint = Blueprint("probes", __name__)
METRIC_JOBS_MAX = 1_000


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process answers."""
    return jsonify({"status": "alive"})


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """The database answers as well."""
    ready = services().records.ready()
    return jsonify({"status": "ready" if ready else "database unavailable"}), 200 if ready else 503


@blueprint.get("/metrics")
def metrics() -> Response:
    """Counts in the Prometheus text format."""
    records = services().records
    lines = ["# TYPE govern_statements gauge", f"govern_statements {records.count_statements()}"]
    lines.append("# TYPE govern_candidates gauge")
    lines.append(f"govern_candidates {records.list_candidates(size=1).total}")
    lines.append("# TYPE govern_approval_requests_open gauge")
    lines.append(f"govern_approval_requests_open {len(records.list_requests(state='open'))}")
    lines.append("# TYPE govern_jobs gauge")
    for state in JOB_STATES:
        count = len(records.list_jobs(state=state, limit=METRIC_JOBS_MAX))
        lines.append(f'govern_jobs{{state="{state}"}} {count}')
    return Response("\n".join(lines) + "\n", mimetype="text/plain")
