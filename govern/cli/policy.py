"""``govern policy``: list and publish packs, try them on a candidate and on past decisions."""

from __future__ import annotations

from govern.cli import policy_memory, policy_publishing, policy_trying
from govern.cli.output import new_app

app = new_app("Policy packs. Example: GOVERN_HOME=demo govern policy list")
app.command("list")(policy_publishing.list_packs)
app.command("publish")(policy_publishing.publish)
app.command("test")(policy_trying.run_cases)
app.command("eval")(policy_trying.evaluate)
app.command("diff")(policy_memory.diff)
app.command("backtest")(policy_memory.backtest)
app.command("decisions")(policy_memory.decisions)
