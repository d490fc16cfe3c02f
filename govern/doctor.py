"""Gather the facts about a home that ``services.examining`` judges.

What cannot be looked at is a finding too: one part that is broken hides none of the others.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from govern.adapters.gate_files import GateFolder
from govern.adapters.pack_files import load_packs
from govern.bootstrap import Application, utc_now
from govern.domain import predicates
from govern.errors import GovernError
from govern.services import examining
from govern.services.examining import Finding

JOBS_MAX = 1_000
Part = Callable[[Application, datetime], Finding]


def examine(application: Application, now: datetime | None = None) -> list[Finding]:
    """Return every finding about a home, in a fixed order."""
    moment = now or utc_now()
    found = [_safely(name, part, application, moment) for name, part in _PARTS.items()]
    return [*found, *_gates(application, moment)]


def _safely(name: str, part: Part, application: Application, now: datetime) -> Finding:
    try:
        return part(application, now)
    except (GovernError, OSError, KeyError, ValueError) as error:
        return Finding(name, "fail", f"It cannot be looked at: {error}", "Mend that first.")


def _key_files(application: Application, now: datetime) -> Finding:
    folder = application.home / "keys"
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.glob("*.key")}
    return examining.judge_key_files(modes)


def _log(application: Application, now: datetime) -> Finding:
    size = application.log.checkpoint().size
    for index in range(size):
        application.log.bundle(index)
    return Finding("log", "ok", f"Its checkpoint verifies and all {size} bundles are there.")


def _index(application: Application, now: datetime) -> Finding:
    size = application.log.checkpoint().size
    return examining.judge_index(size, application.records.count_statements())


def _jobs(application: Application, now: datetime) -> Finding:
    states = ("queued", "failed")
    jobs = [
        job
        for state in states
        for job in application.records.list_jobs(state=state, limit=JOBS_MAX)
    ]
    return examining.judge_jobs(jobs, now)


def _clock(application: Application, now: datetime) -> Finding:
    size = application.log.checkpoint().size
    newest = (
        application.operations.recorder.verified(application.log.bundle(size - 1)) if size else None
    )
    return examining.judge_clock(newest.proven_at if newest else None, now)


def _sandbox(application: Application, now: datetime) -> Finding:
    checks = application.operations.recorder.every(predicates.TEST_RESULT)
    newest = max(checks, key=lambda item: item.log_index, default=None)
    device = newest.statement.predicate["govern"].get("device", {}) if newest else {}
    return examining.judge_sandbox(device.get("sandbox"))


def _disk(application: Application, _: datetime) -> Finding:
    return examining.judge_disk(shutil.disk_usage(application.home).free)


_PARTS: dict[str, Part] = {
    "key-files": _key_files,
    "certificates": lambda application, now: examining.judge_certificates(application.trust, now),
    "log": _log,
    "index": _index,
    "clock": _clock,
    "disk": _disk,
    "packs": lambda application, now: examining.judge_packs(
        load_packs(application.settings.policies), now
    ),
    "jobs": _jobs,
    "admissions": lambda application, now: examining.judge_admissions(
        application.records.current_admissions(), now
    ),
    "sandbox": _sandbox,
}


def _gates(application: Application, now: datetime) -> Iterator[Finding]:
    every = timedelta(seconds=application.settings.anchor_seconds)
    anchors = application.operations.recorder.every(predicates.ANCHOR)
    for path in sorted((application.home / "gates").glob("*/log/checkpoint")):
        name = path.parents[1].name

        def judged(application: Application, now: datetime, name: str = name) -> Finding:
            gate = GateFolder(application.home, name)
            size = application.trust.open_checkpoint(gate.checkpoint_note(), gate.origin)[0].size
            own = [
                item for item in anchors if item.statement.predicate.get("origin") == gate.origin
            ]
            newest = max(own, key=lambda item: item.log_index, default=None)
            anchored = int(newest.statement.predicate["tree_size"]) if newest else 0
            at = newest.proven_at if newest else None
            return examining.judge_gate(name, size, anchored, at, every, now)

        yield _safely(f"gate {name}", judged, application, now)
