"""The shipped packs, their cases and the evidence these start from, read as they are."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from govern.policy.cases import Case, load_cases, load_evidence
from govern.policy.document import Pack, load_pack

ROOT = Path(__file__).resolve().parents[2]
POLICIES = ROOT / "policies"


@cache
def shipped_packs() -> tuple[Pack, ...]:
    found = sorted(POLICIES.glob("*/policy.yaml"))
    return tuple(load_pack(path.read_bytes(), f"{path.parent.name}/policy.yaml") for path in found)


def pack(name: str) -> Pack:
    return next(item for item in shipped_packs() if item.id == name)


@cache
def shipped_cases() -> tuple[tuple[str, Case], ...]:
    """Return pack id and case of every shipped case."""
    found = []
    for path in sorted(POLICIES.glob("*/cases/*.yaml")):
        cases = load_cases(path.read_bytes(), str(path.relative_to(POLICIES)))
        found += [(path.parent.parent.name, case) for case in cases]
    return tuple(found)


@cache
def shipped_evidence(name: str) -> dict[str, Any]:
    path = POLICIES / "_evidence" / f"{name}.yaml"
    return load_evidence(path.read_bytes(), f"_evidence/{name}.yaml")
