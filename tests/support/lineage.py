"""A small house: one data set, one feature build, two models with all that follows."""

from __future__ import annotations

from govern.domain import predicates
from govern.transparency.verify import VerifiedStatement
from tests.support.statements import Scribe, digest

ADA, EVAN, ROSA, TOMAS, PRIYA, SERVICE = (
    f"{who}@bank.example" for who in ("ada", "evan", "rosa", "tomas", "priya", "govern")
)


def small_house() -> list[VerifiedStatement]:
    """Return its statements in log order."""
    scribe = Scribe()
    data = _data(scribe)
    features = _build(scribe, predicates.BUILD_FEATURES, "features", "loans")
    for name in ("first", "second"):
        _model(scribe, name, [data.digest, features.digest])
    return scribe.made


def _data(scribe: Scribe) -> VerifiedStatement:
    signature = _sign(scribe, "loans", ["loans.csv", "readme.txt"])
    predicate = {"name": "loans", "signature": signature.digest, "recorded_by": ADA}
    return scribe.write(predicates.DATASET, digest("loans"), predicate, signer=ADA, name="loans")


def _sign(scribe: Scribe, name: str, files: list[str]) -> VerifiedStatement:
    rows = [{"name": file, "digest": digest(file)[7:]} for file in files]
    return scribe.write(
        predicates.MODEL_SIGNATURE, digest(name), {"resources": rows}, signer=ADA, name=name
    )


def _build(scribe: Scribe, kind: str, name: str, read: str) -> VerifiedStatement:
    definition = {
        "buildType": kind,
        "internalParameters": {"trained_by": ADA},
        "resolvedDependencies": [{"name": read, "digest": {"sha256": digest(read)[7:]}}],
    }
    predicate = {"buildDefinition": definition}
    return scribe.write(predicates.PROVENANCE, digest(name), predicate, signer=ADA, name=name)


def _model(scribe: Scribe, name: str, lineage: list[str]) -> None:
    training = _build(scribe, predicates.BUILD_TRAINING, name, "features")
    signature = _sign(scribe, name, [f"{name}.onnx"])
    card = scribe.candidate(name, model_signature=signature.digest)
    quoted = [card.digest, *lineage, training.digest]
    paths = ["candidate", *(f"lineage.{at}" for at in range(3))]
    rows = [
        {"name": path, "digest": {"sha256": item[7:]}}
        for path, item in [*zip(paths, quoted, strict=True), ("evaluation", digest("evaluation"))]
    ]
    check = scribe.write(
        predicates.TEST_RESULT,
        digest(name),
        {"configuration": rows, "govern": {"check": "fairness"}},
        signer=EVAN,
    )
    evidence = [
        {"path": path, "digest": item} for path, item in zip(paths, quoted, strict=True)
    ] + [{"path": "checks.fairness", "digest": check.digest}]
    decision = scribe.write(
        predicates.SVR,
        digest(name),
        {"requested_by": EVAN, "govern": {"outcome": "allow", "evidence": evidence}},
        signer=SERVICE,
    )
    votes = [
        scribe.write(
            predicates.APPROVAL,
            digest(name),
            {"decision": decision.digest, "approver": who, "vote": "approve"},
            signer=who,
        ).digest
        for who in (ROSA, TOMAS)
    ]
    admission = scribe.write(
        predicates.ADMISSION,
        digest(name),
        {
            "candidate": card.digest,
            "decision": decision.digest,
            "approvals": votes,
            "deployment": f"{name}-live",
            "admitted_by": PRIYA,
        },
        signer=PRIYA,
    )
    scribe.write(
        predicates.SUSPENSION,
        digest(name),
        {"admission": admission.digest, "reason": "drill"},
        signer=PRIYA,
    )
