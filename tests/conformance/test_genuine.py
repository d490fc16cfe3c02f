"""The genuine dossier verifies; without that, refusing forgeries proves nothing."""

from __future__ import annotations

from pathlib import Path

from dossier_workshop import Story

from govern.domain.dossier import pack
from govern.verifier.dossier import verify_dossier
from govern.verifier.reading import read_dossier


def test_genuine_dossier_verifies(story: Story, tmp_path: Path) -> None:
    path = tmp_path / "dossier.zip"
    path.write_bytes(pack(story.files))
    proved = verify_dossier(read_dossier(path), story.shop.trust)
    assert proved.counts["admissions"] == 2
    assert proved.counts["decisions"] == 2
