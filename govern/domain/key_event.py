"""What changed between two trust files, as the predicate of a key event.

``urn:govern:key-event:v1`` is about the digest of the newer trust file. It is derived
from the two files alone, so that anybody who has them can write it again and compare.
"""

from __future__ import annotations

from typing import Any

from govern.transparency.canonical import parse_json
from govern.transparency.encoding import format_time
from govern.transparency.trust import TrustRoot
from govern.transparency.trust_file import KeyEntry, key_entries


def key_event(old: TrustRoot, new: TrustRoot) -> dict[str, Any]:
    """Return the predicate: versions, reason, and each key added or ended.

    Args:
        old: the trust file in force before.
        new: the one that replaced it.
    """
    before = {(item.role, item.id): item for item in key_entries(parse_json(old.raw))}
    after = {(item.role, item.id): item for item in key_entries(parse_json(new.raw))}
    added = [_change("added", item) for key, item in after.items() if key not in before]
    ended = [
        _change("ended", item)
        for key, item in after.items()
        if key in before and before[key].valid != item.valid
    ]
    value = parse_json(new.raw)
    return {
        "version": new.version,
        "previous": old.digest,
        "reason": value["reason"],
        "changed_at": format_time(new.issued_at),
        "changes": added + ended,
        "revoked": value.get("revoked", []),
        "root": sorted(new.root.keys),
    }


def _change(kind: str, item: KeyEntry) -> dict[str, Any]:
    return {
        "change": kind,
        "role": item.role,
        "key": item.id,
        "algorithm": item.algorithm,
        "valid_from": format_time(item.valid.start),
        "valid_until": format_time(item.valid.end) if item.valid.end else None,
    }
