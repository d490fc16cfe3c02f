"""How long things took, as a Prometheus histogram. Pure; it does not measure."""

from __future__ import annotations

from bisect import bisect_left

BOUNDS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class Histogram:
    """Counts of seconds by upper bound."""

    def __init__(self) -> None:
        self.total_seconds = 0.0
        self._counts = [0] * (len(BOUNDS_SECONDS) + 1)

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(BOUNDS_SECONDS, seconds)] += 1
        self.total_seconds += seconds

    def lines(self, name: str, text: str) -> list[str]:
        """Return the lines of Prometheus' text format; buckets are cumulative."""
        found = [f"# HELP {name} {text}", f"# TYPE {name} histogram"]
        seen = 0
        for bound, count in zip((*BOUNDS_SECONDS, "+Inf"), self._counts, strict=True):
            seen += count
            found.append(f'{name}_bucket{{le="{bound}"}} {seen}')
        return [*found, f"{name}_sum {self.total_seconds:.6f}", f"{name}_count {seen}"]
