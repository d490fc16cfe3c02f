"""How often a caller may ask: a token bucket each. Pure; the clock is an argument.

A bucket holds at most ``burst`` tokens and gains ``per_second`` of them; a request takes
one. Each gate process has its own buckets.
"""

from __future__ import annotations

from dataclasses import dataclass

from govern.errors import MalformedError

BUCKETS_MAX = 65_536
RATE_MAX = 1e6


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests per second, and how many at once."""

    per_second: float
    burst: float

    @classmethod
    def from_json(cls, row: dict[str, object]) -> Rate | None:
        """Read ``requests_per_second`` and ``burst`` (default: the same, at least 1) of a row.

        Raises:
            MalformedError: not a number between 0.001 and a million.
        """
        per_second = row.get("requests_per_second")
        if per_second is None:
            if "burst" in row:
                raise MalformedError("burst needs requests_per_second")
            return None
        rate = _number("requests_per_second", per_second)
        return cls(rate, max(1.0, _number("burst", row.get("burst", rate))))


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise MalformedError(f"{name} is a number")
    if not 0.001 <= value <= RATE_MAX:
        raise MalformedError(f"{name} lies between 0.001 and {RATE_MAX:g}, got {value!r:.20}")
    return float(value)


class Buckets:
    """The buckets of all callers with a rate; the longest unused are forgotten first."""

    def __init__(self) -> None:
        self._levels: dict[str, tuple[float, float]] = {}

    def wait_seconds(self, name: str, rate: Rate, now: float) -> float:
        """Take a token.

        Args:
            name: of the caller.
            rate: its rate.
            now: seconds on a clock that never goes back.

        Returns:
            0 when one was taken, else the seconds until there is one.
        """
        level, seen = self._levels.pop(name, (rate.burst, now))
        level = min(rate.burst, level + (now - seen) * rate.per_second)
        wait = 0.0 if level >= 1 else (1 - level) / rate.per_second
        if len(self._levels) >= BUCKETS_MAX:
            del self._levels[next(iter(self._levels))]
        self._levels[name] = (level - 1 if level >= 1 else level, now)
        return wait
