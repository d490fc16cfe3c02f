"""Errors become problem+json (RFC 9457) for programs and a calm page for people."""

from __future__ import annotations

import logging

from flask import Flask, Response, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from govern.errors import (
    ConflictError,
    GovernError,
    InvalidRequestError,
    MalformedError,
    MissingPartError,
    NotFoundError,
    RefusedError,
    StorageError,
    VerificationError,
)
from govern.web.auth import NotSignedInError

_STATUS: tuple[tuple[type[GovernError], int, str], ...] = (
    (NotSignedInError, 401, "Sign in first"),
    (NotFoundError, 404, "Not found"),
    (ConflictError, 409, "This contradicts the present state"),
    (RefusedError, 403, "Refused"),
    (InvalidRequestError, 400, "The request cannot be understood"),
    (MalformedError, 400, "The request cannot be read"),
    (VerificationError, 422, "The evidence does not verify"),
    (StorageError, 503, "Storage is not available"),
    (MissingPartError, 503, "A part of the system is missing"),
)
_log = logging.getLogger("govern.web")


def register(app: Flask) -> None:
    """Attach the handlers."""
    app.register_error_handler(GovernError, _govern_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def _govern_error(error: GovernError) -> Response:
    status, title = next(
        ((status, title) for kind, status, title in _STATUS if isinstance(error, kind)),
        (500, "Something went wrong"),
    )
    return answer(status, title, str(error), tuple(getattr(error, "reasons", ())))


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if status < 400:
        return make_response(error.get_response())
    return answer(status, error.name, str(error.description or error.name), ())


def _unexpected(error: Exception) -> Response:
    _log.error("request failed", exc_info=error)
    return answer(500, "Something went wrong", "it was logged; nothing was changed by halves", ())


def answer(status: int, title: str, detail: str, reasons: tuple[str, ...]) -> Response:
    """Return the error as problem+json under /api, /log and probes, else as a page."""
    if request.path.startswith(("/api/", "/log/", "/healthz", "/readyz", "/metrics")):
        body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        response = jsonify(body | ({"reasons": list(reasons)} if reasons else {}))
        response.mimetype = "application/problem+json"
    else:
        response = make_response(
            render_template(
                "error.html", status=status, title=title, detail=detail, reasons=reasons
            )
        )
    response.status_code = status
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="govern"'
    return response
