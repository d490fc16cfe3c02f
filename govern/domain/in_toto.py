"""A candidate's evidence as an in-toto layout: steps, what each read and made, and rules.

Data sets, feature builds, training, registration, checks, decision, votes, admission: one
step each, with MATCH rules that let it read only what the step before it made. Pure: it
signs nothing. What the rules say is checked by ``in-toto-verify``; that a step's content
is true is not, the signed statement each link names stands for that.
Source: in-toto specification v1.0, sections 4.3 (layout), 4.4 (link); securesystemslib
metadata conventions for keys.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from govern.domain import predicates
from govern.domain.evidence import EvidenceSet
from govern.errors import ConflictError
from govern.transparency.canonical import canonical_json
from govern.transparency.digest import from_hex, hex_of
from govern.transparency.encoding import format_time
from govern.transparency.envelope import sign_envelope
from govern.transparency.oms import public_pem
from govern.transparency.signer import PrivateKey
from govern.transparency.verify import VerifiedStatement

_UNUSUAL = re.compile(r"[^A-Za-z0-9_.\-]+")

Artifact = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """One step: who did it, under which statement, and artifacts as name and digest."""

    name: str
    statement: VerifiedStatement
    materials: tuple[Artifact, ...] = ()
    products: tuple[Artifact, ...] = ()


def steps_of(evidence: EvidenceSet) -> list[Step]:
    """Return the steps behind a candidate, in order, as far as the evidence goes.

    Raises:
        ConflictError: the lineage has gaps; a layout over it would promise a closed chain.
    """
    if evidence.gaps:
        raise ConflictError(
            f"a layout needs a closed lineage, here {'; '.join(evidence.gaps)}; "
            "record what is missing first"
        )
    assert evidence.candidate is not None
    steps = _lineage_steps(evidence)
    known = {digest: (name, digest) for step in steps for name, digest in step.products}
    model = known[evidence.digest]
    registered = _statement_artifact("candidate", evidence.candidate)
    steps.append(Step("register", evidence.candidate, (model,), (registered,)))
    checks = []
    for name, check in sorted(evidence.checks.items()):
        made = _statement_artifact(f"check-{name}", check)
        steps.append(Step(_plain(f"check-{name}"), check, (model, registered), (made,)))
        checks.append(made)
    if evidence.decision is not None:
        steps += _decision_steps(evidence, evidence.decision, (registered, *checks))
    return steps


def _lineage_steps(evidence: EvidenceSet) -> list[Step]:
    """Data sets and builds, numbered; a material that no step made is read from outside."""
    made: dict[str, Artifact] = {}
    steps, counts = [], {"data": 0, "features": 0, "training": 0}
    for item in _made_first(evidence.lineage):
        trains = item.statement.has_subject(evidence.digest)
        kind = "data" if item.kind == predicates.DATASET else ("features", "training")[trains]
        counts[kind] += 1
        prefix = {"data": "data", "features": "features", "training": "model"}[kind]
        products = tuple(artifact(prefix, *subject) for subject in item.statement.subjects)
        materials = tuple(
            made.get(digest) or artifact("outside", name, digest) for name, digest in _read(item)
        )
        made |= dict(zip((digest for _, digest in item.statement.subjects), products, strict=True))
        steps.append(Step(f"{kind}-{counts[kind]}", item, materials, products))
    return steps


def _made_first(lineage: Sequence[VerifiedStatement]) -> list[VerifiedStatement]:
    """Order statements so that what made an artifact comes before what read it."""
    makers = {digest: item.digest for item in lineage for _, digest in item.statement.subjects}
    graph = {
        item.digest: sorted({makers[digest] for _, digest in _read(item) if digest in makers})
        for item in lineage
    }
    by_digest = {item.digest: item for item in lineage}
    try:
        return [by_digest[digest] for digest in TopologicalSorter(graph).static_order()]
    except CycleError:
        raise ConflictError("the lineage runs in a circle; no order of steps exists") from None


def _read(item: VerifiedStatement) -> list[Artifact]:
    definition = item.statement.predicate.get("buildDefinition", {})
    return [
        (str(row.get("name", "")), from_hex(row["digest"]["sha256"]))
        for row in definition.get("resolvedDependencies", [])
        if isinstance(row.get("digest", {}).get("sha256"), str)
    ]


def _decision_steps(
    evidence: EvidenceSet, decision: VerifiedStatement, read: tuple[Artifact, ...]
) -> list[Step]:
    decided = _statement_artifact("decision", decision)
    steps, votes = [Step("decide", decision, read, (decided,))], []
    for place, vote in enumerate(evidence.approvals, 1):
        votes.append(_statement_artifact(f"vote-{place}", vote))
        steps.append(Step(f"vote-{place}", vote, (decided,), (votes[-1],)))
    if evidence.admission is not None:
        admitted = _statement_artifact("admission", evidence.admission)
        materials = (read[0], decided, *votes)
        steps.append(Step("admit", evidence.admission, materials, (admitted,)))
    return steps


def _statement_artifact(name: str, item: VerifiedStatement) -> Artifact:
    return f"statements/{_plain(name)}", item.digest


def artifact(kind: str, name: str, digest: str) -> Artifact:
    """Return an artifact's name without characters that rules read as patterns."""
    return f"{kind}/{_plain(name)}-{hex_of(digest)[:8]}", digest


def _plain(name: str) -> str:
    return _UNUSUAL.sub("_", name)[:80]


def link_of(step: Step) -> dict[str, Any]:
    """Return the step's link; its byproducts name the statement that stands for it."""
    item = step.statement
    return {
        "_type": "link",
        "name": step.name,
        "command": [],
        "environment": {},
        "materials": _hashes(step.materials),
        "products": _hashes(step.products),
        "byproducts": {
            "statement": item.digest,
            "predicateType": item.kind,
            "signer": item.signer,
            "log": item.checkpoint.origin,
            "log_index": item.log_index,
            "proven_at": format_time(item.proven_at),
        },
    }


def _hashes(artifacts: Sequence[Artifact]) -> dict[str, dict[str, str]]:
    return {name: {"sha256": hex_of(digest)} for name, digest in artifacts}


def layout_of(
    steps: Sequence[Step], keys: Mapping[str, Mapping[str, Any]], *, expires: datetime, readme: str
) -> dict[str, Any]:
    """Return the layout: which key may write which link, and what each may read and make.

    Args:
        steps: in order; what a step reads was made by a step before it.
        keys: for each signer (e-mail address) the public key of their links, see ``public_key``.
        expires: when stock verifiers stop accepting the layout.
        readme: a sentence for people.
    """
    made: dict[str, str] = {}
    rows = []
    for step in steps:
        rows.append(
            {
                "_type": "step",
                "name": step.name,
                "pubkeys": [keys[step.statement.signer]["keyid"]],
                "threshold": 1,
                "expected_command": [],
                "expected_materials": [*_may_read(step, made), ["DISALLOW", "*"]],
                "expected_products": [
                    *(["CREATE", name] for name, _ in step.products),
                    ["DISALLOW", "*"],
                ],
            }
        )
        made |= {name: step.name for name, _ in step.products}
    return {
        "_type": "layout",
        "readme": readme,
        "expires": format_time(expires.replace(microsecond=0)),
        "keys": {key["keyid"]: dict(key) for key in keys.values()},
        "steps": rows,
        "inspect": [],
    }


def _may_read(step: Step, made: Mapping[str, str]) -> list[list[str]]:
    return [
        ["MATCH", name, "WITH", "PRODUCTS", "FROM", made[name]] if name in made else ["ALLOW", name]
        for name, _ in step.materials
    ]


def public_key(key: ec.EllipticCurvePublicKey) -> dict[str, Any]:
    """Return a P-256 public key as in-toto metadata carries it, with its key id.

    The id is SHA-256 over the OLPC canonical JSON of type, scheme and value, in which a
    line break stands for itself.
    """
    pem = public_pem(key).decode()
    canonical = (
        f'{{"keytype":"ecdsa","keyval":{{"public":"{pem}"}},"scheme":"ecdsa-sha2-nistp256"}}'
    )
    return {
        "keyid": hashlib.sha256(canonical.encode()).hexdigest(),
        "keytype": "ecdsa",
        "scheme": "ecdsa-sha2-nistp256",
        "keyval": {"public": pem},
    }


def signed(value: Mapping[str, Any], key: PrivateKey, key_id: str) -> bytes:
    """Return a layout or link in a DSSE envelope whose signature names its key."""
    envelope = sign_envelope(canonical_json(dict(value)), key)
    envelope["signatures"][0]["keyid"] = key_id
    return canonical_json(envelope)


def steps_by(steps: Sequence[Step]) -> list[str]:
    """Return everyone who did a step, by name."""
    return sorted({step.statement.signer for step in steps})
