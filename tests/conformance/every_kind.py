"""Genuine evidence of every kind that the verifier takes: made once, in a folder."""

from __future__ import annotations

from pathlib import Path

from dossier_workshop import SERVICE, Story, Workshop, answers, prepare, receipts_of
from forgeries_inside import receipt as proof_of
from forgeries_witnesses import SEEN, asking, marked, witness
from forging import Forger
from report_workshop import make_report
from test_oms import released

from govern.domain import predicates
from govern.domain.dossier import pack
from govern.transparency.digest import digest_of


class Genuine:
    """A small dossier with every kind of file in it, and who trusts it."""

    def __init__(self, folder: Path) -> None:
        shop = Workshop(folder / "home")
        item = prepare(shop)
        answers(shop, item)
        self.report = make_report(shop, item)
        subject = [("report.pdf", digest_of(self.report))]
        predicate = {"candidate": item.digest}
        shop.recorder.record(predicates.REPORT, subject, predicate, signer=SERVICE)
        story, seen = Story(shop, item, item, {}), witness()
        more = {**dict(released(story)), "report.pdf": self.report, "VERIFY.md": b"how\n"}
        self.files = shop.dossier(
            [item],
            finish=lambda files: marked(
                {**files, **more}, lambda _, note: seen.cosign(note, SEEN)
            ),
        )
        self.trust = asking(shop.trust, seen)
        self.shop, self.item = shop, item
        note = self.files["gates/demo/checkpoint"].decode()
        self.proof = proof_of(Forger(story, folder), note=note)
        self.header = receipts_of(shop.gates["demo"])[1].encode()
        self.folder, self.zip = folder / "dossier", folder / "dossier.zip"
        self.zip.write_bytes(pack(self.files))
        for name, data in self.files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_bytes(data)
