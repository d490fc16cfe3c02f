"""Whether lineage is closed: from the model's bytes back to data, or what is missing.

It reads SLSA provenance statements (https://slsa.dev/spec/v1.0/provenance) and data set
statements that are verified already; it invents nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from govern.domain import predicates
from govern.domain.source_run import LEVELS
from govern.transparency.verify import VerifiedStatement


def lineage_gaps(candidate: str, statements: Sequence[VerifiedStatement]) -> list[str]:
    """Name what the chain from the model's bytes back to data lacks; empty when closed."""
    datasets = {
        digest
        for item in statements
        if item.kind == predicates.DATASET
        for _, digest in item.statement.subjects
    }
    runs = [item for item in statements if item.kind == predicates.PROVENANCE]
    training = [item for item in runs if item.statement.has_subject(candidate)]
    features = [item for item in runs if not item.statement.has_subject(candidate)]
    built = {digest for item in features for _, digest in item.statement.subjects}
    gaps = [] if training else ["no training run names the candidate's bytes"]
    gaps += [] if datasets else ["no data set is recorded"]
    for item in training:
        if not built & set(materials(item)):
            gaps.append("a training run read features that no recorded build made")
    for item in features:
        if not datasets & set(materials(item)):
            gaps.append("a feature build read data that no recorded data set holds")
    return gaps


def materials(run: VerifiedStatement) -> list[str]:
    """Return the digests a SLSA provenance statement names as resolved dependencies."""
    definition = run.statement.predicate.get("buildDefinition", {})
    found = []
    for item in definition.get("resolvedDependencies", []):
        value = item.get("digest", {}).get("sha256")
        if isinstance(value, str):
            found.append(f"sha256:{value}")
    return found


def trained_by(run: VerifiedStatement) -> str | None:
    """Return who ran a training build, where the statement is one."""
    definition = run.statement.predicate.get("buildDefinition", {})
    if definition.get("buildType") != predicates.BUILD_TRAINING:
        return None
    person = definition.get("internalParameters", {}).get("trained_by")
    return person if isinstance(person, str) else None


def committed_by(internal: object) -> tuple[str, ...]:
    """Return who committed the code of a training run, by its internal parameters.

    Addresses only, in lower case, as ``govern.domain.code_review`` writes them.
    """
    review = internal.get("review") if isinstance(internal, Mapping) else None
    people = review.get("authors") if isinstance(review, Mapping) else None
    rows = people if isinstance(people, list) else []
    return tuple(person for person in rows if isinstance(person, str) and "@" in person)


def told_by(run: VerifiedStatement) -> dict[str, Any]:
    """Return who told of a training run, how far to believe it, and what does not fit.

    ``level`` is ``declared`` where nothing better is recorded (``govern.domain.source_run``).
    """
    internal = run.statement.predicate.get("buildDefinition", {}).get("internalParameters", {})
    source = internal.get("source")
    source = source if isinstance(source, Mapping) else {}
    level = source.get("level")
    return {
        "source": str(source.get("name", "")),
        "level": level if level in LEVELS else "declared",
        "marks": [str(text) for text in _texts(internal, "marks")],
        "unknown": [str(text) for text in _texts(internal, "gaps")],
    }


def _texts(internal: Mapping[str, Any], key: str) -> list[Any]:
    found = internal.get(key)
    return found if isinstance(found, list) else []
