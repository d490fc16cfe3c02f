"""Home, inventory, one candidate's page, and the actions an author or validator takes there."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from govern.services import viewing
from govern.services.viewing_lineage import View
from govern.transparency.digest import check_digest
from govern.web.api.reading import number
from govern.web.auth import person, require_role, services
from govern.web.config import PAGE_SIZE
from govern.web.portal import plots

blueprint = Blueprint("inventory", __name__)
SOON_DAYS = 14


@blueprint.get("/")
def home() -> str:
    """What waits for me, what serves now, what expires soon."""
    records, now = services().records, datetime.now(UTC)
    queue = viewing.approval_queue(records, now)
    mine = [
        item
        for item in queue
        if "reviewer" in person().roles
        and person().email not in (*item["voted"], *item["stepped_back"])
    ]
    deployments = viewing.deployments_view(records, now)
    soon = [
        entry
        for item in deployments
        for entry in item["admissions"]
        if entry["status"] == "active" and entry["days_left"] <= SOON_DAYS
    ]
    recent = records.list_candidates(size=6)
    return render_template(
        "home.html", queue=queue, mine=mine, deployments=deployments, soon=soon, recent=recent
    )


@blueprint.get("/candidates")
def candidates() -> str:
    """The inventory: search, filter, sort, page."""
    query = {
        "query": request.args.get("q", ""),
        "status": request.args.get("status", ""),
        "tier": request.args.get("tier", ""),
        "sort": request.args.get("sort", "") or "-registered_at",
    }
    page = viewing.inventory_view(
        services().records, **query, page=number("page", 1), size=PAGE_SIZE
    )
    return render_template("inventory.html", page=page, **query)


@blueprint.get("/candidates/<digest>")
def candidate(digest: str) -> str:
    """One candidate: verdict, reasons, figures, lineage, votes, evidence."""
    now = datetime.now(UTC)
    view = viewing.candidate_view(services().records, check_digest(digest), now)
    granted = any(line["kind"] == "waiver" for line in view["statements"])
    waivers = services().waivers(digest) if granted else []
    return render_template(
        "candidate.html", view=view, waivers=waivers, now=now, **figures_for(view)
    )


def figures_for(view: View) -> View:
    """Return the figures of a candidate's or an approval's page."""
    checks = view["checks"]
    return {
        "fairness": plots.fairness(checks.get("fairness", {}).get("metrics", {})),
        "alarms": plots.false_alarms(checks.get("fairness", {}).get("metrics", {})),
        "reliability": plots.performance(checks.get("performance", {}).get("metrics", {})),
        "explained": plots.explanations(checks.get("explainability", {}).get("metrics", {})),
        "graph": plots.lineage_figure(view["lineage"]),
    }


@blueprint.post("/candidates/<digest>/checks")
def run_checks(digest: str) -> Response:
    """Queue every check again."""
    require_role("validator", "author")
    jobs = services().run_checks(check_digest(digest), (), person().email)
    flash(f"{len(jobs)} checks queued.")
    return redirect(url_for("inventory.candidate", digest=digest, _anchor="jobs"))


@blueprint.post("/candidates/<digest>/decisions")
def decide(digest: str) -> Response:
    """Decide by the packs in force."""
    require_role("validator", "author", "compliance")
    services().decide(check_digest(digest), person().email)
    flash("Decided by the packs in force today.")
    return redirect(url_for("inventory.candidate", digest=digest))


@blueprint.post("/candidates/<digest>/approval-requests")
def request_approval(digest: str) -> Response:
    """Ask reviewers."""
    require_role("author", "validator")
    request_id = services().request_approval(check_digest(digest), person().email)
    flash("Reviewers have been asked.")
    return redirect(url_for("review.approval", request_id=request_id))
