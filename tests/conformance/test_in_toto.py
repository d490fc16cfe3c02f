"""in-toto-verify follows our exported layout from data to admission, and refuses a broken chain."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from dossier_workshop import Story
from stock import offline, tool

from govern.domain import in_toto
from govern.errors import ConflictError, NotFoundError
from govern.services.exporting import evidence_so_far, in_toto_layout
from govern.transparency.canonical import canonical_json
from govern.transparency.encoding import b64, unb64
from govern.transparency.oms import public_pem

pytestmark = pytest.mark.conformance


@pytest.fixture(scope="module")
def exported(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("in-toto")
    shop = story.shop
    files = in_toto_layout(
        shop.recorder, story.first.digest, sign_layout=shop.keys.sign_layout
    )
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "owner.pub").write_bytes(public_pem(shop.keys.ec_key("layout").public_key()))
    return folder


def verify(folder: Path) -> tuple[int, str]:
    done = offline(
        tool("in-toto-verify"), "--layout", "root.layout", "--verification-keys", "owner.pub",
        "--link-dir", ".", "--verbose", cwd=folder,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_in_toto_verify_accepts_the_whole_chain(exported: Path) -> None:
    code, said = verify(exported)
    assert code == 0, said
    names = sorted(path.name.split(".")[0] for path in exported.glob("*.link"))
    assert names == [
        "admit", "check-performance", "data-1", "decide", "features-1", "register", "training-1",
        "vote-1", "vote-2", "vote-3",
    ]  # fmt: skip


def rewritten(data: bytes, old: bytes, new: bytes) -> bytes:
    """Change bytes inside the payload and leave the signature as it was."""
    value = json.loads(data)
    payload = unb64(value["payload"])
    assert old in payload
    return canonical_json({**value, "payload": b64(payload.replace(old, new, 1))})


@pytest.mark.parametrize("step", ["data-1", "features-1", "training-1", "check-performance", "decide"])
def test_one_byte_changed_in_a_link_is_refused_with_the_step_named(
    exported: Path, tmp_path: Path, step: str
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(exported, folder)
    (link,) = folder.glob(f"{step}.*.link")
    digest = json.loads(unb64(json.loads(link.read_bytes())["payload"]))["products"]
    value = next(iter(digest.values()))["sha256"].encode()
    other = value[:-1] + (b"0" if value[-1:] != b"0" else b"1")
    link.write_bytes(rewritten(link.read_bytes(), value, other))
    code, said = verify(folder)
    assert code != 0
    assert step in said, said


def test_a_forged_link_with_a_valid_signature_breaks_the_match_rule(
    story: Story, tmp_path: Path
) -> None:
    """Someone who holds a person's link key swaps the features: the chain no longer matches."""
    steps = in_toto.steps_of(evidence_so_far(story.shop.recorder, story.first.digest))
    private = {who: ec.generate_private_key(ec.SECP256R1()) for who in in_toto.steps_by(steps)}
    keys = {who: in_toto.public_key(key.public_key()) for who, key in private.items()}
    layout = in_toto.layout_of(steps, keys, expires=story.shop.now.replace(year=2036), readme="")
    (tmp_path / "root.layout").write_bytes(story.shop.keys.sign_layout(layout))
    owner = story.shop.keys.ec_key("layout").public_key()
    (tmp_path / "owner.pub").write_bytes(public_pem(owner))
    for step in steps:
        who, link = step.statement.signer, in_toto.link_of(step)
        if step.name == "training-1":
            (name,) = link["materials"]
            link["materials"] = {name: {"sha256": "0" * 64}}
        path = tmp_path / f"{step.name}.{keys[who]['keyid'][:8]}.link"
        path.write_bytes(in_toto.signed(link, private[who], keys[who]["keyid"]))
    code, said = verify(tmp_path)
    assert code != 0
    assert "training-1" in said and "DISALLOW" in said, said


def test_a_missing_step_is_refused(exported: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(exported, folder)
    next(folder.glob("vote-1.*.link")).unlink()
    code, said = verify(folder)
    assert code != 0 and "vote-1" in said, said


def test_a_layout_by_another_owner_is_refused(exported: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(exported, folder)
    forger = ec.generate_private_key(ec.SECP256R1())
    layout = json.loads(unb64(json.loads((folder / "root.layout").read_bytes())["payload"]))
    forged = in_toto.signed(layout, forger, in_toto.public_key(forger.public_key())["keyid"])
    (folder / "root.layout").write_bytes(forged)
    assert verify(folder)[0] != 0


def test_a_candidate_that_is_not_there_is_not_found(story: Story) -> None:
    keys = story.shop.keys
    with pytest.raises(NotFoundError):
        in_toto_layout(story.shop.recorder, "sha256:" + "0" * 64, sign_layout=keys.sign_layout)


def test_a_lineage_with_gaps_makes_no_layout(story: Story) -> None:
    evidence = evidence_so_far(story.shop.recorder, story.first.digest)
    evidence.gaps = ("no data set is recorded",)
    with pytest.raises(ConflictError, match="no data set is recorded"):
        in_toto.steps_of(evidence)
