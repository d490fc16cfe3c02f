"""Each page's server time in the log and in ``Server-Timing``, with its slowest query named."""

from __future__ import annotations

import logging
import time

from flask import Flask, Response, g, request

from govern.adapters.sql.timing import count_queries

SLOW_SECONDS = 0.5
LOG = logging.getLogger("govern.web.timing")


def register(app: Flask) -> None:
    """Time every request of an application."""

    @app.before_request
    def begin() -> None:
        g.began, g.queries = time.perf_counter(), count_queries()

    @app.after_request
    def end(response: Response) -> Response:
        queries = g.get("queries")
        if queries is None or request.endpoint in (None, "static"):
            return response
        took = time.perf_counter() - g.began
        response.headers["Server-Timing"] = (
            f"app;dur={took * 1000:.1f}, db;dur={queries.seconds * 1000:.1f}"
        )
        LOG.log(
            logging.WARNING if took > SLOW_SECONDS else logging.INFO,
            "%s %s %d: %.1f ms, %d queries %.1f ms, slowest %.1f ms: %s",
            request.method,
            request.endpoint,
            response.status_code,
            took * 1000,
            queries.count,
            queries.seconds * 1000,
            queries.slowest_seconds * 1000,
            queries.slowest or "none",
        )
        return response
