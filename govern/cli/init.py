"""``govern init``: create keys, trust file, log and database in ``GOVERN_HOME``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

EXAMPLE = (
    "example: govern init --name 'Example Bank' --domain bank.example "
    "--role author=ada@bank.example --role reviewer=rosa@bank.example"
)
SERVICE_ROLES = ("service", "decider", "evaluator")


def main(arguments: Sequence[str] | None = None) -> int:
    """Initialise a home once."""
    parser = argparse.ArgumentParser(prog="govern init", description=__doc__, epilog=EXAMPLE)
    parser.add_argument("--name", required=True, help="the organisation's name")
    parser.add_argument("--domain", required=True, help="prefix of the logs' origins")
    parser.add_argument("--issuer", help="who vouches for identities (default https://sso.DOMAIN)")
    parser.add_argument(
        "--role", action="append", default=[], metavar="ROLE=EMAIL", help="may be repeated"
    )
    parser.add_argument("--gate", action="append", default=[], help="a gate's name; repeatable")
    parser.add_argument("--approvals", type=int, default=2, help="smallest quorum (default 2)")
    parser.add_argument(
        "--root-keys", type=Path, help="folder for the root's key, to be taken away"
    )
    parser.add_argument("--passphrase-file", type=Path, help="encrypt the key files with it")
    parser.add_argument(
        "--pkcs11",
        action="append",
        default=[],
        metavar="ROLE=URI",
        help="key in a token; repeatable",
    )
    options = parser.parse_args(arguments)
    tokens = dict(_token(text, parser) for text in options.pkcs11)
    roles: dict[str, list[str]] = {role: [f"govern@{options.domain}"] for role in SERVICE_ROLES}
    for text in options.role:
        role, separator, email = text.partition("=")
        if not separator or "@" not in email:
            parser.error(f"--role is ROLE=EMAIL, got {text!r}")
        roles.setdefault(role, []).append(email)
    from govern.adapters.first_keys import Organisation
    from govern.bootstrap import initialise
    from govern.settings import Settings

    settings = Settings.from_environment(os.environ)
    if options.passphrase_file:
        settings = replace(settings, passphrase_file=options.passphrase_file)
    organisation = Organisation(
        options.name,
        options.domain,
        options.issuer or f"https://sso.{options.domain}",
        roles,
        options.gate or ["main"],
        options.approvals,
        tokens,
    )
    initialise(settings, organisation, options.root_keys)
    print(f"initialised {settings.home}; give {settings.home / 'trust.json'} to those who verify")
    return 0


def _token(text: str, parser: argparse.ArgumentParser) -> tuple[str, str]:
    role, separator, uri = text.partition("=")
    if not separator or not uri.startswith("pkcs11:"):
        parser.error(f"--pkcs11 is ROLE=pkcs11:…, got {text[:100]!r}")
    return role, uri
