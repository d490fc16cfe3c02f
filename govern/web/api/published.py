"""What anyone may read and check: the signed snapshot, and logs as C2SP tlog-tiles."""

from __future__ import annotations

import re
from pathlib import Path

from flask import Blueprint, Response, send_file

from govern.adapters.log_reading import log_folder, published_note
from govern.errors import NotFoundError
from govern.web.auth import services, settings

blueprint = Blueprint("published", __name__)
_TILE = re.compile(r"(entries|[0-9]{1,2})(/x[0-9]{3}){0,6}/[0-9]{3}(\.p/[0-9]{1,3})?")


@blueprint.get("/api/v1/snapshot")
def snapshot() -> Response:
    """The signed list of what may serve now, with the evidence behind it."""
    return Response(services().snapshot_document(), mimetype="application/json")


@blueprint.get("/log/<name>/checkpoint")
def checkpoint(name: str) -> Response:
    """The newest signed checkpoint of a log, with the witnesses' lines if they saw it."""
    note = published_note(log_folder(settings().home, name))
    response = Response(note, mimetype="text/plain")
    response.headers["Cache-Control"] = "no-cache"
    return response


@blueprint.get("/log/<name>/tile/<path:tile>")
def tile(name: str, tile: str) -> Response:
    """A tile of hashes, or a bundle of entries."""
    if not _TILE.fullmatch(tile):
        raise NotFoundError("no such tile")
    folder = log_folder(settings().home, name) / "tile"
    response = _file(folder / tile, "application/octet-stream")
    if ".p/" not in tile:
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


def _file(path: Path, mimetype: str) -> Response:
    if not path.is_file():
        raise NotFoundError("the log has nothing there")
    return send_file(path.absolute(), mimetype=mimetype, conditional=True)
