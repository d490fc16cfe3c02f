"""Sign in through an OpenID Connect provider: there and back, by Authlib.

The authorization code flow with state, nonce and PKCE (OpenID Connect Core 1.0, section 3.1;
RFC 7636). Authlib checks signature, issuer, audience, times and nonce of the ID token.
"""

from __future__ import annotations

import time
from typing import Any, cast

from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Blueprint, Flask, current_app, redirect, url_for
from joserfc.errors import JoseError
from requests import RequestException
from werkzeug.wrappers import Response

from govern.errors import InvalidRequestError, NotFoundError, RefusedError
from govern.services.single_sign_on import Provider, arrival, require_no_take_over
from govern.web import auth
from govern.web.portal.passkeys import portal_origin

blueprint = Blueprint("single_sign_on", __name__)
TIMEOUT_SECONDS = 10
_TROUBLE = (OAuthError, JoseError, RequestException, ValueError, KeyError)


def register(app: Flask, provider: Provider | None) -> None:
    """Make the provider known to the application, where there is one."""
    oauth = OAuth(app)
    if provider is not None:
        oauth.register(
            "provider",
            client_id=provider.client_id,
            client_secret=provider.client_secret,
            server_metadata_url=f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": provider.scope,
                "code_challenge_method": "S256",
                "default_timeout": TIMEOUT_SECONDS,
            },
        )
    app.extensions["govern.oauth"] = oauth


def _provider() -> tuple[Provider, Any]:
    provider = auth.settings().provider
    if provider is None:
        raise NotFoundError("no single sign-on is set up here")
    return provider, cast(OAuth, current_app.extensions["govern.oauth"]).provider


@blueprint.get("/sign-in/provider")
def leave() -> Response:
    """Send the browser to the provider."""
    provider, client = _provider()
    if not auth.throttle().allow("provider", time.monotonic()):
        raise RefusedError("too many people sign in just now; wait a minute")
    back = portal_origin() + url_for("single_sign_on.come_back")
    try:
        return cast(Response, client.authorize_redirect(back))
    except _TROUBLE as error:
        raise RefusedError(f"{provider.name} does not answer: {_short(error)}") from None


@blueprint.get("/sign-in/provider/back")
def come_back() -> Response:
    """Take the provider's answer and begin a session."""
    provider, client = _provider()
    try:
        claims = client.authorize_access_token()["userinfo"]
    except _TROUBLE as error:
        raise RefusedError(f"{provider.name} did not let you in: {_short(error)}") from None
    who, records = arrival(claims, provider), auth.services().records
    require_no_take_over(records.person(who.email), provider)
    try:
        auth.begin_session(records.put_person(who.email, name=who.name[:200], roles=who.roles))
    except InvalidRequestError as error:
        raise RefusedError(f"your groups do not fit here: {error}") from None
    return redirect(url_for("inventory.home"))


def _short(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__
