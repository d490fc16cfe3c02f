"""Intervals and tests for proportions, each with its source."""

from __future__ import annotations

import math

import numpy as np

Z95 = 1.959963984540054


def wilson(successes: float, count: float, z: float = Z95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion (Wilson, 1927)."""
    if count <= 0:
        return float("nan"), float("nan")
    share = successes / count
    centre = share + z * z / (2 * count)
    spread = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return (centre - spread) / scale, (centre + spread) / scale


def log_ratio(k1: float, n1: float, k2: float, n2: float, z: float = Z95) -> tuple[float, float]:
    """Return the log-Wald interval of a ratio of proportions, +0.5 (Katz et al., 1978)."""
    a, b = k1 + 0.5, k2 + 0.5
    centre = math.log(a / (n1 + 0.5)) - math.log(b / (n2 + 0.5))
    spread = z * math.sqrt(1 / a - 1 / (n1 + 0.5) + 1 / b - 1 / (n2 + 0.5))
    return math.exp(centre - spread), math.exp(centre + spread)


def difference(k1: float, n1: float, k2: float, n2: float, z: float = Z95) -> tuple[float, float]:
    """Return Newcombe's hybrid score interval of p1 - p2 (Newcombe, 1998, method 10)."""
    p1, p2 = k1 / n1, k2 / n2
    low1, high1 = wilson(k1, n1, z)
    low2, high2 = wilson(k2, n2, z)
    low = p1 - p2 - math.hypot(p1 - low1, high2 - p2)
    high = p1 - p2 + math.hypot(high1 - p1, p2 - low2)
    return low, high


def pooled_z(k1: float, n1: float, k2: float, n2: float) -> float:
    """Return the pooled two-proportion z statistic; 0 where nothing varies."""
    pooled = (k1 + k2) / (n1 + n2)
    variance = pooled * (1 - pooled) * (1 / n1 + 1 / n2)
    return 0.0 if variance == 0 else (k1 / n1 - k2 / n2) / math.sqrt(variance)


def flips_to_reach(k1: float, n1: float, rate2: float, ratio: float = 0.8) -> int:
    """Return how many refusals in the first group must turn for its ratio to reach ``ratio``."""
    needed = math.ceil(ratio * rate2 * n1 - 1e-9)
    return max(0, int(needed - k1))


def percentile_interval(samples: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of bootstrap samples, NaN left out."""
    clean = samples[np.isfinite(samples)]
    if clean.size == 0:
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    low, high = np.quantile(clean, [tail, 1 - tail])
    return float(low), float(high)


def flips_to_reverse(k1: float, n1: float, rate2: float, ratio: float = 0.8) -> int:
    """Return how many answers in the first group must turn for its verdict to turn.

    Below ``ratio``: refusals that must become approvals. At or above it: approvals that
    must become refusals for the group to fall below.
    """
    short = flips_to_reach(k1, n1, rate2, ratio)
    if short:
        return short
    spare = math.floor(k1 - ratio * rate2 * n1 + 1e-9) + 1
    return int(min(spare, k1)) if rate2 > 0 else 0


def holm(chances: np.ndarray) -> np.ndarray:
    """Return Holm's step-down adjusted p values (Holm, 1979), NaN left where they are."""
    adjusted = np.asarray(chances, float).copy()
    known = np.flatnonzero(np.isfinite(adjusted))
    order = known[np.argsort(adjusted[known], kind="stable")]
    steps = (len(order) - np.arange(len(order))) * adjusted[order]
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def wald_mean(values: np.ndarray, z: float = Z95) -> tuple[float, float, float]:
    """Return mean and normal interval of a sample; NaN bounds under two values."""
    count = len(values)
    if count == 0:
        return float("nan"), float("nan"), float("nan")
    mean = float(values.mean())
    if count < 2:
        return mean, float("nan"), float("nan")
    spread = z * float(values.std(ddof=1)) / math.sqrt(count)
    return mean, mean - spread, mean + spread
