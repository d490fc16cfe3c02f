"""May this trust file replace that one? The root's signature carries trust forward.

The idea is TUF's root rotation (TUF specification 1.0.33, section 5.3): a newer file is
believed because keys that the older one names signed it, so only the first file must be
handed over in person. Differing from TUF, a file may be several versions on as long as
the root's keys are still the same; after the root itself was rotated, every file in
which it changed is needed, each in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from govern.errors import RollbackError, UntrustedSignerError
from govern.transparency.canonical import parse_json
from govern.transparency.encoding import format_time
from govern.transparency.trust import TrustRoot
from govern.transparency.trust_file import KeyEntry, key_entries


def check_succession(old: TrustRoot, new: TrustRoot) -> list[str]:
    """Check that ``new`` may replace ``old`` and return what changed, in sentences.

    (1) the version is higher, or the files are the same;
    (2) enough of the root's keys in ``old`` signed ``new``;
    (3) enough of the root's keys in ``new`` signed it (checked when it was read);
    (4) nothing that ``old`` names is gone, no window that had ended is longer, and no
        revocation is taken back.

    Raises:
        RollbackError: an older version, or another file under the same version.
        SignatureError, UntrustedSignerError: the root did not sign it, or (4).
    """
    if new.raw == old.raw:
        return ["The two files are the same."]
    if new.version <= old.version:  # (1)
        raise RollbackError(
            f"expected a trust file newer than version {old.version}, got version {new.version}"
        )
    try:
        old.root.require_signed(new.signed_bytes, new.signatures)  # (2)
    except UntrustedSignerError:
        raise UntrustedSignerError(
            f"version {new.version} is not signed by the root of version {old.version}; if the "
            "root was rotated in between, give the files in between as well"
        ) from None
    for key, revocation in old.revoked.items():  # (4)
        if key not in new.revoked or new.revoked[key].since > revocation.since:
            raise UntrustedSignerError(
                f"the key {key[:19]}… was revoked, and the newer file takes that back"
            )
    before, after = (key_entries(parse_json(one.raw)) for one in (old, new))
    return [
        _replaced(old, new),
        *_changes(before, after),  # (4)
        *(["The root's own keys changed."] if old.root != new.root else []),
    ]


def check_chain_of_files(files: Sequence[TrustRoot]) -> list[str]:
    """Check each file against the one before it; see ``check_succession``."""
    return [sentence for old, new in pairwise(files) for sentence in check_succession(old, new)]


def _replaced(old: TrustRoot, new: TrustRoot) -> str:
    return (
        f"Version {old.version} of {format_time(old.issued_at)} is replaced by version "
        f"{new.version} of {format_time(new.issued_at)}, signed by the root."
    )


def _changes(before: Sequence[KeyEntry], after: Sequence[KeyEntry]) -> list[str]:
    known = {(item.role, item.id, item.valid.start): item for item in before}
    now = {(item.role, item.id, item.valid.start): item for item in after}
    sentences = []
    for place, item in known.items():
        if place not in now:
            raise UntrustedSignerError(
                f"the {item.role} key {item.id[:19]}… is gone from the newer file; keys are "
                "ended, never taken out"
            )
        sentences += _ended(item, now[place])
    for place, item in now.items():
        if place not in known:
            sentences.append(
                f"Added: {item.role} key {item.id[:19]}…, valid from "
                f"{format_time(item.valid.start)}."
            )
    return sentences


def _ended(old: KeyEntry, new: KeyEntry) -> list[str]:
    if old.valid == new.valid:
        return []
    if new.valid.end is None or (old.valid.end is not None and new.valid.end > old.valid.end):
        raise UntrustedSignerError(
            f"the {old.role} key {old.id[:19]}… had ended, and the newer file opens it again"
        )
    return [f"Ended: {old.role} key {old.id[:19]}…, at {format_time(new.valid.end)}."]
