"""``POST /api/v1/outcomes``: what became known of answers, for the monitors.

The token needs the scope ``outcomes`` and nothing else: whoever knows what came of an answer
need not be able to read or to act.
"""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from govern.adapters.outcomes_store import OutcomesStore
from govern.bootstrap import utc_now
from govern.errors import InvalidRequestError
from govern.transparency.encoding import format_time
from govern.web.auth import person, settings

blueprint = Blueprint("api_outcomes", __name__, url_prefix="/api/v1")
BODY_BYTES_MAX = 8 << 20


@blueprint.post("/outcomes")
def outcomes() -> tuple[Response, int]:
    """Keep outcomes and groups of answered rows: ``deployment`` and ``rows``."""
    request.max_content_length = BODY_BYTES_MAX
    value = request.get_json(silent=True)
    if not isinstance(value, dict) or not isinstance(value.get("deployment"), str):
        raise InvalidRequestError("send a JSON object with `deployment` and `rows`")
    rows = value.get("rows")
    if not isinstance(rows, list):
        raise InvalidRequestError("`rows` is a list of objects with index, row, outcome, groups")
    kept = OutcomesStore(settings().home).add(
        value["deployment"], rows, sender=person().email, received_at=format_time(utc_now())
    )
    return jsonify({"kept": kept}), 201
