"""Keys are rotated while a service runs: what it records next is signed with the new ones."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from govern.bootstrap import Application
from govern.domain.snapshot import open_snapshot
from govern.errors import RollbackError, SignatureError
from govern.transparency.trust import TrustRoot
from govern.web.__main__ import _renew
from tests.support.home import govern, new_home, record_dataset

pytestmark = pytest.mark.functional


@pytest.fixture
def service(tmp_path: Path) -> Application:
    return new_home(tmp_path / "home")


def rotate(service: Application, *roles: str) -> TrustRoot:
    for role in roles:
        done = govern(service.home, "key", "rotate", role, "--overlap", "0")
        assert done.returncode == 0, done.stderr
    return TrustRoot.from_json((service.home / "trust.json").read_bytes())


def test_a_running_service_takes_up_rotated_keys(service: Application) -> None:
    before = record_dataset(service, "before").keys
    trust = rotate(service, "ca", "tsa", "lineage-log")
    after = record_dataset(service, "after").keys
    assert service.trust.raw == trust.raw
    assert all(after[role] != before[role] for role in ("ca", "tsa", "lineage-log"))
    assert after["ct"] == before["ct"]
    assert len(service.operations.recorder.all()) == 5  # two data sets, three key events


def test_snapshots_of_a_running_service_are_signed_with_the_new_key(service: Application) -> None:
    trust = rotate(service, "snapshot")
    _renew(service)
    document = service.operations.snapshot_document()
    assert open_snapshot(document, trust, service.operations.recorder.clock()).version >= 1
    old = TrustRoot.from_json((service.home / "trust" / "1.json").read_bytes())
    with pytest.raises(SignatureError):
        open_snapshot(document, old, service.operations.recorder.clock())


class Interrupted:
    """Signs, and lets the keys be rotated between signing and publishing, once."""

    def __init__(self, service: Application) -> None:
        self.service, self.signed = service, 0

    def sign(self, payload: bytes, identity: str, now: datetime) -> Any:
        found = self.service.keys.sign(payload, identity, now)
        self.signed += 1
        if self.signed == 1:
            rotate(self.service, "ca")
        return found


def test_a_rotation_between_signing_and_publishing_is_signed_again(service: Application) -> None:
    recorder = service.operations.recorder
    signing = recorder._signing = Interrupted(service)
    found = record_dataset(service, "once")
    assert signing.signed == 2
    assert found.keys["ca"] == service.keys.record("ca").id
    kinds = [item.statement.subjects[0][0] for item in recorder.every()]
    assert sorted(kinds) == ["once", "trust.json"]


def test_a_service_refuses_a_trust_file_that_is_rolled_back(service: Application) -> None:
    first = (service.home / "trust.json").read_bytes()
    rotate(service, "ca")
    record_dataset(service, "one")
    (service.home / "trust.json").write_bytes(first)
    size = service.log.checkpoint().size
    with pytest.raises(RollbackError, match="newer than version 2, got version 1"):
        record_dataset(service, "two")
    assert service.log.checkpoint().size == size
