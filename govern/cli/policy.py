"""``govern policy``: list packs, try them on a candidate, and on past decisions."""

from __future__ import annotations

from typing import Annotated

import typer

from govern.cli import policy_memory
from govern.cli.output import JsonOption, new_app, opened, print_json, show_rows

app = new_app("Policy packs. Example: GOVERN_HOME=demo govern policy list")
app.command("diff")(policy_memory.diff)
app.command("backtest")(policy_memory.backtest)
app.command("decisions")(policy_memory.decisions)


@app.command("list")
def list_packs(as_json: JsonOption = False) -> None:
    """List the packs in use with their dates and digests."""
    with opened() as application:
        rows = [
            {
                "id": pack.id,
                "version": pack.version,
                "status": pack.status,
                "from": pack.effective_from.isoformat(),
                "rules": len(pack.rules),
                "digest": pack.digest,
            }
            for pack in application.operations.packs()
        ]
    columns = {name: name for name in ("id", "version", "status", "from", "rules", "digest")}
    show_rows(rows, columns, as_json=as_json, empty="No packs.")


@app.command("eval")
def evaluate_candidate(
    candidate: Annotated[str, typer.Argument(help="The candidate's digest.")],
    as_json: JsonOption = False,
) -> None:
    """Decide about a candidate as of today; nothing is recorded."""
    from govern.bootstrap import utc_now
    from govern.policy.evaluate import evaluate

    with opened() as application:
        document = application.operations.evidence_document(candidate)
        decision = evaluate(application.operations.packs(), document, utc_now())
    if as_json:
        print_json({**decision.to_json(), "decision_digest": decision.digest})
        return
    typer.echo(f"{decision.outcome}  {decision.digest}")
    for rule in decision.reasons():
        typer.echo(f"  {rule.severity:6} {rule.pack}/{rule.rule}: {rule.message}")
