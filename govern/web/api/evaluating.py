"""What the CI step asks for: evidence and packs to decide under, and what would be decided.

Nothing is recorded here, so a token with the scope ``read`` is enough.
"""

from __future__ import annotations

from datetime import date

from flask import Blueprint, Response, jsonify, request

from govern.domain.dossier import pack
from govern.errors import InvalidRequestError
from govern.transparency.digest import check_digest
from govern.web.auth import services

blueprint = Blueprint("api_evaluate", __name__, url_prefix="/api/v1")


@blueprint.get("/candidates/<digest>/evidence")
def evidence(digest: str) -> Response:
    """A candidate's evidence folder as a zip, without the model's bytes."""
    files = services().evidence_files(check_digest(digest))
    return Response(pack(files), mimetype="application/zip")


@blueprint.get("/packs")
def packs() -> Response:
    """The policy packs that this service decides under, with their exact text."""
    rows = [
        {"id": one.id, "version": one.version, "digest": one.digest, "source": one.source.decode()}
        for one in services().packs_to_decide_under()
    ]
    return jsonify({"packs": rows})


@blueprint.get("/candidates/<digest>/evaluation")
def evaluation(digest: str) -> Response:
    """What would be decided, as of a day (``?as_of=``; default today, UTC)."""
    decision = services().evaluation(check_digest(digest), _day(request.args.get("as_of")))
    return jsonify(
        {
            "outcome": decision.outcome,
            "decision_digest": decision.digest,
            "decision": decision.to_json(),
        }
    )


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidRequestError(f"as_of is a day like 2026-11-25, got {text[:40]!r}") from None
