"""Which keys a statement rests on, each named by the SHA-256 of its SubjectPublicKeyInfo.

A signer's certificate lives for one signature; what is recalled is usually the key of the
authority that issued it, of the timestamp authority or of the log.
"""

from __future__ import annotations

from collections.abc import Mapping

from govern.transparency.bundle import parse_bundle
from govern.transparency.signer import certificate_key_id
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import VerifiedStatement


def statement_keys(item: VerifiedStatement) -> Mapping[str, str]:
    """Return role to key id of the keys behind a statement."""
    return {
        "signer": certificate_key_id(parse_bundle(item.bundle).certificate),
        "identity authority": item.keys["ca"],
        "certificate log": item.keys["ct"],
        "timestamp authority": item.keys["tsa"],
        "lineage log": item.keys["lineage-log"],
    }


def gate_key(trust: TrustRoot, origin: str) -> str | None:
    """Return the id of a gate log's key; None where the log is not trusted."""
    found = [log for log in trust.logs if log.origin == origin and log.kind == "gate"]
    return found[-1].id if found else None
