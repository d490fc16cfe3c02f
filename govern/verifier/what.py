"""Tell what a path holds and verify it: dossier, statement bundle, receipt or report."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from govern.domain import predicates
from govern.domain.gate_record import parse_leaf
from govern.errors import MalformedError, VerificationError
from govern.transparency.encoding import format_time, unb64
from govern.transparency.merkle import leaf_hash, verify_inclusion
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import verify_bundle
from govern.verifier.dossier import Proved, verify_dossier
from govern.verifier.reading import read_dossier, read_file

PROOF_MAGIC = "c2sp.org/tlog-proof@v1"
_LINES_MAX = 80


def verify_path(path: Path, trust: TrustRoot, as_of: datetime | None) -> Proved:
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
        if data.startswith(PROOF_MAGIC.encode()):
            return verify_receipt(data, trust)
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
    return proved


def verify_receipt(data: bytes, trust: TrustRoot) -> Proved:
    """Verify a C2SP tlog-proof whose ``extra`` is the 48-byte leaf of a gate record."""
    from govern.transparency.checkpoint import open_checkpoint

    try:
        head, separator, note = data.decode("utf-8").partition("\n\n")
    except UnicodeDecodeError:
        raise MalformedError("the receipt is not text") from None
    lines = head.split("\n")
    well_formed = separator and 3 <= len(lines) <= _LINES_MAX and lines[0] == PROOF_MAGIC
    if not well_formed or not lines[1].startswith("extra "):
        raise MalformedError("not a receipt: expected a tlog-proof with extra and index")
    leaf, number = unb64(lines[1][6:], "extra"), lines[2].removeprefix("index ")
    if not number.isascii() or not number.isdigit() or lines[2] != f"index {int(number)}":
        raise MalformedError("the receipt's index is malformed")
    origin = note.partition("\n")[0]
    checkpoint = open_checkpoint(note, trust.log(origin).verifier)
    index = int(number)
    verify_inclusion(
        index=index,
        size=checkpoint.size,
        leaf=leaf_hash(leaf),
        proof=[unb64(line, "proof hash") for line in lines[3:]],
        root=checkpoint.root,
    )
    seq, at_us, _ = parse_leaf(leaf)
    proved = Proved()
    proved.say(
        f"Record {seq} of {origin}, made {at_us / 1e6:.6f} seconds after 1970, is in the log "
        f"of {checkpoint.size} entries.",
        records=1,
    )
    return proved
