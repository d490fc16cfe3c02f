"""Watch one deployment: from its gates' records to figures, a decision and what follows.

Above bootstrap, for it needs the archived model's process and the services at once; command
line and worker call it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from govern.adapters.check_data import load_evaluation
from govern.adapters.gate_files import read_records
from govern.adapters.keys_files import lineage_origin
from govern.adapters.outcomes_file import read_outcomes
from govern.adapters.outcomes_store import OutcomesStore
from govern.adapters.pack_files import load_packs
from govern.adapters.replay_hosts import open_archived
from govern.bootstrap import Application, gate_folders
from govern.checks.monitoring import Answers
from govern.checks.tasks import BINARY
from govern.domain import predicates
from govern.domain.decision import PolicyDecision
from govern.errors import ConflictError, NotFoundError
from govern.services import monitoring
from govern.services.approving import admission_status
from govern.services.serving import current_admissions
from govern.transparency.verify import VerifiedStatement

MONITORS = "monitors"


@dataclass(frozen=True, slots=True)
class Watched:
    """One deployment's figures and what monitor packs decide about them.

    Args:
        admission: what the answers were given under.
        origins: the gates' logs that were read.
        figures: see ``checks.monitoring.measure``.
        decision: by every monitor pack.
        outcomes: digest of the outcomes that were joined, if any.
    """

    admission: VerifiedStatement
    origins: list[str]
    figures: Mapping[str, Any]
    decision: PolicyDecision
    outcomes: str | None


def deployments(application: Application) -> list[str]:
    """Return the names of the deployments with an admission."""
    return sorted(current_admissions(application.operations.recorder))


def watch(application: Application, deployment: str, outcomes: Path | None = None) -> Watched:
    """Measure and judge what a deployment answered under its newest admission.

    Args:
        application: the home.
        deployment: its name.
        outcomes: a CSV file of what came to be known, on top of what was reported.

    Raises:
        NotFoundError: it has no admission, or its model is not archived.
        ConflictError: its model has no two outcomes, or it answered too many rows.
        InvalidRequestError: the outcomes cannot be read.
        CandidateError: the model does not answer the evaluation.
    """
    recorder = application.operations.recorder
    admission = current_admissions(recorder).get(deployment)
    if admission is None:
        raise NotFoundError(f"nothing was ever admitted to {deployment!r:.80}")
    candidate, gates = admission.statement.subject, _gates(application)
    origins = {folder.name: origin for folder, origin in gates}
    facts = OutcomesStore(application.home).read(deployment, origins)
    if outcomes is not None:
        facts |= read_outcomes(outcomes, origins)
    with ExitStack() as stack:
        listed = application.operations.check_files(candidate)
        model = open_archived(stack, application.blobs, listed, "")
        seen, approved = monitoring.Seen(), _approved(application, candidate, model)
        for folder, origin in gates:
            monitoring.see(seen, origin, read_records(folder), admission.digest, model)
        found = monitoring.figures(seen, approved, model.columns, facts)
    packs = load_packs(application.settings.policies / MONITORS)
    decision = monitoring.judge(recorder, packs, candidate, found)
    digest = monitoring.digest_of_facts(facts) if facts else None
    return Watched(admission, [origin for _, origin in gates], found, decision, digest)


def stop(application: Application, watched: Watched) -> monitoring.Judged | None:
    """Suspend the admission if the decision denies and it is active; else record nothing."""
    status = admission_status(application.operations.recorder, watched.admission)
    if watched.decision.outcome != "deny" or status != "active":
        return None
    return act(application, watched, rehearsal=False)


def act(application: Application, watched: Watched, *, rehearsal: bool) -> monitoring.Judged:
    """Record what was found, and suspend the admission where the decision is a denial."""
    return monitoring.act(
        application.operations.recorder,
        watched.admission,
        watched.decision,
        watched.figures,
        origins=watched.origins,
        outcomes=watched.outcomes,
        rehearsal=rehearsal,
        signer=application.operations.identities["service"],
    )


def _gates(application: Application) -> list[tuple[Path, str]]:
    domain = application.log.origin.removesuffix(lineage_origin(""))
    return gate_folders(application.home, domain)


def _approved(application: Application, candidate: str, model: Any) -> Answers:
    """Return the evaluation's rows and what the model answers to them."""
    about = application.operations.recorder.about(candidate)
    cards = [item.statement.predicate for item in about if item.kind == predicates.CANDIDATE]
    evaluation = cards[-1].get("evaluation") if cards else None
    if not isinstance(evaluation, str):
        raise ConflictError("the model's card names no evaluation to compare live answers with")
    if model.task != BINARY:
        raise ConflictError(
            "monitors watch models with two outcomes; this one answers another task"
        )
    data = load_evaluation(application.blobs, evaluation, candidate, model.task, model.columns)
    return Answers(data.rows, *model.predict(data.rows, data.protected_of(model)))
