"""``make bench``: run every function ``bench_*`` of the modules ``bench_<group>.py``.

Each returns one row or a list of rows ``{name, value, unit, goal, against, rounds}``; the
table marks what misses its goal, and ``bench.json`` keeps the rows.
"""

from __future__ import annotations

import importlib
import json
import operator
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
COMPARE = {">=": operator.ge, "<=": operator.le}


def misses(row: dict[str, Any]) -> bool:
    """Say whether a row misses its goal."""
    goal = row.get("goal")
    return bool(goal) and not COMPARE[goal[:2]](row["value"], float(goal[2:]))


def collect(only: str | None) -> list[dict[str, Any]]:
    """Run the benchmarks (of one group, or ``group.beginning`` of names) and return their rows."""
    rows: list[dict[str, Any]] = []
    only, _, beginning = (only or "").partition(".")
    for path in sorted(HERE.glob("bench_*.py")):
        if only and path.stem != f"bench_{only}":
            continue
        module = importlib.import_module(f"tests.bench.{path.stem}")
        for name in sorted(vars(module)):
            if name.startswith(f"bench_{beginning}"):
                found = getattr(module, name)()
                rows += found if isinstance(found, list) else [found]
    return rows


def main() -> int:
    """Print the table and write ``bench.json``."""
    only = sys.argv[1] if len(sys.argv) > 1 else None
    rows = collect(only)
    if not rows and not (HERE / f"bench_{(only or '').partition('.')[0]}.py").exists():
        print(f"no benchmark group {only!r}", file=sys.stderr)
        return 2
    for row in rows:
        mark = "MISSES" if misses(row) else ""
        print(f"{row['name']:28} {row['value']:>12.4g} {row['unit']:10} {row['goal'] or '':10} {mark}")
    Path("bench.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
