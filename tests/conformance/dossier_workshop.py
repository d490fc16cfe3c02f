"""Make a small genuine dossier in a folder, with the product's own services.

Two candidates on one lineage, checks, decisions, votes, admissions, two gate logs, a
seal. Every step is a method, so that a forger who holds a key can do one of them
differently; ``bundle_by`` lets him sign anything in any name. Holds no assertions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cryptography import x509

from govern.adapters.first_keys import Organisation, create_keys
from govern.adapters.key_home import KeyHome
from govern.adapters.keys_files import KeyFiles, gate_origin
from govern.adapters.log_files import LogFiles
from govern.domain import predicates
from govern.domain.gate_record import GateRecord, commitment, make_leaf, receipt_header
from govern.policy.document import load_pack
from govern.services import approving, deciding, keying, tracing
from govern.services.recording import Recorder
from govern.transparency.bundle import entry_body, parse_bundle, write_bundle
from govern.transparency.canonical import canonical_json
from govern.transparency.checkpoint import Checkpoint, sign_checkpoint
from govern.transparency.digest import digest_of, folder_digest, hex_of
from govern.transparency.encoding import b64, format_time
from govern.transparency.merkle import leaf_hash
from govern.transparency.note import NoteSigner
from govern.transparency.passkey import Passkey
from govern.transparency.signer import PublicKey
from govern.transparency.tiles import entries_path, entry_bundle, tiles_after
from govern.transparency.tree import Tree
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import VerifiedStatement

DOMAIN = "bank.example"
ISSUER = "https://sso.bank.example"
START = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
ADA, EVAN, ROSA, TOMAS, NADIA, PRIYA, CARLA, CLEO, SERVICE = (
    f"{who}@{DOMAIN}"
    for who in ("ada", "evan", "rosa", "tomas", "nadia", "priya", "carla", "cleo", "govern")
)
ROLES = {
    "author": [ADA],
    "evaluator": [EVAN],
    "reviewer": [ROSA, TOMAS, NADIA, ADA, EVAN],
    "platform": [PRIYA],
    "compliance": [CARLA, CLEO],
    "service": [SERVICE],
    "decider": [SERVICE],
}
PACK = b"""id: test-pack
version: "1.0.0"
title: A pack for tests
jurisdiction: internal
instrument: Test standard
status: in-force
effective_from: "2026-01-01"
approvals:
  default: 2
rules:
  - id: accurate
    title: Accurate enough
    citation: Test standard, 1
    severity: deny
    require: checks["performance"].verdict == "pass"
    message: The performance check must pass.
    waivable_by: compliance
    reads: [checks]
  - id: closed
    title: Lineage is closed
    citation: Test standard, 2
    severity: deny
    require: lineage.complete
    message: Every step must be recorded.
    reads: [lineage]
"""


@dataclass
class MemoryStore:
    """Keeps statements in a list."""

    items: list[VerifiedStatement] = field(default_factory=list)

    def put_statement(self, statement: VerifiedStatement) -> None:
        """Keep one."""
        self.items.append(statement)

    def bundles_by_subject(self, digest: str) -> list[bytes]:
        """Return those about a digest."""
        return [item.bundle for item in self.items if item.statement.has_subject(digest)]

    def bundle(self, digest: str) -> bytes | None:
        """Return one."""
        return next((item.bundle for item in self.items if item.digest == digest), None)

    def bundles(self, predicate_type: str | None = None) -> list[bytes]:
        """Return all, or all of one kind."""
        return [item.bundle for item in self.items if predicate_type in (None, item.kind)]


@dataclass
class Candidate:
    """A candidate and the statements that carried it."""

    name: str
    files: dict[str, bytes]
    statement: VerifiedStatement
    check: VerifiedStatement | None = None
    decision: VerifiedStatement | None = None
    votes: list[VerifiedStatement] = field(default_factory=list)
    admission: VerifiedStatement | None = None

    @property
    def digest(self) -> str:
        """The candidate digest."""
        return self.statement.statement.subject


class Gate:
    """A gate log and its records, in memory."""

    def __init__(self, name: str, signer: NoteSigner) -> None:
        self.name, self.signer = name, signer
        self.leaves: list[bytes] = []
        self.records: dict[int, bytes] = {}
        self.anchored: int = 0
        self.lineage_records: list[int] = []

    def see(self, moment: datetime, note: str | None, /, **changes: Any) -> None:
        """Put a checkpoint of the lineage log on record."""
        self.lineage_records.append(len(self.leaves))
        request = {"bytes": 0, "commitment": None}
        values: dict[str, Any] = dict(
            at=format_time(moment), kind="anchor", deployment=None, admission=None,
            candidate=None, caller=None, method="", path="",
            request=request if note is None else {**request, "checkpoint": note},
            response=request, status=0, reason=None, latency_us=0, upstream=None, trace=None,
        )  # fmt: skip
        self._log(moment, {**values, **changes}, {})

    def answer(self, moment: datetime, item: Candidate, /, **changes: Any) -> None:
        """Log one answer."""
        seq, salt = len(self.leaves), self._salt()
        bodies = {"request": b'{"x":%d}' % seq, "response": b'{"label":"approve"}'}
        described = {
            side: {"commitment": b64(commitment(salt, body)), "bytes": len(body)}
            for side, body in bodies.items()
        }
        assert item.admission is not None
        values: dict[str, Any] = dict(
            at=format_time(moment),
            kind="inference",
            deployment="mortgage-approval",
            admission=item.admission.digest,
            candidate=item.digest,
            caller="teller",
            method="POST",
            path="/v2/models/mortgage-approval/infer",
            request=described["request"],
            response=described["response"],
            status=200,
            reason=None,
            latency_us=900,
            upstream="onnx",
            trace=None,
        )
        self._log(moment, {**values, **changes}, bodies)

    def _salt(self) -> bytes:
        return bytes([len(self.leaves) + 1]) * 32

    def _log(
        self, moment: datetime, values: Mapping[str, Any], bodies: Mapping[str, bytes]
    ) -> None:
        seq, salt = len(self.leaves), self._salt()
        record = GateRecord(**{"seq": seq, **values})
        leaf = make_leaf(
            seq, int(moment.timestamp() * 1_000_000), commitment(salt, record.to_bytes())
        )
        self.leaves.append(leaf)
        self.records[seq] = canonical_json(
            {
                "record": record.to_json(),
                "salt": b64(salt),
                **{f"{side}_body": b64(body) for side, body in bodies.items()},
            }
        )

    def tree(self) -> Tree:
        """Return the tree over all leaves."""
        tree = Tree()
        tree.append([leaf_hash(leaf) for leaf in self.leaves])
        return tree

    def note(self) -> str:
        """Return the signed checkpoint."""
        tree = self.tree()
        return sign_checkpoint(Checkpoint(self.signer.name, tree.size, tree.root()), self.signer)


class Workshop:
    """One installation with its keys, log and people."""

    def __init__(self, folder: Path, *, start: datetime = START, pack: bytes = PACK) -> None:
        self.folder, self.now, self.pack = folder, start, pack
        organisation = Organisation("Bank", DOMAIN, ISSUER, ROLES, ["demo", "other"])
        self.trust_bytes = create_keys(folder / "keys", organisation, start)
        self.trust = TrustRoot.from_json(self.trust_bytes)
        self.keys = KeyFiles(folder / "keys", ISSUER)
        signer = self.keys.note_signer("lineage-log", f"{DOMAIN}/govern/lineage")
        self.log = LogFiles.create(folder / "log", signer)
        self.store = MemoryStore()
        self.recorder = Recorder(
            signing=self.keys,
            log=self.log,
            store=self.store,
            trust=self.trust,
            clock=self.clock,
        )
        self.data_files = {"loans.csv": b"income,approved\n10,0\n20,1\n"}
        self.features = digest_of(b"features")
        self.gates = {name: self._gate(name) for name in ("demo", "other")}
        self.smuggled: dict[str, bytes] = {}

    def _gate(self, name: str) -> Gate:
        signer = self.keys.note_signer(f"gate-{name}", gate_origin(DOMAIN, name))
        return Gate(name, signer)

    def rotate(self, role: str) -> KeyFiles:
        """Rotate a role's key without an overlap; return the keys as a thief has them."""
        moment = self.clock()
        thief = KeyFiles(self.folder / "keys", ISSUER, self.trust)
        maker = KeyHome(self.folder, self.keys)
        self._take_up(
            keying.rotate(
                self.trust_bytes, role, maker, now=moment, reason="test", overlap=timedelta(0)
            )
        )
        return thief

    def revoke(self, role: str, *, since: datetime | None = None) -> KeyFiles:
        """Revoke a role's key, as of now if not said; return the keys as a thief has them."""
        since, moment = since or self.now, self.clock()
        thief = KeyFiles(self.folder / "keys", ISSUER, self.trust)
        maker = KeyHome(self.folder, self.keys)
        self._take_up(
            keying.revoke(
                self.trust_bytes, role, maker, since=since, now=moment, reason="stolen"
            )
        )
        return thief

    def enrol(self, person: str, public: PublicKey, passkey: Passkey | None = None) -> None:
        """Name a reviewer's own key in the trust file."""
        maker, now = KeyHome(self.folder, self.keys), self.clock()
        self._take_up(
            keying.enrol(self.trust_bytes, person, public, maker, now=now, passkey=passkey)
        )

    def _take_up(self, data: bytes) -> None:
        self.trust_bytes, self.trust = data, TrustRoot.from_json(data)
        self.keys.take_up(self.trust)
        self.recorder.take_up(self.trust)
        signer = self.keys.note_signer("lineage-log", f"{DOMAIN}/govern/lineage")
        self.log.take_up(signer, [log.verifier for log in self.trust.log_keys(signer.name)])

    def clock(self) -> datetime:
        """Each look at the clock takes a second."""
        self.now += timedelta(seconds=1)
        return self.now

    def trace(self) -> None:
        """Record the data set and the features built from it."""
        data = tracing.record_dataset(
            self.recorder, "loans", self.data_files, {"rows": 2}, signer=ADA
        )
        self.data = data
        tracing.record_build(
            self.recorder,
            build_type=predicates.BUILD_FEATURES,
            subject=("features", self.features),
            dependencies=[("loans", data.statement.subject)],
            parameters={},
            internal={},
            signer=ADA,
        )

    def candidate(
        self, name: str, *, trained_by: str = ADA, claimed_by: str | None = None
    ) -> Candidate:
        """Train and register a model."""
        files = {"model.onnx": name.encode() * 9, "model.json": b'{"name":"%s"}' % name.encode()}
        digest = folder_digest(tracing.file_digests(files))
        tracing.record_build(
            self.recorder,
            build_type=predicates.BUILD_TRAINING,
            subject=(name, digest),
            dependencies=[("features", self.features)],
            parameters={"algorithm": "test"},
            internal={"trained_by": claimed_by or trained_by, "seed": 0},
            signer=trained_by,
        )
        card = {
            "name": name,
            "version": "1",
            "owner": "credit risk",
            "intended_use": "mortgage approval",
            "risk_tier": "high",
            "domain": "credit",
            "use": "credit-decision",
            "jurisdictions": ["US"],
            "format": "onnx",
            "inputs": ["income"],
            "protected_inputs": [],
            "randomised": False,
        }
        statement = tracing.register_candidate(self.recorder, card, files, author=ADA)
        return Candidate(name, files, statement)

    def check(self, item: Candidate, *, verdict: str = "pass", by: str = EVAN) -> None:
        """Record a performance check."""
        moment = format_time(self.now)
        result = {
            "check": "performance",
            "version": "1",
            "candidate": item.digest,
            "materials": [{"name": "test table", "digest": self.data.statement.subject}],
            "parameters": {},
            "seed": 0,
            "device": {},
            "started_at": moment,
            "finished_at": moment,
            "findings": [],
            "metrics": {"rows": 2},
            "verdict": verdict,
        }
        item.check = deciding.record_check(self.recorder, item.digest, result, evaluator=by)

    def decide(self, item: Candidate) -> None:
        """Decide under the pack."""
        _, item.decision = deciding.decide(
            self.recorder, item.digest, [load_pack(self.pack)], decider=SERVICE, requested_by=PRIYA
        )

    def vote(self, item: Candidate, by: str, choice: str = "approve") -> None:
        """Cast one vote as the service lets people do."""
        assert item.decision is not None
        item.votes.append(
            approving.vote(
                self.recorder, item.decision.digest, approver=by, choice=choice, comment="read it"
            )
        )

    def record_vote(self, item: Candidate, by: str, **changes: Any) -> None:
        """Record a vote past the service's own checks, as someone with the CA key could."""
        assert item.decision is not None
        predicate = {
            "decision": item.decision.digest,
            "decision_digest": item.decision.statement.predicate["decision_digest"],
            "approver": by,
            "role": "reviewer",
            "vote": "approve",
            "comment": "",
            "evidence_read": [],
            "approved_at": format_time(self.now),
            **changes,
        }
        item.votes.append(self.record(predicates.APPROVAL, item, predicate, by=by))

    def record(
        self, kind: str, item: Candidate, predicate: Mapping[str, Any], *, by: str
    ) -> VerifiedStatement:
        """Record any statement about a candidate in any name."""
        return self.recorder.record(kind, [(item.name, item.digest)], predicate, signer=by)

    def admit(self, item: Candidate, *, by: str = PRIYA, days: int = 30, **changes: Any) -> None:
        """Record an admission, past the service's own checks."""
        assert item.decision is not None
        now = self.clock()
        predicate = {
            "deployment": "mortgage-approval",
            "environment": "production",
            "candidate": item.statement.digest,
            "decision": item.decision.digest,
            "approvals": sorted(vote.digest for vote in item.votes),
            "admitted_by": by,
            "admitted_at": format_time(now),
            "not_before": format_time(now),
            "expires_at": format_time(now + timedelta(days=days)),
            "upstream": {"kind": "onnx"},
            **changes,
        }
        item.admission = self.record(predicates.ADMISSION, item, predicate, by=by)

    def end(self, item: Candidate, kind: str, by: str = PRIYA) -> None:
        """Suspend, reinstate or revoke."""
        assert item.admission is not None
        predicate = {
            "admission": item.admission.digest,
            "by": by,
            "reason": "test",
            "at": format_time(self.now),
        }
        self.record(kind, item, predicate, by=by)

    def anchor(self, gate: Gate, *, by: str = SERVICE) -> None:
        """Anchor a gate's state in the lineage log."""
        tree = gate.tree()
        predicate = {
            "origin": gate.signer.name,
            "tree_size": tree.size,
            "root": b64(tree.root()),
            "checkpoint": gate.note(),
        }
        if gate.lineage_records:
            predicate["lineage_record"] = gate.lineage_records[-1]
        subject = [("checkpoint", digest_of(gate.note().encode()))]
        self.recorder.record(predicates.ANCHOR, subject, predicate, signer=by)

    def smuggle(
        self, envelope: dict[str, Any], certificate: x509.Certificate, timestamp: bytes
    ) -> bytes:
        """Log a signed envelope without the check that recording makes; return its bundle."""
        (proof,) = self.log.append([entry_body(envelope, certificate)])
        bundle = write_bundle(envelope, certificate, timestamp, proof)
        self.smuggled[statement_path(proof.index)] = bundle
        return bundle

    # -- the dossier -----------------------------------------------------------

    def dossier(
        self,
        candidates: Sequence[Candidate],
        *,
        by: str = SERVICE,
        finish: Callable[[dict[str, bytes]], dict[str, bytes]] = dict,
        receipts: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> dict[str, bytes]:
        """Collect and seal everything.

        ``finish`` sees the files before the seal covers them; ``receipts`` are a gate's, by
        its name, where its records are not all here to make them from.
        """
        files: dict[str, bytes] = {"packs/test-pack.yaml": self.pack, **self.smuggled}
        for item in self.store.items:
            files[statement_path(item.log_index)] = item.bundle
        for folder in [self.data_files, *(item.files for item in candidates)]:
            root = hex_of(folder_digest(tracing.file_digests(folder)))
            files |= {f"artifacts/{root}/{name}": data for name, data in folder.items()}
        files |= log_files("log", list(self.log.entries()), self.log.checkpoint_note())
        gates = []
        for gate in self.gates.values():
            kept = receipts.get(gate.name) or receipts_of(gate)
            files |= gate_files(gate, kept)
            gates.append(gate_row(gate, kept))
        return self.seal(finish(files), gates, by=by)

    def seal(
        self, files: dict[str, bytes], gates: Sequence[Mapping[str, Any]], *, by: str = SERVICE
    ) -> dict[str, bytes]:
        """Return ``files`` with a manifest and the seal over it."""
        body = {name: data for name, data in files.items() if name not in SEALS}
        manifest = canonical_json(
            {
                "mediaType": "application/vnd.govern.dossier.v1+json",
                "files": [
                    {"name": name, "digest": digest_of(data)} for name, data in sorted(body.items())
                ],
            }
        )
        subject = [("manifest.json", digest_of(manifest))]
        seal = self.recorder.record(
            predicates.DOSSIER, subject, {"gates": list(gates)}, signer=by
        )
        self.store.items.remove(seal)
        return {**body, "manifest.json": manifest, "dossier.sigstore.json": seal.bundle}


SEALS = ("manifest.json", "dossier.sigstore.json")


def statement_path(index: int) -> str:
    """Return where a dossier keeps the statement at a log index."""
    return f"statements/{index:06d}.sigstore.json"


def log_files(folder: str, entries: Sequence[bytes], note: str) -> dict[str, bytes]:
    """Return a log as a dossier holds it."""
    tree = Tree()
    tree.append([leaf_hash(entry) for entry in entries])
    files = {f"{folder}/checkpoint": note.encode()}
    for index in range(0, len(entries), 256):
        part = entries[index : index + 256]
        files[f"{folder}/{entries_path(index // 256, len(part))}"] = entry_bundle(part)
    return files | {f"{folder}/{path}": data for path, data in tiles_after(tree, 0)}


def gate_files(gate: Gate, kept: Sequence[str] | None = None) -> dict[str, bytes]:
    """Return a gate's part of a dossier, with the receipts that callers kept."""
    folder = f"gates/{gate.name}"
    files = log_files(folder, gate.leaves, gate.note())
    lines = receipts_of(gate) if kept is None else kept
    files[f"{folder}/receipts.txt"] = "".join(f"{line}\n" for line in lines).encode()
    return files | {
        f"{folder}/records/{seq:09d}.json": data for seq, data in gate.records.items()
    }


def receipts_of(gate: Gate) -> list[str]:
    """Return the receipts that callers of a gate got, in the log's order."""
    return [
        receipt_header(
            gate.signer.name, at, gate.leaves[at],
            json.loads(gate.records[at])["record"]["admission"],
        )
        for at in sorted(gate.records)
        if at not in gate.lineage_records and at < len(gate.leaves)
    ]  # fmt: skip


def gate_row(gate: Gate, kept: Sequence[str] | None = None) -> dict[str, Any]:
    """Return what the seal says of a gate."""
    tree = gate.tree()
    return {
        "name": gate.name,
        "origin": gate.signer.name,
        "size": tree.size,
        "root": b64(tree.root()),
        "records": sorted(gate.records),
        "receipts": len(receipts_of(gate) if kept is None else kept),
    }


def entry_of(bundle: bytes) -> bytes:
    """Return the log entry of a bundle."""
    parsed = parse_bundle(bundle)
    return entry_body(parsed.envelope, parsed.certificate)


@dataclass
class Story:
    """A whole genuine story, ready to be forged."""

    shop: Workshop
    first: Candidate
    second: Candidate
    files: dict[str, bytes]


def tell(folder: Path) -> Story:
    """Run the genuine story to its sealed dossier."""
    shop = Workshop(folder)
    first, second = prepare(shop), prepare_second(shop)
    answers(shop, first)
    return Story(shop, first, second, shop.dossier([first, second]))


def prepare(shop: Workshop) -> Candidate:
    """Carry the first candidate to its admission."""
    shop.trace()
    first = shop.candidate("forest")
    shop.check(first)
    shop.decide(first)
    shop.vote(first, ROSA)
    shop.vote(first, NADIA, "dissent")
    shop.vote(first, TOMAS)
    shop.admit(first)
    return first


def prepare_second(shop: Workshop) -> Candidate:
    """Carry a second candidate, on the same lineage, to its admission."""
    second = shop.candidate("logistic")
    shop.check(second)
    shop.decide(second)
    shop.vote(second, ROSA)
    shop.vote(second, TOMAS)
    shop.admit(second)
    return second


def answers(shop: Workshop, first: Candidate) -> None:
    """Let both gates answer, and anchor what they logged."""
    for gate in shop.gates.values():
        for _ in range(4):
            gate.answer(shop.clock(), first)
        gate.see(shop.clock(), shop.log.checkpoint_note())
        shop.anchor(gate)
        gate.answer(shop.clock(), first)
