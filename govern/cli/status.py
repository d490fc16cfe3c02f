"""``govern status``: what ``GOVERN_HOME`` holds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from govern.cli.output import opened, print_json


def main(arguments: Sequence[str] | None = None) -> int:
    """Print counts, the log's state and what is being served."""
    parser = argparse.ArgumentParser(
        prog="govern status", description=__doc__, epilog="example: GOVERN_HOME=demo govern status"
    )
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    options = parser.parse_args(arguments)
    with opened() as application:
        value = _status(application)
    if options.json:
        print_json(value)
        return 0
    for key, item in value.items():
        print(f"{key.replace('_', ' '):16} {item}")
    return 0


def _status(application: Any) -> dict[str, Any]:
    log = application.log.checkpoint()
    records = application.records
    return {
        "home": str(application.home),
        "log": log.origin,
        "log_size": log.size,
        "statements": records.count_statements(),
        "candidates": records.list_candidates().total,
        "jobs_waiting": len(records.list_jobs(state="queued")),
        "open_requests": len(records.list_requests(state="open")),
        "served": [f"{row.deployment} ({row.status})" for row in records.current_admissions()],
    }
