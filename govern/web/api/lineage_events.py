"""``POST /api/v1/lineage``: OpenLineage events as its own HTTP transport sends them.

Each event is checked and kept before it is answered; a worker signs the run once it has ended.
The token needs the scope ``lineage`` and nothing else, so that a pipeline can tell and not act.
"""

from __future__ import annotations

import zlib
from typing import cast

from flask import Blueprint, Response, current_app, jsonify, request

from govern.adapters.lineage_inbox import LineageInbox
from govern.adapters.sources.openlineage_inbox import receive
from govern.bootstrap import utc_now
from govern.domain.openlineage import EVENT_BYTES_MAX
from govern.errors import InvalidRequestError, MalformedError
from govern.web.auth import person, settings

blueprint = Blueprint("api_lineage", __name__, url_prefix="/api/v1")
_GZIP = 16 + zlib.MAX_WBITS


@blueprint.post("/lineage")
def event() -> tuple[Response, int]:
    """Keep one OpenLineage event; it becomes lineage once its run has ended."""
    request.max_content_length = EVENT_BYTES_MAX
    data = request.get_data(cache=False)
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip"):
        raise InvalidRequestError(f"Content-Encoding is gzip or none, not {coding:.40}")
    if coding == "gzip":
        data = _unzipped(data)
    kept = receive(_inbox(), data, sender=person().email, now=utc_now())
    if kept is None:
        return jsonify({"kept": False, "why": "only events about a run become lineage"}), 200
    return jsonify({"kept": True, "run": kept}), 201


def _inbox() -> LineageInbox:
    """Return this application's inbox, one for all its threads."""
    kept = current_app.extensions
    return cast(LineageInbox, kept.setdefault("govern.inbox", LineageInbox(settings().home)))


def _unzipped(data: bytes) -> bytes:
    """Return what was zipped, no more than an event may have: a bomb is never unpacked."""
    opened = zlib.decompressobj(_GZIP)
    try:
        found = opened.decompress(data, EVENT_BYTES_MAX + 1)
    except zlib.error:
        raise MalformedError("the body is not gzip, as its Content-Encoding says") from None
    if not opened.eof and len(found) <= EVENT_BYTES_MAX:
        raise MalformedError("the zipped body ends too early")
    return found
