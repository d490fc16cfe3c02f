"""The OpenAPI 3.1 description, made from the routes and their docstrings."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, Flask, Response, current_app, jsonify

from govern.web.auth import Doors

blueprint = Blueprint("openapi", __name__)
_PARAMETER = re.compile(r"<(?:any\(([^)]*)\):|\w+:)?(\w+)>")


@blueprint.get("/api/v1/openapi.json")
def document() -> Response:
    """This description."""
    return jsonify(describe(current_app))


def describe(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI document of every route under /api, /log and the probes."""
    paths: dict[str, dict[str, Any]] = {}
    doors: Doors = app.extensions["govern.doors"]
    for rule in sorted(app.url_map.iter_rules(), key=lambda item: item.rule):
        if not rule.rule.startswith(("/api/", "/log/", "/healthz", "/readyz", "/metrics")):
            continue
        path = _PARAMETER.sub(r"{\2}", rule.rule)
        view = app.view_functions[rule.endpoint]
        kind = doors.kinds[rule.endpoint.partition(".")[0]]
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            paths.setdefault(path, {})[method.lower()] = _operation(rule, view.__doc__, kind)
    return {
        "openapi": "3.1.0",
        "info": {"title": "govern", "version": "1"},
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Problem": _PROBLEM},
        },
    }


def _operation(rule: Any, words: str | None, door: str) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    operation: dict[str, Any] = {
        "operationId": rule.endpoint.replace(".", "_"),
        "summary": (words or rule.endpoint).strip().splitlines()[0],
        "parameters": [_parameter(*match) for match in _PARAMETER.findall(rule.rule)],
        "responses": {
            "2XX": {"description": "done"},
            "default": {"description": "a problem (RFC 9457)", "content": problem},
        },
    }
    if door != "open":
        operation["security"] = [{"token": []}]
    return operation


def _parameter(choices: str, name: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if choices:
        schema["enum"] = [item.strip() for item in choices.split(",")]
    return {"name": name, "in": "path", "required": True, "schema": schema}


_PROBLEM = {
    "type": "object",
    "required": ["title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "reasons": {"type": "array", "items": {"type": "string"}},
    },
}
