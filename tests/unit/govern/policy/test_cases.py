"""Every shipped case holds, every pack has an allowed and a denied one, and cases are read strictly."""

from __future__ import annotations

import pytest

from govern.errors import PolicyError
from govern.policy.cases import (
    Case,
    apply_changes,
    format_path,
    load_case,
    load_cases,
    parse_path,
    run_case,
)
from tests.support.packs import pack, shipped_cases, shipped_evidence, shipped_packs

GOOD = b"""title: t
as_of: "2026-11-25"
evidence: credit-allowed
change:
  - set: checks.data.metrics["race and sex"][0].n
    to: 3
expect: {outcome: deny, rules: {one: fail}}
"""


@pytest.mark.parametrize(("name", "case"), shipped_cases(), ids=[case.place for _, case in shipped_cases()])
def test_the_shipped_case_holds(name: str, case: Case) -> None:
    result = run_case(pack(name), case, shipped_evidence(case.evidence))
    assert result.held, (result.differences, [(r.rule, r.status, r.message) for r in result.decision.rules])


@pytest.mark.parametrize("one", shipped_packs(), ids=lambda one: one.id)
def test_every_pack_stands_in_its_folder_with_a_case_for_and_against(one: object) -> None:
    outcomes = {case.outcome for name, case in shipped_cases() if name == one.id}  # type: ignore[attr-defined]
    binds = any(rule.severity != "advise" for rule in one.rules)  # type: ignore[attr-defined]
    assert outcomes >= ({"allow", "deny"} if binds else {"deny"})


def test_a_change_sets_and_removes() -> None:
    case = load_case(GOOD)
    evidence = {"candidate": {}, "checks": {"data": {"metrics": {"race and sex": [{"n": 1}]}}}}
    assert apply_changes(evidence, case.changes)["checks"]["data"]["metrics"]["race and sex"][0]["n"] == 3
    assert evidence["checks"]["data"]["metrics"]["race and sex"][0]["n"] == 1


@pytest.mark.parametrize("text", ["a", "a.b", 'a["race and sex"].b[0]', "a-b.c_1", 'a["x.y"]'])
def test_paths_are_read_back(text: str) -> None:
    assert format_path(parse_path(text)) == text


@pytest.mark.parametrize("text", ["", ".a", "a..b", "a b", "a.", 'a["b', "[x]", "a.1"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        parse_path(text)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (b"title: t", b"tittle: t", "case.yaml:1:1: unknown field 'tittle'"),
        (b"title: t", b"title: 3", "case.yaml:1:8: 'title' must be text"),
        (b"2026-11-25", b"2026-13-25", "case.yaml:2:8: '2026-13-25' is not a date"),
        (b"deny", b"denied", "case.yaml:7:19: 'denied' is not one of allow, deny, review"),
        (b"one: fail", b"one: failed", "'failed' is not one of pass"),
        (b"one: fail", b"", "at least one rule"),
        (b"    to: 3\n", b"", "either 'set' and 'to', or 'remove'"),
        (b"to: 3", b"to: .nan", "finite"),
        (b"[0].n", b"[0]..n", "is no path"),
        (b"outcome: deny, ", b"", "lacks 'outcome'"),
    ],
)
def test_a_bad_case_is_refused_with_its_place(old: bytes, new: bytes, sentence: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load_case(GOOD.replace(old, new))
    assert sentence in str(caught.value)


def test_a_file_may_hold_a_list_of_cases_and_an_error_names_its_place() -> None:
    both = b"".join(b"- " + GOOD.strip().replace(b"\n", b"\n  ") + b"\n" for _ in range(2))
    assert [case.place for case in load_cases(both, "c.yaml")] == ["c.yaml:1:3", "c.yaml:8:3"]
    assert len(load_cases(GOOD)) == 1
    for bad, sentence in ((b"[]", "1 to 1000 cases"), (both.replace(b"deny", b"denied"), "c.yaml:7:21: 'denied' is not one of")):
        with pytest.raises(PolicyError, match=sentence):
            load_cases(bad, "c.yaml")


def test_removing_what_is_not_there_is_refused() -> None:
    case = load_case(GOOD.replace(b'set: checks.data.metrics["race and sex"][0].n\n    to: 3', b"remove: checks.gone"))
    with pytest.raises(PolicyError, match=r"case.yaml:5:5: checks.gone is not there"):
        apply_changes({"candidate": {}, "checks": {}}, case.changes)
