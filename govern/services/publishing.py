"""Publish policy packs: a signed statement over the exact bytes; immutable from then on.

The statement (``urn:govern:pack:v1``, docs/specs/pack_statement.md) has the pack's digest
as subject. Who publishes holds the compliance role. The same id and version with other
bytes is refused, here and wherever a decision is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from govern.domain import predicates
from govern.errors import ConflictError, RefusedError
from govern.policy.document import Pack
from govern.services.recording import Recorder
from govern.transparency.encoding import format_time
from govern.transparency.verify import VerifiedStatement

Published = Mapping[tuple[str, str], VerifiedStatement]


class Blobs(Protocol):
    """Where the bytes are kept."""

    def put(self, data: bytes) -> str:
        """Store bytes and return their digest."""


def published_packs(recorder: Recorder) -> dict[tuple[str, str], VerifiedStatement]:
    """Return who published each id and version; the first of each counts."""
    found: dict[tuple[str, str], VerifiedStatement] = {}
    for item in sorted(recorder.all(predicates.PACK), key=lambda item: item.log_index):
        if recorder.trust.has_role(item.signer, "compliance"):
            predicate = item.statement.predicate
            found.setdefault((str(predicate.get("id")), str(predicate.get("version"))), item)
    return found


def publish(recorder: Recorder, blobs: Blobs, pack: Pack, *, by: str) -> VerifiedStatement:
    """Publish a pack; publishing the same bytes again returns the first statement.

    Raises:
        RefusedError: who publishes has not the compliance role.
        ConflictError: this id and version was published with other bytes.
    """
    if not recorder.trust.has_role(by, "compliance"):
        raise RefusedError(f"{by} has not the role compliance in the trust file")
    earlier = published_packs(recorder)
    require_unchanged([pack], earlier)
    if (pack.id, pack.version) in earlier:
        return earlier[pack.id, pack.version]
    blobs.put(pack.source)
    predicate = {
        "id": pack.id,
        "version": pack.version,
        "title": pack.title,
        "status": pack.status,
        "effective_from": pack.effective_from.isoformat(),
        "effective_to": pack.effective_to.isoformat() if pack.effective_to else None,
        "published_by": by,
        "published_at": format_time(recorder.clock()),
    }
    subject = [(f"{pack.id}@{pack.version}", pack.digest)]
    return recorder.record(predicates.PACK, subject, predicate, signer=by)


def require_usable(recorder: Recorder, packs: Sequence[Pack], *, published_only: bool) -> None:
    """Refuse to decide under packs that differ from what was published.

    Args:
        recorder: knows what was published.
        packs: those in use.
        published_only: also refuse packs that nobody published.

    Raises:
        ConflictError: it names the first.
    """
    published = published_packs(recorder)
    require_unchanged(packs, published)
    if published_only:
        require_published(packs, published)


def require_unchanged(packs: Sequence[Pack], published: Published) -> None:
    """Refuse a pack whose id and version was published with other bytes.

    Raises:
        ConflictError: it names the pack; a change needs a new version.
    """
    for pack in packs:
        statement = published.get((pack.id, pack.version))
        if statement is not None and statement.statement.subject != pack.digest:
            raise ConflictError(
                f"{pack.id} {pack.version} was published by {statement.signer} with other bytes "
                f"({statement.statement.subject[:19]}…); a change needs a new version"
            )


def require_published(packs: Sequence[Pack], published: Published) -> None:
    """Refuse packs that nobody published.

    Raises:
        ConflictError: it names the first.
    """
    for pack in packs:
        if (pack.id, pack.version) not in published:
            raise ConflictError(
                f"{pack.id} {pack.version} is not published; run `govern policy publish`"
            )
