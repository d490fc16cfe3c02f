"""Do the gate, its log and the upstream count the same? Pure: numbers in, rows out.

A gate counts outcomes since it started; its log counts records since it began. So the
records that were there at the start are left out of the comparison by kind. A record that
could not be made durable was counted by the gate and is in no log: as many may be missing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from govern.errors import MalformedError

SAMPLES_MAX = 100_000
KINDS = ("inference", "refusal", "error", "timeout", "cancelled", "stream-close", "probe")
_SAMPLE = re.compile(r"(govern_gate_[a-z_]+)(?:\{([^{}]*)\})? ([0-9.e+-]+)")
_LABEL = re.compile(r'([a-z]+)="([^"]*)"')
Labels = frozenset[tuple[str, str]]
Samples = Mapping[tuple[str, Labels], float]


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure as each side has it; None: that side does not know it."""

    gate: str
    what: str
    counted: int | None
    logged: int | None
    upstream: int | None
    agrees: bool


@dataclass(frozen=True, slots=True)
class Logged:
    """What a gate's folder holds: records by kind since an index, in all, and published."""

    kinds: Mapping[str, int]
    records: int
    published: int


def read_metrics(text: str) -> dict[tuple[str, Labels], float]:
    """Read a gate's metrics page.

    Raises:
        MalformedError: it has none of a gate's figures, or too many.
    """
    found: dict[tuple[str, Labels], float] = {}
    for line in text.splitlines()[:SAMPLES_MAX]:
        match = _SAMPLE.fullmatch(line)
        if match is not None:
            name, labels, value = match.groups()
            found[name, frozenset(_LABEL.findall(labels or ""))] = float(value)
    if not any(name == "govern_gate_records_total" for name, _ in found):
        raise MalformedError("this is not a gate's metrics page")
    return found


def of_gate(samples: Samples, gate: str) -> Samples:
    """Return the samples of one process, without the label that tells it apart."""
    label = ("gate", gate)
    if not any(name == "gate" for _, labels in samples for name, _ in labels):
        return samples
    return {
        (name, labels - {label}): value
        for (name, labels), value in samples.items()
        if label in labels
    }


def records_at_start(samples: Samples) -> int:
    """Return how many records there were when the gate started."""
    return int(samples.get(("govern_gate_records_at_start", frozenset()), 0))


def compare(gate: str, logged: Logged, samples: Samples | None) -> list[Compared]:
    """Compare one gate's figures with its log's.

    Args:
        gate: its name.
        logged: what its folder holds; kinds since the gate's start where ``samples`` is given.
        samples: what the running gate says, or None.
    """
    if samples is None:
        same = logged.records == logged.published
        return [Compared(gate, "records published", None, logged.published, None, same)]
    total = int(samples["govern_gate_records_total", frozenset()])
    missing = int(samples.get(("govern_gate_records_failed_total", frozenset()), 0))
    rows = [
        Compared(gate, "records", total, logged.records, None, total == logged.records),
        Compared(
            gate, "records published", total, logged.published, None, total == logged.published
        ),
    ]
    counted = _outcomes(samples)
    for kind in KINDS:
        there = logged.kinds.get(kind, 0)
        agrees = there <= counted[kind] <= there + missing
        rows.append(Compared(gate, f"{kind} since start", counted[kind], there, None, agrees))
    return rows


def _outcomes(samples: Samples) -> Counter[str]:
    found: Counter[str] = Counter()
    for (name, labels), value in samples.items():
        kind = dict(labels).get("kind")
        if name == "govern_gate_outcomes_total" and kind is not None:
            found["stream-close" if kind == "stream" else kind] += int(value)
    return found


def compare_upstreams(
    parts: Iterable[tuple[str, Samples]], told: Mapping[str, int]
) -> list[Compared]:
    """Compare what all processes sent to a deployment's upstream with what it says it got.

    Args:
        parts: name and samples of each process.
        told: requests since the gate's start by deployment, as the upstream counted them.
    """
    sent: Counter[str] = Counter()
    for _, samples in parts:
        for (name, labels), value in samples.items():
            if name == "govern_gate_upstream_sent_total":
                sent[dict(labels)["deployment"]] += int(value)
    return [
        Compared("all", f"sent to {name}", sent[name], None, count, sent[name] == count)
        for name, count in sorted(told.items())
    ]
