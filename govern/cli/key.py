"""``govern key``: list, rotate and revoke keys, add a gate's, check trust files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from govern.cli.output import JsonOption, new_app, opened, show_done, show_rows

if TYPE_CHECKING:
    from govern.adapters.key_home import KeyHome
    from govern.transparency.passkey import Passkey
    from govern.transparency.signer import PublicKey
    from govern.transparency.verify import VerifiedStatement

app = new_app(
    "List, rotate and revoke keys; add a gate's; check trust files.\n\n"
    "Example: govern key rotate tsa --root-keys /media/root --reason 'yearly'"
)
TRUST_BYTES_MAX = 64 << 20
RootOption = Annotated[
    list[Path] | None,
    typer.Option("--root-keys", help="Folder of a root key that is kept apart; may be repeated."),
]
UriOption = Annotated[
    str | None,
    typer.Option("--pkcs11", metavar="URI", help="Make the new key in a token (RFC 7512 URI)."),
]
COLUMNS = {
    "role": "role",
    "key": "id",
    "algorithm": "algorithm",
    "lives in": "place",
    "from": "valid_from",
    "until": "valid_until",
    "status": "status",
}


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """Show every key: role, id, algorithm, where it lives, window, status."""
    from dataclasses import asdict

    from govern.services.keying import list_keys
    from govern.transparency.encoding import format_time

    with opened() as application:
        rows = [asdict(row) for row in list_keys(application.trust, application.keys.places())]
    for row in rows:
        row["valid_from"] = format_time(row["valid_from"])
        row["valid_until"] = row["valid_until"] and format_time(row["valid_until"])
    show_rows(rows, COLUMNS, as_json=as_json, empty="no keys")


@app.command()
def rotate(
    role: Annotated[str, typer.Argument(help="Such as root, ca, tsa, lineage-log, gate-NAME.")],
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "planned rotation",
    overlap: Annotated[
        float,
        typer.Option("--overlap", metavar="SECONDS", help="How long the present key stays valid."),
    ] = 60,
    root_keys: RootOption = None,
    new_root_keys: Annotated[
        list[Path] | None,
        typer.Option("--new-root-keys", help="Folder for a next key of the root; repeatable."),
    ] = None,
    threshold: Annotated[
        int, typer.Option("--threshold", help="How many of the root's next keys must sign.")
    ] = 1,
    pkcs11: UriOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a new key of a role; the present one ends after an overlap, the root's at once."""
    from datetime import timedelta

    from govern.bootstrap import utc_now
    from govern.errors import InvalidRequestError
    from govern.services import keying

    def change(data: bytes, home: KeyHome) -> bytes:
        if role == "root":
            return keying.rotate_root(data, home, now=utc_now(), reason=reason, threshold=threshold)
        more = timedelta(seconds=overlap)
        return keying.rotate(data, role, home, now=utc_now(), reason=reason, overlap=more)

    if not 1 <= threshold <= max(1, len(new_root_keys or ())):
        raise InvalidRequestError("--threshold is from 1 to the number of --new-root-keys")
    _anchor_first(role)
    version = _change(change, root_keys, pkcs11, new_root_keys)
    show_done(
        f"the {role} key was rotated; trust file version {version} is in force. Portal, worker and "
        "gates of this home take it up by themselves; give trust.json to those who verify",
        {"role": role, "version": version},
        as_json=as_json,
    )


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="A role, or a key id or its beginning.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the trust file.")],
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Such as 2026-11-24T00:00:00Z.")
    ] = None,
    root_keys: RootOption = None,
    pkcs11: UriOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a key that is lost or stolen, as of a time; what it signed later is void.

    Void statements stay in the log and are named. They count for nothing; suspensions,
    revocations, rejections and failed checks among them still count against a model.
    """
    from govern.bootstrap import utc_now
    from govern.errors import InvalidRequestError, MalformedError
    from govern.services import keying
    from govern.transparency.canonical import parse_json
    from govern.transparency.encoding import format_time, parse_time

    try:
        at = parse_time(since) if since else utc_now().replace(microsecond=0)
    except MalformedError as error:
        raise InvalidRequestError(f"--since: {error}") from None
    with opened() as application:
        found = keying.find_key(parse_json(application.trust.raw), key)

    def change(data: bytes, home: KeyHome) -> bytes:
        return keying.revoke(data, found.id, home, since=at, now=utc_now(), reason=reason)

    version = _change(change, root_keys, pkcs11)
    rows = _reindexed()
    show_done(
        f"the {found.role} key {found.id[:19]}… is revoked as of {format_time(at)}; trust file "
        f"version {version} is in force. {_lost(rows)}",
        {"key": found.id, "role": found.role, "version": version, "void": rows},
        as_json=as_json,
    )


@app.command()
def void(as_json: JsonOption = False) -> None:
    """Show every statement that a revoked key signed too late, and why it is void."""
    with opened() as application:
        rows = _void_rows(application.operations.recorder.void())
    columns = {name.replace("_", " "): name for name in ("log_index", "kind", "signer", "why")}
    show_rows(rows, {**columns, "counts": "counts"}, as_json=as_json, empty="nothing is void")


@app.command()
def init(
    gate: Annotated[str, typer.Argument(help="The new gate's name.")],
    root_keys: RootOption = None,
    pkcs11: UriOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the log key of one more gate."""
    from govern.adapters.keys_files import check_gate_name, gate_origin
    from govern.bootstrap import utc_now
    from govern.services import keying

    with opened() as application:
        domain = application.log.origin.removesuffix("/govern/lineage")
    origin = gate_origin(domain, check_gate_name(gate))

    def change(data: bytes, home: KeyHome) -> bytes:
        return keying.add_gate(data, origin, f"gate-{gate}", home, now=utc_now())

    version = _change(change, root_keys, pkcs11)
    show_done(
        f"{origin} has a key; trust file version {version} is in force",
        {"origin": origin, "role": f"gate-{gate}", "version": version},
        as_json=as_json,
    )


@app.command()
def enrol(
    person: Annotated[str, typer.Argument(help="The reviewer's address.")],
    public_key: Annotated[
        Path | None, typer.Argument(help="SSH public key, such as id_ed25519.pub.")
    ] = None,
    passkey: Annotated[
        str | None,
        typer.Option("--passkey", metavar="ID", help="Key id of a passkey made in the portal."),
    ] = None,
    root_keys: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Name a reviewer's own key: from now on her or his votes need its signature too.

    Example: govern key enrol rosa@bank.example rosa.pub
    """
    from govern.bootstrap import utc_now
    from govern.errors import InvalidRequestError
    from govern.services import keying
    from govern.transparency.signer import key_id
    from govern.transparency.sshsig import read_ssh_public_key

    if (public_key is None) == (passkey is None):
        raise InvalidRequestError("give either an SSH public key or --passkey")
    key, used = (
        _passkey(person, passkey)
        if passkey
        else (read_ssh_public_key(_read(public_key or Path()).decode("utf-8", "replace")), None)
    )

    def change(data: bytes, home: KeyHome) -> bytes:
        return keying.enrol(data, person, key, home, now=utc_now(), passkey=used)

    version = _change(change, root_keys, None)
    show_done(
        f"{person} votes with {key_id(key)[:19]}… from now on; trust file version {version} is "
        "in force",
        {"person": person, "key": key_id(key), "version": version},
        as_json=as_json,
    )


def _passkey(person: str, text: str) -> tuple[PublicKey, Passkey]:
    """Return a passkey that this person made in the portal."""
    from base64 import b64decode

    from cryptography.hazmat.primitives.serialization import load_der_public_key

    from govern.errors import InvalidRequestError
    from govern.transparency.passkey import Passkey

    with opened() as application:
        row = application.records.passkey(text)
    if row.email != person:
        raise InvalidRequestError(
            f"the passkey {row.key_id[:19]}… is {row.email}'s, not {person}'s"
        )
    key = cast("PublicKey", load_der_public_key(b64decode(row.public_key)))
    return key, Passkey(row.rp_id, row.origin, row.device_bound, row.aaguid)


@app.command()
def trust(
    files: Annotated[list[Path], typer.Argument(help="The file you have, then newer ones.")],
    as_json: JsonOption = False,
) -> None:
    """Check that trust files follow each other: signed by the root, only forward."""
    from govern.errors import InvalidRequestError
    from govern.transparency.succession import check_chain_of_files
    from govern.transparency.trust import TrustRoot

    if len(files) < 2:
        raise InvalidRequestError("give the trust file that you have and a newer one")
    read = [TrustRoot.from_json(_read(path)) for path in files]
    said = check_chain_of_files(read)
    show_done("\n".join(said), {"follows": True, "changes": said}, as_json=as_json)


def _read(path: Path) -> bytes:
    from govern.errors import InvalidRequestError

    try:
        with path.open("rb") as file:
            return file.read(TRUST_BYTES_MAX + 1)
    except OSError as error:
        raise InvalidRequestError(f"cannot read {path}: {error.strerror}") from None


def _change(
    make: Callable[[bytes, KeyHome], bytes],
    root_keys: list[Path] | None,
    uri: str | None,
    new_root_keys: list[Path] | None = None,
) -> int:
    from govern.bootstrap import key_home, record_key_events

    with opened() as application:
        home = key_home(application, root_keys or (), uri, new_root_keys or ())
        version = home.put_in_force(make(application.trust.raw, home)).version
    with opened() as application:
        record_key_events(application)
    return version


def _anchor_first(role: str) -> None:
    """What a gate's key signed so far is anchored while the key is still valid."""
    from govern.bootstrap import anchor_gates

    name = role.removeprefix("gate-")
    with opened() as application:
        if role != name and (application.home / "gates" / name / "log" / "checkpoint").exists():
            anchor_gates(application, only=name)


def _reindexed() -> list[dict[str, Any]]:
    """Rebuild the database's index without what became void; return all that is void."""
    from govern.services.indexing import rebuild

    with opened() as application:
        rebuild(application.log, application.records, application.trust)
        return _void_rows(application.operations.recorder.void())


def _lost(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "No statement is void."
    return f"{len(rows)} statements are void; `govern key void` names them."


def _void_rows(statements: list[VerifiedStatement]) -> list[dict[str, Any]]:
    from govern.domain.predicates import name_of
    from govern.domain.voiding import counts_against
    from govern.transparency.encoding import format_time

    return [
        {
            "log_index": one.log_index,
            "kind": name_of(one.kind),
            "digest": one.digest,
            "signer": one.signer,
            "signed_at": format_time(one.proven_at),
            "counts": "against" if counts_against(one) else "no",
            "why": one.void,
        }
        for one in statements
    ]
