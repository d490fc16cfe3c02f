"""What a worker does with a check: cut it, ask its shards, put them together, record once.

A check whose questions fit into one shard is run as it is. A larger one is cut: its shards
are jobs of their own, for any worker of the same queue, and the last of them queues the check
again. What a shard asks follows from the evaluation, the seed and its rows alone, so that a
shard may be asked twice and is counted once, and the figures do not depend on the cutting.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from govern.adapters.candidates.equivalence import with_equivalence
from govern.adapters.candidates.frames import Frame, decode, encode
from govern.adapters.candidates.opening import Candidate, FailedModel, WarmCandidates
from govern.adapters.check_data import load_evaluation
from govern.bootstrap import Application, utc_now
from govern.checks.pieces import Parts, Piece, Shard, cut, joined
from govern.checks.registry import CheckData, pieces_of, run_check, unusable
from govern.domain.check import CheckResult
from govern.errors import CandidateError, GovernError, InvalidRequestError
from govern.services.indexing import catch_up
from govern.services.operations import SHARD_JOBS
from govern.services.ports import Job, ShardAnswer
from govern.transparency.encoding import format_time
from govern.worker.beating import Beating

_SAME_DEVICE = ("kind", "provider", "runtime", "precision", "threads", "rows_per_batch", "builds")


@dataclass(slots=True)
class Warm:
    """What a worker keeps between jobs: libraries are imported and tables read once.

    Args:
        candidates: the candidate asked last, in its process.
    """

    candidates: WarmCandidates = field(default_factory=WarmCandidates)
    _named: tuple[str, ...] = ()
    _data: CheckData | None = None

    def candidate(self, opened: Application, digest: str) -> Candidate | FailedModel:
        """Return a candidate's process: the warm one, or a new one."""
        return self.candidates.open(digest, lambda: candidate_files(opened, digest))

    def data(
        self, opened: Application, digest: str, candidate: str, model: Candidate | FailedModel
    ) -> CheckData:
        """Return an evaluation as the candidate's card reads it.

        Raises:
            InvalidRequestError: its tables cannot be used.
        """
        named = (digest, candidate, *model.columns)
        if self._data is None or self._named != named:
            self._data = None  # two large evaluations are never held at once
            self._data = load_evaluation(opened.blobs, digest, candidate, model.task, model.columns)
            self._named = named
        return self._data

    def close(self) -> None:
        """End the candidate's process."""
        self.candidates.close()
        self._data = None


def candidate_files(opened: Application, digest: str) -> dict[str, bytes]:
    """Return a candidate's folder, by file name."""
    named = opened.operations.check_files(digest)
    return {name: opened.blobs.get(stored) for name, stored in named.items()}


def run_check_job(opened: Application, warm: Warm, job: Job) -> None:
    """Run a check, or cut it and leave its shards to whoever comes first.

    Only the attempt that still holds the lease records its result.
    """
    records, candidate = opened.records, str(job.payload["candidate"])
    recorded = opened.operations.recorded_check(candidate, job.id)
    if recorded is not None:  # an earlier attempt recorded it, and ended before it could say so
        records.complete_job(job, recorded)
        return
    model = warm.candidate(opened, candidate)
    seconds = opened.settings.lease_seconds
    total = max(_rows_last_time(opened, job), job.progress_total)
    with Beating(records, job, lease_seconds=seconds, rows_total=total, stop=model.stop) as beating:
        model.watch = beating.count
        if job.shards_left is None and _cut(opened, warm, job, model):
            return
        result = _checked(opened, warm, job, model)
    _record(opened, job, result, beating.rows)


def _cut(opened: Application, warm: Warm, job: Job, model: Candidate | FailedModel) -> bool:
    """Cut a check into shards; False where it fits into one, or cannot be run at all."""
    try:
        data = warm.data(opened, str(job.payload["evaluation"]), candidate_of(job), model)
        pieces = pieces_of(str(job.payload["check"]), model, data, int(job.payload["seed"]))
        shards = cut(pieces, opened.settings.shard_evaluations)
    except Exception:  # The check itself meets it again and says so in its verdict.
        return False
    if sum(shard.evaluations for shard in shards) <= opened.settings.shard_evaluations:
        return False
    payloads = [
        {
            **job.payload,
            "piece": shard.piece, "low": shard.low, "high": shard.high,
            "evaluations": shard.evaluations,
        }
        for shard in shards
    ]  # fmt: skip
    total = sum(shard.evaluations for shard in shards)
    return opened.records.split_job(job, SHARD_JOBS[job.kind], payloads, total)


def candidate_of(job: Job) -> str:
    """Return the candidate that a job is about."""
    return str(job.payload["candidate"])


def run_shard(opened: Application, warm: Warm, job: Job) -> None:
    """Ask one shard's questions; what the model cannot answer is said where it is put together."""
    records, shard = opened.records, shard_of(job.payload)
    model = warm.candidate(opened, candidate_of(job))
    with Beating(
        records,
        job,
        lease_seconds=opened.settings.lease_seconds,
        rows_total=shard.evaluations,
        stop=model.stop,
    ) as beating:
        model.watch = beating.count
        try:
            piece = _piece(opened, warm, job, model)
            arrays = piece.ask(slice(shard.low, shard.high))
        except Exception as error:  # A candidate may do anything; the worker must live.
            if not beating.lost:
                records.fail_shard(job, sentence(error))
            return
    device = {name: model.device[name] for name in _SAME_DEVICE if name in model.device}
    answer = b"".join(encode(Frame({"device": device}, arrays)))
    records.complete_shard(job, answer)


def _piece(opened: Application, warm: Warm, job: Job, model: Candidate | FailedModel) -> Piece:
    data = warm.data(opened, str(job.payload["evaluation"]), candidate_of(job), model)
    check, seed = str(job.payload["check"]), int(job.payload["seed"])
    named = {piece.name: piece for piece in pieces_of(check, model, data, seed)}
    return named[str(job.payload["piece"])]


def shard_of(payload: Mapping[str, Any]) -> Shard:
    """Return the shard that a job's payload names."""
    low, high, each = (int(payload[name]) for name in ("low", "high", "evaluations"))
    return Shard(str(payload["piece"]), low, high, each)


def sentence(error: Exception) -> str:
    """Return what a check says about an error."""
    return str(error) if isinstance(error, GovernError) else f"{type(error).__name__}: {error}"


def _checked(
    opened: Application, warm: Warm, job: Job, model: Candidate | FailedModel
) -> CheckResult:
    """Run a job's check; tables that cannot be used are an ``error`` verdict."""
    name, candidate = str(job.payload["check"]), candidate_of(job)
    model.device.pop("shards_elsewhere", None)
    digest = str(job.payload["evaluation"])
    try:
        data = warm.data(opened, digest, candidate, model)
    except InvalidRequestError as why:
        now = format_time(utc_now())
        return unusable(name, model=model, candidate=candidate, digest=digest, why=why, now=now)
    with_equivalence(
        model, lambda: candidate_files(opened, candidate), data.rows, data.protected_of(model)
    )

    def parts() -> Parts:
        return _parts(opened.records.shard_answers(job.id), model)

    return run_check(
        name,
        model=model,
        data=data,
        seed=int(job.payload["seed"]),
        clock=lambda: format_time(utc_now()),
        parts=None if job.shards_left is None else parts,
    )


def _parts(answers: list[ShardAnswer], model: Candidate | FailedModel) -> Parts:
    """Put shards together; devices other than this worker's stand in the evidence.

    Raises:
        CandidateError: the model could not answer one of them.
    """
    found, others = [], []
    own = {name: model.device[name] for name in _SAME_DEVICE if name in model.device}
    for answer in answers:
        if answer.error is not None:
            raise CandidateError(answer.error)
        frame = decode(io.BytesIO(answer.answer).read)
        found.append((shard_of(answer.payload), dict(frame.arrays)))
        device = frame.header["device"]
        if device != own and device not in others:
            others.append(device)
    if others:
        model.device["shards_elsewhere"] = others
    return joined(found)


class _SupersededError(Exception):
    """Another attempt recorded this job's result, or holds the job now."""


def _record(opened: Application, job: Job, result: CheckResult, rows: int) -> None:
    """Record a check's result, once, and complete its job."""
    records, candidate = opened.records, candidate_of(job)
    shards = len(records.shards(job.id))
    try:
        digest = opened.operations.record_check(result, job.id, lambda: _permit(opened, job))
    except _SupersededError:
        if (recorded := opened.operations.recorded_check(candidate, job.id)) is not None:
            records.complete_job(job, recorded)
        return
    done = {"statement": digest, "verdict": result.verdict, "rows": rows, "shards": shards}
    records.complete_job(job, done)


def _permit(opened: Application, job: Job) -> None:
    """Refuse a second result of one job; runs under the log's lock.

    A worker may be frozen at any moment for longer than its lease. Before this runs, the job
    has another attempt number by then; after it, the frozen worker holds the log's lock, and
    the other attempt finds what it recorded.
    """
    catch_up(opened.log, opened.records, opened.trust)
    held = opened.records.beat_job(job, lease_seconds=opened.settings.lease_seconds)
    if not held or opened.operations.recorded_check(candidate_of(job), job.id) is not None:
        raise _SupersededError


def _rows_last_time(opened: Application, job: Job) -> int:
    """Return how many rows the same check asked on the same evaluation; 0 where it never ran."""
    for other in opened.records.list_jobs(state="done", limit=200):
        same = all(other.payload.get(name) == job.payload[name] for name in ("check", "evaluation"))
        if other.kind == job.kind and same:
            return int((other.result or {}).get("rows", 0))
    return 0
