"""``govern monitor``: what live answers say beside what was approved, and what follows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from govern.cli.output import JsonOption, new_app, opened, print_json, show_rows

if TYPE_CHECKING:
    from govern.watching import Watched

DENIED = 1

app = new_app("Watch live answers; suspend what is proven to have left what was approved.")
DeploymentArgument = Annotated[str, typer.Argument(help="The deployment's name.")]
OutcomesOption = Annotated[
    Path | None,
    typer.Option(
        "--outcomes",
        metavar="FILE",
        help="CSV of what came to be known: index, row, outcome, and group columns.",
    ),
]


@app.command()
def show(
    deployment: DeploymentArgument, outcomes: OutcomesOption = None, as_json: JsonOption = False
) -> None:
    """Show the figures and what monitor packs would decide; nothing is recorded.

    Example: govern monitor show mortgage-approval --outcomes repaid.csv
    """
    from govern.watching import watch

    with opened() as application:
        watched = watch(application, deployment, outcomes)
    _show(deployment, watched, {}, as_json=as_json)


@app.command()
def run(
    deployment: Annotated[str | None, typer.Argument(help="One deployment; default all.")] = None,
    outcomes: OutcomesOption = None,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Say what would be suspended; suspend nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Judge live answers, put that on record, and suspend where a rule fails.

    Exit code 1 where a monitor pack denies.

    Example: govern monitor run --rehearse
    """
    from govern.watching import act, deployments, watch

    if outcomes is not None and deployment is None:
        raise typer.BadParameter("--outcomes needs a DEPLOYMENT: its rows are that one's")
    with opened() as application:
        names = deployments(application) if deployment is None else [deployment]
        denied, shown = False, []
        for name in names:
            watched = watch(application, name, outcomes)
            judged = act(application, watched, rehearsal=rehearse)
            action = {
                "statement": judged.statement,
                "was": judged.status,
                "suspension": judged.suspension,
                "rehearsal": rehearse,
            }
            denied |= watched.decision.outcome == "deny"
            shown.append((name, watched, action))
    if as_json:
        print_json({"deployments": [_value(*one) for one in shown]})
    else:
        for name, watched, action in shown:
            _show(name, watched, action, as_json=False)
    if denied:
        raise typer.Exit(DENIED)


def _value(name: str, watched: Watched, action: dict[str, Any]) -> dict[str, Any]:
    return {
        "deployment": name,
        "admission": watched.admission.digest,
        "outcome": watched.decision.outcome,
        "reasons": [rule.to_json() for rule in watched.decision.reasons()],
        "figures": dict(watched.figures),
        **action,
    }


def _show(name: str, watched: Watched, action: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(_value(name, watched, action))
        return
    found = watched.figures
    since = f" from {found['first_at']} to {found['last_at']}" if found["last_at"] else ""
    print(
        f"{name}: {found['answers']} answers over {found['rows']} rows{since}; "
        f"{found['refusals']} refused, {found['failures']} failed, {found['unread']} not read."
    )
    columns = {"figure": "figure", "live": "live", "interval": "interval", "approved": "approved"}
    show_rows(_rows(found), columns, as_json=False, empty="no figures")
    print(f"Intervals hold at every look at once, with {found['alpha']:.0%} for all together.")
    for rule in watched.decision.rules:
        if rule.status in ("fail", "error", "uncertain"):
            print(f"{rule.status}: {rule.title}: {rule.message}")
    print(_outcome(watched.decision.outcome, action))


def _outcome(outcome: str, action: dict[str, Any]) -> str:
    if action.get("suspension"):
        return f"SUSPENDED by {action['suspension'][:19]}…; `govern admission reinstate` ends that."
    if outcome == "deny" and action.get("rehearsal"):
        return "Would be suspended: this was a rehearsal."
    if outcome == "deny":
        was = action.get("was")
        return f"Denied; the admission was {was} already." if was else "Would be suspended."
    return "Nothing is proven to have left what was approved."


def _rows(found: Any) -> list[dict[str, str]]:
    selection, scores = found["selection"], found["scores"]
    rows = [
        _row("selection rate", selection, f"{selection['approved']['value']:.3f}"),
        _row("score distance (KS)", scores["ks"], "0"),
        {"figure": "score PSI", "live": f"{scores['psi']:.3f}", "interval": "", "approved": "0"},
    ]
    widest = sorted(found["inputs"]["features"], key=lambda row: -row["psi"])[:3]
    rows += [
        {
            "figure": f"PSI of {row['feature']}",
            "live": f"{row['psi']:.3f}",
            "interval": "",
            "approved": "0",
        }
        for row in widest
    ]
    if found["performance"]["accuracy"]["n"]:
        rows.append(_row("answers that came true", found["performance"]["accuracy"], ""))
    for one in found["fairness"]:
        rows.append(_row(f"selection ratio by {one['attribute']}", one["ratio"], ""))
    return rows


def _row(figure: str, share: Any, approved: str) -> dict[str, str]:
    value = "" if share["value"] is None else f"{share['value']:.3f}"
    ends = f"{share['low']:.3f} to {share['high']:.3f}"
    return {"figure": figure, "live": value, "interval": ends, "approved": approved}
