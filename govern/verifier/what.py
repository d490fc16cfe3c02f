"""Tell what a path holds and verify it: dossier, statement bundle, receipt or report."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from govern.domain import predicates
from govern.errors import MalformedError, VerificationError
from govern.transparency.encoding import format_time
from govern.transparency.tlog_proof import MAGIC
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import verify_bundle
from govern.verifier.dossier import Proved, verify_dossier
from govern.verifier.foreign import Given, is_foreign, verify_foreign
from govern.verifier.proofs import verify_proof
from govern.verifier.reading import read_dossier, read_file


def verify_path(
    path: Path, trust: TrustRoot, as_of: datetime | None, given: Given | None = None
) -> Proved:
    """Verify what lies at ``path``.

    Raises:
        VerificationError: it does not verify, or cannot be read.
    """
    if not path.exists():
        raise MalformedError(f"there is no {path.name}")
    try:
        if path.is_dir():
            return verify_dossier(read_dossier(path), trust, as_of)
        data = read_file(path)
        if data[:4] == b"PK\x03\x04" or path.suffix == ".zip":
            return verify_dossier(read_dossier(path), trust, as_of)
        if data.startswith(MAGIC.encode()):
            return verify_receipt(data, trust)
        if is_foreign(data):
            return Proved(*verify_foreign(data, trust, given or Given()))
        return verify_statement(data, trust)
    except VerificationError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        # A library or a missing field: the input is not what it claims to be.
        raise MalformedError(f"{path.name} is malformed: {type(error).__name__}") from None


def verify_statement(data: bytes, trust: TrustRoot) -> Proved:
    """Verify one statement bundle."""
    verified = verify_bundle(data, trust)
    proved = Proved()
    proved.say(
        f"A {predicates.name_of(verified.kind)} statement about {verified.statement.subject}, "
        f"signed by {verified.signer} at {format_time(verified.proven_at)}, stands at index "
        f"{verified.log_index} of {verified.checkpoint.origin}.",
        statements=1,
    )
    if trust.witness_threshold:
        proved.say(
            "Not shown by one bundle: that witnesses saw this state of the log; its .tlog-proof "
            "or a dossier shows that."
        )
    return proved


def verify_receipt(data: bytes, trust: TrustRoot) -> Proved:
    """Verify a C2SP tlog-proof: a gate's receipt, or the proof of a lineage entry."""
    sentence, kind = verify_proof(data, trust)
    proved = Proved()
    proved.say(sentence, **{"records" if kind == "gate" else "statements": 1})
    return proved
