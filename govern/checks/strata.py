"""Whether a difference between groups holds inside the strata of a declared variable.

An overall difference can vanish or turn round inside every stratum (Simpson, 1951; Bickel
et al., 1975). The common odds ratio is Mantel and Haenszel's (1959), with the variance of
Robins, Breslow and Greenland (1986).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from govern.checks import intervals


def simpson(
    selected: np.ndarray, member: np.ndarray, reference: np.ndarray, strata: np.ndarray
) -> dict[str, Any]:
    """Compare a group's selection with a reference's, overall and per stratum.

    Args:
        selected: bool [n].
        member: bool [n], the group.
        reference: bool [n], whom it is compared with.
        strata: text [n], the declared variable.

    Returns:
        overall difference, one row per stratum, the common odds ratio with interval, and
        ``reverses``: whether the strata together point the other way, not by chance alone.
    """
    overall = _difference(selected, member, reference)
    rows = []
    for stratum in sorted(set(strata.tolist())):
        inside = strata == stratum
        rows.append(
            {
                "stratum": str(stratum),
                "n": int((member & inside).sum()),
                "n_reference": int((reference & inside).sum()),
                "difference": _difference(selected, member & inside, reference & inside),
            }
        )
    odds = mantel_haenszel(selected, member, reference, strata)
    return {
        "overall": overall,
        "strata": rows,
        "odds_ratio": odds,
        "reverses": _reverses(selected, member, reference, odds),
    }


def _reverses(
    selected: np.ndarray, member: np.ndarray, reference: np.ndarray, odds: dict[str, float | None]
) -> bool:
    """Say whether overall and common odds point apart, and one of the two is significant."""
    value, low, high = odds["value"], odds["low"], odds["high"]
    if value is None or low is None or high is None:
        return False
    z = intervals.pooled_z(
        float(selected[member].sum()),
        float(member.sum()),
        float(selected[reference].sum()),
        float(reference.sum()),
    )
    apart = (z > 0 and value < 1) or (z < 0 and value > 1)
    return apart and (abs(z) >= intervals.Z95 or low > 1 or high < 1)


def _difference(selected: np.ndarray, member: np.ndarray, reference: np.ndarray) -> float | None:
    if not member.any() or not reference.any():
        return None
    return float(selected[member].mean() - selected[reference].mean())


def mantel_haenszel(
    selected: np.ndarray, member: np.ndarray, reference: np.ndarray, strata: np.ndarray
) -> dict[str, float | None]:
    """Return the common odds ratio over strata with its 95 % interval."""
    right = left = first = cross = last = 0.0
    for stratum in set(strata.tolist()):
        inside = strata == stratum
        a = float((selected & member & inside).sum())
        b = float((~selected & member & inside).sum())
        c = float((selected & reference & inside).sum())
        d = float((~selected & reference & inside).sum())
        n = a + b + c + d
        if n == 0:
            continue
        p, q, r, s = (a + d) / n, (b + c) / n, a * d / n, b * c / n
        right, left = right + r, left + s
        first, cross, last = first + p * r, cross + p * s + q * r, last + q * s
    if not right or not left:
        return {"value": None, "low": None, "high": None}
    variance = first / (2 * right**2) + cross / (2 * right * left) + last / (2 * left**2)
    value, spread = right / left, intervals.Z95 * math.sqrt(variance)
    return {"value": value, "low": value * math.exp(-spread), "high": value * math.exp(spread)}
