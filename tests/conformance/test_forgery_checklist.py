"""The attacks that the corpus must hold: each one named, with the forgeries that make it."""

from __future__ import annotations

from pathlib import Path

import pytest

CORPUS = Path(__file__).parent / "forgeries"
REQUIRED = {
    "a changed byte in a statement": ["changed-statement-payload", "changed-signature"],
    "a changed byte in a timestamp": ["changed-timestamp", "changed-seal"],
    "a changed byte in a proof or checkpoint": [
        "changed-inclusion-proof", "changed-checkpoint-in-a-bundle", "changed-log-checkpoint",
        "changed-gate-checkpoint",
    ],
    "a changed byte in a log's tiles": ["changed-log-entry", "changed-gate-leaf", "changed-hash-tile"],
    "a changed byte in a model, data set or pack": [
        "changed-model", "changed-data", "changed-policy-pack",
    ],
    "a changed byte in a record": ["changed-record", "changed-response-body", "changed-salt"],
    "a changed byte in manifest, receipt or report": [
        "changed-manifest", "changed-receipt-in-a-dossier", "changed-report-in-a-dossier",
        "report-with-a-changed-page", "report-with-a-changed-attachment",
    ],
    "the first record deleted": [
        "deleted-first-record", "deleted-first-statement", "gate-log-without-its-first-record",
    ],
    "a middle record deleted": [
        "deleted-middle-record", "deleted-middle-statement", "gap-in-a-gates-sequence",
    ],
    "the newest record deleted": [
        "deleted-newest-record", "deleted-newest-statement", "gate-log-without-its-newest-record",
        "lineage-log-without-its-newest-entry",
    ],
    "statements swapped between candidates": [
        "swapped-statement-files", "signature-swapped-between-candidates",
        "admission-under-another-candidates-decision",
    ],
    "an approval moved to another decision": ["approval-moved-to-another-decision"],
    "self-approval": ["self-approval", "approval-by-the-trainer", "approval-by-the-evaluator"],
    "an expired certificate with a later signature": [
        "expired-certificate-with-a-later-signature", "report-sealed-with-an-expired-certificate",
    ],
    "a revoked key": [
        "revoked-log-key", "revoked-identity-authority", "revoked-timestamp-authority",
        "revoked-certificate-log-key", "approval-under-a-revoked-authority",
        "admission-under-a-revoked-authority", "seal-under-a-revoked-authority",
        "answers-under-a-void-admission", "statement-under-a-revoked-authority",
    ],
    "a key used outside its window": [
        "signature-before-the-keys-window", "vote-dated-back-with-the-timestamp-key",
        "vote-dated-back-with-a-revoked-timestamp-key",
    ],
    "a rotated-out key that signs later": [
        "approval-under-a-rotated-authority", "approval-under-a-rotated-timestamp-authority",
        "statement-under-a-rotated-log-key", "log-signed-with-a-rotated-key",
        "gate-log-signed-with-a-rotated-key", "gate-log-dated-back-under-a-rotated-key",
    ],
    "a trust file rolled back": [
        "trust-file-rolled-back", "trust-file-twice-under-one-version",
        "trust-file-older-than-the-log-names", "trust-file-other-than-the-log-names",
    ],
    "a trust file not signed by enough of the root": [
        "trust-file-by-another-root", "trust-file-signed-by-no-root",
        "trust-file-signed-by-too-few-roots", "trust-file-whose-root-lowers-its-threshold",
        "trust-file-signed-twice-by-one-root", "trust-file-with-another-reviewer",
    ],
    "a trust file that takes back an end": [
        "trust-file-that-opens-an-ended-key", "trust-file-that-forgets-a-revocation",
        "trust-file-with-a-key-taken-out",
    ],
    "the key swapped inside the bundle": ["key-swapped-in-the-bundle"],
    "everything re-signed with the forger's own key": [
        "everything-re-signed", "seal-by-the-forgers-own-key", "receipt-under-the-forgers-key",
        "report-re-signed-by-a-forger",
    ],
    "a log forked": ["forked-lineage-log", "forked-gate-log"],
    "a checkpoint rolled back": ["rolled-back-checkpoint", "gate-log-cut-below-its-anchor"],
    "a truncated tile": ["truncated-entries-tile", "truncated-hash-tile"],
    "duplicate JSON keys": ["duplicate-json-keys", "duplicate-keys-in-a-record"],
    "JSON that is not canonical": ["non-canonical-json", "non-canonical-record"],
    "a zip bomb": ["zip-bomb", "zip-that-lies-about-sizes", "report-with-a-bomb-attached"],
    "path traversal": ["path-traversal", "absolute-path", "backslash-path", "symlink-in-a-folder"],
    "a timestamp outside the authority's validity": ["timestamp-outside-the-authoritys-validity"],
    "a waiver after its expiry": ["waiver-after-its-expiry"],
    "a proof for another index": ["proof-for-another-index", "receipt-for-another-index"],
    "receipts from another gate": [
        "receipt-from-another-gate", "receipt-header-from-another-gate",
        "receipt-of-another-gate-in-a-dossier",
    ],
    "cosignatures that prove nothing": [
        "cosignature-by-an-unknown-witness", "cosignature-for-another-size",
        "no-witness-where-one-is-asked-for", "cosignature-outside-the-witness-validity",
        "one-witness-under-two-keys",
    ],
}


@pytest.mark.parametrize("attack", REQUIRED)
def test_attack_is_in_the_corpus(attack: str) -> None:
    missing = [name for name in REQUIRED[attack] if not (CORPUS / name / "README.md").is_file()]
    assert REQUIRED[attack] and not missing


def test_every_exit_code_has_a_forgery() -> None:
    text = "".join(path.read_text() for path in CORPUS.glob("*/README.md"))
    assert all(f"Exit code: {code}\n" in text for code in range(10, 19))
