"""Build an audit report as a background job."""

from __future__ import annotations

from govern.adapters.files import write_durably
from govern.bootstrap import Application, utc_now
from govern.domain import predicates
from govern.errors import NotFoundError
from govern.services.report_files import report_files
from govern.services.reporting import report_facts
from govern.services.serving import current_admissions
from govern.transparency.digest import digest_of
from govern.transparency.encoding import format_time
from reports.render import render_report


def build_report(opened: Application, candidate: str | None) -> dict[str, str]:
    """Render, seal and record a report as ``report.pdf``; return its digest and statement.

    Args:
        candidate: the candidate's digest; None means the one admitted last.

    Raises:
        NotFoundError: nothing is admitted, or nothing was decided about the candidate.
    """
    operations = opened.operations
    chosen = candidate or _admitted_last(opened)
    created = format_time(utc_now().replace(microsecond=0))
    facts = report_facts(
        operations.recorder, chosen, operations.packs(), issuer=opened.log.origin.split("/")[0]
    )
    attachments = report_files(
        operations.recorder,
        facts,
        operations.packs(),
        signer=operations.identities["service"],
    )
    rendered = render_report(
        facts,
        sign=opened.keys.ec_key("report").sign,
        cert_chain_pem=opened.keys.chain_pem("report"),
        attachments=attachments,
        created_at=created,
    )
    digest = digest_of(rendered.pdf)
    statement = operations.recorder.record(
        predicates.REPORT,
        [("report.pdf", digest)],
        {
            "candidate": chosen,
            "body_digest": rendered.body_digest,
            "evidence_digest": digest_of(attachments["evidence.json"]),
            "created_at": created,
        },
        signer=operations.identities["service"],
    )
    write_durably(opened.home / "report.pdf", rendered.pdf)
    return {"report": digest, "statement": statement.digest}


def _admitted_last(opened: Application) -> str:
    admissions = current_admissions(opened.operations.recorder).values()
    if not admissions:
        raise NotFoundError("nothing is admitted; name a candidate to report on")
    return max(admissions, key=lambda item: item.log_index).statement.subject
