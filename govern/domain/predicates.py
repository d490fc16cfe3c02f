"""Predicate type URIs and what each is called in tables and reports.

Standard predicates where one exists; own ones under ``urn:govern:`` where none does.
"""

from __future__ import annotations

from govern.transparency import oms

MODEL_SIGNATURE = oms.PREDICATE_TYPE
PROVENANCE = "https://slsa.dev/provenance/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
ML_BOM = "https://cyclonedx.org/bom"
SVR = "https://in-toto.io/attestation/svr/v0.2"
DATASET = "urn:govern:dataset:v1"
CANDIDATE = "urn:govern:candidate:v1"
PIPELINE_RUN = "urn:govern:pipeline-run:v1"
APPROVAL = "urn:govern:approval:v1"
ADMISSION = "urn:govern:admission:v1"
SUSPENSION = "urn:govern:suspension:v1"
REINSTATEMENT = "urn:govern:reinstatement:v1"
REVOCATION = "urn:govern:revocation:v1"
RECALL = "urn:govern:recall:v1"
WAIVER = "urn:govern:waiver:v1"
WAIVER_REVOCATION = "urn:govern:waiver-revocation:v1"
MONITOR = "urn:govern:monitor:v1"
REPLAY = "urn:govern:replay:v1"
ERASURE = "urn:govern:erasure:v1"
SNAPSHOT = "urn:govern:snapshot:v1"
ANCHOR = "urn:govern:anchor:v1"
KEY_EVENT = "urn:govern:key-event:v1"
REPORT = "urn:govern:report:v1"
DOSSIER = "urn:govern:dossier:v1"
PACK = "urn:govern:pack:v1"

BUILD_FEATURES = "urn:govern:build:features:v1"
BUILD_TRAINING = "urn:govern:build:training:v1"

NAMES = {
    MODEL_SIGNATURE: "signature",
    PROVENANCE: "provenance",
    TEST_RESULT: "check",
    ML_BOM: "ml-bom",
    SVR: "decision",
    DATASET: "dataset",
    CANDIDATE: "candidate",
    PIPELINE_RUN: "pipeline run",
    APPROVAL: "approval",
    ADMISSION: "admission",
    SUSPENSION: "suspension",
    REINSTATEMENT: "reinstatement",
    REVOCATION: "revocation",
    RECALL: "recall",
    WAIVER: "waiver",
    WAIVER_REVOCATION: "waiver revocation",
    MONITOR: "monitor",
    REPLAY: "replay",
    ERASURE: "erasure",
    SNAPSHOT: "snapshot",
    ANCHOR: "anchor",
    KEY_EVENT: "key-event",
    REPORT: "report",
    DOSSIER: "dossier",
    PACK: "pack",
}


def name_of(predicate_type: str) -> str:
    """Return the short name of a predicate type, or the type itself where it is unknown."""
    return NAMES.get(predicate_type, predicate_type)
