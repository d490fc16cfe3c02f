"""Notices reach a real SMTP server (aiosmtpd) and a real webhook, signed, retried, and are kept."""

from __future__ import annotations

import base64
import email
import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from aiosmtpd.controller import Controller
from standardwebhooks.webhooks import Webhook as StockWebhook
from standardwebhooks.webhooks import WebhookVerificationError

from govern.adapters.notice_sending import NoticeSender
from govern.adapters.sql.records import Records
from govern.errors import InvalidRequestError
from govern.services.notifying import (
    RETRY_SECONDS,
    Channels,
    Event,
    Mail,
    Webhook,
    expiry_events,
    notices_for,
    read_channels,
    send_due,
)
from govern.services.ports import AdmissionRow

pytestmark = pytest.mark.functional
NOW = datetime.now(UTC).replace(microsecond=0)
SECRET = b"s" * 32
ADDRESS = "https://govern.bank.example"
ASKED = Event(
    "request", "ada@x.example asks for approval\nof a high-tier candidate.",
    {"request": "r1", "by": "ada@x.example"}, "/approvals/r1", key="r1",
)  # fmt: skip


class Inbox:
    """Keeps what an SMTP server took."""

    def __init__(self) -> None:
        self.letters: list[tuple[list[str], email.message.EmailMessage]] = []

    async def handle_DATA(self, server, session, envelope) -> str:  # noqa: N802 - aiosmtpd's name
        letter = email.message_from_bytes(envelope.content, policy=policy.default)
        self.letters.append((envelope.rcpt_tos, letter))
        return "250 taken"


class Hook(BaseHTTPRequestHandler):
    """Answers what the server is told to, and keeps what came."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.came.append((dict(self.headers), body))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 204)
        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def places() -> Iterator[tuple[Inbox, ThreadingHTTPServer, Channels]]:
    inbox = Inbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mail = Controller(inbox, hostname="127.0.0.1", port=port)
    mail.start()
    hook = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    hook.came, hook.answers = [], []
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    channels = Channels(
        Mail("127.0.0.1", port, "govern@bank.example", starttls=False),
        (Webhook(f"http://127.0.0.1:{hook.server_port}/hook", SECRET),),
    )
    yield inbox, hook, channels
    mail.stop()
    hook.shutdown()


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Records]:
    found = Records.open(tmp_path_factory.mktemp("notices") / "govern.db", migrate=True)
    for name, roles in (("ada", ["author"]), ("rosa", ["reviewer"]), ("tomas", ["reviewer"]), ("priya", ["platform"])):
        found.put_person(f"{name}@x.example", name=name, roles=roles)
    found.put_person("gone@x.example", name="gone", roles=["reviewer"], disabled=True)
    yield found
    found.close()


def keep(records: Records, channels: Channels, event: Event) -> int:
    return records.add_notices(notices_for(event, channels, records.list_people(), address=ADDRESS, now=NOW))


def test_a_request_reaches_reviewers_by_mail_and_systems_by_a_signed_webhook(places, records: Records) -> None:
    inbox, hook, channels = places
    assert keep(records, channels, ASKED) == 3
    assert keep(records, channels, ASKED) == 0  # said again it is not told again
    sender = NoticeSender(channels, lambda: datetime.now(UTC))
    assert send_due(records, sender, now=NOW) == 3
    assert send_due(records, sender, now=NOW + timedelta(days=2)) == 0
    assert sorted(to for rcpt, _ in inbox.letters for to in rcpt) == ["rosa@x.example", "tomas@x.example"]
    letter = inbox.letters[0][1]
    assert letter["Subject"] == "ada@x.example asks for approval of a high-tier candidate."
    assert f"{ADDRESS}/approvals/r1" in letter.get_content()
    headers, body = hook.came[-1]
    stock = StockWebhook("whsec_" + base64.b64encode(SECRET).decode())
    said = stock.verify(body, {key.lower(): value for key, value in headers.items()})
    assert said["type"] == "govern.request" and said["data"]["request"] == "r1"
    with pytest.raises(WebhookVerificationError):
        stock.verify(body.replace(b"r1", b"r2"), {key.lower(): value for key, value in headers.items()})


def test_a_webhook_that_refuses_is_tried_again_later_and_given_up_in_the_end(places, records: Records) -> None:
    _, hook, channels = places
    alone = Channels(None, channels.webhooks)
    sender, told = NoticeSender(alone, lambda: NOW), []
    keep(records, alone, Event("revocation", "revoked", {"by": "x"}, "/deployments", key="flaky"))
    hook.answers[:] = [500, 302, 200]
    count, at = len(hook.came), NOW
    for outcome in (0, 0, 1):
        assert send_due(records, sender, now=at, tell=lambda _, error: told.append(error)) == outcome
        assert send_due(records, sender, now=at) == 0  # not before its time
        at += timedelta(seconds=RETRY_SECONDS[1])
    assert told == ["the webhook answered 500", "the webhook answered 302", None]
    assert len(hook.came) == count + 3
    ids = {headers["webhook-id"] for headers, _ in hook.came[count:]}
    assert len(ids) == 1

    keep(records, alone, Event("revocation", "revoked", {"by": "x"}, "/deployments", key="dead"))
    hook.answers[:] = [410] * (len(RETRY_SECONDS) + 1)
    for _ in range(len(RETRY_SECONDS) + 1):
        at += timedelta(days=1)
        send_due(records, sender, now=at)
    dead = [one for one in records.list_notices() if one.state == "given up"]
    assert len(dead) == 1 and dead[0].attempts == len(RETRY_SECONDS) + 1 and "410" in dead[0].error
    assert send_due(records, sender, now=at + timedelta(days=9)) == 0


def test_a_dead_mail_server_costs_nothing_but_time(places, records: Records) -> None:
    nowhere = Channels(Mail("127.0.0.1", 9, "govern@bank.example", starttls=False))
    keep(records, nowhere, Event("suspension", "stopped", {"by": "carl@x.example"}, "/deployments", key="s"))
    assert send_due(records, NoticeSender(nowhere, lambda: NOW), now=NOW) == 0
    (kept,) = [one for one in records.list_notices() if one.event == "suspension"]
    assert kept.target == "priya@x.example" and kept.state == "waiting" and kept.error


def test_an_attempt_is_claimed_by_one_process(places, records: Records) -> None:
    alone = Channels(None, places[2].webhooks)
    keep(records, alone, Event("vote", "voted", {"by": "x"}, "/", key="one"))
    (notice,) = [one for one in records.due_notices(2**62) if one.event == "vote"]
    assert records.claim_notice(notice, 2**61) and not records.claim_notice(notice, 2**61)


def test_an_admission_that_ends_soon_is_told_once() -> None:
    def row(days: int, status: str = "active") -> AdmissionRow:
        ends = (NOW + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return AdmissionRow(f"sha256:{days}{status}", "d", "production", "c", "x", status, "p", ends, ends, ends)

    events = expiry_events([row(13), row(15), row(-1), row(3, "suspended")], NOW)
    assert [event.key for event in events] == ["sha256:13active"]


HOOK = {"url": "https://hooks.bank.example/govern", "secret_file": "hook"}


def test_the_file_is_read_with_its_secrets_apart() -> None:
    value = {"mail": {"host": "m", "port": 587, "from": "g@x.example", "user": "g", "password_file": "pw"}, "webhooks": [HOOK]}
    texts = {"pw": "secret\n", "hook": "whsec_" + base64.b64encode(SECRET).decode()}
    found = read_channels(json.dumps(value).encode(), texts.__getitem__)
    assert found.mail.password == "secret" and found.webhooks[0].secret == SECRET
    assert "secret" not in repr(found).replace("secret_file", "")


@pytest.mark.parametrize(
    ("change", "secret", "why"),
    [
        ({"webhooks": [HOOK | {"url": "http://hooks.bank.example"}]}, SECRET, "https://"),
        ({"webhooks": [HOOK | {"events": ["all"]}]}, SECRET, "events are"),
        ({"webhooks": [HOOK]}, b"short", "24 to 64 bytes"),
        ({"mail": {"host": "m", "port": 25, "from": "g@x", "starttls": False, "password_file": "p"}}, SECRET, "over TLS"),
        ({"pager": {}}, SECRET, "mail and webhooks"),
        ({"mail": 3}, SECRET, "cannot be read"),
    ],
)
def test_a_wrong_file_is_one_sentence(change: dict[str, object], secret: bytes, why: str) -> None:
    with pytest.raises(InvalidRequestError, match=why):
        read_channels(json.dumps(change).encode(), lambda name: "whsec_" + base64.b64encode(secret).decode())
