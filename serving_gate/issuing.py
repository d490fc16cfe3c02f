"""``python -m serving_gate.issuing``: make a caller's key and print it once.

The key's digest, or the access key id, is added to the gate's callers file; a running gate
reads it within seconds. The secret is not kept anywhere.

Example: python -m serving_gate.issuing --home demo --gate demo --caller teller --rate 50
"""

from __future__ import annotations

import argparse
import hashlib
import os
import secrets
import string
import sys
from pathlib import Path
from typing import Any

import orjson

from govern.errors import ConflictError, GovernError, InvalidRequestError, StorageError
from govern.transparency.canonical import parse_json
from serving_gate.callers import MASTER, Known
from serving_gate.sigv4 import derive_secret

FILE = "callers.json"


def main(arguments: list[str] | None = None) -> int:
    """Issue a key; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        print(orjson.dumps(issue(options)).decode())
    except GovernError as error:
        print(f"issuing: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"issuing: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="serving_gate.issuing", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--home", type=Path, required=True, help="GOVERN_HOME")
    parser.add_argument("--gate", required=True, help="the gate's name, such as demo")
    parser.add_argument(
        "--caller", required=True, help="the caller's name, as records will have it"
    )
    parser.add_argument("--deployment", action="append", help="one it may use; default: all")
    parser.add_argument("--rate", type=float, help="requests per second; default: no limit")
    parser.add_argument("--burst", type=float, help="requests at once; default: the rate")
    parser.add_argument(
        "--sigv4", action="store_true", help="an AWS access key for SageMaker clients"
    )
    return parser


def issue(options: argparse.Namespace) -> dict[str, Any]:
    """Add a caller; return what the caller needs to know.

    Raises:
        ConflictError: there is a caller of that name.
        MalformedError: an option is out of range, or the callers file is none.
    """
    folder: Path = options.home / "gates" / options.gate
    if not options.home.is_dir():
        raise InvalidRequestError(f"{options.home} is not a folder; name GOVERN_HOME with --home")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    value = parse_json(path.read_bytes()) if path.exists() else {"callers": []}
    row = {"name": options.caller, "deployments": options.deployment or ["*"]}
    limits = {"requests_per_second": options.rate, "burst": options.burst}
    row |= {name: given for name, given in limits.items() if given is not None}
    known, told = _access_key(folder) if options.sigv4 else _api_key()
    Known.from_json({"callers": [{**row, **known}]}, folder)  # is what we write what we read?
    if any(other.get("name") == options.caller for other in value["callers"]):
        raise ConflictError(f"there is a caller {options.caller} already; choose another name")
    value["callers"].append({**row, **known})
    _write(path, orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n")
    return {"caller": options.caller, **told}


def _api_key() -> tuple[dict[str, str], dict[str, str]]:
    key = secrets.token_urlsafe(32)
    return {"key_sha256": hashlib.sha256(key.encode()).hexdigest()}, {"key": key}


def _access_key(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    master = folder / MASTER
    if not master.exists():
        _write(master, secrets.token_bytes(32))
    letters = string.ascii_uppercase + string.digits
    access_key = "GVAK" + "".join(secrets.choice(letters) for _ in range(16))
    secret = derive_secret(master.read_bytes(), access_key)
    told = {"aws_access_key_id": access_key, "aws_secret_access_key": secret}
    return {"access_key": access_key}, told


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.part")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise StorageError(f"{path.name} cannot be written: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(main())
