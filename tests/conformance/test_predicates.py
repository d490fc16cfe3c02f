"""Own predicates hold to their schemas and pages; standard ones to their publishers' types."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from dossier_workshop import CARLA, PRIYA, SERVICE, Story, Workshop, prepare
from stock import ROOT, offline, tool

from govern.adapters.key_home import KeyHome
from govern.domain import predicates
from govern.domain.snapshot import make_snapshot
from govern.policy.document import load_pack
from govern.services import anchoring, auditing
from govern.services.keying import record_events, revoke
from govern.services.ports import Suspend
from govern.services.publishing import publish
from govern.services.recalling import recall
from govern.transparency.digest import digest_of
from govern.transparency.envelope import open_parts
from govern.transparency.statement import parse_statement
from govern.transparency.trust import TrustRoot

pytestmark = pytest.mark.conformance
FOLDER = ROOT / "docs" / "specs" / "predicates"
SCHEMAS = {
    value["$id"]: value
    for value in (json.loads(path.read_text("utf-8")) for path in FOLDER.glob("*.schema.json"))
}
OWN = {kind for kind in predicates.NAMES if kind.startswith("urn:govern:")}


def check(kind: str, predicate: Any) -> None:
    jsonschema.Draft202012Validator(SCHEMAS[kind]).validate(predicate)


class Kept:
    """Takes bytes and gives their digest."""

    def put(self, data: bytes) -> str:
        return digest_of(data)


@pytest.fixture(scope="module")
def statements(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """A story's statements by kind, made by the product's own services."""
    shop = Workshop(tmp_path_factory.mktemp("predicates"))
    item = prepare(shop)
    for kind in (predicates.SUSPENSION, predicates.REINSTATEMENT, predicates.REVOCATION):
        shop.end(item, kind)
    gate = shop.gates["demo"]
    gate.answer(shop.clock(), item)
    anchoring.anchor(shop.recorder, gate.note(), gate.signer.name, signer=SERVICE)
    export = auditing.GateExport("demo", gate.signer.name, {}, gate.records)
    from govern.transparency.checkpoint import open_checkpoint

    checkpoint = open_checkpoint(gate.note(), shop.trust.log(gate.signer.name).verifier)
    auditing.seal(shop.recorder, {}, [(export, checkpoint)], title="Test", signer=SERVICE)
    recall(shop.recorder, tuple, "forest", suspend=Suspend("withdrawn", PRIYA))
    publish(shop.recorder, Kept(), load_pack(shop.pack), by=CARLA)
    maker = KeyHome(shop.folder, shop.keys)
    newer = revoke(
        shop.trust.raw, "ca", maker, since=shop.now, now=shop.clock(), reason="stolen"
    )
    record_events(shop.recorder, [shop.trust, TrustRoot.from_json(newer)], signer=SERVICE)
    found: dict[str, list[dict[str, Any]]] = {}
    for one in shop.store.items:
        found.setdefault(one.kind, []).append(dict(one.statement.predicate))
    row = {"deployment": "mortgage-approval", "admission": "sha256:" + "0" * 64, "status": "active"}
    document = json.loads(
        make_snapshot(
            version=1, entries=[row], bundles=[], key=shop.keys.ed25519_key("snapshot"),
            now=shop.now, lifetime_seconds=60,
        )
    )  # fmt: skip
    payload, _ = open_parts(document["snapshot"])
    found[predicates.SNAPSHOT] = [dict(parse_statement(payload).predicate)]
    return found


@pytest.mark.parametrize(
    "kind",
    [
        predicates.DATASET, predicates.CANDIDATE, predicates.APPROVAL, predicates.ADMISSION,
        predicates.SUSPENSION, predicates.REINSTATEMENT, predicates.REVOCATION,
        predicates.ANCHOR, predicates.DOSSIER, predicates.PACK,
        predicates.RECALL, predicates.SNAPSHOT, predicates.KEY_EVENT,
    ],
)  # fmt: skip
def test_recorded_statements_hold_to_their_schema(
    statements: dict[str, list[dict[str, Any]]], kind: str
) -> None:
    assert statements[kind]
    for predicate in statements[kind]:
        check(kind, predicate)
        for name in SCHEMAS[kind]["required"]:
            with pytest.raises(jsonschema.ValidationError):
                check(kind, {key: value for key, value in predicate.items() if key != name})


def test_fields_of_a_page_are_all_fields_recorded(
    statements: dict[str, list[dict[str, Any]]],
) -> None:
    """A field that a service adds must be documented, unless the predicate is open."""
    for kind in (
        predicates.APPROVAL, predicates.ADMISSION, predicates.DATASET, predicates.KEY_EVENT,
    ):  # fmt: skip
        for predicate in statements[kind]:
            sometimes = {"own_signature", "review"} if kind == predicates.APPROVAL else set()
            assert set(predicate) | sometimes == set(SCHEMAS[kind]["properties"])


def test_every_own_predicate_has_a_schema_and_an_example_that_fits() -> None:
    undocumented = OWN - set(SCHEMAS)
    assert not undocumented
    for kind, schema in SCHEMAS.items():
        jsonschema.Draft202012Validator.check_schema(schema)
        for example in schema["examples"]:
            check(kind, example)


def test_the_pages_are_made_from_the_schemas() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "predicate_docs.py", "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


PUBLISHED = """
import json, sys
from pathlib import Path
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1 import statement_pb2
TYPES = {
    "https://slsa.dev/provenance/v1": (Provenance, ()),
    "https://in-toto.io/attestation/test-result/v0.1": (TestResult, ("govern",)),
}
for line in Path(sys.argv[1]).read_text().splitlines():
    value = json.loads(line)
    statement = json_format.ParseDict(value, statement_pb2.Statement())
    Statement.copy_from_pb(statement).validate()
    if value["predicateType"] in TYPES:
        message, ours = TYPES[value["predicateType"]]
        body = {key: part for key, part in value["predicate"].items() if key not in ours}
        parsed = json_format.ParseDict(body, message())
        assert json_format.MessageToDict(parsed), "empty"
    print("VALID", value["predicateType"])
"""


def published(path: Path, payloads: list[bytes]) -> tuple[int, str]:
    path.write_bytes(b"\n".join(payloads))
    done = offline(tool("python"), "-c", PUBLISHED, path)
    return done.returncode, done.stdout + done.stderr


def test_every_statement_is_an_in_toto_statement_by_their_own_types(
    story: Story, tmp_path: Path
) -> None:
    payloads = [item.statement.payload for item in story.shop.store.items]
    code, said = published(tmp_path / "all.jsonl", payloads)
    assert code == 0, said
    for kind in (predicates.PROVENANCE, predicates.TEST_RESULT, predicates.SVR):
        assert f"VALID {kind}" in said


@pytest.mark.parametrize("kind", [predicates.PROVENANCE, predicates.TEST_RESULT])
def test_in_toto_types_refuse_a_field_they_do_not_have(
    story: Story, tmp_path: Path, kind: str
) -> None:
    item = next(item for item in story.shop.store.items if item.kind == kind)
    value = json.loads(item.statement.payload)
    value["predicate"]["invented"] = 1
    assert published(tmp_path / "one.jsonl", [json.dumps(value).encode()])[0] != 0
