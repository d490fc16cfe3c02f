"""What is wrong, or soon will be, with an installation. Pure: facts in, findings out.

Each rule of judgement is a function of facts and ``now``; who gathers the facts is
``govern.doctor``. A finding says what was seen and, unless all is well, what a person does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from govern.policy.document import Pack
from govern.services.ports import AdmissionRow, Job
from govern.transparency.encoding import parse_time
from govern.transparency.trust import TrustRoot

LEVELS = ("ok", "warn", "fail")
SOON = timedelta(days=30)
ADMISSION_SOON = timedelta(days=7)
JOB_WAITS = timedelta(minutes=10)
CLOCK_SLACK = timedelta(seconds=5)
FREE_BYTES_WARN, FREE_BYTES_FAIL = 5 << 30, 512 << 20
NAMED_MAX = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        what: its name, stable, for machines.
        level: one of ``LEVELS``.
        message: what was seen.
        fix: what to do; empty where all is well.
    """

    what: str
    level: str
    message: str
    fix: str = ""


def judge_key_files(modes: Mapping[str, int]) -> Finding:
    """Judge who may read the key files: file name to permission bits."""
    open_ones = sorted(name for name, mode in modes.items() if mode & 0o077)
    if not open_ones:
        return Finding(
            "key-files", "ok", f"{len(modes)} key files are readable by their owner alone."
        )
    message = f"Others may read {_some(open_ones)}."
    return Finding(
        "key-files", "fail", message, "chmod 600 them, and rotate what others could read."
    )


def judge_certificates(trust: TrustRoot, now: datetime) -> Finding:
    """Judge when the authorities' certificates that are in use run out."""
    authorities = {
        "authority": trust.cas,
        "timestamps": trust.tsas,
        "reports": trust.report_signers,
    }
    ends = {
        f"{name} ({one.id[7:15]})": one.chain[0].not_valid_after_utc
        for name, known in authorities.items()
        for one in known
        if one.valid.covers(now)
    }
    over = sorted(name for name, end in ends.items() if end <= now)
    soon = sorted(name for name, end in ends.items() if now < end <= now + SOON)
    fix = "`govern key rotate ROLE` makes the successor; hand out the new trust file."
    if over or not ends:
        return Finding("certificates", "fail", f"Run out: {_some(over) or 'every one'}.", fix)
    if soon:
        return Finding("certificates", "warn", f"Run out within 30 days: {_some(soon)}.", fix)
    first = min(ends.values())
    return Finding(
        "certificates", "ok", f"{len(ends)} in use, the first runs out {first:%Y-%m-%d}."
    )


def judge_index(log_size: int, indexed: int) -> Finding:
    """Judge whether the database knows the log's statements."""
    if log_size == indexed:
        return Finding("index", "ok", f"All {log_size} statements of the lineage log are indexed.")
    message = f"The lineage log holds {log_size} statements, the database {indexed}."
    return Finding(
        "index", "fail", message, "`govern log reindex` rebuilds the index from the log."
    )


def judge_gate(
    name: str,
    size: int,
    anchored: int,
    anchored_at: datetime | None,
    every: timedelta,
    now: datetime,
) -> Finding:
    """Judge when a gate's log was put on record.

    Args:
        name: the gate's.
        size: of its log.
        anchored: size that the newest anchor names.
        anchored_at: when; None where there is none.
        every: how often the worker does it.
        now: the present.
    """
    what, fix = f"gate {name}", "Start the worker, or `govern log anchor`."
    if size == 0 or anchored == size:
        return Finding(what, "ok", f"Its log of {size} records is on record in the lineage log.")
    if anchored_at is None:
        return Finding(what, "warn", f"None of its {size} records is on record yet.", fix)
    if now - anchored_at <= 3 * every:
        return Finding(what, "ok", f"{anchored} of its {size} records are on record.")
    age = int((now - anchored_at).total_seconds() // 60)
    message = f"{size - anchored} of its {size} records came after the anchor of {age} minutes ago."
    return Finding(what, "warn", message, fix)


def judge_disk(free_bytes: int) -> Finding:
    """Judge the room on the home's disk."""
    message = f"{free_bytes / (1 << 30):.1f} GiB are free."
    fix = "Make room: a gate that cannot record answers 503."
    level = (
        "fail" if free_bytes < FREE_BYTES_FAIL else "warn" if free_bytes < FREE_BYTES_WARN else "ok"
    )
    return Finding("disk", level, message, "" if level == "ok" else fix)


def judge_jobs(jobs: Iterable[Job], now: datetime) -> Finding:
    """Judge whether jobs wait for a worker, or failed."""
    known = list(jobs)
    failed = [job for job in known if job.state == "failed"]
    old = [
        job
        for job in known
        if job.state == "queued" and now - parse_time(job.created_at) > JOB_WAITS
    ]
    if old:
        message = f"{len(old)} jobs have waited for over {JOB_WAITS.seconds // 60} minutes."
        return Finding(
            "jobs", "fail", message, "Start a worker; GOVERN_QUEUES says which jobs it takes."
        )
    if failed:
        why = f"{failed[0].kind}: {failed[0].error or ''}"[:120]
        return Finding(
            "jobs", "warn", f"{len(failed)} jobs failed, such as {why}.", "Run them again."
        )
    return Finding("jobs", "ok", "No job waits for long, none failed.")


def judge_admissions(rows: Iterable[AdmissionRow], now: datetime) -> Finding:
    """Judge which deployments stop serving soon."""
    live = [row for row in rows if row.status == "active"]
    left = {row.deployment: parse_time(row.expires_at) - now for row in live}
    over = sorted(name for name, time in left.items() if time <= timedelta(0))
    soon = sorted(name for name, time in left.items() if timedelta(0) < time <= ADMISSION_SOON)
    fix = "Ask for approval again and admit; an admission is not extended."
    if over:
        return Finding("admissions", "fail", f"Ended: {_some(over)}.", fix)
    if soon:
        return Finding("admissions", "warn", f"End within 7 days: {_some(soon)}.", fix)
    return Finding("admissions", "ok", f"{len(live)} in force, none ends within 7 days.")


def judge_packs(packs: Iterable[Pack], now: datetime) -> Finding:
    """Judge whether packs have lapsed or will."""
    known, day = list(packs), now.date()
    lapsed = sorted(
        pack.id for pack in known if pack.lapsed(day) and not _superseded(pack, known, now)
    )
    soon = sorted(pack.id for pack in known if not pack.lapsed(day) and pack.lapsed(day + SOON))
    if lapsed:
        message = f"Lapsed without a successor, so every decision denies: {_some(lapsed)}."
        return Finding("packs", "fail", message, "Put the successor into the policies folder.")
    if soon:
        return Finding(
            "packs", "warn", f"End within 30 days: {_some(soon)}.", "Prepare successors."
        )
    return Finding("packs", "ok", f"{len(known)} packs, none lapsed.")


def _superseded(pack: Pack, packs: Sequence[Pack], now: datetime) -> bool:
    return any(one.supersedes == pack.id and one.in_force(now.date()) for one in packs)


def judge_clock(newest: datetime | None, now: datetime) -> Finding:
    """Judge the clock by the newest time that the log proves."""
    if newest is None or newest <= now + CLOCK_SLACK:
        return Finding("clock", "ok", "It is not behind the log.")
    message = f"It is {(newest - now).total_seconds():.0f} s behind the newest statement."
    return Finding("clock", "fail", message, "Set it; statements dated back are refused.")


def judge_sandbox(report: Mapping[str, Any] | None) -> Finding:
    """Judge how the newest check's candidate was shut in."""
    if report is None:
        return Finding("sandbox", "ok", "No check has run here yet.")
    level, lacks = str(report.get("level")), [str(item) for item in report.get("lacks", [])]
    if level == "full":
        return Finding("sandbox", "ok", "The newest check ran fully shut in.")
    message = f"The newest check ran {level} shut in: {_some(lacks) or 'nothing more is known'}."
    return Finding(
        "sandbox", "warn", message, "Use a kernel with Landlock and seccomp for workers."
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return ", ".join(names[:NAMED_MAX]) + more
