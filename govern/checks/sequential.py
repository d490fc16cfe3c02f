"""Intervals that hold at every look at once, for shares. Pure.

A fixed-sample interval looked at every day is wrong on some day almost surely. These are
confidence sequences: with probability 1 - alpha the true share lies in all of them, for ever,
however often and whenever somebody looks and stops.

The mixture of binomial likelihoods over Beta(1/2, 1/2) is a martingale under the true share,
so by Ville's inequality it exceeds 1/alpha with probability at most alpha (Robbins 1970,
Ann. Math. Statist. 41(5); Howard, Ramdas, McAuliffe, Sekhon 2021, Ann. Statist. 49(2)). The
sequence holds the shares at which it does not. Observations are taken as independent with one
share; where the share moves, the interval is about its average so far only approximately.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, lgamma, log

PRIOR = 0.5
STEPS = 60
"""Halvings of the interval that the end lies in: 2**-60 of a share."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its interval.

    Args:
        count: how many of ``n``.
        n: how many were looked at.
        low: the interval's lower end.
        high: the interval's upper end.
    """

    count: int
    n: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        """The share; None where nothing was looked at."""
        return self.count / self.n if self.n else None

    def to_json(self) -> dict[str, float | int | None]:
        """Return the JSON object."""
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}


def share_sequence(count: int, n: int, alpha: float) -> Share:
    """Return a share with an interval that holds at every n at once.

    Args:
        count: successes so far.
        n: observations so far.
        alpha: the chance that any of the intervals ever misses, above 0 and below 1.

    Raises:
        ValueError: the counts or alpha are none.
    """
    if not 0 <= count <= n or not 0 < alpha < 1:
        raise ValueError(f"no share: {count} of {n} at {alpha}")
    if n == 0:
        return Share(0, 0, 0.0, 1.0)
    mixture = _log_beta(PRIOR + count, PRIOR + n - count) - _log_beta(PRIOR, PRIOR)
    limit, middle = mixture + log(alpha), count / n

    def outside(share: float) -> bool:
        return _log_likelihood(count, n, share) < limit

    low = 0.0 if count == 0 else _end(outside, 0.0, middle)
    high = 1.0 if count == n else _end(outside, 1.0, middle)
    return Share(count, n, low, high)


def _end(outside: Callable[[float], bool], out: float, within: float) -> float:
    """Return the end of the interval between a share outside of it and one within."""
    for _ in range(STEPS):
        middle = (out + within) / 2
        if outside(middle):
            out = middle
        else:
            within = middle
    return out


def _log_likelihood(count: int, n: int, share: float) -> float:
    hits = count * log(share) if share > 0 else (-inf if count else 0.0)
    misses = (n - count) * log(1 - share) if share < 1 else (-inf if count < n else 0.0)
    return hits + misses


def _log_beta(one: float, two: float) -> float:
    return lgamma(one) + lgamma(two) - lgamma(one + two)
