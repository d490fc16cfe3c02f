"""Tell the demo's story on the screen, step by step, and write its summary."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from govern.adapters.demo_data import load_loans
from govern.adapters.files import write_durably
from govern.bootstrap import initialise, open_application, utc_now
from govern.cli import demo_people as people
from govern.cli import sealing, story
from govern.cli.processes import Processes, start_worker
from govern.cli.timing import Clock
from govern.errors import GovernError
from govern.services.reporting import deciding_rule, report_facts
from govern.settings import Settings, shipped_policies
from govern.transparency.digest import digest_of
from govern.transparency.encoding import b64, format_time

STYLE = {"allow": "green", "deny": "red", "review": "yellow"}


def demo_settings(home: Path) -> Settings:
    """Return the settings of the embedded demo in ``home``."""
    return Settings(
        home=home,
        database_url=f"sqlite:///{home / 'govern.db'}",
        broker_url="",
        policies=shipped_policies(),
        lease_seconds=120,
        snapshot_seconds=60,
    )


def make_console(quiet: bool) -> Console:
    """Return a console as wide as the terminal, and wide enough where there is none."""
    console = Console(quiet=quiet, highlight=False)
    return console if console.is_terminal else Console(quiet=quiet, highlight=False, width=120)


def tell(home: Path, name: str, *, quiet: bool) -> dict[str, Any]:
    """Run every act in ``home`` and return the summary.

    Args:
        home: an empty folder.
        name: what the folder will be called in the end.
        quiet: print nothing.
    """
    console, clock = make_console(quiet), Clock()
    console.print("\n[bold]govern demo[/bold]  No model serves without evidence, ", end="")
    console.print("and no answer leaves without a record.\n")
    settings = demo_settings(home)
    initialise(settings, people.organisation())
    opened = open_application(settings)
    for email, (person, roles) in people.NAMES.items():
        opened.records.put_person(email, name=person, roles=roles, password=people.PASSWORD)
    with Processes(home) as processes:
        start_worker(processes)
        told = story.Story(opened, load_loans())
        _act_register(console, clock, told)
        _act_check(console, clock, told, processes)
        _act_decide(console, clock, told)
        _act_approve(console, clock, told)
        gate = _act_serve(console, clock, told, processes)
        caught, verified = _act_tamper(console, clock, told, gate)
        pdf, dossier = _act_report(console, clock, told, gate)
    summary = _summary(told, clock, gate, caught, verified, pdf, dossier)
    write_durably(home / "summary.json", json.dumps(summary, indent=2).encode())
    _closing(console, told, summary, name)
    opened.close()
    return summary


def _act_register(console: Console, clock: Clock, told: story.Story) -> None:
    console.print("[bold]1[/bold]  Data and candidates are registered and signed")
    clock.run("register", lambda: story.register(told))
    profile = told.data.profile
    found = [f"{row['column']}={row['value']:g} ({row['count']})" for row in profile["sentinels"]]
    console.print(f"   {profile['rows']} applications; sentinels made missing: {', '.join(found)}")
    console.print(f"   refused as leaking: {', '.join(profile['leaking_refused'])}")
    console.print(f"   never features: {', '.join(profile['protected_excluded'])}")
    console.print(f"   {profile['unknown']['sex']} people of unknown sex are counted, not guessed")
    console.print(f"   {len(told.digests)} candidates, each signed and in ONNX\n")


def _act_check(console: Console, clock: Clock, told: story.Story, processes: Processes) -> None:
    console.print("[bold]2[/bold]  Five checks on each run as Celery tasks")
    with _bar(console, "checks") as progress:
        clock.run("check", lambda: story.check(told, processes, progress))
    console.print()


def _act_decide(console: Console, clock: Clock, told: story.Story) -> None:
    console.print("[bold]3[/bold]  The policy packs decide")
    clock.run("decide", lambda: story.decide(told))
    packs = told.opened.operations.packs()
    console.print(f"   {len(packs)} packs, published and signed by {people.CARL}")
    for name, decision in told.decisions.items():
        colour = STYLE[decision.outcome]
        console.print(f"   [{colour}]{decision.outcome:6}[/{colour}]  {name}")
        for rule in decision.reasons():
            console.print(f"           {rule.message}  [dim]{rule.pack}/{rule.rule}[/dim]")
    console.print(
        "   [dim]Since 2026-07-21 the federal effects test is advisory; the denying rule is the "
        "internal fair-lending pack's.[/dim]\n"
    )


def _act_approve(console: Console, clock: Clock, told: story.Story) -> None:
    console.print("[bold]4[/bold]  People decide")
    clock.run("approve", lambda: story.approve(told))
    console.print(f"   [red]refused[/red]   {told.refused_vote}")
    for vote in told.votes:
        console.print(f"   {vote['vote']:8}  {vote['person']}: {vote['comment']}")
    console.print()


def _act_serve(
    console: Console, clock: Clock, told: story.Story, processes: Processes
) -> sealing.GateView:
    console.print("[bold]5[/bold]  Admitted, and served through the gate")
    clock.run("admit", lambda: story.admit(told))
    key = story.make_caller(told)
    where = clock.run("start", lambda: story.start_serving(told, processes))
    with _bar(console, "applications") as progress:
        clock.run("serve", lambda: story.call_gate(told, where["gate"], key, progress))
    calls = told.calls
    console.print(f"   last receipt: [dim]{calls['last_receipt'][:96]}…[/dim]")
    refusal = calls["refusal"]
    console.print(
        f"   [red]refused[/red]   {refusal['deployment']}: {refusal['status']} "
        f"{refusal['reason']}, on record too"
    )
    expected = calls["requests"] + 1
    gate = clock.run("publish", lambda: sealing.view_gate(told.opened, expected, told.receipts))
    console.print(f"   {gate.checkpoint.size} records in the gate's log\n")
    return gate


def _act_tamper(
    console: Console, clock: Clock, told: story.Story, gate: sealing.GateView
) -> tuple[list[dict[str, Any]], bool]:
    console.print("[bold]6[/bold]  Someone tampers")
    dossier = clock.run(
        "seal", lambda: sealing.seal_dossier(told.opened, gate, {}, "Interim dossier")
    )
    caught = []
    with tempfile.TemporaryDirectory(dir=told.opened.home / "run") as folder:
        trust = told.opened.home / "trust.json"
        for place, (what, files) in enumerate(sealing.tamper(told.opened, dossier, gate).items()):
            forged = Path(folder) / str(place)
            sealing.write_files(forged, files)
            result = verify(forged, trust)
            if result["exit_code"] == 0:
                raise GovernError(f"{what}, and nobody noticed")
            caught.append({"what": what, **result})
            console.print(
                f"   [green]caught[/green]    {what}: {result['message']} "
                f"[dim](exit {result['exit_code']})[/dim]"
            )
        intact = Path(folder) / "dossier.zip"
        intact.write_bytes(dossier)
        verified = verify(intact, trust)
    if verified["exit_code"]:
        raise GovernError(f"the intact dossier does not verify: {verified['message']}")
    console.print("   [green]verified[/green]  the intact dossier\n")
    return caught, True


def verify(path: Path, trust: Path) -> dict[str, Any]:
    """Run the offline verifier in a process of its own and return what it prints."""
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "govern.verifier", str(path), "--trust", str(trust), "--json"],
        capture_output=True,
        text=True,
        check=False,
        env=story_environment(),
    )
    try:
        return dict(json.loads(done.stdout))
    except ValueError:
        raise GovernError(f"the verifier said: {done.stderr.strip()[-200:]}") from None


def story_environment() -> dict[str, str]:
    """Return an environment in which this checkout's packages are found."""
    import os

    root = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}


def _act_report(
    console: Console, clock: Clock, told: story.Story, gate: sealing.GateView
) -> tuple[bytes, bytes]:
    console.print("[bold]7[/bold]  Report and dossier")
    pdf = clock.run("report", lambda: _build_report(told, gate))
    dossier = clock.run(
        "dossier",
        lambda: sealing.seal_dossier(told.opened, gate, {"report.pdf": pdf}, "Audit dossier"),
    )
    home = told.opened.home
    write_durably(home / "report.pdf", pdf)
    write_durably(home / "dossier.zip", dossier)
    result = verify(home / "dossier.zip", home / "trust.json")
    if result["exit_code"]:
        raise GovernError(f"the dossier does not verify: {result['message']}")
    for sentence in result["proved"]:
        console.print(f"   [green]proved[/green]    {sentence}")
    console.print()
    return pdf, dossier


def _build_report(told: story.Story, gate: sealing.GateView) -> bytes:
    from govern.building import seal_report

    opened, chosen = told.opened, told.digests[story.allowed(told)]
    recorder, now = opened.operations.recorder, format_time(utc_now().replace(microsecond=0))
    facts = report_facts(
        recorder,
        chosen,
        opened.operations.packs(),
        issuer="Example Bank",
        serving=serving_facts(told, gate),
        refused_votes=[{"by": people.ADA, "at": now, "reason": told.refused_vote}],
    )
    return seal_report(opened, facts, now).rendered.pdf


def serving_facts(told: story.Story, gate: sealing.GateView) -> dict[str, Any]:
    """Return the report's facts about the gate's log."""
    counts, size = gate.statistics["by_kind"], gate.checkpoint.size
    return {
        "statement": told.admission,
        "origin": gate.export.origin,
        "log_size": size,
        "root": b64(gate.checkpoint.root),
        "first_at": gate.statistics["first_at"],
        "last_at": gate.statistics["last_at"],
        "counts": {"inference": counts.get("inference", 0), "refusal": counts.get("refusal", 0)},
        "sequence": {"expected": size, "found": gate.statistics["records"], "gaps": []},
        "retention_until": None,
    }


@contextmanager
def _bar(console: Console, what: str) -> Iterator[story.Progress]:
    columns = (TextColumn("   {task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _summary(
    told: story.Story,
    clock: Clock,
    gate: sealing.GateView,
    caught: list[dict[str, Any]],
    verified: bool,
    pdf: bytes,
    dossier: bytes,
) -> dict[str, Any]:
    log = told.opened.log.checkpoint()
    return {
        "candidates": [_candidate_row(told, name) for name in told.digests],
        "approvals": [vote for vote in told.votes if vote["vote"] == "approve"],
        "dissent": [vote for vote in told.votes if vote["vote"] == "dissent"],
        "refused_vote": told.refused_vote,
        "admission": {"digest": told.admission, "deployment": people.DEPLOYMENT},
        "inferences": {**told.calls, **gate.statistics},
        "tampering": caught,
        "intact_dossier_verifies": verified,
        "lineage_log": {"origin": log.origin, "size": log.size, "root": b64(log.root)},
        "gate_log": {
            "origin": gate.export.origin,
            "size": gate.checkpoint.size,
            "root": b64(gate.checkpoint.root),
        },
        "report": {"file": "report.pdf", "digest": digest_of(pdf), "bytes": len(pdf)},
        "dossier": {"file": "dossier.zip", "digest": digest_of(dossier), "bytes": len(dossier)},
        "seconds": {**clock.seconds, "total": round(sum(clock.seconds.values()), 2)},
    }


def _candidate_row(told: story.Story, name: str) -> dict[str, Any]:
    decision = told.decisions[name]
    checks = told.opened.operations.evidence_document(told.digests[name])["checks"]
    race = checks["fairness"]["metrics"]["features"]["race"]
    performance = checks["performance"]["metrics"]
    return {
        "name": name,
        "digest": told.digests[name],
        "decision": decision.outcome,
        "decision_digest": decision.digest,
        "deciding_reason": deciding_rule(decision.to_json()),
        "reasons": [rule.to_json() for rule in decision.reasons()],
        "metrics": {
            "demographic_parity_ratio": race["ratio"],
            "true_positive_rate_difference": race["tpr_difference"]["value"],
            "accuracy": performance["accuracy"]["value"],
            "selection_rate": performance["selection_rate"]["value"],
            "changed_answers": checks["repeatability"]["metrics"]["changed_rows"],
        },
    }


def _closing(console: Console, told: story.Story, summary: dict[str, Any], name: str) -> None:
    table = Table(title="What happened", title_justify="left")
    for heading in ("candidate", "decision", "deciding reason", "parity ratio", "accuracy"):
        table.add_column(heading, justify="right" if heading in ("accuracy",) else "left")
    for row in summary["candidates"]:
        ratio = row["metrics"]["demographic_parity_ratio"]
        colour = STYLE[row["decision"]]
        table.add_row(
            row["name"],
            f"[{colour}]{row['decision']}[/{colour}]",
            row["deciding_reason"] or "every rule holds",
            f"{ratio['value']:.3f} ({ratio['low']:.2f} to {ratio['high']:.2f})",
            f"{row['metrics']['accuracy']:.3f}",
        )
    console.print(table)
    seconds = ", ".join(f"{key} {value:g}" for key, value in summary["seconds"].items())
    console.print(f"\n[dim]seconds: {seconds}[/dim]")
    for file, what in (
        ("report.pdf", "the signed audit report"),
        ("dossier.zip", "everything to verify offline"),
        ("trust.json", "the one file a regulator needs"),
        ("summary.json", "this story in numbers"),
    ):
        console.print(f"   {name}/{file:13} {what}")
    console.print("\nTry next:")
    console.print(f"   .venv/bin/govern verify {name}/dossier.zip --trust {name}/trust.json")
    console.print("   make up      look at it in the portal")
