"""What the fairness figures mean: the rules that were declared, and one verdict a figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from govern.domain.check import Finding
from govern.errors import InvalidRequestError

_DENOMINATORS = ("known", "all")


@dataclass(frozen=True, slots=True)
class Rules:
    """What is declared before anything is measured; printed with the result.

    Args:
        ratio_min: the four-fifths rule of thumb (29 CFR 1607.4(D)).
        tpr_difference_max: largest difference in true positive rates.
        exclusion_share: groups under this share are left out of comparisons, and shown
            (6 RCNY 5-301(b)(3): 2 %).
        exclusion_denominator: share of rows with a ``known`` group, or of ``all`` rows.
        count_min: groups under this many people are left out as well.
        bootstraps: draws of whole tables.
    """

    ratio_min: float = 0.8
    tpr_difference_max: float = 0.05
    exclusion_share: float = 0.02
    exclusion_denominator: str = "known"
    count_min: int = 5
    bootstraps: int = 2000

    @classmethod
    def read(cls, parameters: Mapping[str, Any]) -> Rules:
        """Take what the check's parameters name.

        Raises:
            InvalidRequestError: a value that cannot be meant.
        """
        rules = cls(**{f.name: parameters[f.name] for f in fields(cls) if f.name in parameters})
        sane = 0 <= rules.exclusion_share < 1 and 0 < rules.ratio_min <= 1
        if not sane or rules.exclusion_denominator not in _DENOMINATORS:
            raise InvalidRequestError(
                "expected 0 <= exclusion_share < 1, 0 < ratio_min <= 1 and an "
                f"exclusion_denominator of {' or '.join(_DENOMINATORS)}"
            )
        return rules


def findings_of(name: str, measured: dict[str, Any], rules: Rules) -> list[Finding]:
    """Return the findings about one feature or intersection."""
    ratio, tpr = measured["ratio"], measured["tpr_difference"]
    if ratio["value"] is None:
        return [_incomparable(name, measured)]
    found = [_ratio_finding(name, ratio, rules), *_tpr_finding(name, tpr, rules)]
    found += [_no_positives(name, row) for row in measured["groups"] if _lacks_positives(row)]
    found += [_significance(name, item) for item in measured["comparisons"]]
    found += [_reversal(name, item) for item in measured.get("strata", []) if item["reverses"]]
    return found


def selection_findings(name: str, measured: dict[str, Any], rules: Rules) -> list[Finding]:
    """Return the findings about who is selected alone, where nobody's label is yes or no."""
    if measured["ratio"]["value"] is None:
        return [_incomparable(name, measured)]
    tests = [_significance(name, item) for item in measured["comparisons"]]
    return [_ratio_finding(name, measured["ratio"], rules), *tests]


def _incomparable(name: str, measured: dict[str, Any]) -> Finding:
    kept = [row["group"] for row in measured["groups"] if not row["excluded"]]
    who = f"only {kept[0]} has enough people" if len(kept) == 1 else "no group is selected at all"
    if not kept:
        who = "no group has enough people"
    return Finding(
        "demographic-parity-ratio",
        f"Demographic parity ratio by {name}",
        "uncertain",
        f"Nothing can be compared by {name}: {who}.",
        threshold=None,
        unit="ratio",
        subject=name,
    )


def _ratio_finding(name: str, ratio: dict[str, Any], rules: Rules) -> Finding:
    return Finding(
        "demographic-parity-ratio",
        f"Demographic parity ratio by {name}",
        _verdict(ratio["value"], ratio["low"], rules.ratio_min),
        f"{ratio['group']} are selected at {ratio['value']:.3f} of the rate of "
        f"{ratio['reference']} (95 % interval {ratio['low']:.3f} to {ratio['high']:.3f}).",
        value=float(ratio["value"]),
        low=ratio["low"],
        high=ratio["high"],
        threshold=rules.ratio_min,
        unit="ratio",
        subject=f"{name}: {ratio['group']} vs {ratio['reference']}",
    )


def _tpr_finding(name: str, tpr: dict[str, Any], rules: Rules) -> list[Finding]:
    if tpr["value"] is None:
        return []
    limit = rules.tpr_difference_max
    verdict = "fail" if tpr["value"] > limit else "pass"
    return [
        Finding(
            "true-positive-rate-difference",
            f"True positive rate difference by {name}",
            verdict,
            f"The rates of {tpr['group']} and {tpr['reference']} differ by {tpr['value']:.3f}.",
            value=tpr["value"],
            low=tpr["low"],
            high=tpr["high"],
            threshold=limit,
            unit="difference",
            subject=name,
        )
    ]


def _lacks_positives(row: dict[str, Any]) -> bool:
    return not row["excluded"] and not row["positives"]


def _no_positives(name: str, row: dict[str, Any]) -> Finding:
    return Finding(
        "no-positives",
        f"True positive rate of {row['group']}",
        "uncertain",
        f"None of the {row['n']:.0f} people of {name} {row['group']} has a positive label: their "
        "true positive rate does not exist and is left out, not taken as zero.",
        unit="people",
        subject=f"{name}: {row['group']}",
        n=int(row["n"]),
    )


def _verdict(value: float, low: float, threshold: float) -> str:
    if value < threshold:
        return "fail"
    return "uncertain" if not low >= threshold else "pass"


def _significance(name: str, item: dict[str, Any]) -> Finding:
    return Finding(
        "significance",
        f"Difference in selection by {name}",
        "uncertain" if item["significant"] else "pass",
        f"z = {item['z']:.2f}, Fisher p = {item['fisher_p']:.2g}, p after Holm "
        f"{item['holm_p']:.2g}; {item['flips_to_reach']} more approvals would reach four "
        f"fifths, {item['flips_to_reverse']} other answers would turn the verdict.",
        value=item["difference"],
        low=item["difference_low"],
        high=item["difference_high"],
        unit="difference",
        subject=f"{name}: {item['group']} vs {item['reference']}",
        n=int(item["n"]),
    )


def _reversal(name: str, item: dict[str, Any]) -> Finding:
    return Finding(
        "strata-reversal",
        f"Difference by {name} within {item['variable']}",
        "uncertain",
        f"Within the strata of {item['variable']} the difference between {item['group']} and "
        f"{item['reference']} points the other way than overall (Simpson's paradox).",
        value=item["overall"],
        unit="difference",
        subject=f"{name}: {item['group']} vs {item['reference']}",
    )
