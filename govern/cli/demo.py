"""``govern demo``: the whole story on real mortgage decisions, in one command."""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from govern.errors import ConflictError, GovernError

EXAMPLE = "example: govern demo && govern verify demo/dossier.zip --trust demo/trust.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Tell the story; return 0 when every step held."""
    parser = argparse.ArgumentParser(
        prog="govern demo",
        description="Register, check, decide, approve, admit, serve, tamper, report: on 1,989 "
        "real mortgage applications. Writes a folder with everything.",
        epilog=EXAMPLE,
    )
    parser.add_argument("--home", type=Path, help="where to write (default GOVERN_HOME or demo)")
    parser.add_argument("--json", action="store_true", help="print summary.json at the end")
    options = parser.parse_args(arguments)
    home = Path(options.home or os.environ.get("GOVERN_HOME") or "demo").resolve()
    with exclusive(home) as building:
        from govern.cli.telling import tell

        summary = tell(building, home.name, quiet=options.json)
        replace(building, home)
    if options.json:
        import json

        sys.stdout.write(json.dumps(summary, indent=2) + "\n")
    return 0


@contextmanager
def exclusive(home: Path) -> Iterator[Path]:
    """Yield a folder to build in, removed if the story does not end well.

    Raises:
        ConflictError: another run is building, or serving, the same demo.
        GovernError: ``home`` is something else than a demo of ours.
    """
    if home.exists() and any(home.iterdir()) and not (home / "trust.json").exists():
        raise GovernError(f"{home} is not empty and not a demo; name another with --home")
    home.parent.mkdir(parents=True, exist_ok=True)
    building = home.with_name(f".{home.name}.building")
    with open(home.with_name(f".{home.name}.lock"), "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(
                f"another `govern demo` or `govern up` is using {home.name}; wait or end it"
            ) from None
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(mode=0o755)
        try:
            yield building
        finally:
            shutil.rmtree(building, ignore_errors=True)


def replace(building: Path, home: Path) -> None:
    """Put the finished folder in the place of the old one."""
    old = home.with_name(f".{home.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if home.exists():
        home.rename(old)
    building.rename(home)
    shutil.rmtree(old, ignore_errors=True)
