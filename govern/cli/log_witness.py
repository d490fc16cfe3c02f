"""``govern log witness|cosign|trust``: be a witness, ask one, or trust one."""

from __future__ import annotations

import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from govern.cli.output import JsonOption, opened, show_done
from govern.errors import InvalidRequestError

if TYPE_CHECKING:
    from govern.adapters.log_reading import PublishedLog
    from govern.adapters.witness_files import WitnessFiles
    from govern.transparency.cosignature import Cosignature
    from govern.transparency.trust import TrustRoot

EXCHANGE_BYTES_MAX = 1 << 20
FolderArgument = Annotated[Path, typer.Argument(help="The witness's own folder: key and state.")]
RequestOption = Annotated[Path | None, typer.Option("--request", help="Request file.")]
ResponseOption = Annotated[Path | None, typer.Option("--response", help="Answer file.")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``govern log``."""
    app.command()(witness)
    app.command()(cosign)
    app.command()(trust)


def witness(
    folder: FolderArgument,
    create: Annotated[
        str | None, typer.Option("--create", metavar="NAME", help="Create key and empty state.")
    ] = None,
    trust_file: Annotated[
        Path | None, typer.Option("--trust", help="trust.json: which logs to witness.")
    ] = None,
    request: RequestOption = None,
    response: ResponseOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free one.")] = 8282,
    as_json: JsonOption = False,
) -> None:
    """Serve a witness over HTTP, or answer one request file where there is no network.

    Example: govern log witness w1 --create witness.regulator.example/w1 ;
    govern log witness w1 --trust trust.json
    """
    from govern.adapters.witness_files import WitnessFiles

    if create is not None:
        verifier = WitnessFiles.create(folder, create)
        show_done(verifier.vkey, {"name": create, "vkey": verifier.vkey}, as_json=as_json)
        return
    if trust_file is None or (request is None) != (response is None):
        raise InvalidRequestError(
            "give --create NAME, or --trust FILE; and --request with --response"
        )
    served = WitnessFiles.open(folder, _trust(trust_file), lambda: datetime.now(UTC))
    if request is not None and response is not None:
        _answer_file(served, request, response, as_json=as_json)
        return
    _serve(served, host, port)


def _answer_file(witness: WitnessFiles, request: Path, response: Path, *, as_json: bool) -> None:
    from govern.adapters.files import write_durably
    from govern.services.witnessing import answer_text, require_accepted

    answer = witness.add_checkpoint(_read(request))
    write_durably(response, answer_text(answer).encode())
    require_accepted(answer)
    show_done(
        f"cosigned; give {response} back",
        {"status": answer.status, "file": str(response)},
        as_json=as_json,
    )


def _serve(witness: WitnessFiles, host: str, port: int) -> None:
    from govern.adapters.witness_http import serve

    def ready(port_taken: int) -> None:
        print(
            json.dumps({"ready": True, "host": host, "port": port_taken, "pid": os.getpid()}),
            flush=True,
        )

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    serve(witness, host, port, ready)


def cosign(
    log: Annotated[str, typer.Option("--log", help="`lineage`, or a gate's name.")] = "lineage",
    witnesses: Annotated[
        list[str] | None, typer.Option("--witness", metavar="URL", help="Ask it; repeatable.")
    ] = None,
    request: RequestOption = None,
    response: ResponseOption = None,
    old_size: Annotated[
        int | None, typer.Option("--old-size", min=0, help="The size the witness knows.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Have witnesses cosign a log's checkpoint, online or by file.

    Example: govern log cosign --witness http://127.0.0.1:8282 ; without a network:
    govern log cosign --request ask.txt, then govern log cosign --request ask.txt --response answer.txt
    """
    from govern.adapters.log_reading import open_published
    from govern.services import witnessing
    from govern.settings import Settings

    found, trusted = open_published(Settings.from_environment(os.environ).home, log)
    if witnesses and request is None and response is None:
        _show(_ask_all(found, trusted, witnesses), log, as_json=as_json)
    elif request is not None and response is not None:
        from govern.transparency.witnessing import parse_request

        answer = witnessing.parse_answer(_read(response))
        witnessing.require_accepted(answer)
        asked = parse_request(_read(request))
        _show(witnessing.accept_answer(found, asked, answer.body, trusted), log, as_json=as_json)
    elif request is not None:
        from govern.adapters.files import write_durably

        asked = witnessing.make_request(found, old_size)
        write_durably(request, asked.text().encode())
        show_done(
            f"wrote {request}; give it to the witness",
            {"file": str(request), "old_size": asked.old_size},
            as_json=as_json,
        )
    else:
        raise InvalidRequestError("give --witness URL, or --request FILE (and --response FILE)")


def _ask_all(log: PublishedLog, trusted: TrustRoot, urls: list[str]) -> list[Cosignature]:
    from functools import partial

    from govern.adapters.witness_http import ask
    from govern.services.witnessing import cosign_online

    return [item for url in urls for item in cosign_online(log, trusted, partial(ask, url))]


def _show(found: list[Cosignature], log: str, *, as_json: bool) -> None:
    from govern.transparency.encoding import format_time

    rows = [{"witness": item.witness, "seen_at": format_time(item.seen_at)} for item in found]
    said = ", ".join(f"{row['witness']} at {row['seen_at']}" for row in rows)
    show_done(f"{log}: cosigned by {said}", {"log": log, "cosignatures": rows}, as_json=as_json)


def trust(
    vkey: Annotated[str, typer.Argument(help="The witness's key, as --create printed it.")],
    threshold: Annotated[
        int | None, typer.Option(min=0, help="How many witnesses verifiers shall ask for.")
    ] = None,
    root_keys: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a root key that is kept apart; may be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Add a witness to the home's trust file, valid from now on.

    Example: govern log trust witness.regulator.example/w1+1a2b3c4d+BAAA… --threshold 1
    """
    from govern.bootstrap import key_home, record_key_events
    from govern.services.witnessing import trust_witness

    with opened() as application:
        home = key_home(application, root_keys or ())
        now = datetime.now(UTC)
        data = trust_witness(application.trust.raw, vkey, now, threshold, roots=home.roots())
        home.put_in_force(data)
        path = application.home / "trust.json"
    with opened() as application:
        record_key_events(application)
    name = vkey.partition("+")[0]
    show_done(
        f"trusting {name}; give {path} to those who verify",
        {"witness": name, "file": str(path)},
        as_json=as_json,
    )


def _trust(path: Path) -> TrustRoot:
    from govern.transparency.trust import TrustRoot

    return TrustRoot.from_json(_read(path, 64 << 20))


def _read(path: Path, bytes_max: int = EXCHANGE_BYTES_MAX) -> bytes:
    try:
        if path.stat().st_size > bytes_max:
            raise InvalidRequestError(f"{path} is over {bytes_max} bytes")
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequestError(f"cannot read {path}: {error.strerror}") from None
