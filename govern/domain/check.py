"""A check's result: findings with verdicts, and the numbers rules and reports read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from govern.errors import MalformedError

VERDICTS = ("pass", "fail", "uncertain", "error")


@dataclass(frozen=True, slots=True)
class Finding:
    """One measured thing: value, interval, threshold, and what follows."""

    id: str
    title: str
    verdict: str
    message: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    unit: str | None = None
    subject: str | None = None
    n: int | None = None

    def __post_init__(self) -> None:
        """Refuse an unknown verdict."""
        if self.verdict not in VERDICTS:
            raise MalformedError(f"unknown verdict {self.verdict!r}")


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found about one candidate."""

    check: str
    version: str
    candidate: str
    materials: tuple[Mapping[str, str], ...]
    parameters: Mapping[str, Any]
    seed: int
    device: Mapping[str, Any]
    started_at: str
    finished_at: str
    findings: tuple[Finding, ...]
    metrics: Mapping[str, Any]

    @property
    def verdict(self) -> str:
        """The gravest finding's verdict; nothing found is an error."""
        verdicts = {finding.verdict for finding in self.findings}
        order = ("error", "fail", "uncertain", "pass")
        return next((verdict for verdict in order if verdict in verdicts), "error")

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            **asdict(self),
            "materials": [dict(item) for item in self.materials],
            "findings": [asdict(finding) for finding in self.findings],
            "verdict": self.verdict,
        }
