"""A candidate's model card as a CycloneDX 1.6 ML-BOM. Pure.

It repeats what statements say: the card, the model's files, features and data sets behind
them, and, where checks are given, their figures with intervals. What nobody recorded is
left out, never guessed. The SHA-256 of a model or data set is the root digest of its
folder (OpenSSF Model Signing v1.0, section 6.5.1); that of a file is over its bytes.
Source: CycloneDX 1.6 JSON schema; in-toto/attestation spec/predicates/cyclonedx.md.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from govern.domain import predicates
from govern.domain.closure import materials
from govern.transparency.digest import hex_of
from govern.transparency.encoding import format_time
from govern.transparency.verify import VerifiedStatement

SPEC_VERSION = "1.6"
METRICS_MAX = 1_000
# Card fields that have no field of their own in CycloneDX, in the order shown.
_PROPERTIES = (
    "owner",
    "risk_tier",
    "domain",
    "use",
    "jurisdictions",
    "format",
    "inputs",
    "protected_inputs",
    "randomised",
)

Checks = Mapping[str, VerifiedStatement]


def ml_bom(
    candidate: VerifiedStatement,
    lineage: Sequence[VerifiedStatement],
    checks: Checks | None = None,
    *,
    made_at: datetime,
    version: int = 1,
) -> dict[str, Any]:
    """Return the ML-BOM of a candidate.

    Args:
        candidate: the candidate's statement.
        lineage: data sets, feature builds and training runs behind it.
        checks: check results by name, for the quantitative analysis.
        made_at: the BOM's own time.
        version: counts up when a BOM of the same candidate is made anew.
    """
    digest = candidate.statement.subject
    inputs = [item for item in lineage if not item.statement.has_subject(digest)]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "version": version,
        "metadata": {
            "timestamp": format_time(made_at.replace(microsecond=0)),
            "component": _model(candidate, lineage, checks or {}),
        },
        "components": [row for item in inputs for row in _inputs(item)],
        "dependencies": _dependencies(digest, lineage),
    }


def _model(
    candidate: VerifiedStatement, lineage: Sequence[VerifiedStatement], checks: Checks
) -> dict[str, Any]:
    card, digest = candidate.statement.predicate, candidate.statement.subject
    named = {"description": card.get("title"), "version": card.get("version")}
    return {
        "type": "machine-learning-model",
        "bom-ref": digest,
        "name": str(card.get("name") or candidate.statement.subjects[0][0]),
        **{key: str(value) for key, value in named.items() if value},
        "authors": [{"email": candidate.signer}],
        "hashes": _sha256(digest),
        "components": [
            {"type": "file", "name": str(row["name"]), "hashes": _sha256(row["digest"])}
            for row in card.get("files", [])
        ],
        "modelCard": _card(card, lineage, checks, candidate.statement.subject),
        "properties": [
            *_properties({key: card.get(key) for key in _PROPERTIES}),
            *_properties({"statement": candidate.digest}),
        ],
    }


def _card(
    card: Mapping[str, Any], lineage: Sequence[VerifiedStatement], checks: Checks, digest: str
) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if card.get("task"):
        parameters["task"] = str(card["task"])
    architecture = _architecture(card, lineage, digest)
    if architecture:
        parameters["modelArchitecture"] = architecture
    data = [item for item in lineage if item.kind == predicates.DATASET]
    if data:
        parameters["datasets"] = [{"ref": item.statement.subject} for item in data]
    metrics = [row for name in sorted(checks) for row in _metrics(name, checks[name])]
    considerations = {
        "users": _texts(card.get("users")),
        "useCases": _texts(card.get("intended_use")),
        "technicalLimitations": _texts(card.get("limitations")),
    }
    parts = {
        "modelParameters": parameters,
        "quantitativeAnalysis": {"performanceMetrics": metrics[:METRICS_MAX]} if metrics else {},
        "considerations": {key: texts for key, texts in considerations.items() if texts},
    }
    return {name: part for name, part in parts.items() if part}


def _architecture(
    card: Mapping[str, Any], lineage: Sequence[VerifiedStatement], digest: str
) -> str | None:
    """Return the algorithm that the card or a training run names."""
    said = [card.get("training")]
    for item in lineage:
        if item.kind == predicates.PROVENANCE and item.statement.has_subject(digest):
            definition = item.statement.predicate.get("buildDefinition", {})
            said.append(definition.get("externalParameters"))
    for parameters in said:
        if isinstance(parameters, Mapping) and parameters.get("algorithm"):
            return str(parameters["algorithm"])
    return None


def _metrics(check: str, statement: VerifiedStatement) -> Iterator[dict[str, Any]]:
    found = statement.statement.predicate.get("govern", {}).get("metrics", {})
    for name, value in sorted(found.items()):
        if name == "features" and isinstance(value, Mapping):
            for feature, held in sorted(value.items()):
                for part, figure in sorted(held.items()):
                    yield from _metric(f"{check}.{part}", figure, feature)
        else:
            yield from _metric(f"{check}.{name}", value, "")


def _metric(kind: str, figure: Any, feature: str) -> Iterator[dict[str, Any]]:
    """A figure is a number, or an object with ``value`` and, where known, ``low`` and ``high``."""
    if isinstance(figure, int | float) and not isinstance(figure, bool):
        figure = {"value": figure}
    if not isinstance(figure, Mapping) or not isinstance(figure.get("value"), int | float):
        return
    metric: dict[str, Any] = {"type": kind, "value": str(figure["value"])}
    pair = " against ".join(
        str(figure[key]) for key in ("group", "reference") if figure.get(key) is not None
    )
    text = ": ".join(part for part in (feature, pair) if part)
    if text:
        metric["slice"] = text
    if isinstance(figure.get("low"), int | float) and isinstance(figure.get("high"), int | float):
        bounds = {"lowerBound": str(figure["low"]), "upperBound": str(figure["high"])}
        metric["confidenceInterval"] = bounds
    yield metric


def _inputs(item: VerifiedStatement) -> Iterator[dict[str, Any]]:
    for name, digest in item.statement.subjects:
        data: dict[str, Any] = {"type": "dataset", "name": name or digest}
        profile = item.statement.predicate.get("profile", {})
        protected = _texts(profile.get("protected_excluded")) if profile else []
        if protected:
            data["sensitiveData"] = protected
        yield {
            "type": "data",
            "bom-ref": digest,
            "name": name or digest,
            "hashes": _sha256(digest),
            "data": [data],
            "properties": _properties(
                {"statement": item.digest, "recorded_by": item.signer, "rows": profile.get("rows")}
            ),
        }


def _dependencies(
    candidate: str, lineage: Sequence[VerifiedStatement]
) -> list[dict[str, list[str] | str]]:
    known = {digest for item in lineage for _, digest in item.statement.subjects} | {candidate}
    reads: dict[str, set[str]] = {digest: set() for digest in known}
    for item in lineage:
        if item.kind == predicates.PROVENANCE:
            for _, digest in item.statement.subjects:
                reads[digest] |= known.intersection(materials(item)) - {digest}
    return [{"ref": digest, "dependsOn": sorted(reads[digest])} for digest in sorted(reads)]


def _sha256(digest: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": hex_of(digest)}]


def _texts(value: Any) -> list[str]:
    if value is None or value == "":
        return []
    return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)]


def _properties(values: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {"name": f"govern:{key}", "value": _text(text)}
        for key, value in values.items()
        for text in (value if isinstance(value, list | tuple) else [value])
        if text is not None
    ]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
