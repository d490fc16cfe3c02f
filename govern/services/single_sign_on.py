"""Who an OpenID Connect provider says someone is, and which roles follow from it. Pure.

Source: OpenID Connect Core 1.0, section 5.1 (claims). Roles follow from groups alone, anew
with every sign-in; a person of no known group has none and does not enter. A provider never
takes over an account that has a password here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from govern.errors import InvalidRequestError, RefusedError
from govern.services.ports import ROLES, Person

FILE_BYTES_MAX = 64 << 10
GROUPS_MAX = 1000
_NEEDED = {"issuer", "client_id", "client_secret_file", "roles"}
_KNOWN = _NEEDED | {"name", "roles_claim", "email_verified", "scope"}


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenID Connect provider.

    Args:
        issuer: its address, as its tokens name it.
        client_id: this portal's name there.
        client_secret: the secret that goes with it.
        roles: group to roles.
        name: what the button calls it.
        roles_claim: the claim that lists a person's groups.
        email_verified: refuse an address that the provider does not call verified.
        scope: what is asked for.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    roles: Mapping[str, Sequence[str]]
    name: str = "single sign-on"
    roles_claim: str = "groups"
    email_verified: bool = True
    scope: str = "openid email profile"


def read_provider(data: bytes, read_secret: Callable[[str], str]) -> Provider:
    """Read the file that ``GOVERN_OIDC_FILE`` names.

    Args:
        data: JSON.
        read_secret: returns the text of the file that ``client_secret_file`` names.

    Raises:
        InvalidRequestError: something is missing, unknown or of another kind.
    """
    try:
        value = json.loads(data)
        given = set(value)
        if not _NEEDED <= given <= _KNOWN:
            raise InvalidRequestError(
                f"the OpenID Connect file has {', '.join(sorted(_NEEDED))}, and may have "
                f"{', '.join(sorted(_KNOWN - _NEEDED))}; got {', '.join(sorted(given))}"
            )
        secret = read_secret(value.pop("client_secret_file")).strip()
        found = Provider(client_secret=secret, **value)
        held = {role for roles in found.roles.values() for role in roles}
    except (ValueError, TypeError, AttributeError, OSError) as error:
        raise InvalidRequestError(f"the OpenID Connect file cannot be read: {error}") from None
    parts = urlsplit(found.issuer)
    if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise InvalidRequestError("an OpenID Connect issuer is an https:// address")
    if held - set(ROLES):
        raise InvalidRequestError(f"unknown roles {sorted(held - set(ROLES))}; roles: {ROLES}")
    return found


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who arrives from a provider, with which roles."""

    email: str
    name: str
    roles: tuple[str, ...]


def arrival(claims: Mapping[str, Any], provider: Provider) -> Arrival:
    """Return who the claims of a verified ID token name.

    Raises:
        RefusedError: no verified address, or no group that gives a role here.
    """
    email = claims.get("email")
    if not isinstance(email, str) or not email:
        raise RefusedError(f"{provider.name} says no e-mail address of yours")
    if provider.email_verified and claims.get("email_verified") is not True:
        raise RefusedError(f"{provider.name} does not call your address verified")
    groups = claims.get(provider.roles_claim, [])
    if not isinstance(groups, list) or len(groups) > GROUPS_MAX:
        raise RefusedError(
            f"{provider.name} lists no groups of yours in the claim {provider.roles_claim!r}"
        )
    roles = {role for group in groups for role in provider.roles.get(str(group), ())}
    if not roles:
        raise RefusedError("none of your groups has a role here; ask an administrator")
    name = claims.get("name")
    return Arrival(email, name if isinstance(name, str) else "", tuple(sorted(roles)))


def require_no_take_over(known: Person | None, provider: Provider) -> None:
    """Refuse a provider's word for an account that has a password here, or was disabled.

    Raises:
        RefusedError: it has, or was.
    """
    if known is not None and known.password_hash:
        raise RefusedError(
            f"this address has a password here, so {provider.name} does not open it; sign in "
            "with the password"
        )
    if known is not None and known.disabled:
        raise RefusedError("this account is disabled; ask an administrator")
