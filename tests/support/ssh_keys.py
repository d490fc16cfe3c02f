"""SSH keys of reviewers, made and used by OpenSSH itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from govern.adapters.ssh_keygen import sign_with_ssh_key
from govern.transparency.signer import PublicKey
from govern.transparency.sshsig import read_ssh_public_key


class SshKey:
    """A key without a passphrase in a folder."""

    def __init__(self, folder: Path, name: str = "id", kind: str = "ed25519") -> None:
        assert shutil.which("ssh-keygen"), "ssh-keygen is missing: apt install openssh-client"
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / name
        command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", name, "-f", str(self.path)]
        subprocess.run(command, check=True, timeout=60)

    @property
    def public_path(self) -> Path:
        """The public half's file."""
        return self.path.with_name(f"{self.path.name}.pub")

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return read_ssh_public_key(self.public_path.read_text())

    def sign(self, words: bytes, namespace: str) -> str:
        """Sign as ``ssh-keygen`` does."""
        return sign_with_ssh_key(self.path, words, namespace)
