"""The shipped cases see every condition both ways and every rule speak; few mutants outlive them."""

from __future__ import annotations

import pytest

from govern.policy.cases import run_case
from govern.policy.coverage import measure
from govern.policy.document import Pack
from govern.policy.mutants import mutants, prepare, survives
from tests.support.packs import shipped_cases, shipped_evidence, shipped_packs

EVERY = 8
ANOTHER_DENIES = "another rule errs or fails on the same evidence and denies as well"
NOT_A_NUMBER = "nothing divided by nothing is no number, and no comparison with it holds"
SURVIVORS = {
    ("us-fcra/report-declared", "severity: review → advise"): ANOTHER_DENIES,
    ("us-fcra-2011/report-declared", "severity: review → advise"): ANOTHER_DENIES,
    ("us-nyc-ll144/audit-date", "severity: deny → review"): ANOTHER_DENIES,
    ("us-nyc-ll144/rates-add-up", "require: group.n > 0 → group.n >= 0"): NOT_A_NUMBER,
    ("us-nyc-ll144/rates-add-up", "require: group.n > 0 → group.n > -1"): NOT_A_NUMBER,
    (
        "us-nyc-ll144/rates-add-up",
        ("require: group.n > 0 && double(group.selected) / double(group.n) - double(group.rate) < params.rounding"
        " → double(group.selected) / double(group.n) - double(group.rate) < params.rounding"),
    ): NOT_A_NUMBER,
}


def evidence_of(name: str) -> dict:
    return {case.evidence: shipped_evidence(case.evidence) for other, case in shipped_cases() if other == name}


@pytest.mark.parametrize("one", shipped_packs(), ids=lambda one: one.id)
def test_every_condition_is_seen_both_ways_and_every_rule_for_and_against(one: Pack) -> None:
    evidence = evidence_of(one.id)
    results = [run_case(one, case, evidence[case.evidence]) for name, case in shipped_cases() if name == one.id]
    coverage = measure(one, results, evidence)
    assert [(item.rule, item.text, item.missing) for item in coverage.conditions if item.missing] == []
    assert coverage.ratio == 1.0
    for rule, seen in coverage.statuses.items():
        assert "pass" in seen and seen & {"fail", "uncertain", "error"}, rule


@pytest.mark.parametrize("one", shipped_packs(), ids=lambda one: one.id)
def test_every_rule_against_a_candidate_says_what_would_make_it_pass(one: Pack) -> None:
    evidence = evidence_of(one.id)
    for case in (case for name, case in shipped_cases() if name == one.id):
        for result in run_case(one, case, evidence[case.evidence]).decision.rules:
            if result.status in ("fail", "uncertain", "error"):
                assert result.remedy, (result.rule, case.place)


@pytest.mark.parametrize("every", [EVERY, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize("one", shipped_packs(), ids=lambda one: one.id)
def test_no_mutant_outlives_the_cases_without_a_reason(one: Pack, every: int) -> None:
    prepared = prepare([case for name, case in shipped_cases() if name == one.id], evidence_of(one.id))
    chosen = list(mutants(one))[::every]
    alive = {(item.where, item.what) for item in chosen if survives(item, prepared)}
    assert len(chosen) >= 3
    assert alive <= set(SURVIVORS)
    if every == 1:
        assert alive == {key for key in SURVIVORS if key[0].startswith(f"{one.id}/")}, "a reason that is no longer needed"
