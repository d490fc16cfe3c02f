"""Who is asking, and through which door.

Every blueprint is registered through ``Doors``, which attaches the check and remembers the
door's kind; a test counts them. Sessions are signed cookies that name the person and a
fingerprint of the password hash, so that a changed password ends them; roles are read anew
with each request. Forms carry a CSRF token; the API takes bearer tokens and no cookies.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable
from typing import cast

from flask import Blueprint, Flask, Response, current_app, g, redirect, request, session, url_for
from werkzeug.wrappers import Response as BaseResponse

from govern.errors import InvalidRequestError, NotFoundError, RefusedError
from govern.services.ports import Person
from govern.web.config import (
    FORM_BYTES_MAX,
    SESSION_SECONDS,
    SIGN_IN_PER_MINUTE,
    WebServices,
    WebSettings,
)

Answer = BaseResponse | Response | None


class NotSignedInError(RefusedError):
    """The request names nobody."""


def services() -> WebServices:
    """Return the services of this application."""
    return cast(WebServices, current_app.extensions["govern"][0])


def settings() -> WebSettings:
    """Return the settings of this application."""
    return cast(WebSettings, current_app.extensions["govern"][1])


def throttle() -> Throttle:
    """Return the sign-in throttle of this application."""
    return cast(Throttle, current_app.extensions["govern.throttle"])


def person() -> Person:
    """Return who is asking; only behind a door."""
    return cast(Person, g.person)


def require_role(*roles: str) -> None:
    """Refuse who has none of these roles.

    Raises:
        RefusedError: it says which role is needed.
    """
    if not set(roles) & set(person().roles):
        wanted = " or ".join(roles)
        raise RefusedError(f"this needs the role {wanted}; you are {_roles(person())}")


def _roles(who: Person) -> str:
    return ", ".join(who.roles) or "without a role"


def withdraw_own(request_id: str) -> None:
    """Withdraw an approval request that the person made.

    Raises:
        RefusedError: someone else made it.
        NotFoundError: there is none.
    """
    found = services().records.request(request_id)
    if found is None:
        raise NotFoundError("no approval request has this id")
    if found.requested_by != person().email:
        raise RefusedError(f"only {found.requested_by}, who asked, can withdraw this request")
    services().withdraw_request(request_id, person().email)


class Doors:
    """Registers blueprints behind open, session and token doors."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self.kinds: dict[str, str] = {}
        self.reasons: dict[str, str] = {}
        app.extensions["govern.doors"] = self
        app.extensions["govern.throttle"] = Throttle()

    def open(self, blueprint: Blueprint, reason: str) -> None:
        """Register without a check; the reason is kept beside it."""
        self.reasons[blueprint.name] = reason
        self._add(blueprint, "open", None)

    def session(self, blueprint: Blueprint) -> None:
        """Register behind a signed-in person; every POST needs the CSRF token."""
        self._add(blueprint, "session", _check_session)

    def token(self, blueprint: Blueprint, scope: str) -> None:
        """Register behind a bearer token with a scope."""

        def check() -> Answer:
            return _check_token(scope)

        self._add(blueprint, f"token:{scope}", check)

    def _add(self, blueprint: Blueprint, kind: str, check: Callable[[], Answer] | None) -> None:
        self.kinds[blueprint.name] = kind
        self._app.register_blueprint(blueprint)
        if check is not None:
            self._app.before_request_funcs.setdefault(blueprint.name, []).insert(0, check)


def _check_session() -> Answer:
    found = signed_in()
    if found is None:
        if request.method in ("GET", "HEAD"):
            return redirect(url_for("signing_in.sign_in", next=request.full_path.rstrip("?")))
        raise NotSignedInError("sign in first")
    g.person = found
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        request.max_content_length = FORM_BYTES_MAX
        check_csrf()
        if (
            "auditor" in found.roles
            and len(found.roles) == 1
            and request.endpoint not in ("people.sign_out",)
        ):
            raise RefusedError("an auditor reads all and changes nothing")
    return None


def signed_in() -> Person | None:
    """Return the person of this session, where it still holds."""
    email, at = session.get("email"), session.get("at", 0)
    if not isinstance(email, str) or time.time() - at > SESSION_SECONDS:
        return None
    found = services().records.person(email)
    if found is None or found.disabled:
        return None
    return found if hmac.compare_digest(session.get("key", ""), _fingerprint(found)) else None


def begin_session(who: Person) -> None:
    """Start a fresh session for a person."""
    session.clear()
    session.update(
        email=who.email, at=int(time.time()), key=_fingerprint(who), csrf=secrets.token_urlsafe(24)
    )


def _fingerprint(who: Person) -> str:
    return hashlib.sha256((who.password_hash or who.email).encode()).hexdigest()[:32]


def csrf_token() -> str:
    """Return this session's CSRF token, making one where there is none."""
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(24)
    return str(session["csrf"])


def check_csrf() -> None:
    """Refuse a form without this session's token.

    Raises:
        InvalidRequestError: missing or another one.
    """
    given, wanted = request.form.get("csrf", ""), str(session.get("csrf", ""))
    if not wanted or not hmac.compare_digest(given.encode(), wanted.encode()):
        raise InvalidRequestError("this form is out of date; go back, reload and send it again")


def _check_token(scope: str) -> Answer:
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not secret.strip():
        raise NotSignedInError("send an API token as `Authorization: Bearer …`")
    found = services().records.token_owner(secret.strip())
    if found is None:
        raise NotSignedInError("the API token is unknown, expired or revoked")
    g.person, token = found
    if scope not in token.scopes:
        raise RefusedError(f"the API token lacks the scope {scope!r}")
    return None


class Throttle:
    """At most so many events in a minute for one key; kept in memory, per process."""

    KEYS_MAX = 10_000

    def __init__(self, per_minute: int = SIGN_IN_PER_MINUTE) -> None:
        self._per_minute = per_minute
        self._seen: dict[str, deque[float]] = {}

    def allow(self, key: str, now: float) -> bool:
        """Count an event; False where there were too many."""
        if len(self._seen) > self.KEYS_MAX:
            self._seen.clear()
        events = self._seen.setdefault(key, deque())
        while events and events[0] < now - 60:
            events.popleft()
        if len(events) >= self._per_minute:
            return False
        events.append(now)
        return True
