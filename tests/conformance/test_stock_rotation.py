"""Stock verifiers under a trust file with two keys a role: what each signed in its window counts."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from dossier_workshop import ROSA, TOMAS, Story, Workshop, prepare
from test_stock_verifiers import (
    Laid,
    lay_out,
    model_signing,
    openssl_ts,
    sigstore,
    sigstore_js,
)

from govern.transparency.bundle import parse_bundle

pytestmark = pytest.mark.conformance


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workshop, Laid, Laid]:
    """A story told half under the first keys and half under their successors."""
    folder = tmp_path_factory.mktemp("rotated")
    shop = Workshop(folder / "shop")
    item = prepare(shop)
    for role in ("ca", "ct", "tsa", "lineage-log"):
        shop.rotate(role)
    shop.now += timedelta(hours=1)
    shop.record_vote(item, TOMAS)
    for name in ("old", "new"):
        (folder / name).mkdir()
    old = lay_out(shop, item, folder / "old")
    new = lay_out(shop, replace(item, votes=item.votes[-1:]), folder / "new")
    root = json.loads(new.root.read_text())
    assert all(
        len(root[name]) == 2
        for name in ("certificateAuthorities", "ctlogs", "timestampAuthorities", "tlogs")
    )
    return shop, old, new


def test_a_model_signed_before_the_rotation(rotated: tuple[Workshop, Laid, Laid]) -> None:
    assert model_signing(rotated[1]) == 0


@pytest.mark.parametrize(("which", "signer"), [(1, ROSA), (2, TOMAS)])
def test_votes_before_and_after(
    rotated: tuple[Workshop, Laid, Laid], which: int, signer: str
) -> None:
    laid = rotated[which]
    assert isinstance(laid, Laid)
    code, said = sigstore(laid, laid.vote, signer, laid.vote_subject)
    assert code == 0, said
    code, said = sigstore_js(laid, laid.vote, signer)
    assert code == 0, said
    bundle = parse_bundle(laid.vote.read_bytes())
    data, token, root = (laid.folder / name for name in ("sig.bin", "sig.tsr", "root.pem"))
    data.write_bytes(bundle.signature)
    token.write_bytes(bundle.timestamp)
    authority = rotated[0].trust.tsas[0].chain[-1]
    root.write_bytes(authority.public_bytes(Encoding.PEM))
    assert openssl_ts(data, token, root)[0] == 0


def test_stock_verifiers_refuse_a_vote_under_the_first_keys_after_their_end(
    story: Story, tmp_path: Path
) -> None:
    """The same vote, under a trust file in which the timestamp key had ended before it."""
    laid = lay_out(story.shop, story.first, tmp_path)
    assert sigstore(laid, laid.vote, ROSA, laid.vote_subject)[0] == 0
    for path in (laid.trust, laid.root):
        value = json.loads(path.read_text())
        held = value.get("trustedRoot", value)
        (authority,) = held["timestampAuthorities"]
        authority["validFor"]["end"] = authority["validFor"]["start"]
        path.write_text(json.dumps(value))
    assert sigstore(laid, laid.vote, ROSA, laid.vote_subject)[0] != 0
    assert sigstore_js(laid, laid.vote, ROSA)[0] != 0
