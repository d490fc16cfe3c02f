"""``govern up``: serve the demo's portal, worker and gate until Ctrl-C."""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from govern.errors import ConflictError, GovernError

EXAMPLE = "example: govern up --port 8180"
LOOK_SECONDS = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C; return 0 after an orderly end."""
    parser = argparse.ArgumentParser(
        prog="govern up",
        description="Serve the demo's portal, worker and gate. Runs the demo first if there is "
        "none yet.",
        epilog=EXAMPLE,
    )
    parser.add_argument("--home", type=Path, help="the demo's folder (default demo)")
    parser.add_argument("--port", type=int, default=8180, help="of the portal")
    parser.add_argument("--gate-port", type=int, default=8181, help="of the gate")
    options = parser.parse_args(arguments)
    home = Path(options.home or os.environ.get("GOVERN_HOME") or "demo").resolve()
    if not (home / "summary.json").exists():
        from govern.cli.demo import main as tell_story

        tell_story(["--home", str(home)])
    with open(home.with_name(f".{home.name}.lock"), "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(f"{home.name} is in use by another govern; end it first") from None
        return _serve(home, options.port, options.gate_port)


def _serve(home: Path, port: int, gate_port: int) -> int:
    from govern.bootstrap import open_application
    from govern.cli import demo_people as people
    from govern.cli import story
    from govern.cli.processes import Processes, start_worker
    from govern.cli.telling import demo_settings

    opened = open_application(demo_settings(home))
    try:
        with Processes(home) as processes:
            start_worker(processes)
            told = story.reopened(opened)
            where = story.start_serving(told, processes, web_port=port, gate_port=gate_port)
            print(f"portal   {where['portal']}")
            print(f"gate     {where['gate']}  (POST /v2/models/{people.DEPLOYMENT}/infer)")
            print("worker   running")
            print(f"logins   {', '.join(people.NAMES)}")
            print(f"password {people.PASSWORD}  (this demo only)")
            print("Ctrl-C ends it.", flush=True)
            while True:
                processes.require_alive()
                time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        print("\nended")
        return 0
    except GovernError as error:
        print(f"govern up: {error}", file=sys.stderr)
        return error.exit_code
    finally:
        opened.close()
