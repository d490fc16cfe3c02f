"""``govern policy``: list packs, try them on a candidate, and on past decisions."""

from __future__ import annotations

from govern.cli import policy_memory, policy_trying
from govern.cli.output import JsonOption, new_app, opened, show_rows

app = new_app("Policy packs. Example: GOVERN_HOME=demo govern policy list")
app.command("test")(policy_trying.run_cases)
app.command("eval")(policy_trying.evaluate)
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
