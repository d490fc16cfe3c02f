"""``govern policy test`` and ``eval``: cases, coverage, mutants, and a decision taken apart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from govern.cli.ci import as_of_day
from govern.cli.output import JsonOption, find_candidate, opened, print_json
from govern.cli.policy_memory import PoliciesOption, TrustOption, policies_folder, progress_bar
from govern.errors import InvalidRequestError, NotFoundError, PolicyError

if TYPE_CHECKING:
    from datetime import date

    from rich.tree import Tree

    from govern.adapters.case_files import Evidence, Tried
    from govern.policy.cases import CaseResult
    from govern.policy.coverage import Coverage
    from govern.policy.document import Pack
    from govern.policy.mutants import Mutant
    from govern.policy.tracing import RuleTrace, Step

VALUE_CHARS_MAX = 60
FAILED = 1


def run_cases(
    packs: Annotated[list[str] | None, typer.Argument(help="Pack ids (default: all).")] = None,
    policies: PoliciesOption = None,
    mutate: Annotated[
        bool, typer.Option("--mutate", help="Also break each pack in small ways; name survivors.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Every case and gap.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the packs' cases; exit 1 if one fails. Shows what the cases have not seen."""
    from govern.adapters.case_files import read_cases, survivors
    from govern.policy.cases import run_case
    from govern.policy.coverage import measure

    tried, evidence = read_cases(policies_folder(policies))
    tried = _chosen(tried, packs)
    results: dict[str, list[CaseResult]] = {}
    covered: dict[str, Coverage] = {}
    with progress_bar("packs") as progress:
        for done, item in enumerate(tried, 1):
            found = [run_case(item.pack, case, evidence[case.evidence]) for case in item.cases]
            results[item.pack.id] = found
            covered[item.pack.id] = measure(item.pack, found, evidence)
            progress(done, len(tried))
    alive: dict[str, tuple[int, list[Mutant]]] = {}
    if mutate:
        alive = _mutate(tried, evidence, survivors)
    if as_json:
        print_json(_test_json(results, covered, alive))
    else:
        typer.echo(_test_text(results, covered, alive, verbose=verbose))
    if not all(item.held for found in results.values() for item in found):
        raise typer.Exit(FAILED)


def _mutate(tried: Sequence[Tried], evidence: Evidence, survivors: Any) -> Any:
    with progress_bar("mutants") as progress:
        return survivors(tried, evidence, progress)


def _chosen(tried: Sequence[Tried], names: Sequence[str] | None) -> list[Tried]:
    known = {item.pack.id: item for item in tried}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise InvalidRequestError(f"no pack {unknown[0]!r}; there are {', '.join(known)}")
    chosen = [known[name] for name in names] if names else list(tried)
    if not any(item.cases for item in chosen):
        raise PolicyError("no case was found; write <pack>/cases/*.yaml")
    return chosen


def _test_json(
    results: Mapping[str, Sequence[CaseResult]],
    covered: Mapping[str, Coverage],
    alive: Mapping[str, tuple[int, list[Mutant]]],
) -> dict[str, Any]:
    cases = [
        {"pack": pack, "case": item.case.place, "held": item.held, "differences": item.differences}
        for pack, found in results.items()
        for item in found
    ]
    mutants = {
        pack: {"made": made, "survived": [{"where": m.where, "what": m.what} for m in left]}
        for pack, (made, left) in alive.items()
    }
    coverage = [item.to_json() for item in covered.values()]
    return {"cases": cases, "coverage": coverage, "mutants": mutants}


def _test_text(
    results: Mapping[str, Sequence[CaseResult]],
    covered: Mapping[str, Coverage],
    alive: Mapping[str, tuple[int, list[Mutant]]],
    *,
    verbose: bool,
) -> str:
    lines = []
    for pack, found in results.items():
        failed = [item for item in found if not item.held]
        head = f"{'FAIL' if failed else 'ok':4}  {pack}: {len(found) - len(failed)} of {len(found)} cases"
        head += f", conditions seen both ways {covered[pack].ratio:.0%}"
        if pack in alive:
            made, left = alive[pack]
            head += f", {made - len(left)} of {made} mutants killed"
        lines.append(head)
        for item in found if verbose else failed:
            lines.append(
                f"      {'ok  ' if item.held else 'FAIL'}  {item.case.place}  {item.case.title}"
            )
            lines += [f"              {text}" for text in item.differences]
        if verbose:
            lines += _gaps(covered[pack])
        lines += [f"      survived  {m.where}: {m.what}" for m in alive.get(pack, (0, []))[1]]
    return "\n".join(lines)


def _gaps(coverage: Coverage) -> list[str]:
    lines = [
        f"      never {item.missing}  {item.rule or coverage.pack}, {item.field}: {item.text}"
        for item in coverage.conditions
        if item.missing
    ]
    for rule, seen in coverage.statuses.items():
        if not seen & {"fail", "uncertain", "error"}:
            lines.append(
                f"      never against  {rule} (seen: {', '.join(sorted(seen)) or 'nothing'})"
            )
    return lines


def evaluate(
    candidate: Annotated[
        str, typer.Argument(help="Name or digest; or an evidence folder, dossier, or document.")
    ],
    rule: Annotated[
        str | None, typer.Option(metavar="PACK/RULE", help="Take this rule apart, or this pack.")
    ] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="Take apart every rule that speaks against.")
    ] = False,
    as_of: Annotated[str | None, typer.Option(metavar="DATE", help="Default: today, UTC.")] = None,
    policies: PoliciesOption = None,
    trust: TrustOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide about a candidate; nothing is recorded. Shows each step of a rule with its value."""
    from datetime import UTC, datetime

    from govern.adapters.pack_files import load_packs
    from govern.policy.evaluate import evaluate as decide

    day = as_of_day(as_of)
    packs = load_packs(policies_folder(policies))
    document = _document(candidate, trust, day)
    decision = decide(packs, document, datetime(day.year, day.month, day.day, tzinfo=UTC))
    wanted = [rule] if rule else []
    if trace and not rule:
        wanted = sorted({f"{item.pack}/{item.rule}" for item in decision.reasons()})
    traced = {name: item for text in wanted for name, item in _traces(packs, text, document, day)}
    if as_json:
        value = {**decision.to_json(), "decision_digest": decision.digest}
        print_json({**value, "trace": _trace_json(traced)} if traced else value)
        return
    typer.echo(f"{decision.outcome}  {decision.digest}")
    for item in decision.reasons():
        typer.echo(f"  {item.severity:6} {item.pack}/{item.rule}: {item.message}")
    _print_traces(traced)


def _document(text: str, trust: Path | None, day: date) -> Mapping[str, Any]:
    """Return the evidence document that a name, a folder or a file means."""
    from govern.domain.assembling import evidence_document

    path = Path(text)
    if path.suffix in (".yaml", ".yml", ".json") and path.is_file():
        from govern.policy.cases import load_evidence

        return load_evidence(path.read_bytes(), path.name)
    if path.exists():
        from govern.adapters.evidence_files import read_evidence
        from govern.domain.evidence_folder import open_folder
        from govern.transparency.trust import TrustRoot

        if trust is None:
            raise InvalidRequestError("an evidence folder needs --trust FILE")
        root = TrustRoot.from_json(trust.read_bytes())
        return evidence_document(open_folder(read_evidence(path), root).evidence, day)
    from govern.services.tracing import evidence_for

    with opened() as application:
        digest = find_candidate(application, text)
        return evidence_document(evidence_for(application.operations.recorder, digest), day)


def _traces(
    packs: Sequence[Pack], text: str, document: Mapping[str, Any], day: date
) -> list[tuple[str, list[RuleTrace]]]:
    from govern.policy.tracing import Tracer, find_rule

    name, _, rule = text.partition("/")
    pack = next((item for item in packs if item.id == name), None)
    if pack is None:
        raise NotFoundError(f"no pack {name!r}; there are {', '.join(item.id for item in packs)}")
    tracer = Tracer(pack)
    known = {item.id for item in pack.rules}
    if rule and rule not in known and rule in ("applies", "effective_to"):
        return []
    rules = [find_rule(pack, rule)] if rule else pack.rules
    return [(f"{pack.id}/{item.id}", tracer.rule(item, document, day)) for item in rules]


def _trace_json(traced: Mapping[str, Sequence[RuleTrace]]) -> dict[str, Any]:
    return {
        name: [
            {
                "item": trace.item,
                "steps": {key: step.to_json() for key, step in trace.steps.items()},
            }
            for trace in traces
        ]
        for name, traces in traced.items()
    }


def _print_traces(traced: Mapping[str, Sequence[RuleTrace]]) -> None:
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    console = Console(highlight=False)
    for name, traces in traced.items():
        for trace in traces:
            about = "" if trace.item is None else f"  item {_short(trace.item)}"
            tree = Tree(Text(name + about, style="bold"))
            for key, step in trace.steps.items():
                _grow(tree, step, f"{key}: ")
            console.print(tree)
        if not traces:
            console.print(Text(f"{name}: nothing to look at"))


def _grow(tree: Tree, step: Step, prefix: str = "") -> None:
    from rich.text import Text

    from govern.policy.expressions import Failed

    failed = isinstance(step.value, Failed)
    shown = f"error: {step.value.message}" if failed else _short(step.value)
    style = {"true": "green", "false": "red"}.get(shown, "red" if failed else "cyan")
    line = Text(f"{prefix}{step.text}  ", overflow="fold").append(shown, style=style)
    branch = tree.add(line)
    for part in step.parts:
        _grow(branch, part)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= VALUE_CHARS_MAX else text[: VALUE_CHARS_MAX - 1] + "…"
