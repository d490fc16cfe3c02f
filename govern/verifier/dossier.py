"""Verify a whole dossier, in numbered steps.

(1) every statement verifies: signer, time, log (``govern.transparency.verify``);
(2) the lineage log is whole: every entry has its statement, the entries give the root,
    and none names a newer trust file than the one in hand;
(3) every admission's evidence loads through ``EvidenceSet``, in order; how each stands is
    told, and refused where a time is asked about;
(4) every decision replays to the same digest under the packs it names;
(5) model and data bytes are those the evidence names;
(6) every gate log is whole, and extends each state anchored in the lineage log; the
    lineage log extends each state of it that a gate put on record;
(7) every record here fits its leaf, its admission and that admission's window;
(8) every receipt here is in the gate's log where it says, and quotes an admission here;
(9) the report here is one that the log names, and verifies on its own (``report.py``);
(10) the seal covers every file, and nothing else is here.

What is not proved: that people told the truth, that a model is fair beyond what was
measured, and that answers were given nowhere else than through a gate.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from govern.domain import predicates
from govern.domain.assembling import StatementIndex
from govern.domain.dossier import MANIFEST, MEDIA_TYPE, SEAL
from govern.domain.evidence import require_service
from govern.domain.voiding import counts_against, named
from govern.errors import (
    CompletenessError,
    DigestMismatchError,
    EvidenceError,
    MalformedError,
    ProofError,
    RollbackError,
    VerificationError,
)
from govern.transparency.bundle import entry_body, parse_bundle
from govern.transparency.canonical import parse_json
from govern.transparency.checkpoint import Checkpoint
from govern.transparency.cosignature import describe
from govern.transparency.digest import digest_of, folder_digest, from_hex, hex_of
from govern.transparency.merkle import leaf_hash
from govern.transparency.tree import Frontier
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import VerifiedStatement, examine_bundle, verify_bundle
from govern.verifier.anchors import verify_extends
from govern.verifier.decisions import replay_decisions, verify_admissions
from govern.verifier.gates import Shown, verify_gates
from govern.verifier.logs import KnownState, check_reach, open_note, walk_log, witnessed
from govern.verifier.proved import Proved
from govern.verifier.reading import Files, digest_in
from govern.verifier.releases import verify_releases
from govern.verifier.report import verify_report
from govern.verifier.times import in_order
from govern.verifier.versions import verify_version

REPORT = "report.pdf"
VOID_SENTENCES = 20


def verify_dossier(files: Files, trust: TrustRoot, as_of: datetime | None = None) -> Proved:
    """Verify every claim in a dossier.

    Args:
        files: name to bytes.
        trust: the trust root, obtained apart from the dossier.
        as_of: the time at which each deployment must have an admission in force; None:
            ended admissions are told, not refused.

    Raises:
        VerificationError: the first thing that does not hold, named.
    """
    proved = Proved()
    seal = _open_seal(files, trust)
    statements = _verify_statements(files, trust, proved)  # (1)
    edge = _verify_lineage_log(files, trust, statements, seal, proved)  # (2)
    verify_version(statements, trust, proved)  # (2)
    statements = in_order(statements, trust.revoked)
    index = StatementIndex(statements)
    admitted = verify_admissions(  # (3)
        index, trust, proved, made_at=seal.proven_at, as_of=as_of
    )
    packs = {digest_in(files, name): files[name] for name in files if name.startswith("packs/")}
    replay_decisions(index, trust, packs, proved)  # (4)
    _verify_artifacts(index, trust, files, proved)  # (5)
    shown = Shown(files, index, trust, admitted, seal.checkpoint.origin)
    seen = verify_gates(shown, seal, proved)  # (6) (7) (8)
    _verify_anchored(files, trust, seal, seen, proved)  # (6)
    _verify_reports(files, index, trust, proved)  # (9)
    _verify_seal(files, seal, edge, proved)  # (10)
    _say_void(statements, proved)
    _say_limits(index, proved)
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
            statements.append(examine_bundle(files[name], trust))
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
) -> Frontier:
    checkpoint, log = open_note(files, "log", trust, seal.checkpoint.origin)
    seen = witnessed(files, "log", trust)
    entries: list[bytes] = []
    states = [
        KnownState(item.checkpoint.size, item.checkpoint.root, "a statement's checkpoint")
        for item in statements
        if item.checkpoint.size <= checkpoint.size
    ]
    edge = walk_log(files, "log", checkpoint, states, lambda _, found: entries.extend(found))
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
        state = KnownState(item.checkpoint.size, item.checkpoint.root, "a statement's checkpoint")
        check_reach([state], checkpoint.size)
    newest = max(statements, key=lambda item: item.log_index, default=seal)
    log.require_not_ended(newest.proven_at)
    proved.say(
        f"The lineage log is whole: {checkpoint.size} entries, every one with its statement, "
        "and no state of it that was signed before was rewritten.",
        lineage_entries=checkpoint.size,
    )
    if seen:
        proved.say(f"Witnesses saw this state of the lineage log: {describe(seen)}.")
    else:
        proved.cannot(
            "That others are shown the same lineage log: no witness cosigned its checkpoint of "
            f"size {checkpoint.size}; compare its root with another copy."
        )
    return edge


def _verify_anchored(
    files: Files,
    trust: TrustRoot,
    seal: VerifiedStatement,
    seen: Sequence[KnownState],
    proved: Proved,
) -> None:
    checkpoint, _ = open_note(files, "log", trust, seal.checkpoint.origin)
    verify_extends(files, checkpoint, seen)
    if not seen:
        proved.cannot("That gates saw this lineage log: none of them put its checkpoint on record.")
        return
    proved.say(
        f"The lineage log extends all {len(seen)} states of it that gates put on record.",
        lineage_states=len(seen),
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
            if digest_in(files, path) != wanted:
                raise DigestMismatchError(f"{path}: its bytes are not those that were signed")
            named += 1
    proved.say(
        f"{named} files of models and data sets are byte for byte those signed"
        f"{f'; the release key signed {released} folders' if released else ''}.",
        files=named,
        releases=released,
    )


def _verify_reports(files: Files, index: StatementIndex, trust: TrustRoot, proved: Proved) -> None:
    if REPORT not in files:
        return
    digest = digest_in(files, REPORT)
    if not any(item.statement.has_subject(digest) for item in index.of_kind(predicates.REPORT)):
        raise EvidenceError(f"{REPORT} is not a report that the log names")
    try:
        verify_report(files[REPORT], trust)
    except VerificationError as error:
        raise type(error)(f"{REPORT}: {error}") from None
    proved.say(
        "The report here is named in the log; its seal and attached facts verify.", reports=1
    )


def _say_void(statements: Sequence[VerifiedStatement], proved: Proved) -> None:
    void = [item for item in statements if item.void]
    for item in void[:VOID_SENTENCES]:
        how = "counts against the model alone" if counts_against(item) else "counts for nothing"
        proved.cannot(f"What {named(item)} says: {item.void}; it {how}.")
    if len(void) > VOID_SENTENCES:
        proved.cannot(f"What {len(void) - VOID_SENTENCES} more such statements say.")
    if void:
        proved.counts["void"] = len(void)


def _say_limits(index: StatementIndex, proved: Proved) -> None:
    proved.cannot("That people told the truth, and that no answer was given past the gates.")
    proved.cannot("Who a person is beyond what the identity issuer and the authority vouch for.")
    erased = len(index.of_kind(predicates.ERASURE))
    if erased:
        proved.cannot(f"What was erased: {erased} erasures are on record, their content is gone.")
    if not index.of_kind(predicates.ANCHOR):
        proved.cannot("Anything about answers: no gate's log is anchored here.")


def _verify_seal(files: Files, seal: VerifiedStatement, edge: Frontier, proved: Proved) -> None:
    if not seal.statement.has_subject(digest_of(files[MANIFEST])):
        raise DigestMismatchError(f"{MANIFEST} differs from what the seal covers")
    manifest = parse_json(files[MANIFEST])
    if not isinstance(manifest, dict) or manifest.get("mediaType") != MEDIA_TYPE:
        raise MalformedError(f"{MANIFEST} is not a dossier's manifest")
    listed = {row["name"]: row["digest"] for row in manifest["files"]}
    for name in sorted(set(files) - {MANIFEST, SEAL}):
        if name not in listed:
            raise CompletenessError(f"{name} is not covered by the seal")
        if digest_in(files, name) != listed[name]:
            raise DigestMismatchError(f"{name}: its bytes are not those that were sealed")
    missing = sorted(set(listed) - set(files))
    if missing:
        raise CompletenessError(f"{missing[0]} is missing")
    _check_seal_extends(seal, edge)
    proved.say(f"The seal of {seal.signer} covers all {len(listed)} files.")


def _check_seal_extends(seal: VerifiedStatement, edge: Frontier) -> None:
    """The seal is the entry right after the log shown; its checkpoint must extend that log."""
    bundle = parse_bundle(seal.bundle)
    seen: Checkpoint = seal.checkpoint
    if seal.log_index != edge.size or seen.size != edge.size + 1:
        raise CompletenessError("the log shown does not reach up to the seal")
    edge.add(leaf_hash(entry_body(bundle.envelope, bundle.certificate)))
    if edge.root() != seen.root:
        raise ProofError(
            f"the seal's checkpoint: the log had another root at size {seen.size}: it was rewritten"
        )
