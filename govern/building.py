"""Build a report: facts from verified evidence, rendered, sealed, recorded, written.

Worker and command line share it; it stands above ``bootstrap``, which knows no report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from govern.adapters.files import write_durably
from govern.adapters.log_reading import open_published
from govern.bootstrap import Application, utc_now
from govern.domain import predicates
from govern.domain.gate_record import parse_leaf
from govern.errors import InvalidRequestError, NotFoundError
from govern.services.ports import GateCount
from govern.services.report_files import report_files
from govern.services.report_form import ReportForm
from govern.services.reporting import report_facts
from govern.services.serving import current_admissions
from govern.transparency.digest import digest_of
from govern.transparency.encoding import b64, format_time
from reports.errors import ReportError
from reports.render import RenderedReport, render_report


@dataclass(frozen=True, slots=True)
class BuiltReport:
    """A report that is sealed and on record.

    Attributes:
        name: file name without ending, such as ``report``.
        rendered: the file, and the same content as HTML.
        digest: of the PDF.
        statement: digest of the statement that names it.
    """

    name: str
    rendered: RenderedReport
    digest: str
    statement: str


def build_report(opened: Application, candidate: str | None, form: ReportForm) -> dict[str, str]:
    """Build a report and keep it in the home; return its digest, statement and file names.

    Raises:
        GovernError: as ``make_report``.
        StorageError: it cannot be written.
    """
    made = make_report(opened, candidate, form)
    write_durably(opened.home / f"{made.name}.pdf", made.rendered.pdf)
    write_durably(opened.home / f"{made.name}.html", made.rendered.html.encode())
    return {"report": made.digest, "statement": made.statement, "file": f"{made.name}.pdf"}


def make_report(opened: Application, candidate: str | None, form: ReportForm) -> BuiltReport:
    """Render, seal and record a report.

    Args:
        opened: the home.
        candidate: the candidate's digest; None means the one admitted last.
        form: its kind and language.

    Raises:
        InvalidRequestError: the evidence lacks what this kind needs.
        NotFoundError: nothing is admitted, or nothing was decided about the candidate.
    """
    operations, chosen = opened.operations, candidate or _admitted_last(opened)
    facts = report_facts(
        operations.recorder,
        chosen,
        operations.packs(),
        issuer=opened.log.origin.split("/")[0],
        form=form,
        serving=serving_facts(opened, chosen),
    )
    return seal_report(opened, facts, format_time(utc_now().replace(microsecond=0)))


def seal_report(opened: Application, facts: Mapping[str, Any], created: str) -> BuiltReport:
    """Render facts, seal the report and put it on record.

    Args:
        opened: the home.
        facts: what ``report_facts`` returned.
        created: time of making, RFC 3339, to the second.

    Raises:
        InvalidRequestError: the facts lack what this kind of report needs.
    """
    operations, said = opened.operations, facts["report"]
    form = ReportForm(str(said["kind"]), str(said["language"]))
    service = operations.identities["service"]
    attachments = report_files(operations.recorder, facts, operations.packs(), signer=service)
    try:
        rendered = render_report(
            facts,
            sign=opened.keys.ec_key("report").sign,
            cert_chain_pem=opened.keys.chain_pem("report"),
            timestamp=lambda digest: opened.keys.timestamp_token(digest, utc_now()),
            revocations=opened.keys.revocations("report"),
            attachments=attachments,
            created_at=created,
        )
    except ReportError as error:
        raise InvalidRequestError(str(error)) from None
    digest = digest_of(rendered.pdf)
    predicate = {
        "candidate": facts["candidate"]["digest"],
        "kind": form.kind,
        "body_digest": rendered.body_digest,
        "evidence_digest": digest_of(attachments["evidence.json"]),
        "created_at": created,
    }
    subject = [(f"{form.name}.pdf", digest)]
    statement = operations.recorder.record(predicates.REPORT, subject, predicate, signer=service)
    return BuiltReport(form.name, rendered, digest, statement.digest)


def serving_facts(opened: Application, candidate: str) -> dict[str, Any] | None:
    """Return what the gates of this home recorded under the candidate's newest admission.

    None where it is not admitted, or no gate here has a record under the admission.
    """
    admissions = current_admissions(opened.operations.recorder).values()
    mine = [item for item in admissions if item.statement.has_subject(candidate)]
    if not mine:
        return None
    admission = max(mine, key=lambda item: item.log_index).digest
    found = [gate for gate in opened.operations.gate_counts() if gate.problem is None]
    found = [gate for gate in found if gate.tally.under(admission)["records"]]
    if not found:
        return None
    return _gate_facts(opened, max(found, key=lambda gate: gate.tally.records), admission)


def _gate_facts(opened: Application, gate: GateCount, admission: str) -> dict[str, Any]:
    log, _ = open_published(opened.home, gate.name)
    checkpoint = log.checkpoint()
    counts = gate.tally.under(admission)
    return {
        "statement": admission,
        "origin": gate.origin,
        "log_size": checkpoint.size,
        "root": b64(checkpoint.root),
        "first_at": _at(log.entry(0)) if checkpoint.size else None,
        "last_at": _at(log.entry(checkpoint.size - 1)) if checkpoint.size else None,
        "counts": {"inference": counts["answers"], "refusal": counts["refusals"]},
        "sequence": {
            "expected": checkpoint.size,
            "found": min(gate.tally.records, checkpoint.size),
            "gaps": [],
        },
        "retention_until": None,
    }


def _at(leaf: bytes) -> str:
    return format_time(datetime.fromtimestamp(parse_leaf(leaf)[1] / 1e6, UTC))


def _admitted_last(opened: Application) -> str:
    admissions = current_admissions(opened.operations.recorder).values()
    if not admissions:
        raise NotFoundError("nothing is admitted; name a candidate to report on")
    return max(admissions, key=lambda item: item.log_index).statement.subject
