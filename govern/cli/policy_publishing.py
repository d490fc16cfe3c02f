"""``govern policy list`` and ``publish``: the packs in use, and who stands for them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from govern.cli.output import ByOption, JsonOption, opened, show_done, show_rows
from govern.errors import NotFoundError

COLUMNS = ("id", "version", "status", "from", "to", "rules", "published", "digest")


def list_packs(as_json: JsonOption = False) -> None:
    """List the packs in use: version, status, dates, who published them, digest."""
    from govern.services.publishing import published_packs

    with opened() as application:
        published = published_packs(application.operations.recorder)
        packs = application.operations.packs()
    rows = []
    for pack in packs:
        statement = published.get((pack.id, pack.version))
        rows.append(
            {
                "id": pack.id,
                "version": pack.version,
                "status": pack.status,
                "from": pack.effective_from.isoformat(),
                "to": pack.effective_to.isoformat() if pack.effective_to else None,
                "rules": len(pack.rules),
                "published": _published(statement, pack.digest),
                "digest": pack.digest,
            }
        )
    show_rows(rows, {name: name for name in COLUMNS}, as_json=as_json, empty="No packs.")


def publish(
    packs: Annotated[list[str], typer.Argument(help="Pack ids, or `all`.")],
    by: ByOption,
    as_json: JsonOption = False,
) -> None:
    """Sign packs as they are now; the same id and version can never be other bytes again."""
    from govern.services.publishing import publish as publish_pack

    with opened() as application:
        known = {pack.id: pack for pack in application.operations.packs()}
        names = list(known) if packs == ["all"] else packs
        unknown = [name for name in names if name not in known]
        if unknown:
            raise NotFoundError(f"no pack {unknown[0]!r}; there are {', '.join(known)}")
        recorder, blobs = application.operations.recorder, application.blobs
        done = {name: publish_pack(recorder, blobs, known[name], by=by).digest for name in names}
    text = "\n".join(f"published {name} {known[name].version}: {done[name]}" for name in names)
    show_done(text, {"published": done}, as_json=as_json)


def _published(statement: Any, digest: str) -> str:
    if statement is None:
        return "unsigned"
    return statement.signer if statement.statement.subject == digest else "OTHER BYTES"
