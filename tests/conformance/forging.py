"""What forgers use: a registry of forgeries, and small tools that bend genuine bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from dossier_workshop import ROSA, TOMAS, Candidate, Story, Workshop, answers, statement_path

from govern.domain.dossier import pack
from govern.transparency.bundle import LogProof, parse_bundle, write_bundle
from govern.transparency.canonical import canonical_json
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import VerifiedStatement

Files = dict[str, bytes]


@dataclass
class Forged:
    """What is handed to the verifier."""

    content: Files | bytes | Path
    trust: TrustRoot
    as_of: datetime | None = None
    against: Files | bytes | None = None

    def write_against(self, folder: Path) -> Path | None:
        """Write what a receipt header is compared with."""
        if self.against is None:
            return None
        path = folder / "against"
        path.write_bytes(pack(self.against) if isinstance(self.against, dict) else self.against)
        return path

    def write(self, folder: Path) -> Path:
        """Write it where the verifier can read it."""
        if isinstance(self.content, Path):
            return self.content
        path = folder / "forged"
        path.write_bytes(pack(self.content) if isinstance(self.content, dict) else self.content)
        return path


@dataclass
class Forger:
    """Someone with the genuine story and an empty folder."""

    story: Story
    folder: Path

    def files(self) -> Files:
        """Return a copy of the genuine dossier."""
        return dict(self.story.files)

    def hand_in(
        self, content: Files | bytes | Path, *, as_of: datetime | None = None
    ) -> Forged:
        """Hand in something that the genuine trust file judges."""
        return Forged(content, self.story.shop.trust, as_of)

    def shop(self, **options: Any) -> Workshop:
        """Return a new installation, whose every key the forger holds."""
        return Workshop(self.folder / "shop", **options)


Forgery = Callable[[Forger], Forged]
FORGERIES: dict[str, Forgery] = {}


def forgery(function: Forgery) -> Forgery:
    """Register a forgery under its name, with dashes."""
    FORGERIES[function.__name__.replace("_", "-")] = function
    return function


def flip(data: bytes, at: int = -1) -> bytes:
    """Return ``data`` with one bit of the byte at ``at`` turned."""
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def path_of(item: VerifiedStatement) -> str:
    """Return where a statement lies in the dossier."""
    return statement_path(item.log_index)


def edit_json(data: bytes, change: Callable[[Any], Any]) -> bytes:
    """Return canonical JSON after ``change`` worked on its value in place."""
    value = json.loads(data)
    change(value)
    return canonical_json(value)


def rebuild(bundle: bytes, **parts: Any) -> bytes:
    """Return a bundle with parts replaced and every derived field made to fit."""
    found = replace(parse_bundle(bundle), **parts)
    return write_bundle(found.envelope, found.certificate, found.timestamp, found.proof)


def reproof(bundle: bytes, **parts: Any) -> bytes:
    """Return a bundle with parts of its log proof replaced."""
    proof: LogProof = replace(parse_bundle(bundle).proof, **parts)
    return rebuild(bundle, proof=proof)


def begin(shop: Workshop, *, verdict: str = "pass") -> Candidate:
    """Carry a candidate up to its decision."""
    shop.trace()
    item = shop.candidate("forest")
    shop.check(item, verdict=verdict)
    shop.decide(item)
    return item


def finish(
    shop: Workshop, item: Candidate, votes: Iterable[str] = (ROSA, TOMAS), **admission: Any
) -> None:
    """Vote, admit, and let the gates answer."""
    for by in votes:
        shop.record_vote(item, by)
    shop.admit(item, **admission)
    answers(shop, item)


def sealed(shop: Workshop, *items: Candidate, as_of: datetime | None = None) -> Forged:
    """Return the shop's dossier, judged by its own trust file."""
    return Forged(shop.dossier(items), shop.trust, as_of)
