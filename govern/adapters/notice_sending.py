"""Deliver notices: e-mail by SMTP, webhooks by HTTPS, signed as Standard Webhooks 1.0.0 says."""

from __future__ import annotations

import hashlib
import hmac
import smtplib
import ssl
from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage

import requests

from govern.services.notifying import Channels, Mail, Notice, Webhook
from govern.transparency.encoding import b64

TIMEOUT_SECONDS = 10


class NoticeSender:
    """Delivers notices over the channels of one installation.

    Args:
        channels: the mail server and the webhooks.
        clock: says when a webhook was signed.
    """

    def __init__(self, channels: Channels, clock: Callable[[], datetime]) -> None:
        self._channels, self._clock = channels, clock
        self._hooks = {one.url: one for one in channels.webhooks}

    def __call__(self, notice: Notice) -> None:
        """Deliver one notice.

        Raises:
            OSError, ValueError: it was not taken, and why.
        """
        if notice.channel == "mail":
            if self._channels.mail is None:
                raise ValueError("no mail server is set up any more")
            send_mail(self._channels.mail, notice)
            return
        if notice.target not in self._hooks:
            raise ValueError("this webhook is not set up any more")
        send_webhook(self._hooks[notice.target], notice, self._clock())


def send_mail(mail: Mail, notice: Notice) -> None:
    """Send one e-mail.

    Raises:
        OSError: the server did not take it (``smtplib.SMTPException`` is one).
    """
    message = EmailMessage()
    message["From"], message["To"] = mail.sender, notice.target
    message["Subject"] = " ".join(notice.subject.split())
    message["Message-ID"] = f"<{notice.id}@{mail.sender.partition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no robot answers it
    message.set_content(notice.body)
    with smtplib.SMTP(mail.host, mail.port, timeout=TIMEOUT_SECONDS) as server:
        if mail.starttls:
            server.starttls(context=ssl.create_default_context())
        if mail.user:
            server.login(mail.user, mail.password)
        server.send_message(message)


def signature(secret: bytes, identifier: str, timestamp: int, body: bytes) -> str:
    """Return the ``webhook-signature`` header: HMAC-SHA256 over id, time and body."""
    signed = b".".join((identifier.encode(), str(timestamp).encode(), body))
    return f"v1,{b64(hmac.new(secret, signed, hashlib.sha256).digest())}"


def send_webhook(hook: Webhook, notice: Notice, now: datetime) -> None:
    """Post one event; any answer of the 200s takes it, and no redirect is followed.

    Raises:
        OSError: no connection (``requests.RequestException`` is one).
        ValueError: another answer.
    """
    body, at = notice.body.encode(), int(now.timestamp())
    headers = {
        "Content-Type": "application/json",
        "webhook-id": notice.id,
        "webhook-timestamp": str(at),
        "webhook-signature": signature(hook.secret, notice.id, at, body),
    }
    with requests.post(
        hook.url,
        data=body,
        headers=headers,
        timeout=TIMEOUT_SECONDS,
        allow_redirects=False,
        stream=True,
    ) as answer:
        if not 200 <= answer.status_code < 300:
            raise ValueError(f"the webhook answered {answer.status_code}")
