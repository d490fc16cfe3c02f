"""The editors' JSON Schemas and the loaders accept and refuse the same documents."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
import yaml

from govern.errors import PolicyError
from govern.policy.cases import load_case
from govern.policy.document import load_pack
from govern.policy.reading import compose, plain
from tests.support.packs import POLICIES

PACK: dict[str, Any] = {
    "id": "one", "version": "1", "title": "t", "jurisdiction": "internal", "instrument": "i",
    "status": "in-force", "effective_from": "2026-01-01", "effective_to": "2027-01-01",
    "supersedes": "zero", "source": {"url": "u"}, "reviewed_on": "2026-01-01", "params": {"a": 1.5},
    "approvals": {"default": 1, "high": 2, "roles": ["reviewer"]}, "applies": "true",
    "rules": [
        {"id": "r", "title": "t", "citation": "c", "severity": "deny", "message": "m", "require": "true",
         "reads": ["candidate"], "value": "1.0", "waivable_by": "compliance"},
        {"id": "d", "title": "t", "citation": "c", "severity": "review", "message": "m", "declared": "need"},
    ],
}  # fmt: skip
CASE: dict[str, Any] = {
    "title": "t", "as_of": "2026-01-01", "evidence": "e",
    "change": [{"set": "a.b", "to": None}, {"remove": 'a["b c"][0]'}],
    "expect": {"outcome": "deny", "rules": {"r": "fail"}},
}  # fmt: skip
DROP = object()
PACK_EDITS: list[tuple[list[Any], Any]] = [
    *[([key], DROP) for key in PACK],
    *[([key], value) for key in PACK for value in (3, True, None, ["x"], {"x": 1}, "")],
    *[([key], "Not an id!") for key in PACK if key != "applies"],
    *[(["rules", 0, key], DROP) for key in PACK["rules"][0]],
    *[(["rules", 0, key], value) for key in PACK["rules"][0] for value in (3, ["x"], {"x": 1})],
    (["unknown"], "x"), (["rules", 0, "unknown"], "x"), (["rules"], []), (["rules", 0, "severity"], "block"),
    (["rules", 0, "declared"], "both"), (["rules", 1, "declared"], "No Name"), (["rules", 1, "for_each"], "[1]"),
    (["rules", 0, "waivable_by"], "anyone"), (["status"], "rescinded"), (["approvals", "high"], 0),
    (["approvals", "high"], 1.5), (["approvals", "high"], True), (["approvals", "roles"], [""]), (["approvals", "tiny"], 1),
    (["source", "digest"], "sha256:00"), (["source", "isbn"], "x"), (["params", "Not"], 1), (["effective_from"], "2026-02-30"),
    (["rules", 0, "reads"], [3]), (["params"], {}), (["version"], " "),
]  # fmt: skip
CASE_EDITS: list[tuple[list[Any], Any]] = [
    *[([key], DROP) for key in CASE],
    *[([key], value) for key in CASE for value in (3, None, ["x"], {"x": 1})],
    (["change"], []), (["change", 0], {"set": "a"}), (["change", 0], {"to": 1}), (["change", 0], {"remove": "a", "to": 1}),
    (["change", 0, "set"], "a..b"), (["change", 0, "set"], "[0]x"), (["change", 0, "set"], ""), (["change", 0, "more"], 1),
    (["expect", "outcome"], "denied"), (["expect", "rules"], {}), (["expect", "rules", "r"], "failed"), (["expect", "x"], 1),
    (["expect", "rules", "r"], 3), (["why"], "because"), (["why"], 3),
]  # fmt: skip


def edited(document: dict[str, Any], path: list[Any], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    inner: Any = changed
    for key in path[:-1]:
        inner = inner[key]
    if value is DROP:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return changed


def accepts(load: Callable[[bytes], object], document: dict[str, Any]) -> bool:
    try:
        load(yaml.safe_dump(document).encode())
    except PolicyError:
        return False
    return True


def validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((POLICIES / name).read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize(
    ("name", "load", "document", "edits"),
    [("policy.schema.json", load_pack, PACK, PACK_EDITS), ("case.schema.json", load_case, CASE, CASE_EDITS)],
)
def test_schema_and_loader_agree(name: str, load: Any, document: Any, edits: Any) -> None:
    schema = validator(name)
    assert accepts(load, document) and schema.is_valid(document)
    verdicts = []
    for path, value in edits:
        changed = edited(document, path, value)
        assert accepts(load, changed) == schema.is_valid(changed), (path, value)
        verdicts.append(accepts(load, changed))
    assert True in verdicts and False in verdicts


@pytest.mark.parametrize(
    ("pattern", "name"), [("*/policy.yaml", "policy.schema.json"), ("*/cases/*.yaml", "case.schema.json")]
)
def test_what_is_shipped_fits_the_schema(pattern: str, name: str) -> None:
    schema, files = validator(name), sorted(POLICIES.glob(pattern))
    for path in files:
        source, node = compose(path.read_bytes(), path.name, 1 << 20)
        schema.validate(plain(node, source))
    assert len(files) >= 3
