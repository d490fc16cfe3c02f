"""``python -m govern.verifier PATH… --trust trust.json``: verify offline.

Exit codes: 0 verified · 2 usage · 10 malformed · 11 signature · 12 signer not trusted ·
13 log · 14 evidence chain · 15 expired, suspended or revoked · 16 completeness ·
17 bytes differ · 18 the decision does not replay.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from govern.verifier.given import add_options

USAGE = 2
EXAMPLE = "example: govern verify demo/dossier.zip --trust demo/trust.json"


def parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    found = argparse.ArgumentParser(
        prog="govern verify",
        description="Verify a dossier, a statement bundle, a report PDF or a receipt, offline.",
        epilog=EXAMPLE,
    )
    found.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="dossier (zip or folder), statement bundle, report PDF, .tlog-proof, or a file "
        "with a Govern-Receipt header",
    )
    found.add_argument("--trust", required=True, metavar="FILE", help="the trust file")
    found.add_argument(
        "--as-of",
        metavar="TIME",
        help="require an admission in force at this time, such as 2026-11-24T00:00:00Z "
        "(exit 15); without it, ended admissions are told and not refused",
    )
    found.add_argument(
        "--against",
        metavar="PATH",
        help="dossier, copy of the gate's log, or .tlog-proof to find a receipt header in",
    )
    add_options(found)
    found.add_argument("--json", action="store_true", help="print JSON for machines")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify each path and return the exit code of the first that fails, or 0."""
    options = parser().parse_args(arguments)
    from govern.errors import VerificationError

    results: list[dict[str, Any]] = []
    code = 0
    try:
        as_of = _time(options.as_of)
    except VerificationError as error:
        print(f"govern verify: --as-of: {error}", file=sys.stderr)
        return USAGE
    try:
        trust = _trust(options.trust)
    except VerificationError as error:
        print(f"govern verify: the trust file: {error} (exit {error.exit_code})", file=sys.stderr)
        return error.exit_code
    try:
        given = _given(options)
    except VerificationError as error:
        print(f"govern verify: --public-key: {error} (exit {error.exit_code})", file=sys.stderr)
        return error.exit_code
    against = Path(options.against) if options.against else None
    for path in options.paths:
        result = _verify(Path(path), trust, as_of, against, given)
        results.append(result)
        code = code or result["exit_code"]
        if not options.json:
            _print(result)
    if options.json:
        print(json.dumps(results if len(results) > 1 else results[0], indent=2))
    return code


def _trust(path: str) -> Any:
    from govern.transparency.trust import TrustRoot
    from govern.verifier.reading import TRUST_BYTES_MAX, read_file

    return TrustRoot.from_json(read_file(Path(path), TRUST_BYTES_MAX))


def _given(options: argparse.Namespace) -> Any:
    from govern.verifier.foreign import given_from

    return given_from(options.artifact, options.public_key, options.threshold)


def _time(text: str | None) -> datetime | None:
    from govern.transparency.encoding import parse_time

    return parse_time(text) if text else None


def _verify(
    path: Path, trust: Any, as_of: datetime | None, against: Path | None, given: Any
) -> dict[str, Any]:
    from govern.errors import GovernError
    from govern.verifier.what import verify_path

    try:
        proved = verify_path(path, trust, as_of, against, given)
    except GovernError as error:
        return {
            "path": str(path),
            "verified": False,
            "exit_code": error.exit_code,
            "error": type(error).__name__,
            "message": str(error),
        }
    return {
        "path": str(path),
        "verified": True,
        "exit_code": 0,
        "proved": proved.sentences,
        "not_proved": proved.unproved,
        "counts": proved.counts,
    }


def _print(result: dict[str, Any]) -> None:
    if not result["verified"]:
        print(f"NOT VERIFIED  {result['path']}", file=sys.stderr)
        print(f"  {result['message']} (exit {result['exit_code']})", file=sys.stderr)
        return
    print(f"VERIFIED  {result['path']}")
    for sentence in result["proved"]:
        print(f"  - {sentence}")
    for sentence in result["not_proved"]:
        print(f"  not proved: {sentence}")


if __name__ == "__main__":
    sys.exit(main())
