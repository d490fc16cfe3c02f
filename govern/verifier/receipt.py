"""Verify the ``Govern-Receipt`` header that a caller keeps of an answer.

A header value says where the record stands and proves nothing alone. It is compared with
a dossier, a copy of the gate's log, or a ``.tlog-proof``:
(1) the log's key signed the checkpoint there; (2) the entry at the index is the leaf that
the header holds, and stands in the tree; (3) in a dossier, the admission quoted is there.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from govern.domain import predicates
from govern.domain.dossier import MANIFEST
from govern.domain.gate_record import Receipt, parse_leaf, parse_receipt_header
from govern.errors import CompletenessError, EvidenceError, MalformedError, ProofError
from govern.transparency.canonical import parse_json
from govern.transparency.checkpoint import Checkpoint
from govern.transparency.cosignature import require_witnesses
from govern.transparency.encoding import format_time
from govern.transparency.merkle import leaf_hash, verify_inclusion
from govern.transparency.tiles import TILE_WIDTH, entries_path, parse_entry_bundle, tile_path
from govern.transparency.tlog_proof import MAGIC, TlogProof, parse_tlog_proof
from govern.transparency.tree import TileTree
from govern.transparency.trust import TrustRoot
from govern.transparency.trust_parts import TrustedLog
from govern.transparency.verify import examine_bundle
from govern.verifier.logs import open_note, open_trusted, witnessed
from govern.verifier.proved import Proved
from govern.verifier.reading import (
    RECEIPT_BYTES_MAX,
    Files,
    head_of,
    kind_of,
    read_dossier,
    read_file,
)

HEADER = b"Govern-Receipt:"


def is_header(data: bytes) -> bool:
    """Say whether bytes look like a receipt header: its value, its line, or JSON with it."""
    return data.startswith((b"v1; origin=", HEADER, b'{"receipt"', b'{"proof"'))


def verify_header(data: bytes, trust: TrustRoot, against: Path | None) -> Proved:
    """Verify the value of a ``Govern-Receipt`` header, its whole line, or JSON with it.

    Args:
        data: the text, or ``{"receipt": "…", "proof": "…"}`` with the tlog-proof's text.
        trust: the trust root.
        against: a dossier, a copy of the log (``checkpoint`` and ``tile/``), a tlog-proof.

    Raises:
        VerificationError: it is not in that log, or there is nothing to compare it with.
    """
    receipt, proof = _parse_header(data)
    if proof is None and against is None:
        raise CompletenessError(
            "a receipt header proves nothing alone: name a dossier, a copy of the gate's log or "
            "a .tlog-proof with --against"
        )
    if proof is None and against is not None and _is_proof(against):
        proof = parse_tlog_proof(read_file(against, RECEIPT_BYTES_MAX))
    if proof is not None:
        return _with_proof(receipt, proof, trust)
    assert against is not None
    return _with_log(receipt, read_dossier(against), trust)


def _is_proof(path: Path) -> bool:
    return kind_of(path) == "file" and head_of(path).startswith(MAGIC.encode())


def _with_proof(receipt: Receipt, proof: TlogProof, trust: TrustRoot) -> Proved:
    named = (receipt.origin, receipt.index, receipt.leaf)
    if named != (proof.origin, proof.index, proof.extra):
        raise ProofError("the proof is of another entry than the receipt names")
    checkpoint, log = open_trusted(proof.note, trust)
    require_witnesses(proof.note, trust.witnesses, trust.witness_threshold)
    proof.check(receipt.leaf, checkpoint)
    proved = _found(receipt.leaf, checkpoint, log)
    if receipt.admission:
        proved.cannot("The admission that the receipt quotes: compare it with the dossier.")
    return proved


def _with_log(receipt: Receipt, files: Files, trust: TrustRoot) -> Proved:
    trust.log_keys(receipt.origin)
    folder = _folder_of(receipt.origin, files)
    prefix = f"{folder}/" if folder else ""
    checkpoint, log = open_note(files, folder, trust, receipt.origin)  # (1)
    witnessed(files, folder, trust)
    if receipt.index >= checkpoint.size:
        raise CompletenessError(
            f"the receipt names entry {receipt.index}, the log shown ends at {checkpoint.size}"
        )
    _require_entry(receipt, files, prefix, checkpoint)  # (2)
    tree = TileTree(checkpoint.size, lambda *tile: _tile(files, prefix, *tile))
    verify_inclusion(
        index=receipt.index,
        size=checkpoint.size,
        leaf=leaf_hash(receipt.leaf),
        proof=tree.inclusion(receipt.index),
        root=checkpoint.root,
    )
    proved = _found(receipt.leaf, checkpoint, log)
    if MANIFEST not in files:
        proved.cannot("The admission that the receipt quotes: compare it with the dossier.")
    else:
        _require_admission(receipt, files, trust)  # (3)
        proved.cannot("The rest of the dossier: verify it as well.")
    return proved


def _folder_of(origin: str, files: Files) -> str:
    """Return where the log of ``origin`` lies, by the first line of its checkpoint."""
    first = origin.encode() + b"\n"
    for name in sorted(files):
        folder, _, file = name.rpartition("/")
        if file == "checkpoint" and files[name].startswith(first):
            return folder
    raise CompletenessError(f"there is no log of {origin!r} to find the receipt in")


def _tile(files: Files, prefix: str, level: int, index: int, width: int) -> bytes:
    for path in (tile_path(level, index, width), tile_path(level, index)):
        if prefix + path in files:
            return files[prefix + path]
    raise CompletenessError(f"{prefix}{tile_path(level, index, width)} is missing")


def _require_entry(receipt: Receipt, files: Files, prefix: str, checkpoint: Checkpoint) -> None:
    bundle, place = divmod(receipt.index, TILE_WIDTH)
    width = min(TILE_WIDTH, checkpoint.size - bundle * TILE_WIDTH)
    for path in (entries_path(bundle, width), entries_path(bundle)):
        data = files.get(prefix + path)
        if data is None:
            continue
        entries = parse_entry_bundle(data)
        if len(entries) < width or entries[place] != receipt.leaf:
            raise ProofError(f"entry {receipt.index} of the log is another one")
        return
    raise CompletenessError(f"{prefix}{entries_path(bundle, width)} is missing")


def _require_admission(receipt: Receipt, files: Files, trust: TrustRoot) -> None:
    if receipt.admission is None:
        return
    for name in sorted(name for name in files if name.startswith("statements/")):
        statement = examine_bundle(files[name], trust)
        if statement.void:
            continue
        if statement.digest == receipt.admission and statement.kind == predicates.ADMISSION:
            return
    raise EvidenceError("the receipt quotes an admission that is not in the dossier")


def _found(leaf: bytes, checkpoint: Checkpoint, log: TrustedLog) -> Proved:
    seq, at_us, _ = parse_leaf(leaf)
    proved = Proved()
    at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=min(at_us, 2**57))
    log.require_not_ended(at)
    proved.say(
        f"Record {seq} of {checkpoint.origin}, made at {format_time(at)}, is in its log of "
        f"{checkpoint.size} entries, where the receipt says.",
        records=1,
    )
    proved.cannot("What the record says: ask for it with its salt, or look into the dossier.")
    return proved


def _parse_header(data: bytes) -> tuple[Receipt, TlogProof | None]:
    value: Any = None
    if data.startswith(b"{"):
        value = parse_json(data)
        if not isinstance(value, dict) or not {"receipt"} <= set(value) <= {"receipt", "proof"}:
            raise MalformedError("a receipt in JSON has receipt and, if it has one, proof")
    text = value["receipt"] if value is not None else _text(data)
    proof = value.get("proof") if value is not None else None
    if not isinstance(text, str) or not isinstance(proof, str | None):
        raise MalformedError("receipt and proof are text")
    return parse_receipt_header(text), None if proof is None else parse_tlog_proof(proof.encode())


def _text(data: bytes) -> str:
    try:
        line = data.decode("ascii").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise MalformedError("the receipt is not text") from None
    return line.removeprefix(HEADER.decode()).removeprefix(" ")
