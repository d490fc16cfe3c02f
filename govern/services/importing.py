"""Turn what a source tells of a run into signed statements; telling it again changes nothing.

A run becomes a data set statement for each input whose bytes are known, SLSA provenance for
each feature build and for the training run. ``internalParameters`` of the training hold where
the facts come from (``source``: name, level, run and record digest), the environment, ``gaps``
(what the source does not know) and ``marks`` (what does not fit: a renamed run, another run
that claims the same bytes, a clock that cannot be right). What is marked is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from govern.domain import predicates
from govern.domain.source_run import Bytes, SourceRun, clock_marks
from govern.errors import InvalidRequestError
from govern.services import tracing
from govern.services.recording import Recorder
from govern.transparency.canonical import canonical_json
from govern.transparency.digest import digest_of
from govern.transparency.verify import VerifiedStatement

Keep = Callable[[Bytes], str | None]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import made: the training statement, what else, and sentences for a person."""

    run_id: str
    model: str
    statement: str
    new: bool
    gaps: tuple[str, ...]
    marks: tuple[str, ...]


def record_run(
    recorder: Recorder, run: SourceRun, *, signer: str, keep: Keep = lambda _: None
) -> Imported:
    """Sign one training run and what it read.

    Args:
        recorder: records and reads statements.
        run: as its source tells it.
        signer: e-mail address of the person who ran it; they count as the trainer.
        keep: stores the bytes of a data set and returns None, or says why it cannot; what
            cannot be kept is not signed as a data set and becomes a gap.

    Raises:
        InvalidRequestError: it trained nothing, or has not come to its end.
    """
    if run.model is None or run.model.digest is None:
        raise InvalidRequestError(
            f"run {run.run_id[:80]} names no model with a digest; there is nothing to sign"
        )
    if run.state != "completed":
        raise InvalidRequestError(
            f"run {run.run_id[:80]} is {run.state}, and only a completed run makes a model"
        )
    record = record_digest(run)
    earlier = training_runs(recorder)
    for item in earlier:
        if source_of(item).get("record") == record:
            return _told(run, item, new=False)
    known, lost = _record_data(recorder, run, signer, keep)
    known |= _record_builds(recorder, run, known, signer)
    gaps = (*run.gaps, *lost, *_unknown(run, known))
    marks = (*clock_marks(run, recorder.clock()), *_claims(run, earlier))
    made = tracing.record_build(
        recorder,
        build_type=predicates.BUILD_TRAINING,
        subject=(run.model.name, run.model.digest),
        dependencies=[(name, known[name]) for name in run.reads if name in known],
        parameters=run.parameters,
        internal={
            **run.environment,
            "trained_by": signer,
            "source": {
                "name": run.source, "level": run.level, "run_id": run.run_id, "job": run.job,
                "record": record, "started_at": run.started_at, "ended_at": run.ended_at,
            },
            "gaps": list(gaps),
            "marks": list(marks),
        },
        signer=signer,
    )  # fmt: skip
    return _told(run, made, new=True)


def record_digest(run: SourceRun) -> str:
    """Return the digest of everything that a source tells of a run, paths aside."""
    plain = replace(
        run,
        data=tuple(replace(item, path=None) for item in run.data),
        builds=tuple(replace(one, made=replace(one.made, path=None)) for one in run.builds),
        model=None if run.model is None else replace(run.model, path=None),
    )
    return digest_of(canonical_json(plain.to_json()))


def training_runs(recorder: Recorder) -> list[VerifiedStatement]:
    """Return every recorded training run, oldest first."""
    return [
        item
        for item in recorder.all(predicates.PROVENANCE)
        if item.statement.predicate["buildDefinition"]["buildType"] == predicates.BUILD_TRAINING
    ]


def source_of(run: VerifiedStatement) -> Mapping[str, Any]:
    """Return where the facts of a training run come from; empty where it does not say."""
    internal = run.statement.predicate["buildDefinition"].get("internalParameters", {})
    found = internal.get("source")
    return found if isinstance(found, Mapping) else {}


def _record_data(
    recorder: Recorder, run: SourceRun, signer: str, keep: Keep
) -> tuple[dict[str, str], list[str]]:
    """Sign data sets that nobody signed before; return digests by name, and what was lost."""
    known, lost = {}, []
    for item in run.data:
        if item.digest is None:
            lost.append(f"{run.source} tells no digest of the data set {item.name}")
            continue
        known[item.name] = item.digest
        if any(one.kind == predicates.DATASET for one in recorder.about(item.digest)):
            continue
        why = keep(item) if item.files else "it has no files of its own"
        if why is None:
            tracing.record_dataset_digests(
                recorder, item.name, item.files, item.profile, signer=signer
            )
        else:
            lost.append(f"the data set {item.name} could not be signed: {why}")
    return known, lost


def _record_builds(
    recorder: Recorder, run: SourceRun, known: Mapping[str, str], signer: str
) -> dict[str, str]:
    """Record feature builds in their order; return digests by name."""
    made: dict[str, str] = {}
    for one in run.builds:
        if one.made.digest is None:
            continue
        digests = {**known, **made}
        tracing.record_build(
            recorder,
            build_type=predicates.BUILD_FEATURES,
            subject=(one.made.name, one.made.digest),
            dependencies=[(name, digests[name]) for name in one.reads if name in digests],
            parameters=one.parameters,
            internal={"source": {"name": run.source, "level": run.level, "run_id": run.run_id},
                      "profile": dict(one.made.profile)},
            signer=signer,
        )  # fmt: skip
        made[one.made.name] = one.made.digest
    return made


def _unknown(run: SourceRun, known: Mapping[str, str]) -> list[str]:
    named = {item.name for item in run.data}
    wanted = [*run.reads, *(name for one in run.builds for name in one.reads)]
    return [
        f"{run.source} says that {name} was read, and nothing about it"
        for name in dict.fromkeys(wanted)
        if name not in known and name not in named
    ]


def _claims(run: SourceRun, earlier: Iterable[VerifiedStatement]) -> list[str]:
    """Say what contradicts runs that are on record already."""
    model = None if run.model is None else run.model.digest
    marks = []
    for item in earlier:
        source = source_of(item)
        other, job = source.get("run_id", item.digest[:15]), source.get("job")
        if other != run.run_id and item.statement.has_subject(str(model)):
            marks.append(f"another training run, {other}, claims the same model bytes")
        if other == run.run_id and job not in (None, run.job):
            marks.append(f"the run was told before under the name {job}")
        elif other == run.run_id:
            marks.append(f"the run was told before with other facts ({item.digest[7:15]})")
        if other == run.run_id and not item.statement.has_subject(str(model)):
            before = item.statement.subject
            marks.append(f"the model was overwritten: when told before its bytes were {before}")
    return list(dict.fromkeys(marks))


def _told(run: SourceRun, item: VerifiedStatement, *, new: bool) -> Imported:
    internal = item.statement.predicate["buildDefinition"]["internalParameters"]
    gaps, marks = tuple(internal.get("gaps", ())), tuple(internal.get("marks", ()))
    return Imported(run.run_id, item.statement.subject, item.digest, new, gaps, marks)
