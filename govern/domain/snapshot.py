"""The signed list of what may serve now, and how a gate reads it.

A snapshot document is ``{"snapshot": envelope, "bundles": [bundle, …]}``. The envelope
is signed with the snapshot key (TUF's timestamp role: short-lived, often renewed) and
names each deployment's admission and status; the bundles are the evidence, loaded
through ``EvidenceSet`` here as everywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from govern.domain import predicates
from govern.domain.assembling import StatementIndex, load_admission, members_of, worst
from govern.errors import (
    EvidenceError,
    ExpiredError,
    MalformedError,
    RollbackError,
    SignatureError,
    UntrustedSignerError,
)
from govern.transparency.canonical import canonical_json, parse_json
from govern.transparency.checkpoint import Checkpoint
from govern.transparency.digest import check_digest, digest_of
from govern.transparency.encoding import format_time, parse_time
from govern.transparency.envelope import sign_envelope, verify_envelope
from govern.transparency.note import note_text
from govern.transparency.signer import Signer
from govern.transparency.statement import Statement, make_statement, parse_statement
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import examine_bundle

STATUSES = ("active", "suspended", "revoked")
DEPLOYMENTS_MAX = 10_000
CLOCK_SKEW = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Route:
    """What one deployment may serve, from when to when."""

    deployment: str
    admission: str
    candidate: str
    status: str
    not_before: datetime
    expires_at: datetime
    upstream: Mapping[str, Any]
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LineageState:
    """The lineage log as a snapshot shows it: the signed note, and what it says."""

    note: str
    checkpoint: Checkpoint

    def require_extends(self, earlier: LineageState) -> None:
        """Refuse a log that shrank or was rewritten, as far as two checkpoints can tell.

        Raises:
            RollbackError: fewer entries, or another root at the same size.
        """
        old, new = earlier.checkpoint, self.checkpoint
        if new.origin != old.origin or new.size < old.size:
            raise RollbackError(
                f"the lineage log {old.origin} had {old.size} entries, the snapshot shows "
                f"{new.size} of {new.origin}"
            )
        if new.size == old.size and new.root != old.root:
            raise RollbackError(f"the lineage log was forked at {new.size} entries")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A verified snapshot."""

    version: int
    issued_at: datetime
    expires_at: datetime
    routes: Mapping[str, Route]
    lineage: LineageState | None = None

    def require_newer_than(self, previous: Snapshot | None) -> None:
        """Refuse to move backwards.

        Raises:
            RollbackError: an older version, another snapshot under the same version, or a
                lineage log that is older, forked, or no longer shown.
        """
        if previous is None:
            return
        if self.version < previous.version:
            raise RollbackError(
                f"snapshot rolled back from version {previous.version} to {self.version}"
            )
        if self.version == previous.version and self.routes != previous.routes:
            raise RollbackError(f"two different snapshots of version {self.version}")
        if self.issued_at < previous.issued_at:
            raise RollbackError("snapshot was issued before the one in use")
        if previous.lineage is not None:
            if self.lineage is None:
                raise RollbackError("the snapshot no longer shows the lineage log's checkpoint")
            self.lineage.require_extends(previous.lineage)


def make_snapshot(
    *,
    version: int,
    entries: Sequence[Mapping[str, str]],
    bundles: Sequence[bytes],
    key: Signer,
    now: datetime,
    lifetime_seconds: int,
    lineage: str | None = None,
) -> bytes:
    """Return a signed snapshot document.

    Args:
        version: grows with every change of the entries.
        entries: ``{deployment, admission, status}`` each.
        bundles: the evidence behind every admission named.
        key: the snapshot key.
        now: time of issue.
        lifetime_seconds: how long a gate may rely on it.
        lineage: the lineage log's checkpoint, which gates put on record.
    """
    predicate: dict[str, Any] = {
        "version": version,
        "issued_at": format_time(now),
        "expires_at": format_time(now + timedelta(seconds=lifetime_seconds)),
        "entries": [dict(entry) for entry in entries],
    }
    if lineage is not None:
        predicate["lineage"] = lineage
    subject = [("entries", digest_of(canonical_json(predicate["entries"])))]
    payload = make_statement(predicates.SNAPSHOT, subject, predicate)
    return canonical_json(
        {
            "snapshot": sign_envelope(payload, key),
            "bundles": [parse_json(bundle) for bundle in bundles],
        }
    )


def open_snapshot(document: bytes, trust: TrustRoot, now: datetime) -> Snapshot:
    """Verify a snapshot document and the evidence behind every active deployment.

    Raises:
        MalformedError: not a snapshot document.
        SignatureError, UntrustedSignerError: not signed with a valid snapshot key, or the
            lineage log's checkpoint not with its log's.
        ExpiredError: it has expired, or comes from the future.
        EvidenceError: an admission is not what the snapshot says.
    """
    value = parse_json(document, bytes_max=256 << 20)
    if not isinstance(value, dict) or set(value) != {"snapshot", "bundles"}:
        raise MalformedError("a snapshot document has snapshot and bundles")
    statement = _open_envelope(value["snapshot"], trust, now)
    predicate = statement.predicate
    issued_at, expires_at = (parse_time(predicate.get(key)) for key in ("issued_at", "expires_at"))
    if now >= expires_at:
        raise ExpiredError(f"the snapshot expired at {predicate['expires_at']}")
    if issued_at > now + CLOCK_SKEW:
        raise ExpiredError(f"the snapshot was issued in the future, at {predicate['issued_at']}")
    version, entries = predicate.get("version"), predicate.get("entries")
    if not isinstance(version, int) or not isinstance(entries, list):
        raise MalformedError("a snapshot has a version and entries")
    if len(entries) > DEPLOYMENTS_MAX:
        raise MalformedError(f"a snapshot names at most {DEPLOYMENTS_MAX} deployments")
    index = StatementIndex(
        examine_bundle(canonical_json(bundle), trust) for bundle in value["bundles"]
    )
    routes = [_route(entry, index, trust) for entry in entries]
    if len({route.deployment for route in routes}) != len(routes):
        raise EvidenceError("a snapshot names a deployment twice")
    states = {route.admission: route.status for route in routes}
    by_deployment = {route.deployment: _composed(route, states) for route in routes}
    lineage = _lineage(predicate.get("lineage"), trust, now)
    return Snapshot(version, issued_at, expires_at, by_deployment, lineage)


def _lineage(note: Any, trust: TrustRoot, now: datetime) -> LineageState | None:
    if note is None:
        return None
    if not isinstance(note, str):
        raise MalformedError("a snapshot's lineage is a signed checkpoint")
    origin = note_text(note).partition("\n")[0]
    checkpoint, log = trust.open_checkpoint(note, origin)
    if log.kind != "lineage":
        raise MalformedError(f"a snapshot's lineage is not a lineage log: {origin:.100}")
    return LineageState(note, checkpoint)


def _open_envelope(envelope: Any, trust: TrustRoot, now: datetime) -> Statement:
    known = [key for key in trust.keys if key.role == "snapshot"]
    if not any(key.valid.covers(now) for key in known):
        raise UntrustedSignerError("the trust file has no snapshot key that is valid now")
    for key in known:
        try:
            payload = verify_envelope(envelope, Ed25519PublicKey.from_public_bytes(key.public_key))
        except SignatureError:
            continue
        if not key.valid.covers(now):
            raise UntrustedSignerError("the snapshot is signed with a key that is not valid now")
        statement = parse_statement(payload)
        if statement.predicate_type != predicates.SNAPSHOT:
            raise MalformedError("the envelope is not a snapshot")
        return statement
    raise SignatureError("the snapshot is not signed with a snapshot key in the trust file")


def _route(entry: Any, index: StatementIndex, trust: TrustRoot) -> Route:
    if not isinstance(entry, dict) or set(entry) != {"deployment", "admission", "status"}:
        raise MalformedError("a snapshot entry has deployment, admission and status")
    digest, status = check_digest(entry["admission"]), entry["status"]
    if status not in STATUSES:
        raise MalformedError(f"unknown admission status {status!r:.40}")
    evidence = load_admission(index, digest, trust)
    assert evidence.admission is not None
    predicate = evidence.admission.statement.predicate
    if predicate.get("deployment") != entry["deployment"]:
        raise EvidenceError("the admission is for another deployment")
    return Route(
        deployment=str(entry["deployment"]),
        admission=digest,
        candidate=evidence.digest,
        status=status,
        not_before=parse_time(predicate.get("not_before")),
        expires_at=parse_time(predicate.get("expires_at")),
        upstream=dict(predicate.get("upstream", {})),
        members=members_of(evidence.admission),
    )


def _composed(route: Route, states: Mapping[str, str]) -> Route:
    """A composition's route stands no better than its members' own in the same snapshot."""
    listed = [states[member] for member in route.members if member in states]
    return replace(route, status=worst([route.status, *listed])) if listed else route
