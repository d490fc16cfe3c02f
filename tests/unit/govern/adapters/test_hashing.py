"""The folder hasher: the digests are those of the bytes, whatever the threads do."""

from __future__ import annotations

from pathlib import Path

import pytest

from govern.adapters.hashing import hash_folder
from govern.errors import InvalidRequestError
from govern.transparency.digest import digest_of, folder_digest


def make(folder: Path) -> dict[str, bytes]:
    files = {f"part-{at}.bin": bytes([at]) * (300_000 * at) for at in range(5)}
    files["deep/er/card.json"] = b"{}"
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return files


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_digests_are_those_of_the_bytes(workers: int, tmp_path: Path) -> None:
    files = make(tmp_path)
    found = hash_folder(tmp_path, workers=workers)
    assert {item.name: item.digest for item in found.files} == {
        name: digest_of(data) for name, data in files.items()
    }
    assert {item.name: item.size for item in found.files} == {
        name: len(data) for name, data in files.items()
    }
    assert found.digest == folder_digest((name, digest_of(data)) for name, data in files.items())


def test_progress_ends_at_the_total_and_never_goes_back(tmp_path: Path) -> None:
    total, seen = sum(map(len, make(tmp_path).values())), []
    hash_folder(tmp_path, progress=lambda done, of: seen.append((done, of)))
    assert seen == sorted(seen) and seen[-1] == (total, total)


def test_a_link_in_the_folder_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "link").symlink_to("/etc/hostname")
    with pytest.raises(InvalidRequestError, match="link"):
        hash_folder(tmp_path)
