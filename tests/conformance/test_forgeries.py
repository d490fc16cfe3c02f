"""Every forgery in ``forgeries/`` is built from a genuine dossier and refused as its README says."""

from __future__ import annotations

import re
from pathlib import Path

import forgeries_anchors
import forgeries_ballots
import forgeries_inside
import forgeries_keys
import forgeries_outside
import forgeries_receipts
import forgeries_reports
import forgeries_versions
import forgeries_witnesses
import pytest
from dossier_workshop import Story
from forging import FORGERIES, Forger

from govern.errors import VerificationError
from govern.verifier.what import verify_path

CORPUS = Path(__file__).parent / "forgeries"
NAMES = sorted(path.name for path in CORPUS.iterdir() if path.is_dir())
assert forgeries_anchors and forgeries_ballots and forgeries_inside and forgeries_outside and forgeries_receipts
assert forgeries_keys and forgeries_reports and forgeries_versions and forgeries_witnesses


def expected_code(name: str) -> int:
    found = re.search(r"^Exit code: (\d+)$", (CORPUS / name / "README.md").read_text(), re.M)
    assert found, f"forgeries/{name}/README.md names no exit code"
    return int(found[1])


@pytest.mark.parametrize("name", NAMES)
def test_refused(name: str, story: Story, tmp_path: Path) -> None:
    with pytest.raises(VerificationError) as refusal:
        # Some forgeries are refused while they are made: the control plane loads evidence
        # through the same EvidenceSet as the verifier.
        forged = FORGERIES[name](Forger(story, tmp_path))
        against = forged.write_against(tmp_path)
        verify_path(forged.write(tmp_path), forged.trust, forged.as_of, against)
    assert refusal.value.exit_code == expected_code(name), str(refusal.value)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 400


def test_corpus_and_generators_agree() -> None:
    assert set(NAMES) == set(FORGERIES)
    assert len(NAMES) >= 60
