"""Sign with a person's SSH key by ``ssh-keygen``, so that agents and passphrases just work."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from govern.errors import InvalidRequestError, MissingPartError

SIGN_SECONDS = 120.0


def sign_with_ssh_key(key: Path, message: bytes, namespace: str) -> str:
    """Return an armored SSHSIG signature.

    Args:
        key: a private key file, or a ``.pub`` file whose private half an agent holds.
        message: what is signed.
        namespace: what the signature is for.

    Raises:
        MissingPartError: ``ssh-keygen`` is not installed.
        InvalidRequestError: it refused, with its own words.
    """
    program = shutil.which("ssh-keygen")
    if program is None:
        raise MissingPartError("ssh-keygen is missing: install OpenSSH's client")
    command = [program, "-Y", "sign", "-f", str(key), "-n", namespace]
    try:
        done = subprocess.run(
            command, input=message, capture_output=True, check=False, timeout=SIGN_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise InvalidRequestError("ssh-keygen did not answer in time; nothing was signed") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise InvalidRequestError(f"{key.name} did not sign: {(said or ['no reason given'])[-1]}")
    return done.stdout.decode("ascii")
