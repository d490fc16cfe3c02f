"""``make check``: lint, formatting, types, import contracts; every one runs, then the verdict."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CODE = ("govern", "serving_gate", "reports")
STEPS = {
    "lint": [BIN / "ruff", "check", *CODE, "tests", "scripts", "migrations"],
    "format": [BIN / "ruff", "format", "--check", *CODE],
    "types": [BIN / "mypy", *CODE],
    "imports": [BIN / "lint-imports"],
}


def main() -> int:
    """Run every step and return 1 if any failed."""
    failed = []
    for name, command in STEPS.items():
        print(f"== {name}", flush=True)
        if subprocess.run([str(part) for part in command], cwd=ROOT, check=False).returncode:
            failed.append(name)
    print(f"failed: {', '.join(failed)}" if failed else "all checks pass")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
