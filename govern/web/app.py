"""The application factory: wiring only. Who may enter is in ``auth``, pages in blueprints."""

from __future__ import annotations

from flask import Flask

from govern.web import errors, headers, timing
from govern.web.api import (
    actions,
    evaluating,
    lineage_events,
    openapi,
    outcomes,
    probes,
    published,
    reading,
)
from govern.web.auth import Doors
from govern.web.config import UPLOAD_BYTES_MAX, WebServices, WebSettings
from govern.web.portal import (
    deployments,
    inventory,
    logs,
    passkeys,
    people,
    review,
    signing_in,
    single_sign_on,
    words,
)


def create_app(services: WebServices, settings: WebSettings) -> Flask:
    """Return the WSGI application.

    Args:
        services: what acts and reads.
        settings: how it is set up.
    """
    app = Flask("govern.web")
    app.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=UPLOAD_BYTES_MAX,
        SESSION_COOKIE_NAME="govern",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.cookie_secure,
    )
    app.extensions["govern"] = (services, settings)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    timing.register(app)
    doors = Doors(app)
    doors.open(probes.blueprint, "probes tell counts and no names")
    doors.open(openapi.blueprint, "the description of the API holds no data")
    doors.open(published.blueprint, "logs and snapshots are signed and meant to be read by all")
    doors.open(signing_in.blueprint, "one must be able to sign in")
    doors.open(single_sign_on.blueprint, "one must be able to come back from the provider")
    doors.token(reading.blueprint, "read")
    doors.token(evaluating.blueprint, "read")
    doors.token(actions.blueprint, "write")
    doors.token(lineage_events.blueprint, "lineage")
    doors.token(outcomes.blueprint, "outcomes")
    doors.session(inventory.blueprint)
    doors.session(logs.blueprint)
    doors.session(review.blueprint)
    doors.session(deployments.blueprint)
    doors.session(people.blueprint)
    doors.session(passkeys.blueprint)
    single_sign_on.register(app, settings.provider)
    errors.register(app)
    headers.register(app)
    words.register(app)
    return app
