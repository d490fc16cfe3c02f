"""Any one-byte change of genuine evidence is refused, or proves the same.

A short seeded form; ``MUTATION_ROUNDS`` makes it long (``tests/soak``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from every_kind import Genuine
from mutating import mutants, one_of_each

from govern.domain.dossier import locate
from govern.errors import VerificationError
from govern.transparency.trust import TrustRoot
from govern.verifier.__main__ import main
from govern.verifier.proved import Proved
from govern.verifier.what import verify_path

ROUNDS = int(os.environ.get("MUTATION_ROUNDS", "1"))
SEED = os.environ.get("MUTATION_SEED", "short")


@pytest.fixture(scope="module")
def genuine(tmp_path_factory: pytest.TempPathFactory) -> Genuine:
    return Genuine(tmp_path_factory.mktemp("mutations"))


def said(proved: Proved) -> tuple[list[str], list[str], dict[str, int]]:
    return proved.sentences, proved.unproved, proved.counts


def refused_or_same(
    verify: Callable[[], Proved], expected: Proved, what: str
) -> None:
    """Refuse any outcome but a refusal in one sentence or the very same proof."""
    refusal: VerificationError | None = None
    try:
        found = verify()
    except VerificationError as error:
        refusal = error
    if refusal is None:
        assert said(found) == said(expected), what
    else:
        assert 10 <= refusal.exit_code <= 18 and 0 < len(str(refusal)) < 500, what
        assert "\n" not in str(refusal), what


def check(
    path: Path, data: bytes, trust: TrustRoot, count: int, against: Path | None = None
) -> None:
    """Mutate one file that is verified by itself."""
    path.write_bytes(data)
    expected = verify_path(path, trust, None, against)
    for what, changed in mutants(data, f"{SEED} {path.name}", count * ROUNDS):
        path.write_bytes(changed)
        refused_or_same(lambda: verify_path(path, trust, None, against), expected, what)


def test_changed_member_of_a_dossier_proves_nothing_else(genuine: Genuine) -> None:
    expected = verify_path(genuine.folder, genuine.trust, None)
    for turn in range(ROUNDS):
        for kind, name in one_of_each(genuine.files, f"{SEED} {turn}").items():
            for what, changed in mutants(genuine.files[name], f"{SEED} {kind} {turn}", 5):
                (genuine.folder / name).write_bytes(changed)
                refused_or_same(
                    lambda: verify_path(genuine.folder, genuine.trust, None),
                    expected,
                    f"{name}: {what}",
                )
            (genuine.folder / name).write_bytes(genuine.files[name])


def test_changed_framing_of_a_zip_is_refused(genuine: Genuine, tmp_path: Path) -> None:
    """Every byte between the files, in their headers and in the directory has one value."""
    data, path = genuine.zip.read_bytes(), tmp_path / "dossier.zip"
    for what, changed in framing_mutants(genuine, data):
        path.write_bytes(changed)
        with pytest.raises(VerificationError) as refusal:
            verify_path(path, genuine.trust, None)
        assert refusal.value.exit_code == 10, what


def framing_mutants(genuine: Genuine, data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield zips with one byte changed outside the files, in rounds over all framing."""
    with genuine.zip.open("rb") as stream:
        places = sorted(locate(stream).values())
    starts = [0, *(at + size for at, size in places)]
    gaps = list(zip(starts, [*(at for at, _ in places), len(data)], strict=True))
    per_gap = 2 * ROUNDS
    for start, end in gaps:
        for what, changed in mutants(data[start:end], f"{SEED} framing {start}", per_gap):
            yield what, data[:start] + changed + data[end:]


def test_changed_byte_anywhere_in_a_zip_proves_nothing_else(
    genuine: Genuine, tmp_path: Path
) -> None:
    check(tmp_path / "dossier.zip", genuine.zip.read_bytes(), genuine.trust, 25)


def test_changed_statement_proves_nothing_else(genuine: Genuine, tmp_path: Path) -> None:
    vote = genuine.item.votes[0]
    check(tmp_path / "vote.sigstore.json", vote.bundle, genuine.trust, 150)


def test_changed_report_proves_nothing_else(genuine: Genuine, tmp_path: Path) -> None:
    check(tmp_path / "report.pdf", genuine.report, genuine.trust, 60)


def test_changed_receipt_proves_nothing_else(genuine: Genuine, tmp_path: Path) -> None:
    check(tmp_path / "receipt.tlog-proof", genuine.proof, genuine.trust, 200)


def test_changed_receipt_header_proves_nothing_else(genuine: Genuine, tmp_path: Path) -> None:
    check(tmp_path / "header", genuine.header, genuine.trust, 60, genuine.folder)
    both = {"receipt": genuine.header.decode(), "proof": genuine.proof.decode()}
    check(tmp_path / "both.json", json.dumps(both).encode(), genuine.trust, 150)


def test_changed_trust_file_is_never_a_traceback(
    genuine: Genuine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, vote = tmp_path / "trust.json", tmp_path / "vote.sigstore.json"
    vote.write_bytes(genuine.item.votes[0].bundle)
    for what, changed in mutants(genuine.shop.trust_bytes, f"{SEED} trust", 60 * ROUNDS):
        path.write_bytes(changed)
        code = main([str(vote), "--trust", str(path)])
        told = capsys.readouterr().err
        assert code in (0, *range(10, 19)) and "Traceback" not in told, what
