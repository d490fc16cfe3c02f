"""Every setting of the control plane: one table, read once from the environment.

Prefix ``GOVERN_``; an unknown variable with that prefix is an error, except the gate's
own (``GOVERN_GATE_``). Secrets are named by file path, never by value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from govern.errors import InvalidRequestError


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table."""

    name: str
    default: str
    help: str


SETTINGS = (
    Setting("home", "govern-home", "folder of keys, logs, blobs and the embedded database"),
    Setting("database_url", "", "postgresql://… ; empty: SQLite in the home"),
    Setting("broker_url", "", "Celery broker such as redis://… ; empty: files in the home"),
    Setting("policies", "", "folder of policy packs; empty: those shipped with govern"),
    Setting("lease_seconds", "120", "how long a worker may hold a job without a sign of life"),
    Setting("published_only", "no", "yes: decide only under packs that were published"),
    Setting("monitor_seconds", "0", "how often the worker watches live answers; 0: never"),
    Setting("anchor_seconds", "600", "how often the worker puts the gates' logs on record"),
    Setting(
        "passphrase_file", "", "file with the passphrase of the key files; empty: not encrypted"
    ),
    Setting("queues", "", "jobs a worker takes: cpu, gpu or cpu,gpu; empty: gpu where CUDA is"),
    Setting(
        "shard_evaluations", "500000", "evaluations of a model that one shard of a check may take"
    ),
    Setting("snapshot_seconds", "60", "how long a gate may rely on one snapshot"),
    Setting("portal_address", "", "the portal as browsers know it, https://… ; empty: any"),
    Setting("notify_file", "", "JSON about a mail server and webhooks; empty: nobody is told"),
    Setting("oidc_file", "", "JSON about an OpenID Connect provider; empty: passwords alone"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The values in force."""

    home: Path
    database_url: str
    broker_url: str
    policies: Path
    lease_seconds: int
    snapshot_seconds: int
    published_only: bool = False
    anchor_seconds: int = 600
    monitor_seconds: int = 0
    passphrase_file: Path | None = None
    queues: tuple[str, ...] = ()
    shard_evaluations: int = 500_000
    portal_address: str = ""
    oidc_file: Path | None = None
    notify_file: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings.

        Raises:
            InvalidRequestError: an unknown name or a number that is none.
        """
        names = {f"GOVERN_{row.name.upper()}" for row in SETTINGS}
        for name in environment:
            ours = name.startswith("GOVERN_") and not name.startswith(
                ("GOVERN_GATE_", "GOVERN_TEST_")
            )
            if ours and name not in names:
                raise InvalidRequestError(f"unknown setting {name}")
        value = {
            row.name: environment.get(f"GOVERN_{row.name.upper()}") or row.default
            for row in SETTINGS
        }
        home = Path(value["home"]).resolve()
        return cls(
            home=home,
            database_url=value["database_url"] or f"sqlite:///{home / 'govern.db'}",
            broker_url=value["broker_url"],
            policies=Path(value["policies"]) if value["policies"] else shipped_policies(),
            lease_seconds=_number(value, "lease_seconds"),
            snapshot_seconds=_number(value, "snapshot_seconds"),
            published_only=_yes(value, "published_only"),
            queues=_queues(value["queues"]),
            shard_evaluations=_number(value, "shard_evaluations"),
            anchor_seconds=_number(value, "anchor_seconds"),
            monitor_seconds=_number(value, "monitor_seconds", least=0),
            passphrase_file=Path(value["passphrase_file"]) if value["passphrase_file"] else None,
            portal_address=_address(value["portal_address"]),
            oidc_file=Path(value["oidc_file"]) if value["oidc_file"] else None,
            notify_file=Path(value["notify_file"]) if value["notify_file"] else None,
        )


def shipped_policies() -> Path:
    """Return the folder of packs that come with govern."""
    return Path(__file__).resolve().parent.parent / "policies"


def _address(text: str) -> str:
    """Return an address without a path: scheme, host and port."""
    parts = urlsplit(text)
    local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
    whole = parts.hostname and parts.path in ("", "/") and not parts.query and not parts.username
    if text and not (whole and (parts.scheme == "https" or local)):
        raise InvalidRequestError(
            f"GOVERN_PORTAL_ADDRESS is https:// and a name, with a port if need be, not {text!r}"
        )
    return text.rstrip("/")


def _queues(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if set(names) - {"cpu", "gpu"}:
        raise InvalidRequestError(f"GOVERN_QUEUES is cpu, gpu or cpu,gpu, not {text!r}")
    return names


def _yes(values: Mapping[str, str], name: str) -> bool:
    if values[name] not in ("yes", "no"):
        raise InvalidRequestError(f"GOVERN_{name.upper()} is yes or no, got {values[name]!r}")
    return values[name] == "yes"


def _number(values: Mapping[str, str], name: str, least: int = 1) -> int:
    text = values[name]
    if not text.isdigit() or not least <= int(text) < 10**9:
        raise InvalidRequestError(
            f"GOVERN_{name.upper()} must be a whole number from {least}, got {text!r}"
        )
    return int(text)
