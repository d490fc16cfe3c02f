"""in-toto Statements v1: the exact signed bytes and a checked view beside them.

Source: in-toto/attestation spec v1, statement.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from govern.errors import MalformedError
from govern.transparency.canonical import canonical_json, parse_json
from govern.transparency.digest import digest_of, from_hex, hex_of

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
SUBJECTS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Statement:
    """A parsed statement; ``payload`` are the bytes that were signed and stay the truth."""

    payload: bytes
    predicate_type: str
    subjects: tuple[tuple[str, str], ...]
    predicate: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """The statement digest: SHA-256 over the exact payload."""
        return digest_of(self.payload)

    @property
    def subject(self) -> str:
        """The digest of the first subject."""
        return self.subjects[0][1]

    def has_subject(self, digest: str) -> bool:
        """Say whether ``digest`` is one of the subjects (matched by digest alone)."""
        return any(digest == own for _, own in self.subjects)


def make_statement(
    predicate_type: str, subjects: Sequence[tuple[str, str]], predicate: Mapping[str, Any]
) -> bytes:
    """Return the payload bytes of a new statement, as canonical JSON.

    Args:
        predicate_type: type URI.
        subjects: pairs of name and ``sha256:…`` digest, at least one.
        predicate: JSON object.
    """
    if not subjects:
        raise MalformedError("a statement needs at least one subject")
    return canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [
                {"name": name, "digest": {"sha256": hex_of(digest)}} for name, digest in subjects
            ],
            "predicateType": predicate_type,
            "predicate": dict(predicate),
        }
    )


def parse_statement(payload: bytes) -> Statement:
    """Read a statement.

    Raises:
        MalformedError: it is not an in-toto Statement v1 with SHA-256 subjects.
    """
    value = parse_json(payload)
    if not isinstance(value, dict) or value.get("_type") != STATEMENT_TYPE:
        raise MalformedError(f"not an in-toto statement: expected _type {STATEMENT_TYPE}")
    if set(value) != {"_type", "subject", "predicateType", "predicate"}:
        raise MalformedError("a statement has _type, subject, predicateType and predicate")
    if not isinstance(value["predicateType"], str) or not isinstance(value["predicate"], dict):
        raise MalformedError("predicateType must be text and predicate an object")
    subjects = value["subject"]
    if not isinstance(subjects, list) or not 1 <= len(subjects) <= SUBJECTS_MAX:
        raise MalformedError(f"a statement has 1 to {SUBJECTS_MAX} subjects")
    return Statement(
        payload, value["predicateType"], tuple(map(_subject, subjects)), value["predicate"]
    )


def _subject(value: Any) -> tuple[str, str]:
    digest = value.get("digest") if isinstance(value, dict) else None
    if not isinstance(digest, dict) or not isinstance(value.get("name", ""), str):
        raise MalformedError("a subject has a name and a digest set")
    return value.get("name", ""), from_hex(digest.get("sha256"))
