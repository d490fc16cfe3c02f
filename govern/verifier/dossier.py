"""Verify a whole dossier, in numbered steps.

(1) every statement verifies: signer, time, log (``govern.transparency.verify``);
(2) the lineage log is whole: every entry has its statement, the entries give the root;
(3) every admission's evidence loads through ``EvidenceSet``, in order;
(4) every decision replays to the same digest under the packs it names;
(5) model and data bytes are those the evidence names;
(6) every gate log is whole, and extends each state anchored in the lineage log;
(7) every record here fits its leaf, its admission and that admission's window;
(8) the seal covers every file, and nothing else is here.

What is not proved: that people told the truth, that a model is fair beyond what was
measured, and that answers were given nowhere else than through a gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from govern.domain import predicates
from govern.domain.assembling import (
    StatementIndex,
    evidence_document,
    load_admission,
    load_decision,
    standing,
)
from govern.domain.dossier import MANIFEST, MEDIA_TYPE, SEAL
from govern.domain.evidence import EvidenceSet, decision_digest, decision_value, require_service
from govern.domain.gate_record import GateRecord, commitment, parse_leaf
from govern.errors import (
    CompletenessError,
    DigestMismatchError,
    EvidenceError,
    ExpiredError,
    MalformedError,
    ReplayError,
    RollbackError,
    VerificationError,
)
from govern.policy.document import load_pack
from govern.policy.evaluate import evaluate
from govern.transparency.bundle import entry_body, parse_bundle
from govern.transparency.canonical import canonical_json, parse_json
from govern.transparency.checkpoint import Checkpoint
from govern.transparency.cosignature import describe
from govern.transparency.digest import digest_of, folder_digest, from_hex, hex_of
from govern.transparency.encoding import parse_time, unb64
from govern.transparency.merkle import leaf_hash
from govern.transparency.tree import Tree
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import VerifiedStatement, verify_bundle
from govern.verifier.logs import check_root, open_log, witnessed
from govern.verifier.releases import verify_releases
from govern.verifier.times import check_gate_key, check_times

Files = Mapping[str, bytes]


@dataclass
class Proved:
    """What verification established: sentences, and counts for machines."""

    sentences: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def say(self, sentence: str, **counts: int) -> None:
        """Add a sentence and its counts."""
        self.sentences.append(sentence)
        self.counts.update(counts)


def verify_dossier(files: Files, trust: TrustRoot, as_of: datetime | None = None) -> Proved:
    """Verify every claim in a dossier.

    Args:
        files: name to bytes.
        trust: the trust root, obtained apart from the dossier.
        as_of: the time admissions must be in force at; None: when the dossier was sealed.

    Raises:
        VerificationError: the first thing that does not hold, named.
    """
    proved = Proved()
    seal = _open_seal(files, trust)
    statements = _verify_statements(files, trust, proved)  # (1)
    tree = _verify_lineage_log(files, trust, statements, seal, proved)  # (2)
    index = StatementIndex(statements)
    admitted = _verify_admissions(index, trust, as_of or seal.proven_at, proved)  # (3)
    _replay_decisions(index, trust, files, proved)  # (4)
    _verify_artifacts(index, trust, files, proved)  # (5)
    _verify_gates(index, trust, files, seal, admitted, proved)  # (6) (7)
    _verify_seal(files, seal, tree, proved)  # (8)
    return proved


def _open_seal(files: Files, trust: TrustRoot) -> VerifiedStatement:
    if SEAL not in files or MANIFEST not in files:
        raise MalformedError(f"not a dossier: it lacks {MANIFEST} or {SEAL}")
    try:
        seal = verify_bundle(files[SEAL], trust)
    except VerificationError as error:
        raise type(error)(f"{SEAL}: {error}") from None
    if seal.kind != predicates.DOSSIER:
        raise EvidenceError(f"{SEAL} is a {predicates.name_of(seal.kind)}, not a dossier's seal")
    require_service(seal, trust)
    return seal


def _verify_statements(files: Files, trust: TrustRoot, proved: Proved) -> list[VerifiedStatement]:
    statements = []
    for name in sorted(name for name in files if name.startswith("statements/")):
        try:
            statements.append(verify_bundle(files[name], trust))
        except VerificationError as error:
            raise type(error)(f"{name}: {error}") from None
    signers = {item.signer for item in statements}
    proved.say(
        f"{len(statements)} statements are signed by {len(signers)} identities, each at a time "
        "its certificate was valid, and stand in the lineage log.",
        statements=len(statements),
    )
    return statements


def _verify_lineage_log(
    files: Files,
    trust: TrustRoot,
    statements: list[VerifiedStatement],
    seal: VerifiedStatement,
    proved: Proved,
) -> Tree:
    checkpoint, entries, tree, log = open_log(files, "log", trust, seal.checkpoint.origin)
    seen = witnessed(files, "log", trust)
    present = {item.log_index for item in statements}
    for index in range(checkpoint.size):
        if index not in present:
            raise CompletenessError(f"lineage log entry {index} has no statement here")
    for item in statements:
        if item.log_index >= checkpoint.size:
            raise RollbackError(
                f"a statement stands at {item.log_index}, the log shown has {checkpoint.size} "
                "entries: it was rolled back"
            )
        bundle = parse_bundle(item.bundle)
        if entries[item.log_index] != entry_body(bundle.envelope, bundle.certificate):
            raise EvidenceError(f"lineage log entry {item.log_index} is another statement")
        check_root(tree, item.checkpoint.size, item.checkpoint.root, "a statement's checkpoint")
    check_times(statements)
    newest = max(statements, key=lambda item: item.log_index, default=seal)
    log.require_not_ended(newest.proven_at)
    proved.say(
        f"The lineage log is whole: {checkpoint.size} entries, every one with its statement, "
        "and no state of it that was signed before was rewritten.",
        lineage_entries=checkpoint.size,
    )
    if seen:
        proved.say(f"Witnesses saw this state of the lineage log: {describe(seen)}.")
    return tree


def _verify_admissions(
    index: StatementIndex, trust: TrustRoot, at: datetime, proved: Proved
) -> dict[str, EvidenceSet]:
    admitted = {}
    for admission in index.of_kind(predicates.ADMISSION):
        evidence = load_admission(index, admission.digest, trust)
        evidence.require_current(at)
        _require_standing(index, admission, trust, at)
        admitted[admission.digest] = evidence
        votes = [vote.statement.predicate["vote"] for vote in evidence.approvals]
        name = evidence.candidate.statement.predicate.get("name") if evidence.candidate else "?"
        proved.say(
            f"{name} was admitted to {admission.statement.predicate['deployment']} on closed "
            f"evidence: {len(evidence.checks)} checks, a decision, {votes.count('approve')} "
            f"approvals and {votes.count('dissent')} dissent."
        )
    proved.counts["admissions"] = len(admitted)
    return admitted


def _require_standing(
    index: StatementIndex, admission: VerifiedStatement, trust: TrustRoot, at: datetime
) -> None:
    status = standing(index, admission, trust, at)
    if status != "active":
        raise ExpiredError(f"the admission was {status} at {at:%Y-%m-%d %H:%M:%S}")


def _replay_decisions(
    index: StatementIndex, trust: TrustRoot, files: Files, proved: Proved
) -> None:
    packs = {digest_of(files[name]): name for name in files if name.startswith("packs/")}
    outcomes = []
    for decision in index.of_kind(predicates.SVR):
        value = decision_value(decision)
        evidence = load_decision(index, decision, trust)
        as_of = parse_time(f"{value.get('as_of')}T00:00:00Z")
        loaded = []
        for pack in value.get("packs", []):
            if pack.get("digest") not in packs:
                raise CompletenessError(f"policy pack {pack.get('id')} of a decision is missing")
            loaded.append(load_pack(files[packs[pack["digest"]]]))
        again = evaluate(loaded, evidence_document(evidence, as_of.date()), as_of)
        if again.digest != decision_digest(decision):
            raise ReplayError(
                f"replaying the decision about {value.get('candidate')} gives {again.outcome} "
                f"({again.digest[:19]}…) instead of {value.get('outcome')}"
            )
        outcomes.append(value.get("outcome"))
    proved.say(
        f"{len(outcomes)} policy decisions replay to the same digest: "
        f"{', '.join(map(str, outcomes))}.",
        decisions=len(outcomes),
    )


def _verify_artifacts(
    index: StatementIndex, trust: TrustRoot, files: Files, proved: Proved
) -> None:
    named, released = 0, verify_releases(index, trust, files)
    for signature in index.of_kind(predicates.MODEL_SIGNATURE):
        digest = signature.statement.subject
        folder = f"artifacts/{hex_of(digest)}"
        resources = [
            (str(item["name"]), from_hex(item["digest"]))
            for item in signature.statement.predicate.get("resources", [])
        ]
        if folder_digest(resources) != digest:
            raise DigestMismatchError(f"a signed manifest does not give its root digest {digest}")
        for name, wanted in resources:
            path = f"{folder}/{name}"
            if path not in files:
                raise CompletenessError(f"{path} is missing")
            if digest_of(files[path]) != wanted:
                raise DigestMismatchError(f"{path}: its bytes are not those that were signed")
            named += 1
    proved.say(
        f"{named} files of models and data sets are byte for byte those signed"
        f"{f'; the release key signed {released} folders' if released else ''}.",
        files=named,
        releases=released,
    )


def _verify_gates(
    index: StatementIndex,
    trust: TrustRoot,
    files: Files,
    seal: VerifiedStatement,
    admitted: Mapping[str, EvidenceSet],
    proved: Proved,
) -> None:
    shown = {gate["origin"] for gate in seal.statement.predicate.get("gates", [])}
    for item in index.of_kind(predicates.ANCHOR):
        if item.statement.predicate.get("origin") not in shown:
            raise CompletenessError(
                f"the gate {item.statement.predicate.get('origin')} is anchored and not shown"
            )
    for gate in seal.statement.predicate.get("gates", []):
        folder = f"gates/{gate['name']}"
        checkpoint, entries, tree, log = open_log(files, folder, trust, gate["origin"])
        witnessed(files, folder, trust)
        anchors = [
            item
            for item in index.of_kind(predicates.ANCHOR)
            if item.statement.predicate.get("origin") == gate["origin"]
        ]
        for anchor in anchors:
            require_service(anchor, trust)
            said = anchor.statement.predicate
            check_root(tree, said["tree_size"], unb64(said["root"], "root"), folder)
        check_root(tree, gate["size"], unb64(gate["root"], "root"), folder)
        check_gate_key(log, entries, anchors)
        _check_sequence(entries, folder)
        for number in gate["records"]:
            record, at_us = _verify_record(files, folder, number, entries)
            _verify_admitted(record, index, trust, admitted, at_us)
        proved.say(
            f"The gate log {gate['origin']} is whole: {checkpoint.size} answers and refusals "
            f"without a gap; no state of it that was anchored was rewritten; {len(gate['records'])} records "
            "shown here fit their leaves and their admissions.",
            gate_entries=checkpoint.size,
            records=len(gate["records"]),
        )


def _check_sequence(entries: list[bytes], folder: str) -> None:
    for index, entry in enumerate(entries):
        seq, _, _ = parse_leaf(entry)
        if seq != index:
            raise CompletenessError(f"{folder}: leaf {index} carries sequence number {seq}")


def _verify_record(
    files: Files,
    folder: str,
    number: int,
    entries: list[bytes],
) -> tuple[GateRecord, int]:
    path = f"{folder}/records/{number:09d}.json"
    if path not in files:
        raise CompletenessError(f"record {number} is missing from {folder}")
    value = parse_json(files[path])
    if not isinstance(value, dict) or files[path] != canonical_json(value):
        raise MalformedError(f"{path} is not canonical JSON")
    record = GateRecord.from_json(value.get("record"))
    salt = unb64(value.get("salt"), "salt")
    seq, at_us, committed = parse_leaf(entries[number])
    if record.seq != seq or commitment(salt, record.to_bytes()) != committed:
        raise DigestMismatchError(f"record {number} was changed: it does not fit its leaf")
    for side, body in (("request", record.request), ("response", record.response)):
        _verify_body(value.get(f"{side}_body"), body, salt, f"{side} of record {number}")
    if parse_time(record.at) != datetime.fromtimestamp(at_us // 10**6, UTC) + timedelta(
        microseconds=at_us % 10**6
    ):
        raise DigestMismatchError(f"record {number} names another time than its leaf")
    return record, at_us


def _verify_body(encoded: Any, described: Mapping[str, Any], salt: bytes, what: str) -> None:
    if encoded is None:
        return
    body = unb64(encoded, what)
    if commitment(salt, body) != unb64(described.get("commitment"), what):
        raise DigestMismatchError(f"the {what} was changed")


def _verify_admitted(
    record: GateRecord,
    index: StatementIndex,
    trust: TrustRoot,
    admitted: Mapping[str, EvidenceSet],
    at_us: int,
) -> None:
    if record.admission is None:
        if record.kind == "inference":
            raise EvidenceError(f"record {record.seq} is an answer without an admission")
        return
    evidence = admitted.get(record.admission)
    if evidence is None or evidence.admission is None:
        raise EvidenceError(f"record {record.seq} quotes an admission that is not here")
    if record.candidate != evidence.digest:
        raise EvidenceError(f"record {record.seq} names another model than its admission")
    if record.deployment != evidence.admission.statement.predicate.get("deployment"):
        raise EvidenceError(f"record {record.seq} is of another deployment than its admission")
    if record.kind == "inference":
        at = datetime.fromtimestamp(at_us / 1e6, UTC)
        evidence.require_current(at)
        _require_standing(index, evidence.admission, trust, at)


def _verify_seal(files: Files, seal: VerifiedStatement, tree: Tree, proved: Proved) -> None:
    if not seal.statement.has_subject(digest_of(files[MANIFEST])):
        raise DigestMismatchError(f"{MANIFEST} differs from what the seal covers")
    manifest = parse_json(files[MANIFEST])
    if not isinstance(manifest, dict) or manifest.get("mediaType") != MEDIA_TYPE:
        raise MalformedError(f"{MANIFEST} is not a dossier's manifest")
    listed = {row["name"]: row["digest"] for row in manifest["files"]}
    for name in sorted(set(files) - {MANIFEST, SEAL}):
        if name not in listed:
            raise CompletenessError(f"{name} is not covered by the seal")
        if digest_of(files[name]) != listed[name]:
            raise DigestMismatchError(f"{name}: its bytes are not those that were sealed")
    missing = sorted(set(listed) - set(files))
    if missing:
        raise CompletenessError(f"{missing[0]} is missing")
    _check_seal_extends(seal, tree)
    proved.say(f"The seal of {seal.signer} covers all {len(listed)} files.")


def _check_seal_extends(seal: VerifiedStatement, tree: Tree) -> None:
    """The seal is the entry right after the log shown; its checkpoint must extend that log."""
    bundle = parse_bundle(seal.bundle)
    seen: Checkpoint = seal.checkpoint
    if seal.log_index != tree.size or seen.size != tree.size + 1:
        raise CompletenessError("the log shown does not reach up to the seal")
    tree.append([leaf_hash(entry_body(bundle.envelope, bundle.certificate))])
    check_root(tree, seen.size, seen.root, "the seal's checkpoint")
