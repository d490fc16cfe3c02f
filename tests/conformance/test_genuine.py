"""The genuine dossier verifies; without that, refusing forgeries proves nothing."""

from __future__ import annotations

from pathlib import Path

from dossier_workshop import Story, Workshop, answers, prepare
from forgeries_witnesses import SEEN, asking, marked, witness

from govern.domain.dossier import pack
from govern.verifier.dossier import verify_dossier
from govern.verifier.reading import read_dossier


def test_genuine_dossier_verifies(story: Story, tmp_path: Path) -> None:
    path = tmp_path / "dossier.zip"
    path.write_bytes(pack(story.files))
    proved = verify_dossier(read_dossier(path), story.shop.trust)
    assert proved.counts["admissions"] == 2
    assert proved.counts["decisions"] == 2


def test_genuine_dossier_that_two_witnesses_saw_verifies(tmp_path: Path) -> None:
    seen = witness(), witness("witness.university.example/a")
    shop = Workshop(tmp_path)
    item = prepare(shop)
    answers(shop, item)
    files = shop.dossier(
        [item],
        finish=lambda files: marked(
            files, lambda _, note: "".join(one.cosign(note, SEEN) for one in seen)
        ),
    )
    proved = verify_dossier(files, asking(shop.trust, *seen, threshold=2))
    assert any("Witnesses saw this state" in sentence for sentence in proved.sentences)
