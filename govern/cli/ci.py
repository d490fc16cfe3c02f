"""``govern ci``: one candidate's evidence against the packs that apply, offline or asked for.

Verifies first, evaluates with the one evaluator, writes what CI servers read. Exit codes:
0 allow · 1 deny · 2 usage · 3 review · 4 evidence invalid · 5 nothing was evaluated.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from govern.cli.formats.report import INVALID, NOTHING, USAGE, CiReport, Place
from govern.errors import (
    EvidenceError,
    InvalidRequestError,
    MalformedError,
    PolicyError,
    ServiceError,
    StorageError,
    VerificationError,
)
from govern.policy.document import Pack

if TYPE_CHECKING:
    from govern.domain.evidence_folder import OpenedEvidence
    from govern.transparency.trust import TrustRoot

EXAMPLE = (
    "example: govern ci evidence/ --trust trust.json -o table -o sarif=govern.sarif\n"
    "an evidence folder is written by: govern candidate export NAME -o evidence/\n"
    "or: govern ci sha256:… --service https://govern.bank.example --token-file token "
    "--trust trust.json"
)
FORMATS = ("table", "json", "junit", "sarif", "github", "azuredevops", "tap")
Outputs = list[tuple[str, Path | None]]
Gathered = tuple[Mapping[str, bytes], list[tuple[Path, Pack]], str | None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate, print, and return the exit code."""
    options = parser().parse_args(arguments)
    try:
        outputs = parse_outputs(options.output)
        report = evaluate_path(options)
        for name, path in outputs:
            _write(_text(name, report), path)
        _step_summary(report, outputs)
    except VerificationError as error:
        return _stop(INVALID, f"the evidence does not verify: {error}")
    except (PolicyError, ServiceError) as error:
        return _stop(NOTHING, f"nothing was evaluated: {error}")
    except InvalidRequestError as error:
        return _stop(USAGE, str(error))
    return report.exit_code


def parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    found = argparse.ArgumentParser(
        prog="govern ci",
        description="Decide about one candidate from its evidence, offline or as a service has it.",
        epilog=EXAMPLE + "\nexit: 0 allow, 1 deny, 2 usage, 3 review, 4 evidence invalid, "
        "5 nothing was evaluated",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument(
        "path", metavar="PATH", help="evidence folder, dossier or zip; with --service a digest"
    )
    found.add_argument("--trust", type=Path, metavar="FILE", required=True, help="the trust file")
    found.add_argument(
        "--policies", type=Path, metavar="DIR", help="packs (default: shipped, or the service's)"
    )
    found.add_argument("--service", metavar="URL", help="ask this service for the evidence")
    found.add_argument("--token-file", type=Path, metavar="FILE", help="holds an API token")
    found.add_argument("--candidate", metavar="NAME", help="which one, where several are here")
    found.add_argument("--model", type=Path, metavar="DIR", help="compare this model folder too")
    found.add_argument("--as-of", metavar="DATE", help="decide as of a day (default: today, UTC)")
    found.add_argument(
        "-o",
        "--output",
        action="append",
        default=[],
        metavar="FORMAT[=FILE]",
        help=f"{', '.join(FORMATS)}; may be repeated (default table)",
    )
    return found


def parse_outputs(texts: Sequence[str]) -> Outputs:
    """Return formats and files; one at most goes to the screen.

    Raises:
        InvalidRequestError: an unknown format, two on the screen, or no such folder.
    """
    outputs: Outputs = []
    for text in texts:
        name, separator, file = text.partition("=")
        if name not in FORMATS:
            raise InvalidRequestError(f"unknown format {name!r}; choose from {', '.join(FORMATS)}")
        if separator and not file:
            raise InvalidRequestError(f"-o {text} names no file")
        path = Path(file) if separator else None
        if path is not None and not path.absolute().parent.is_dir():
            raise InvalidRequestError(f"cannot write {path}: there is no folder {path.parent}")
        outputs.append((name, path))
    screens = sum(path is None for _, path in outputs)
    if screens > 1:
        raise InvalidRequestError("one format at most goes to the screen; give others =FILE")
    return outputs if screens else [*outputs, ("table", None)]


def evaluate_path(options: argparse.Namespace) -> CiReport:
    """Verify what lies at the path and decide about it.

    Raises:
        VerificationError: the evidence does not verify.
        PolicyError: no pack, or one that cannot be read.
        ServiceError: the service gave no answer, or refused.
        InvalidRequestError: an option is wrong.
    """
    from govern.domain.evidence_folder import open_folder
    from govern.policy.deciding import decide_as_of
    from govern.transparency.encoding import format_time

    started, day = time.monotonic(), as_of_day(options.as_of)
    trust = _trust(options.trust)
    files, packs, expected = _gather(options, day)
    chosen = options.path if options.service else options.candidate
    opened = open_folder(files, trust, chosen)
    if options.model is not None:
        _compare_model(opened, options.model)
    decision, document = decide_as_of([pack for _, pack in packs], opened.evidence, day)
    if expected not in (None, decision.digest):
        raise EvidenceError(
            f"the service would decide {expected}, and its evidence and packs give "
            f"{decision.digest}: one of the two is not what it says"
        )
    newest = max(item.proven_at for item in opened.index.by_digest.values())
    here = f"{opened.model_files} model files match" if opened.model_files else "no model bytes"
    note = (
        f"verified {len(opened.index.by_digest)} statements, the newest of "
        f"{format_time(newest)[:10]}; {here}"
    )
    agrees = [f"{options.service} decides the same"] if expected else []
    return CiReport(
        decision=decision,
        name=f"{opened.name} {document['candidate'].get('version', '')}".strip(),
        notes=(note, *agrees),
        places=_places(packs),
        seconds=time.monotonic() - started,
    )


def _gather(options: argparse.Namespace, day: date) -> Gathered:
    """Return the evidence's files, the packs, and the digest that a service would decide."""
    if (options.service is None) != (options.token_file is None):
        raise InvalidRequestError("--service and --token-file go together")
    if options.service is not None:
        return _ask(options, day)
    from govern.adapters.evidence_files import read_evidence

    path = Path(options.path)
    if not path.exists():
        raise InvalidRequestError(f"there is no {path}; see `govern candidate export`")
    return read_evidence(path), _packs(options.policies), None


def _ask(options: argparse.Namespace, day: date) -> Gathered:
    """Ask the service; with packs of one's own there is nothing to compare."""
    from govern.adapters.service_http import Service, read_token
    from govern.transparency.digest import check_digest

    try:
        candidate = check_digest(options.path)
    except MalformedError as error:
        raise InvalidRequestError(f"with --service, PATH is the candidate: {error}") from None
    service = Service(options.service, read_token(options.token_file))
    files = service.evidence(candidate)
    if options.policies is not None:
        return files, _packs(options.policies), None
    packs = [(Path("policies", pack.id, "policy.yaml"), pack) for pack in service.packs()]
    return files, packs, service.decision_digest(candidate, day)


def as_of_day(text: str | None) -> date:
    """Return the day of an ``--as-of``; None: today, UTC.

    Raises:
        InvalidRequestError: it is no day.
    """
    if text is None:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidRequestError(f"--as-of is a day like 2026-11-25, got {text!r}") from None


def _trust(path: Path) -> TrustRoot:
    from govern.transparency.trust import TrustRoot

    try:
        return TrustRoot.from_json(path.read_bytes())
    except OSError as error:
        raise InvalidRequestError(f"cannot read the trust file {path}: {error.strerror}") from None
    except MalformedError as error:
        raise InvalidRequestError(f"--trust {path}: {error}") from None


def _packs(folder: Path | None) -> list[tuple[Path, Pack]]:
    from govern.adapters.pack_files import read_packs
    from govern.settings import shipped_policies

    chosen = folder or Path(os.environ.get("GOVERN_POLICIES") or shipped_policies())
    if not chosen.is_dir():
        raise InvalidRequestError(f"--policies: there is no folder {chosen}")
    try:
        return read_packs(chosen)
    except StorageError as error:
        raise PolicyError(str(error)) from None


def _compare_model(opened: OpenedEvidence, folder: Path) -> None:
    from govern.adapters.hashing import hash_folder
    from govern.domain.evidence_folder import check_model_files, signed_files

    here = {file.name: file.digest for file in hash_folder(folder).files}
    check_model_files(signed_files(opened.evidence), here)


def _places(packs: Sequence[tuple[Path, Pack]]) -> Mapping[str, Place]:
    """Return the line of each pack and rule, as paths from here where they lie below."""
    places = {}
    for path, pack in packs:
        file = _relative(path)
        places[pack.id] = Place(file, 1)
        for rule in pack.rules:
            places[f"{pack.id}/{rule.id}"] = Place(file, rule.line)
    return places


def _relative(path: Path) -> str:
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return f"policies/{path.parent.name}/{path.name}"


def _text(name: str, report: CiReport) -> str:
    from govern.cli.formats import junit, lines, readable, sarif

    writers: dict[str, Callable[[CiReport], str]] = {
        "table": readable.table,
        "json": readable.as_json,
        "junit": junit.junit,
        "sarif": sarif.sarif,
        "github": lines.github,
        "azuredevops": lines.azuredevops,
        "tap": lines.tap,
    }
    return writers[name](report)


def _write(text: str, path: Path | None) -> None:
    """Print, or write a whole file by rename."""
    if path is None:
        sys.stdout.write(text)
        return
    from govern.adapters.files import write_durably

    try:
        write_durably(path, text.encode("utf-8"))
    except StorageError as error:
        raise InvalidRequestError(str(error)) from None


def _step_summary(report: CiReport, outputs: Outputs) -> None:
    """With the format ``github``: add to the job's summary and outputs, where GitHub asks."""
    if not any(name == "github" for name, _ in outputs):
        return
    from govern.cli.formats.readable import markdown

    said = f"outcome={report.decision.outcome}\ndecision-digest={report.decision.digest}\n"
    for variable, text in (("GITHUB_STEP_SUMMARY", markdown(report)), ("GITHUB_OUTPUT", said)):
        if os.environ.get(variable):
            try:
                with open(os.environ[variable], "a", encoding="utf-8") as file:
                    file.write(text)
            except OSError as error:
                raise InvalidRequestError(f"cannot write {variable}: {error.strerror}") from None


def _stop(code: int, sentence: str) -> int:
    print(f"govern ci: {sentence} (exit {code})", file=sys.stderr)
    return code
