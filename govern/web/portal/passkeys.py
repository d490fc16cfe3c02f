"""Passkeys: making one on one's account page, and having one sign a vote.

What is signed is the vote itself (``govern.transparency.passkey``). Between the page that
shows the words and the answer the words travel with the form, sealed by this service.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key
from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.wrappers import Response

from govern.adapters.webauthn_registration import read_registration
from govern.domain.ballot import NAMESPACE, ballot
from govern.errors import ConflictError, InvalidRequestError, NotFoundError
from govern.services.ports import OwnKeys, PasskeyRow, Person
from govern.transparency.digest import check_digest, digest_of
from govern.transparency.encoding import format_time
from govern.transparency.passkey import pack_assertion
from govern.transparency.sshsig import armor_passkey, signed_blob
from govern.web.auth import person, services, settings

blueprint = Blueprint("passkeys", __name__)
WORDS_SECONDS_MAX = 900
ANSWER_CHARS_MAX = 16 << 10
PROMPT_MS = 120_000
ES256 = -7


def portal_origin() -> str:
    """Return the portal's address as browsers know it: the setting, or this request's."""
    return settings().origin or request.host_url.rstrip("/")


def relying_party() -> str:
    """Return the relying party's id: the host of the portal's address."""
    return urlsplit(portal_origin()).hostname or ""


def passkeys_possible() -> bool:
    """Say whether a browser makes passkeys here: for names, and never for numbers."""
    try:
        ipaddress.ip_address(relying_party())
    except ValueError:
        return True
    return False


# -- making one ---------------------------------------------------------------


def creation_options(who: Person, present: list[PasskeyRow]) -> dict[str, Any]:
    """Return what the browser needs to make a passkey, and remember the challenge."""
    session["passkey_challenge"] = challenge = b64url(secrets.token_bytes(32))
    return {
        "rp": {"id": relying_party(), "name": f"Govern, {settings().organisation}"},
        "user": {
            "id": b64url(digest_of(who.email.encode()).encode()[:64]),
            "name": who.email,
            "displayName": who.name or who.email,
        },
        "challenge": challenge,
        "pubKeyCredParams": [{"type": "public-key", "alg": ES256}],
        "authenticatorSelection": {"residentKey": "preferred", "userVerification": "required"},
        "excludeCredentials": [{"type": "public-key", "id": row.credential} for row in present],
        "attestation": "direct",
        "timeout": PROMPT_MS,
    }


@blueprint.post("/account/passkeys")
def add() -> Response:
    """Keep a passkey that the browser made; it counts once the trust file names it."""
    challenge = session.pop("passkey_challenge", "")
    if not challenge:
        raise ConflictError("this page is out of date; reload it and make the passkey again")
    row = read_registration(
        request.form.get("answer", ""),
        challenge=from_b64url(challenge),
        rp_id=relying_party(),
        origin=portal_origin(),
        email=person().email,
        name=request.form.get("name", "").strip() or "passkey",
        at=format_time(datetime.now(UTC).replace(microsecond=0)),
    )
    services().records.add_passkey(row)
    flash("Made. It signs votes once whoever keeps the root's key has enrolled it.")
    return redirect(url_for("people.account", _anchor="passkeys"))


@blueprint.post("/account/passkeys/<digest>/remove")
def remove(digest: str) -> Response:
    """Forget one's own passkey; a key in the trust file stays there until it is revoked."""
    if not services().records.remove_passkey(check_digest(digest), email=person().email):
        raise NotFoundError("no such passkey")
    flash("Forgotten here. Where it is enrolled, have it revoked as well.")
    return redirect(url_for("people.account", _anchor="passkeys"))


# -- having one sign ------------------------------------------------------------


def signing_page(request_id: str, words: Mapping[str, Any], keys: OwnKeys, view: Any) -> str:
    """Return the page that shows a vote's words and has a passkey sign them."""
    mine = [
        row for row in services().records.passkeys_of(person().email) if row.key_id in keys.passkeys
    ]
    data = ballot(words)
    options = {
        "challenge": b64url(signed_blob(data, NAMESPACE)),
        "rpId": relying_party(),
        "allowCredentials": [{"type": "public-key", "id": row.credential} for row in mine],
        "userVerification": "required",
        "timeout": PROMPT_MS,
    }
    return render_template(
        "sign_vote.html",
        request_id=request_id,
        words=words,
        ballot=data.decode(),
        digest=digest_of(data),
        options=options,
        sealed=_seal().dumps(dict(words)),
        view=view,
        keys=mine,
    )


@blueprint.post("/approvals/<request_id>/sign")
def sign(request_id: str) -> Response:
    """Cast the vote whose words came back with a passkey's signature."""
    words = _opened(request.form.get("words", ""))
    if words.get("approver") != person().email:
        raise InvalidRequestError("these words were prepared for somebody else")
    signature = _signature(request.form.get("answer", ""))
    services().cast_vote(request_id, words, signature)
    flash("Your vote is signed with your passkey and in the log.")
    return redirect(url_for("review.approval", request_id=request_id, _anchor="votes"))


def _signature(answer: str) -> str:
    """Return the browser's answer as an armored SSH signature."""
    if len(answer) > ANSWER_CHARS_MAX:
        raise InvalidRequestError(f"a passkey's answer has at most {ANSWER_CHARS_MAX} characters")
    try:
        value = json.loads(answer)
        credential, parts = value["id"], value["response"]
        names = ("authenticatorData", "clientDataJSON", "signature")
        inner = pack_assertion(*(from_b64url(parts[name]) for name in names))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InvalidRequestError("the passkey's answer cannot be read; sign again") from None
    for row in services().records.passkeys_of(person().email):
        if row.credential == credential:
            key = load_der_public_key(b64decode(row.public_key))
            assert isinstance(key, ec.EllipticCurvePublicKey)
            return armor_passkey(key, row.rp_id, NAMESPACE, inner)
    raise InvalidRequestError("this passkey is not one of yours; see your account page")


def _seal() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(settings().secret_key, salt="ballot")


def _opened(sealed: str) -> dict[str, Any]:
    try:
        words = _seal().loads(sealed, max_age=WORDS_SECONDS_MAX)
    except BadData:
        raise ConflictError(
            "this page is out of date; go back to the review and vote again"
        ) from None
    assert isinstance(words, dict)
    return words


def b64url(data: bytes) -> str:
    """Return base64 for addresses, without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def from_b64url(text: str) -> bytes:
    """Read base64 for addresses, without padding.

    Raises:
        ValueError: it is none.
    """
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except Base64Error as error:
        raise ValueError(str(error)) from None
