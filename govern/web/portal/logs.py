"""The lineage log, one statement with its verify command, packs, and report downloads."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from flask import (
    Blueprint,
    Response,
    flash,
    redirect,
    render_template,
    request,
    send_from_directory,
    url_for,
)
from werkzeug.wrappers import Response as BaseResponse

from govern.domain.predicates import NAMES
from govern.errors import InvalidRequestError, NotFoundError
from govern.services import viewing
from govern.services.report_form import REPORT_KINDS, REPORT_LANGUAGES, ReportForm
from govern.transparency.digest import check_digest
from govern.transparency.encoding import format_time
from govern.web.auth import person, services, settings
from govern.web.portal.deployments import gate_heads

blueprint = Blueprint("logs", __name__)
REPORTS = tuple(
    ReportForm(kind, language).name for kind in REPORT_KINDS for language in REPORT_LANGUAGES
)
DOWNLOADS = (
    *(f"{name}.pdf" for name in REPORTS),
    *(f"{name}.html" for name in REPORTS if name.startswith("bias-audit")),
    "dossier.zip",
    "trust.json",
    "summary.json",
)


@blueprint.get("/log")
def log() -> str:
    """The lineage log, newest first, and the gates' logs."""
    kind, before = request.args.get("kind", ""), request.args.get("before", "")
    if kind and kind not in NAMES.values():
        raise InvalidRequestError("no such kind of statement")
    if before and (not before.isdecimal() or len(before) > 18):
        raise InvalidRequestError("`before` is a log index")
    view = viewing.log_view(
        services().records, kind=kind or None, before=int(before) if before else None
    )
    kinds = sorted(set(NAMES.values()))
    return render_template("log.html", view=view, kind=kind, kinds=kinds, gates=gate_heads())


@blueprint.get("/statements/<digest>")
def statement(digest: str) -> str:
    """One statement: what it says, who signed, where it is, how to check it."""
    records = services().records
    view = viewing.statement_view(records, check_digest(digest))
    request_id = request.args.get("review", "")
    if request_id and records.request(request_id) is not None:
        now = format_time(datetime.now(UTC).replace(microsecond=0))
        records.note_evidence_opened(request_id, email=person().email, statement=digest, at=now)
    text = json.dumps(view["statement"], indent=2, ensure_ascii=False)
    return render_template("statement.html", view=view, text=text[:60_000], review=request_id)


@blueprint.get("/statements/<digest>/bundle")
def bundle(digest: str) -> Response:
    """Download the exact bundle."""
    found = services().records.bundle(check_digest(digest))
    if found is None:
        raise NotFoundError("no statement has this digest")
    name = f"{digest.removeprefix('sha256:')[:16]}.sigstore.json"
    return Response(
        found,
        mimetype="application/vnd.dev.sigstore.bundle.v0.3+json",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@blueprint.get("/packs")
def packs() -> str:
    """The policy packs and their dates."""
    today = datetime.now(UTC).date()
    known = sorted(services().packs(), key=lambda pack: (not pack.in_force(today), pack.id))
    return render_template("packs.html", packs=known, today=today)


@blueprint.get("/packs/<pack_id>/<version>")
def pack(pack_id: str, version: str) -> str:
    """One pack: its rules as prose."""
    for found in services().packs():
        if (found.id, str(found.version)) == (pack_id, version):
            return render_template("pack.html", pack=found, today=datetime.now(UTC).date())
    raise NotFoundError("no such pack")


@blueprint.get("/reports")
def reports() -> str:
    """What can be downloaded."""
    home = settings().home
    files = [
        {"name": name, "bytes": (home / name).stat().st_size}
        for name in DOWNLOADS
        if (home / name).is_file()
    ]
    jobs = [job for job in services().records.list_jobs(limit=50) if job.kind == "report"]
    return render_template("reports.html", files=files, jobs=jobs)


@blueprint.post("/reports")
def build_report() -> BaseResponse:
    """Queue an audit report."""
    given = request.form
    form = ReportForm(given.get("kind", "model-audit"), given.get("language", "en"))
    services().build_report(None, person().email, form)
    flash("The report is being built.")
    return redirect(url_for("logs.reports"))


@blueprint.get("/reports/<name>")
def download(name: str) -> Response:
    """Download a report file."""
    if name not in DOWNLOADS or not (settings().home / name).is_file():
        raise NotFoundError("no such report")
    return send_from_directory(settings().home.absolute(), name, as_attachment=True)
