"""Traces, coverage and mutants: what a pack's cases have seen, and what they would miss."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from govern.errors import PolicyError
from govern.policy.cases import load_case, run_case
from govern.policy.coverage import measure
from govern.policy.document import load_pack
from govern.policy.evaluate import evaluate
from govern.policy.expressions import Failed
from govern.policy.mutants import mutants, prepare, survives
from govern.policy.tracing import Tracer, find_rule
from tests.support.evidence import allowed_evidence

ROOT = Path(__file__).resolve().parents[4]
DAY = date(2026, 11, 25)
PACK = b"""id: small
version: "1"
title: Small
jurisdiction: internal
instrument: Test standard
status: in-force
effective_from: "2026-01-01"
params: {age_max: 90}
rules:
  - id: fresh
    title: Checks are fresh
    citation: Test, 1
    severity: deny
    for_each: '["data", "fairness"]'
    subject: item
    require: checks[item].age_days <= params.age_max && checks[item].verdict == "pass"
    message: Too old, or not passed.
    reads: [checks]
"""
CASE = """title: {title}
as_of: "2026-11-25"
evidence: good
change:
  - {{set: checks.fairness.{path}, to: {to}}}
expect:
  outcome: {outcome}
  rules: {{fresh/fairness: {status}}}
"""


def good() -> dict:
    """The shipped allowed evidence, with the ages these tests count from."""
    evidence = allowed_evidence()
    for name in ("data", "fairness"):
        evidence["checks"][name] |= {"age_days": 1, "verdict": "pass"}
    return evidence


def case(path: str, to: object, outcome: str):
    status = "pass" if outcome == "allow" else "fail"
    return load_case(CASE.format(title=path, path=path, to=to, outcome=outcome, status=status).encode())


FULL = [
    case("age_days", 90, "allow"), case("age_days", 91, "deny"), case("verdict", "fail", "deny"),
    case("age_days", 100, "deny"), case("age_days", 82, "allow"),
]
EVIDENCE = {"good": good()}


def alive(cases) -> list[str]:
    prepared = prepare(cases, EVIDENCE)
    return [item.what for item in mutants(load_pack(PACK)) if survives(item, prepared)]


def test_each_step_of_a_rule_has_the_value_the_engine_gives() -> None:
    pack = load_pack(PACK)
    data, fairness = Tracer(pack).rule(find_rule(pack, "fresh"), good(), DAY)
    assert (data.item, fairness.item) == ("data", "fairness")
    steps = {step.text: step.value for step in fairness.steps["require"].walk()}
    assert steps["params.age_max"] == 90 and steps["checks[item].age_days"] == 1
    assert steps['checks[item].verdict == "pass"'] is True
    assert data.steps["require"].value is True


def test_a_missing_metric_is_seen_where_it_is_missing() -> None:
    pack, evidence = load_pack(PACK), good()
    del evidence["checks"]["fairness"]["age_days"]
    trace = Tracer(pack).rule(find_rule(pack, "fresh"), evidence, DAY)[1]
    failed = [step.text for step in trace.steps["require"].walk() if isinstance(step.value, Failed)]
    assert failed[-1] == "checks[item].age_days"
    with pytest.raises(PolicyError, match="no rule 'fresher'"):
        find_rule(pack, "fresher")


def test_coverage_names_what_no_case_showed() -> None:
    pack = load_pack(PACK)
    one = measure(pack, [run_case(pack, FULL[1], EVIDENCE["good"])], EVIDENCE)
    missing = {item.text: item.missing for item in one.conditions}
    assert missing['checks[item].verdict == "pass"'] == "false"
    assert one.statuses["fresh"] == {"pass", "fail"}
    whole = measure(pack, [run_case(pack, item, EVIDENCE["good"]) for item in FULL], EVIDENCE)
    assert whole.ratio == 1.0 and not any(item.missing for item in whole.conditions)


def test_good_cases_kill_every_mutant_and_each_one_is_needed() -> None:
    assert alive(FULL) == []
    assert "severity: deny → review" in alive(FULL[:1])
    boundary = "checks[item].age_days <= params.age_max → checks[item].age_days < params.age_max"
    assert any(boundary in what for what in alive(FULL[1:]))
    assert all(item.source != PACK for item in mutants(load_pack(PACK)))


def test_the_mutants_base_decides_as_the_pack_itself() -> None:
    """Writing a pack anew as YAML must not change it: else every mutant dies for nothing."""
    from datetime import UTC, datetime

    from govern.policy import mutants as module

    for path in sorted(ROOT.glob("policies/*/policy.yaml")):
        pack = load_pack(path.read_bytes())
        again = load_pack(module._dump(module.yaml.safe_load(pack.source)))
        now = datetime(2026, 11, 25, tzinfo=UTC)
        first, second = (evaluate([item], allowed_evidence(), now).rules for item in (pack, again))
        assert first == second


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small" / "cases").mkdir(parents=True)
    (tmp_path / "_evidence").mkdir()
    (tmp_path / "small" / "policy.yaml").write_bytes(PACK)
    (tmp_path / "_evidence" / "good.yaml").write_text(json.dumps(good()))
    text = CASE.format(title="old", path="age_days", to=91, outcome="deny", status="fail")
    (tmp_path / "small" / "cases" / "old.yaml").write_text(text)
    return tmp_path


def shell(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "govern.cli.main", "policy", *arguments, "--policies", "."],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=60,
    )


def test_policy_test_from_the_shell(folder: Path) -> None:
    done = shell(folder, "test", "--mutate")
    assert done.returncode == 0, done.stderr
    assert "ok    small: 1 of 1 cases" in done.stdout and "survived  small/fresh: require:" in done.stdout
    wrong = folder / "small" / "cases" / "old.yaml"
    wrong.write_text(wrong.read_text().replace("deny", "allow"))
    done = shell(folder, "test")
    assert done.returncode == 1 and "the outcome is deny, expected allow" in done.stdout
    assert shell(folder, "test", "nothing").returncode == 2
    wrong.write_text("title: [")
    done = shell(folder, "test")
    assert done.returncode == 1 and "small/cases/old.yaml:2:1: not YAML" in done.stderr
    assert "Traceback" not in done.stderr


def test_policy_eval_takes_a_rule_apart(folder: Path) -> None:
    done = shell(folder, "eval", "_evidence/good.yaml", "--rule", "small/fresh")
    assert done.returncode == 0 and "params.age_max  90" in done.stdout
    found = json.loads(shell(folder, "eval", "_evidence/good.yaml", "--rule", "small", "--json").stdout)
    assert found["outcome"] == "allow" and len(found["trace"]["small/fresh"]) == 2
    assert "no rule" in shell(folder, "eval", "_evidence/good.yaml", "--rule", "small/x").stderr
