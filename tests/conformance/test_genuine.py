"""The genuine dossier verifies; without that, refusing forgeries proves nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from dossier_workshop import ADA, Story, Workshop, answers, prepare, prepare_second, receipts_of
from forgeries_witnesses import SEEN, asking, marked, witness
from report_workshop import make_report

from govern.adapters.hashing import hash_folder
from govern.domain import predicates
from govern.domain.dossier import pack
from govern.errors import ExpiredError
from govern.services.tracing import ListedFile, register_listed
from govern.verifier.dossier import verify_dossier
from govern.verifier.reading import read_dossier
from govern.verifier.report import verify_report


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


def test_archived_dossier_verifies_after_its_admissions_ended(tmp_path: Path) -> None:
    """What ended is told in a sentence; only a question about a time is refused."""
    shop = Workshop(tmp_path)
    ended, successor = prepare(shop), prepare_second(shop)
    answers(shop, successor)
    shop.end(ended, predicates.REVOCATION)
    assert ended.admission and successor.admission
    files = shop.dossier([ended, successor])
    proved = verify_dossier(files, shop.trust)
    assert (proved.counts["admissions"], proved.counts["in_force"]) == (2, 1)
    told = [text for text in proved.sentences if "the admission was" in text]
    assert "revoked" in told[0] and "in force" in told[1]
    assert verify_dossier(files, shop.trust, shop.clock()).counts["in_force"] == 1
    later = shop.now + timedelta(days=60)
    with pytest.raises(ExpiredError, match="nothing admitted to mortgage-approval was in force"):
        verify_dossier(files, shop.trust, later)


def test_archived_report_verifies_after_its_admission_ended(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    item = prepare(shop)
    shop.now += timedelta(days=60)
    report = make_report(shop, item)
    proved = verify_report(report, shop.trust)
    assert any("the admission expired at" in text for text in proved.sentences)
    with pytest.raises(ExpiredError):
        verify_report(report, shop.trust, shop.now)


def test_model_folder_hashed_on_disk_registers_as_from_memory(tmp_path: Path) -> None:
    shop = Workshop(tmp_path / "home")
    shop.trace()
    item, folder = shop.candidate("forest"), tmp_path / "forest"
    for name, data in item.files.items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    listed = [
        ListedFile(file.name, file.digest, file.size) for file in hash_folder(folder).files
    ]
    again = register_listed(shop.recorder, {"name": "forest"}, listed, author=ADA)
    assert again.statement.subject == item.digest
    said = item.statement.statement.predicate["files"]
    assert again.statement.predicate["files"] == said


def test_dossier_with_some_receipts_of_a_gate_verifies(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    item = prepare(shop)
    answers(shop, item)
    kept = receipts_of(shop.gates["demo"])[1::2]
    proved = verify_dossier(shop.dossier([item], receipts={"demo": kept}), shop.trust)
    other = len(receipts_of(shop.gates["other"]))
    assert proved.counts["receipts"] == len(kept) + other and len(kept) == 2
