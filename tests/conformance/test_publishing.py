"""Packs once published never change: not by hand, not by another hand, not in a decision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dossier_workshop import ADA, CARLA, PACK, SERVICE, Workshop

from govern.errors import ConflictError, InvalidRequestError, RefusedError
from govern.policy.document import load_pack
from govern.services.operations import Operations
from govern.services.publishing import publish, published_packs
from govern.settings import Settings
from govern.transparency.digest import digest_of
from govern.verifier.dossier import verify_dossier

CHANGED = PACK.replace(b"Accurate enough", b"Accurate, more or less")


class Blobs(dict):
    def put(self, data: bytes) -> str:
        self[digest_of(data)] = data
        return digest_of(data)


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def test_publishing_signs_the_exact_bytes_once(shop: Workshop) -> None:
    blobs, pack = Blobs(), load_pack(PACK)
    first = publish(shop.recorder, blobs, pack, by=CARLA)
    assert first.signer == CARLA and first.statement.subject == digest_of(PACK)
    assert blobs == {digest_of(PACK): PACK}
    assert publish(shop.recorder, blobs, pack, by=CARLA).digest == first.digest
    assert list(published_packs(shop.recorder)) == [("test-pack", "1.0.0")]


def test_other_bytes_under_the_same_version_are_refused(shop: Workshop) -> None:
    blobs = Blobs()
    publish(shop.recorder, blobs, load_pack(PACK), by=CARLA)
    with pytest.raises(ConflictError, match="a change needs a new version"):
        publish(shop.recorder, blobs, load_pack(CHANGED), by=CARLA)
    assert len(blobs) == 1
    newer = CHANGED.replace(b'"1.0.0"', b'"1.0.1"')
    assert publish(shop.recorder, blobs, load_pack(newer), by=CARLA)


def test_publication_by_someone_without_the_role_is_refused_and_does_not_count(shop: Workshop) -> None:
    from govern.domain import predicates

    with pytest.raises(RefusedError, match="compliance"):
        publish(shop.recorder, Blobs(), load_pack(PACK), by=ADA)
    forged = {"id": "test-pack", "version": "1.0.0"}
    shop.recorder.record(predicates.PACK, [("x", digest_of(CHANGED))], forged, signer=ADA)
    assert published_packs(shop.recorder) == {}


def operations(shop: Workshop, pack: bytes, **more: Any) -> Operations:
    return Operations(
        recorder=shop.recorder, store=None, blobs=Blobs(), packs=lambda: [load_pack(pack)],
        snapshot_key=None, identities={"decider": SERVICE}, nudge=lambda: None, **more,
    )


def test_no_decision_under_a_pack_that_was_changed_after_publishing(shop: Workshop) -> None:
    shop.trace()
    item = shop.candidate("forest")
    shop.check(item)
    with pytest.raises(ConflictError, match="is not published"):
        operations(shop, PACK, published_only=True).decide(item.digest, ADA)
    assert operations(shop, PACK).decide(item.digest, ADA)
    publish(shop.recorder, Blobs(), load_pack(PACK), by=CARLA)
    assert operations(shop, PACK, published_only=True).decide(item.digest, ADA)
    with pytest.raises(ConflictError, match="other bytes"):
        operations(shop, CHANGED).decide(item.digest, ADA)


def test_a_dossier_with_a_published_pack_verifies(shop: Workshop) -> None:
    publish(shop.recorder, Blobs(), load_pack(PACK), by=CARLA)
    shop.trace()
    item = shop.candidate("forest")
    shop.check(item)
    shop.decide(item)
    verify_dossier(shop.dossier([item]), shop.trust)


def test_the_setting_is_yes_or_no() -> None:
    assert Settings.from_environment({"GOVERN_PUBLISHED_ONLY": "yes"}).published_only
    assert not Settings.from_environment({}).published_only
    with pytest.raises(InvalidRequestError, match="yes or no"):
        Settings.from_environment({"GOVERN_PUBLISHED_ONLY": "true"})
