"""``govern doctor``: what is wrong here, or soon will be, and what to do."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict

from govern.cli.output import opened, print_json, show_rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Look at keys, logs, index, disk, packs, jobs, admissions and gates; exit 1 on a failure."""
    parser = argparse.ArgumentParser(
        prog="govern doctor",
        description=__doc__,
        epilog="example: GOVERN_HOME=demo govern doctor; exit 1 where anything fails",
    )
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    options = parser.parse_args(arguments)
    with opened() as application:
        from govern.doctor import examine

        found = examine(application)
    if options.json:
        print_json([asdict(item) for item in found])
    else:
        columns = {"looked at": "what", "": "level", "seen": "message", "do": "fix"}
        show_rows(found, columns, as_json=False, empty="nothing was looked at")
    return int(any(item.level == "fail" for item in found))
