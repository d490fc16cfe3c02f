"""``govern waiver``: grant, revoke, list. Two people sign the same terms."""

from __future__ import annotations

from typing import Annotated

import typer

from govern.cli.output import (
    ByOption,
    JsonOption,
    ReasonOption,
    find_candidate,
    new_app,
    opened,
    show_done,
    show_rows,
)

app = new_app(
    "Waivers of one rule for one candidate, with an end. Two people of compliance sign the "
    "same terms. Example: govern waiver grant NAME internal-fair-lending/race-significance "
    '--reason "…" --control "…" --until 2026-12-31 --by carl@bank.example'
)
Candidate = Annotated[str, typer.Argument(help="Name or digest.")]
COLUMNS = {
    "state": "state",
    "pack": "pack",
    "rule": "rule",
    "expires_at": "ends",
    "signed_by": "signed by",
    "terms": "terms",
}


@app.command()
def grant(
    candidate: Candidate,
    by: ByOption,
    rule: Annotated[str, typer.Argument(help="pack/rule; not with --terms.")] = "",
    reason: Annotated[str, typer.Option(help="Why the rule may be waived.")] = "",
    control: Annotated[str, typer.Option(help="What is done instead.")] = "",
    until: Annotated[str, typer.Option(help="Last day, like 2026-12-31.")] = "",
    terms: Annotated[str, typer.Option(help="Sign the terms another person granted.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Sign a waiver's terms, or with --terms the same terms as a second person."""
    if bool(terms) == bool(rule):
        raise typer.BadParameter("name either pack/rule, or --terms to sign existing terms")
    pack, _, name = rule.partition("/")
    fields = {"pack": pack, "rule": name, "reason": reason, "compensating_control": control}
    wanted = {"terms": terms} if terms else {**fields, "until": until}
    with opened() as application:
        digest = find_candidate(application, candidate)
        signed = application.operations.grant_waiver(digest, wanted, by)
        rows = application.operations.waivers(digest)
    state = next(row["state"] for row in rows if row["terms"] == signed)
    after = "" if state == "in-force" else "; a second person must sign with --terms"
    value = {"terms": signed, "candidate": digest, "state": state}
    show_done(f"{by} signed {signed}: {state}{after}", value, as_json=as_json)


@app.command()
def revoke(
    candidate: Candidate,
    terms: Annotated[str, typer.Argument(help="The digest of the waiver's terms.")],
    by: ByOption,
    reason: ReasonOption,
    as_json: JsonOption = False,
) -> None:
    """Revoke a waiver, and with it the admissions that rest on it."""
    with opened() as application:
        digest = find_candidate(application, candidate)
        statement = application.operations.revoke_waiver(digest, terms, reason, by)
    show_done(f"revoked {terms}", {"statement": statement}, as_json=as_json)


@app.command("list")
def list_waivers(candidate: Candidate, as_json: JsonOption = False) -> None:
    """List a candidate's waivers: granted by one, in force, ended, revoked."""
    with opened() as application:
        rows = application.operations.waivers(find_candidate(application, candidate))
    shown = rows if as_json else [{**row, "signed_by": ", ".join(row["signed_by"])} for row in rows]
    show_rows(shown, COLUMNS, as_json=as_json, empty="No waivers.")
