"""Verify a C2SP tlog-proof: one entry of a trusted log, offline. Pure.

``extra`` carries the entry: the 48-byte leaf of a gate's record, or the lineage log's
entry. Nothing in it is believed before its hash was found in the tree.
"""

from __future__ import annotations

from typing import Any

from govern.domain.gate_record import leaf_time, parse_leaf
from govern.errors import MalformedError
from govern.transparency.canonical import canonical_json, parse_json
from govern.transparency.cosignature import Cosignature, describe, require_witnesses
from govern.transparency.encoding import format_time
from govern.transparency.tlog_proof import parse_tlog_proof
from govern.transparency.trust import TrustRoot
from govern.transparency.trust_parts import TrustedLog
from govern.verifier.logs import open_trusted


def verify_proof(data: bytes, trust: TrustRoot) -> tuple[str, str]:
    """Verify a ``.tlog-proof`` of a lineage entry or of a gate's record.

    Returns:
        a sentence that says what was proved, and the kind of log.

    Raises:
        MalformedError: not such a proof, or its entry is none of such a log.
        VerificationError: key, cosignatures or inclusion do not hold.
    """
    proof = parse_tlog_proof(data)
    if proof.extra is None:
        raise MalformedError("the tlog-proof carries no entry: it has no `extra` line")
    checkpoint, log = open_trusted(proof.note, trust)
    seen = require_witnesses(proof.note, trust.witnesses, trust.witness_threshold)
    proof.check(proof.extra, checkpoint)
    what = _record(proof.extra, log) if log.kind == "gate" else _statement(proof.extra)
    sentence = (
        f"{what} stands at index {proof.index} of {log.origin}, whose checkpoint of "
        f"{checkpoint.size} entries the log signed{_witnessed(seen)}."
    )
    return sentence, log.kind


def _witnessed(seen: list[Cosignature]) -> str:
    return f" and witnesses cosigned: {describe(seen)}" if seen else ""


def _record(leaf: bytes, log: TrustedLog) -> str:
    seq, at_us, _ = parse_leaf(leaf)
    at = leaf_time(at_us)
    log.require_not_ended(at)
    return f"Record {seq}, made at {format_time(at)},"


def _statement(entry: bytes) -> str:
    value: Any = parse_json(entry)
    if not isinstance(value, dict) or canonical_json(value) != entry or value.get("kind") != "dsse":
        raise MalformedError("the entry is not a dsse entry in canonical JSON")
    return f"The statement sha256:{value['spec']['payloadHash']['value']}"
