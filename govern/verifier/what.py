"""Tell what a path holds and verify it: dossier, statement bundle, receipt or report."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from govern.domain import predicates
from govern.errors import MalformedError, MissingPartError, VerificationError
from govern.transparency.encoding import format_time
from govern.transparency.tlog_proof import MAGIC
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import verify_bundle
from govern.verifier.dossier import verify_dossier
from govern.verifier.foreign import Given, is_foreign, verify_foreign
from govern.verifier.proofs import verify_proof
from govern.verifier.proved import Proved
from govern.verifier.reading import (
    RECEIPT_BYTES_MAX,
    REPORT_BYTES_MAX,
    STATEMENT_BYTES_MAX,
    head_of,
    kind_of,
    read_dossier,
    read_file,
)
from govern.verifier.receipt import is_header, verify_header
from govern.verifier.report import verify_report


def verify_path(
    path: Path,
    trust: TrustRoot,
    as_of: datetime | None,
    against: Path | None = None,
    given: Given | None = None,
) -> Proved:
    """Verify what lies at ``path``.

    Args:
        path: a file or folder.
        trust: the trust root.
        as_of: the time at which admissions must be in force; None: nobody asks.
        against: where a receipt header is looked up.
        given: keys and files that the person holds, for what others made.

    Raises:
        VerificationError: it does not verify, or cannot be read.
        MissingPartError: a decision is to be replayed and the policy engine is absent.
    """
    try:
        return _verify(path, trust, as_of, against, given or Given())
    except (VerificationError, MissingPartError):
        raise
    except Exception as error:
        # A library or a missing field: the input is not what it claims to be.
        raise MalformedError(f"{path.name[:80]!r} is malformed: {type(error).__name__}") from None


def _verify(
    path: Path, trust: TrustRoot, as_of: datetime | None, against: Path | None, given: Given
) -> Proved:
    if kind_of(path) == "folder":
        return verify_dossier(read_dossier(path), trust, as_of)
    head = head_of(path)
    if head.startswith(b"PK\x03\x04") or path.suffix == ".zip":
        return verify_dossier(read_dossier(path), trust, as_of)
    if head.startswith(b"%PDF-"):
        return verify_report(read_file(path, REPORT_BYTES_MAX), trust, as_of)
    if head.startswith(MAGIC.encode()):
        return verify_receipt(read_file(path, RECEIPT_BYTES_MAX), trust)
    if is_header(head):
        return verify_header(read_file(path, RECEIPT_BYTES_MAX), trust, against)
    data = read_file(path, STATEMENT_BYTES_MAX)
    if is_foreign(data):
        return verify_foreign(data, trust, given)
    return verify_statement(data, trust)


def verify_statement(data: bytes, trust: TrustRoot) -> Proved:
    """Verify one statement bundle.

    Raises:
        VerificationError: it does not verify.
    """
    verified = verify_bundle(data, trust)
    proved = Proved()
    proved.say(
        f"A {predicates.name_of(verified.kind)} statement about {verified.statement.subject}, "
        f"signed by {verified.signer} at {format_time(verified.proven_at)}, stands at index "
        f"{verified.log_index} of {verified.checkpoint.origin}.",
        statements=1,
    )
    proved.cannot(
        "That it is the newest of its kind, or fits other statements: verify the dossier."
    )
    proved.cannot("That the statement is true, or its signer allowed to make it.")
    if verified.keys["tsa"] in trust.revoked:
        proved.cannot(
            "That it was not dated back: its timestamp key was revoked later; the dossier shows "
            "the log's order."
        )
    if trust.witness_threshold:
        proved.cannot(
            "That witnesses saw this state of the log: the statement's .tlog-proof or a dossier "
            "shows it."
        )
    return proved


def verify_receipt(data: bytes, trust: TrustRoot) -> Proved:
    """Verify a C2SP tlog-proof: a gate's receipt, or the proof of a lineage entry.

    Raises:
        VerificationError: it does not verify.
    """
    sentence, kind = verify_proof(data, trust)
    proved = Proved()
    proved.say(sentence, **{"records" if kind == "gate" else "statements": 1})
    if kind == "gate":
        proved.cannot("What the record says: ask for it with its salt, or look into the dossier.")
    else:
        proved.cannot("What the statement says: its bundle holds it.")
    return proved
