"""What the web layer is told at its start, and its limits. It reads no environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from govern.adapters.sql.records import Records
from govern.policy.document import Pack
from govern.services.ports import Actions
from govern.services.single_sign_on import Provider

FORM_BYTES_MAX = 256 << 10
UPLOAD_BYTES_MAX = 512 << 20
SESSION_SECONDS = 12 * 3600
SIGN_IN_PER_MINUTE = 20
PAGE_SIZE = 50


class WebServices(Actions, Protocol):
    """The services, with the records they stand on and the packs in use."""

    records: Records

    def packs(self) -> Sequence[Pack]:
        """Return every policy pack known, in no order."""


@dataclass(frozen=True, slots=True)
class WebSettings:
    """How the web side is set up.

    Args:
        secret_key: 32 random bytes that sign sessions.
        home: the folder of the installation; logs, gates and reports lie under it.
        cookie_secure: send cookies over TLS only; False for the demo on localhost.
        organisation: whose portal this is.
        demo_logins: e-mail to password, shown on the sign-in page of the demo only.
        verify_command: how a reader checks a file, with ``{file}``.
        origin: the portal's address as browsers know it, such as
            ``https://govern.bank.example``; empty: as each request says.
        provider: who else says who people are (OpenID Connect); None: passwords alone.
    """

    secret_key: bytes
    home: Path
    cookie_secure: bool = True
    organisation: str = "bank.example"
    demo_logins: Mapping[str, str] = field(default_factory=dict)
    verify_command: str = "govern verify {file} --trust trust.json"
    origin: str = ""
    provider: Provider | None = None
