"""``govern``: find the command, load only its module, turn errors into one sentence.

The table below is all that ``govern --help`` needs, so it answers without importing anything
heavy. A command's module has either a Typer ``app`` or a function ``main(arguments)``.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

INTERRUPTED = 130
USAGE = 2


@dataclass(frozen=True, slots=True)
class Command:
    """Where a command lives and what it is for."""

    module: str
    help: str


COMMANDS = {
    "demo": Command("govern.cli.demo", "run the whole story on real mortgage decisions"),
    "up": Command("govern.cli.up", "serve portal, worker and gate until Ctrl-C"),
    "init": Command("govern.cli.init", "create keys, trust file, log and database in GOVERN_HOME"),
    "status": Command("govern.cli.status", "what GOVERN_HOME holds"),
    "doctor": Command("govern.cli.doctor", "what is wrong here, or soon will be"),
    "candidate": Command("govern.cli.candidate", "register, list and show candidates"),
    "lineage": Command("govern.cli.lineage", "show, record, export and recall lineage"),
    "check": Command("govern.cli.check", "run, list and show checks"),
    "policy": Command("govern.cli.policy", "list, try, compare and back-test policy packs"),
    "ci": Command("govern.cli.ci", "decide about one candidate's evidence in a pipeline"),
    "approval": Command("govern.cli.approval", "ask for approval, vote, withdraw, list"),
    "admission": Command("govern.cli.admission", "admit, suspend, reinstate, revoke, list"),
    "log": Command("govern.cli.log", "look into the logs, prove, export, witness, reindex"),
    "monitor": Command(
        "govern.cli.monitor", "watch live answers, and stop what is proven to drift"
    ),
    "waiver": Command("govern.cli.waiver", "grant, revoke and list waivers"),
    "key": Command(
        "govern.cli.key", "list, rotate and revoke keys, add a gate's, check trust files"
    ),
    "report": Command("govern.cli.report", "build signed reports as PDF"),
    "verify": Command("govern.verifier.__main__", "verify a dossier, bundle, report or receipt"),
}


def usage() -> str:
    """Return the text of ``govern --help``."""
    lines = [
        "Usage: govern COMMAND [ARGS]…",
        "",
        "No model serves without evidence, and no answer leaves without a record.",
        "",
        "Commands:",
        *(f"  {name:<10}  {command.help}" for name, command in COMMANDS.items()),
        "",
        "`govern COMMAND --help` tells more. Data lives in GOVERN_HOME.",
        "Start with: govern demo",
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; 2 is always a usage error."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        print(usage(), file=sys.stdout if given else sys.stderr)
        return 0 if given else USAGE
    if given[0] == "--version":
        from govern import __version__

        print(f"govern {__version__}")
        return 0
    if given[0] not in COMMANDS:
        return _unknown(given[0])
    return _guarded(given[0], given[1:])


def _unknown(name: str) -> int:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    hint = f"; did you mean `govern {near[0]}`?" if near else "; see `govern --help`"
    print(f"govern: unknown command {name!r}{hint}", file=sys.stderr)
    return USAGE


def _guarded(name: str, arguments: list[str]) -> int:
    from govern.errors import GovernError, RefusedError

    try:
        return _run(name, arguments)
    except GovernError as error:
        print(f"govern {name}: {error}", file=sys.stderr)
        if isinstance(error, RefusedError):
            for reason in error.reasons:
                print(f"  - {reason}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"govern {name}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"govern {name}: {_os_sentence(error)}", file=sys.stderr)
        return 1


def _os_sentence(error: OSError) -> str:
    where = f": {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full; free some space and run this again{where}"
    if error.errno == errno.EADDRINUSE:
        return f"a port is in use by another program{where}"
    return f"{error.strerror or error}{where}"


def _run(name: str, arguments: list[str]) -> int:
    module = importlib.import_module(COMMANDS[name].module)
    app = getattr(module, "app", None)
    if app is None:
        return int(module.main(arguments) or 0)
    try:
        app(arguments, prog_name=f"govern {name}")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
