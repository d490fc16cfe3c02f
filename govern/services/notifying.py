"""Tell people and systems what happened: which notices an event makes, and when each is tried.

A notice is kept before it is sent, and tried again until it is delivered or given up: at
least once, never silently lost. Webhooks follow Standard Webhooks 1.0.0
(https://www.standardwebhooks.com): its headers, its signature, its schedule. Pure, but for
what is handed in.
"""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit

from govern.errors import InvalidRequestError
from govern.services.ports import AdmissionRow, Person
from govern.transparency.digest import digest_of
from govern.transparency.encoding import format_time, parse_time

EVENTS = ("request", "vote", "closed", "suspension", "reinstatement", "revocation", "expiry")
RETRY_SECONDS = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
FILE_BYTES_MAX = 64 << 10
WEBHOOKS_MAX = 20
SECRET_BYTES = (24, 64)  # Standard Webhooks 1.0.0: between 24 and 64 bytes
SOON_DAYS = 14
ERROR_CHARS_MAX = 500
_ROLES = {
    "request": ("reviewer",),
    "suspension": ("platform", "compliance"),
    "reinstatement": ("platform", "compliance"),
    "revocation": ("platform", "compliance"),
    "expiry": ("platform",),
}


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to one place.

    Args:
        channel: ``mail`` or ``webhook``.
        target: an e-mail address, or the webhook's address.
        body: text, or the JSON that the webhook gets.
        state: ``waiting``, ``sent`` or ``given up``.
        next_us: when it is tried next, unix microseconds.
    """

    id: str
    event: str
    channel: str
    target: str
    subject: str
    body: str
    state: str = "waiting"
    attempts: int = 0
    next_us: int = 0
    created_at: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail server, and in whose name mail is sent."""

    host: str
    port: int
    sender: str
    starttls: bool = True
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where events are posted; none named means all."""

    url: str
    secret: bytes = field(repr=False)
    events: tuple[str, ...] = EVENTS


@dataclass(frozen=True, slots=True)
class Channels:
    """What ``GOVERN_NOTIFY_FILE`` sets up."""

    mail: Mail | None = None
    webhooks: tuple[Webhook, ...] = ()


class Notices(Protocol):
    """Keeps notices, and knows people."""

    def add_notices(self, notices: Sequence[Notice]) -> int:
        """Keep those that are not here yet; return how many."""

    def due_notices(self, now_us: int, limit: int = 50) -> list[Notice]:
        """Return those whose time has come."""

    def claim_notice(self, notice: Notice, next_us: int) -> bool:
        """Count an attempt before it is made; False where another process did."""

    def settle_notice(self, notice_id: str, state: str, error: str | None) -> None:
        """Note how an attempt went."""

    def list_people(self) -> list[Person]:
        """Return everyone."""


def read_channels(data: bytes, read_secret: Callable[[str], str]) -> Channels:
    """Read the file that ``GOVERN_NOTIFY_FILE`` names.

    Args:
        data: JSON with ``mail`` and ``webhooks``, either may be missing.
        read_secret: returns the text of a file that the JSON names.

    Raises:
        InvalidRequestError: something is missing, unknown or of another kind.
    """
    try:
        value = json.loads(data)
        if not set(value) <= {"mail", "webhooks"}:
            raise InvalidRequestError("a notification file has mail and webhooks")
        mail = _mail(dict(value["mail"]), read_secret) if "mail" in value else None
        hooks = tuple(_webhook(dict(item), read_secret) for item in value.get("webhooks", []))
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        raise InvalidRequestError(f"the notification file cannot be read: {error}") from None
    if len(hooks) > WEBHOOKS_MAX:
        raise InvalidRequestError(f"a notification file names at most {WEBHOOKS_MAX} webhooks")
    return Channels(mail, hooks)


def _mail(value: dict[str, Any], read_secret: Callable[[str], str]) -> Mail:
    file = value.pop("password_file", None)
    password = read_secret(file).strip() if file else ""
    found = Mail(sender=value.pop("from"), password=password, **value)
    if found.password and not found.starttls:
        raise InvalidRequestError("a mail password is sent over TLS only: leave starttls on")
    return found


def _webhook(value: dict[str, Any], read_secret: Callable[[str], str]) -> Webhook:
    secret = webhook_secret(read_secret(value.pop("secret_file")))
    events = tuple(value.pop("events", EVENTS))
    parts = urlsplit(value["url"])
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and not (local and parts.scheme == "http"):
        raise InvalidRequestError("a webhook's address begins with https://")
    if set(events) - set(EVENTS):
        raise InvalidRequestError(f"events are {', '.join(EVENTS)}")
    return Webhook(secret=secret, events=events, **value)


def webhook_secret(text: str) -> bytes:
    """Read a Standard Webhooks secret: ``whsec_`` and base64 of 24 to 64 bytes.

    Raises:
        InvalidRequestError: another form.
    """
    try:
        secret = b64decode(text.strip().removeprefix("whsec_"), validate=True)
    except Base64Error:
        secret = b""
    if not SECRET_BYTES[0] <= len(secret) <= SECRET_BYTES[1]:
        raise InvalidRequestError("a webhook's secret is whsec_ and base64 of 24 to 64 bytes")
    return secret


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Args:
        kind: one of ``EVENTS``.
        subject: it in one line.
        about: it in fields: digests and names, no secrets and no personal data but addresses
            of those who acted.
        path: where the portal shows it.
        people: addresses to tell beside those whose role asks for it.
        key: what makes it one event; said again it is not told again.
    """

    kind: str
    subject: str
    about: Mapping[str, Any]
    path: str
    people: tuple[str, ...] = ()
    key: str = ""


def notices_for(
    event: Event, channels: Channels, people: Iterable[Person], *, address: str, now: datetime
) -> list[Notice]:
    """Return the notices that an event makes; who did it is not told.

    Args:
        event: what happened.
        channels: where notices may go.
        people: everyone.
        address: the portal's, for links; may be empty.
        now: the present.
    """
    at = format_time(now.replace(microsecond=0))
    named = [channels.mail is not None and who for who in _readers(event, people)]
    text = f"{event.subject}\n\n{address}{event.path}\n" if address else f"{event.subject}\n"
    payload = {"type": f"govern.{event.kind}", "timestamp": at, "data": dict(event.about)}
    body = json.dumps(payload, sort_keys=True, separators=(",", ":"))
    places = [("mail", who, text) for who in named if who]
    places += [("webhook", one.url, body) for one in channels.webhooks if event.kind in one.events]
    key = event.key or f"{event.subject} {at} {json.dumps(dict(event.about), sort_keys=True)}"
    return [
        Notice(
            id=f"msg_{digest_of(f'{event.kind} {key} {channel} {target}'.encode())[7:39]}",
            event=event.kind,
            channel=channel,
            target=target,
            subject=event.subject[:300],
            body=content,
            next_us=int(now.timestamp() * 1_000_000),
            created_at=at,
        )
        for channel, target, content in places
    ]


def _readers(event: Event, people: Iterable[Person]) -> list[str]:
    roles, actor = _ROLES.get(event.kind, ()), event.about.get("by")
    found = {
        one.email
        for one in people
        if not one.disabled and (set(roles) & set(one.roles) or one.email in event.people)
    }
    return sorted(found - {actor})


def expiry_events(rows: Iterable[AdmissionRow], now: datetime) -> list[Event]:
    """Return an event for each admission that ends within ``SOON_DAYS``, once each."""
    found = []
    for row in rows:
        left = parse_time(row.expires_at) - now
        if row.status == "active" and timedelta(0) < left <= timedelta(days=SOON_DAYS):
            found.append(
                Event(
                    "expiry",
                    f"The admission to {row.deployment} ends at {row.expires_at}.",
                    {"admission": row.digest, "deployment": row.deployment, "at": row.expires_at},
                    "/deployments",
                    key=row.digest,
                )
            )
    return found


def send_due(
    store: Notices,
    send: Callable[[Notice], None],
    *,
    now: datetime,
    tell: Callable[[Notice, str | None], None] = lambda *_: None,
) -> int:
    """Try every notice whose time has come; return how many were delivered.

    An attempt is counted before it is made, so a process that dies costs one attempt and two
    processes do not send the same notice at once.

    Args:
        store: keeps the notices.
        send: delivers one, or raises ``OSError`` or ``ValueError`` with the reason.
        now: the present.
        tell: is told of each attempt, for the log.
    """
    now_us, sent = int(now.timestamp() * 1_000_000), 0
    for notice in store.due_notices(now_us):
        last = notice.attempts >= len(RETRY_SECONDS)
        wait = RETRY_SECONDS[min(notice.attempts, len(RETRY_SECONDS) - 1)]
        if not store.claim_notice(notice, now_us + wait * 1_000_000):
            continue
        error = _attempt(send, notice)
        state = "sent" if error is None else ("given up" if last else "waiting")
        store.settle_notice(notice.id, state, error)
        tell(notice, error)
        sent += error is None
    return sent


def _attempt(send: Callable[[Notice], None], notice: Notice) -> str | None:
    try:
        send(notice)
    except (OSError, ValueError) as error:
        return (str(error) or type(error).__name__)[:ERROR_CHARS_MAX]
    return None
