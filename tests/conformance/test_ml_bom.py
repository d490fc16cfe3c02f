"""The ML-BOM by CycloneDX's own schema, in the log and out of the evidence's way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dossier_workshop import ADA, Story
from stock import offline, tool

from govern.domain import predicates
from govern.domain.ml_bom import ml_bom
from govern.services.exporting import evidence_so_far
from govern.services.tracing import evidence_for

pytestmark = pytest.mark.conformance

VALIDATE = """
import sys
from pathlib import Path
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
for path in sys.argv[1:]:
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(Path(path).read_text())
    print(path, error or "VALID")
    if error:
        sys.exit(1)
"""


def valid(folder: Path, *boms: dict[str, Any]) -> tuple[int, str]:
    paths = []
    for place, bom in enumerate(boms):
        paths.append(folder / f"{place}.cdx.json")
        paths[-1].write_text(json.dumps(bom))
    done = offline(tool("python"), "-c", VALIDATE, *paths)
    return done.returncode, done.stdout + done.stderr


def recorded(story: Story) -> dict[str, Any]:
    found = story.shop.recorder.about(story.first.digest)
    (item,) = [item for item in found if item.kind == predicates.ML_BOM]
    assert item.signer == ADA
    return dict(item.statement.predicate)


def with_figures(story: Story) -> dict[str, Any]:
    evidence = evidence_so_far(story.shop.recorder, story.first.digest)
    assert evidence.candidate is not None
    metrics = evidence.checks["performance"].statement.predicate["govern"]["metrics"]
    metrics["accuracy"] = {"value": 0.89, "low": 0.86, "high": 0.91}
    metrics["features"] = {
        "race": {"ratio": {"value": 0.729, "low": 0.6, "high": 0.8, "group": "black", "reference": "white"}}
    }
    try:
        return ml_bom(
            evidence.candidate, evidence.lineage, evidence.checks, made_at=story.shop.now, version=2
        )
    finally:
        del metrics["accuracy"], metrics["features"]


def test_cyclonedx_accepts_what_registration_records(story: Story, tmp_path: Path) -> None:
    code, said = valid(tmp_path, recorded(story), with_figures(story))
    assert code == 0, said


def test_cyclonedx_refuses_a_field_it_does_not_have(story: Story, tmp_path: Path) -> None:
    bom = recorded(story)
    card = {**bom["metadata"]["component"], "modelCard": {"fairness": "good"}}
    changed = {**bom, "metadata": {**bom["metadata"], "component": card}}
    assert valid(tmp_path, changed)[0] != 0


def test_it_says_what_the_statements_say(story: Story) -> None:
    bom = recorded(story)
    model = bom["metadata"]["component"]
    assert model["bom-ref"] == story.first.digest
    assert {row["name"] for row in model["components"]} == set(story.first.files)
    assert model["modelCard"]["considerations"]["useCases"] == ["mortgage approval"]
    assert model["modelCard"]["modelParameters"]["modelArchitecture"] == "test"
    data = story.shop.data.statement.subject
    assert model["modelCard"]["modelParameters"]["datasets"] == [{"ref": data}]
    edges = {row["ref"]: row["dependsOn"] for row in bom["dependencies"]}
    assert edges[story.first.digest] == [story.shop.features]
    assert edges[story.shop.features] == [data]


def test_what_nobody_recorded_is_left_out(story: Story) -> None:
    card = recorded(story)["metadata"]["component"]["modelCard"]
    assert "quantitativeAnalysis" not in card
    assert set(card["considerations"]) == {"useCases"}
    assert set(card["modelParameters"]) == {"modelArchitecture", "datasets"}


def test_figures_carry_their_intervals_and_groups(story: Story) -> None:
    analysis = with_figures(story)["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]
    rows = {row["type"]: row for row in analysis["performanceMetrics"]}
    accuracy = rows["performance.accuracy"]
    assert accuracy["confidenceInterval"] == {"lowerBound": "0.86", "upperBound": "0.91"}
    assert rows["performance.ratio"]["slice"] == "race: black against white"


def test_the_bom_changes_nothing_about_the_evidence(story: Story) -> None:
    evidence = evidence_for(story.shop.recorder, story.first.digest)
    assert not evidence.gaps
    assert {item.kind for item in evidence.lineage} == {predicates.DATASET, predicates.PROVENANCE}
