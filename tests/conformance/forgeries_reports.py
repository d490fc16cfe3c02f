"""Forgeries of a report PDF: by someone without a key, by another authority, by insiders."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dossier_workshop import (
    ADA,
    DOMAIN,
    SERVICE,
    START,
    Candidate,
    Workshop,
    answers,
    gate_row,
    prepare,
)
from forging import Files, Forged, Forger, forgery
from pyhanko.keys import load_certs_from_pemder_data, load_private_key_from_pemder_data
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko_certvalidator.registry import SimpleCertificateStore
from report_workshop import Attached, attach, make_report, print_pdf, seal_pdf

from govern.domain import predicates
from govern.transparency.digest import digest_of
from govern.transparency.identity import (
    Identity,
    issue_identity,
    make_root,
    make_service_cert,
    name,
)
from govern.transparency.signer import EcSigner, PrivateKey
from govern.transparency.trust_parts import TrustedAuthority, Window

CONTENTS = re.compile(rb"/Contents <([0-9A-F]+)>\n?/ByteRange \[(\d+) (\d+) (\d+) (\d+)\]")


@dataclass
class World:
    """A shop with an admitted candidate, what its report attaches, and the genuine report."""

    shop: Workshop
    item: Candidate
    attached: Attached
    pdf: bytes


@functools.cache
def world() -> World:
    shop = Workshop(Path(tempfile.mkdtemp(prefix="report-")))
    item = prepare(shop)
    attached = attach(shop, item)
    return World(shop, item, attached, seal_pdf(print_pdf(attached), shop))


def hand_in(content: Files | bytes) -> Forged:
    return Forged(content, world().shop.trust)


def sealed(attached: Attached) -> Forged:
    """Hand in a report with these attachments, sealed by the genuine report key."""
    return hand_in(seal_pdf(print_pdf(attached), world().shop))


def seal_place() -> re.Match[bytes]:
    found = CONTENTS.search(world().pdf)
    assert found
    return found


def in_seal(change: Callable[[bytes], bytes]) -> Forged:
    """Change the hexadecimal digits of the seal, keeping their number."""
    pdf, place = world().pdf, seal_place()
    digits = change(place[1])
    assert len(digits) == len(place[1])
    return hand_in(pdf[: place.start(1)] + digits + pdf[place.end(1) :])


def turned(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


# -- without a key -------------------------------------------------------------


@forgery
def report_with_a_changed_page(forger: Forger) -> Forged:
    pdf = world().pdf
    return hand_in(pdf.replace(b"Model audit report) Tj", b"Model audit repert) Tj"))


@forgery
def report_with_a_changed_attachment(forger: Forger) -> Forged:
    pdf = world().pdf
    return hand_in(turned(pdf, pdf.index(b"/EmbeddedFile") + 120))


@forgery
def report_with_a_changed_attachment_of_equal_form(forger: Forger) -> Forged:
    """The forger swaps the compressed facts for other facts of the same length."""
    genuine = zlib.compress(world().attached["evidence.json"])
    facts = world().attached["evidence.json"]
    for choice in (b"reprove", b"Approve", b"apprvoe"):
        other = zlib.compress(facts.replace(b"approve", choice))
        if len(other) <= len(genuine):
            break
    other = other.ljust(len(genuine), b"\n")
    return hand_in(world().pdf.replace(genuine, other[: len(genuine)]))


@forgery
def report_updated_after_its_seal(forger: Forger) -> Forged:
    writer = IncrementalPdfFileWriter(BytesIO(world().pdf))
    writer.root["/Lang"] = writer.root.get("/Lang", writer.root["/Type"])
    writer.update_root()
    out = BytesIO()
    writer.write(out)
    return hand_in(out.getvalue())


@forgery
def report_with_bytes_behind_it(forger: Forger) -> Forged:
    return hand_in(world().pdf + b"more")


@forgery
def report_with_an_empty_line_behind_it(forger: Forger) -> Forged:
    return hand_in(world().pdf + b"\n")


@forgery
def cut_report(forger: Forger) -> Forged:
    return hand_in(world().pdf[:-200])


@forgery
def report_with_crlf_line_ends(forger: Forger) -> Forged:
    return hand_in(world().pdf.replace(b"\n", b"\r\n"))


@forgery
def report_whose_seal_covers_less(forger: Forger) -> Forged:
    pdf, place = world().pdf, seal_place()
    end = place.end(5)
    shorter = b"%d" % (int(place[5]) - 7)
    return hand_in(pdf[: place.start(5)] + shorter.rjust(len(place[5]), b" ") + pdf[end:])


@forgery
def report_whose_seal_starts_later(forger: Forger) -> Forged:
    pdf, place = world().pdf, seal_place()
    return hand_in(pdf[: place.start(2)] + b"9" + pdf[place.end(2) :])


@forgery
def report_without_a_seal(forger: Forger) -> Forged:
    return hand_in(print_pdf(world().attached))


@forgery
def seal_of_another_report(forger: Forger) -> Forged:
    other = seal_pdf(print_pdf(world().attached, "Another report"), world().shop)
    found = CONTENTS.search(other)
    assert found
    length = len(seal_place()[1])
    return in_seal(lambda digits: found[1].ljust(length, b"0")[:length])


@forgery
def report_with_a_changed_seal(forger: Forger) -> Forged:
    def change(digits: bytes) -> bytes:
        at = len(digits.rstrip(b"0")) - 8
        return digits[:at] + (b"7" if digits[at : at + 1] != b"7" else b"8") + digits[at + 1 :]

    return in_seal(change)


@forgery
def report_with_a_filled_seal(forger: Forger) -> Forged:
    return in_seal(lambda digits: digits[:-2] + b"01")


@forgery
def report_with_a_seal_in_mixed_case(forger: Forger) -> Forged:
    return in_seal(lambda digits: digits[:200].lower() + digits[200:])


@forgery
def report_with_an_empty_seal(forger: Forger) -> Forged:
    return in_seal(lambda digits: b"0" * len(digits))


@forgery
def report_nested_deeply(forger: Forger) -> Forged:
    body = b"[" * 5000 + b"]" * 5000
    head = b"%PDF-1.7\n1 0 obj\n" + body + b"\nendobj\n"
    return hand_in(head + b"startxref\n9\n%%EOF\n")


@forgery
def report_that_refers_in_a_circle(forger: Forger) -> Forged:
    head = b"%PDF-1.7\n"
    body = b"1 0 obj\n<</Type /XRef /W [1 2 1] /Size 2 /Length 1 0 R>>\nstream\n\nendstream\nendobj\n"
    return hand_in(head + body + b"startxref\n9\n%%EOF\n")


# -- by another authority, or a certificate for something else ------------------


def signed_with(key: PrivateKey, *chain: Any) -> Forged:
    held = key.key if isinstance(key, EcSigner) else key
    pem = held.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    certificates = b"".join(cert.public_bytes(Encoding.PEM) for cert in chain)
    store = SimpleCertificateStore()
    signer = signers.SimpleSigner(
        signing_cert=next(iter(load_certs_from_pemder_data(certificates))),
        signing_key=load_private_key_from_pemder_data(pem, passphrase=None),
        cert_registry=store,
    )
    store.register_multiple(list(load_certs_from_pemder_data(certificates))[1:])
    meta = signers.PdfSignatureMetadata(
        field_name="ReportSeal", name="Ada", md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES,
    )
    writer = IncrementalPdfFileWriter(BytesIO(print_pdf(world().attached)))
    out = signers.PdfSigner(meta, signer=signer).sign_pdf(writer)
    return hand_in(bytes(out.getbuffer()))


@forgery
def report_re_signed_by_a_forger(forger: Forger) -> Forged:
    return hand_in(seal_pdf(print_pdf(world().attached), forger.shop()))


@forgery
def report_re_signed_under_the_same_names(forger: Forger) -> Forged:
    genuine = world().shop.keys.root_certificate()
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = make_root(genuine.subject, ca_key, now=START)
    certificate = make_service_cert(
        world().shop.keys.certificate("report").subject, key,
        ca_key=ca_key, ca_cert=authority, purpose="report", now=START,
    )
    return signed_with(key, certificate, genuine)


@forgery
def report_sealed_by_a_person(forger: Forger) -> Forged:
    keys, key = world().shop.keys, ec.generate_private_key(ec.SECP256R1())
    person = issue_identity(
        Identity(ADA, "https://sso.bank.example"), key.public_key(), ca_key=keys.ec_key("ca"),
        ca_cert=keys.certificate("ca"), ct_key=keys.ec_key("ct"), now=world().shop.now,
    )
    return signed_with(key, person, keys.certificate("ca"))


@forgery
def report_sealed_by_the_timestamp_authority(forger: Forger) -> Forged:
    keys = world().shop.keys
    return signed_with(keys.ec_key("tsa"), keys.certificate("tsa"), keys.root_certificate())


@forgery
def report_sealed_by_the_authority_itself(forger: Forger) -> Forged:
    keys = world().shop.keys
    return signed_with(keys.ec_key("ca"), keys.certificate("ca"), keys.root_certificate())


@forgery
def report_sealed_with_an_expired_certificate(forger: Forger) -> Forged:
    keys, key = world().shop.keys, ec.generate_private_key(ec.SECP256R1())
    old = make_service_cert(
        name("Bank", "Bank report signer"), key, ca_key=keys.ec_key("root"),
        ca_cert=keys.root_certificate(), purpose="report", now=START - timedelta(days=400), days=30,
    )
    signer = TrustedAuthority((old, keys.root_certificate()), Window(START - timedelta(days=400)))
    trust = dataclasses.replace(world().shop.trust, report_signers=(signer,))
    return Forged(signed_with(key, old, keys.root_certificate()).content, trust)


@forgery
def report_sealed_twice(forger: Forger) -> Forged:
    once = world().pdf.replace(b"(ReportSeal)", b"(ReportSeaX)")
    return hand_in(seal_pdf(once, world().shop))


# -- by an insider who holds the report key -------------------------------------


@forgery
def report_with_other_facts(forger: Forger) -> Forged:
    facts = world().attached["evidence.json"].replace(b'"dissent"', b'"approve"')
    return sealed({**world().attached, "evidence.json": facts})


@forgery
def report_without_its_facts(forger: Forger) -> Forged:
    kept = {name: data for name, data in world().attached.items() if name != "evidence.json"}
    return sealed(kept)


@forgery
def report_without_its_statement(forger: Forger) -> Forged:
    kept = {name: data for name, data in world().attached.items() if not name.startswith("report.")}
    return sealed(kept)


@forgery
def report_without_one_vote(forger: Forger) -> Forged:
    gone = next(name for name in world().attached if "-approval-" in name)
    return sealed({name: data for name, data in world().attached.items() if name != gone})


@forgery
def report_without_its_policy_pack(forger: Forger) -> Forged:
    kept = {k: data for k, data in world().attached.items() if not k.endswith(".pack.yaml")}
    return sealed(kept)


@forgery
def report_with_a_changed_policy_pack(forger: Forger) -> Forged:
    changed = {
        k: data.replace(b"pass", b"fail") if k.endswith(".pack.yaml") else data
        for k, data in world().attached.items()
    }
    return sealed(changed)


@forgery
def report_with_a_statement_too_many(forger: Forger) -> Forged:
    extra = world().shop.store.items[0].bundle
    copy = next(i for i in world().shop.store.items if i.kind == predicates.REPORT).bundle
    assert extra
    return sealed({**world().attached, "E99-report.sigstore.json": copy})


@forgery
def report_with_another_statement_as_its_own(forger: Forger) -> Forged:
    vote = next(data for name, data in world().attached.items() if "-approval-" in name)
    return sealed({**world().attached, "report.sigstore.json": vote})


@forgery
def report_with_a_bomb_attached(forger: Forger) -> Forged:
    return sealed({**world().attached, "bomb.json": bytes(80 << 20)})


# -- by an insider who can record as the service --------------------------------


def lying(change: Callable[[Any], Any], **options: Any) -> Forged:
    """Hand in a report whose recorded facts were bent before."""
    return hand_in(make_report(world().shop, world().item, change=change, **options))


@forgery
def report_facts_by_someone_else(forger: Forger) -> Forged:
    return lying(id, signer=ADA)


@forgery
def report_that_turns_a_dissent(forger: Forger) -> Forged:
    def change(facts: Any) -> None:
        for row in facts["approvals"]:
            row["vote"] = "approve"

    return lying(change)


@forgery
def report_that_leaves_out_a_dissent(forger: Forger) -> Forged:
    def change(facts: Any) -> None:
        facts["approvals"] = [row for row in facts["approvals"] if row["vote"] == "approve"]

    return lying(change)


@forgery
def report_with_another_decision(forger: Forger) -> Forged:
    def change(facts: Any) -> None:
        value = json.loads(json.dumps(facts["decision"]["value"]))
        facts["decision"]["value"] = {**value, "outcome": "deny"}

    return lying(change)


@forgery
def report_with_another_check_result(forger: Forger) -> Forged:
    def change(facts: Any) -> None:
        row = facts["checks"]["performance"]
        row["result"] = {**row["result"], "verdict": "fail"}

    return lying(change)


@forgery
def report_with_a_longer_admission(forger: Forger) -> Forged:
    def change(facts: Any) -> None:
        facts["admission"]["expires_at"] = "2036-01-01T00:00:00Z"

    return lying(change)


@forgery
def report_that_names_another_owner(forger: Forger) -> Forged:
    def change(facts: Any) -> None:
        facts["candidate"]["owner"] = f"nobody@{DOMAIN}"

    return lying(change)


@forgery
def report_that_leaves_evidence_out(forger: Forger) -> Forged:
    def change(facts: Any) -> None:
        voted = {row["statement"] for row in facts["approvals"]}
        facts["evidence"] = [row for row in facts["evidence"] if row["digest"] not in voted]

    return lying(change)


@forgery
def report_that_the_log_does_not_name(forger: Forger) -> Forged:
    """A dossier, sealed by an insider, with a report that was never recorded."""
    shop = forger.shop()
    item = prepare(shop)
    answers(shop, item)
    pdf = make_report(shop, item)
    body = {**shop.dossier([item]), "report.pdf": pdf}
    rows = [gate_row(gate) for gate in shop.gates.values()]
    return Forged(shop.seal(body, rows, by=SERVICE), shop.trust)


@forgery
def changed_report_in_a_dossier(forger: Forger) -> Forged:
    """The dossier's report is recorded as it is, and was changed before it was recorded."""
    shop = forger.shop()
    item = prepare(shop)
    answers(shop, item)
    pdf = make_report(shop, item).replace(b"audit report) Tj", b"audit repert) Tj")
    subject = [("report.pdf", digest_of(pdf))]
    shop.recorder.record(predicates.REPORT, subject, {"candidate": item.digest}, signer=SERVICE)
    body = {**shop.dossier([item]), "report.pdf": pdf}
    rows = [gate_row(gate) for gate in shop.gates.values()]
    return Forged(shop.seal(body, rows, by=SERVICE), shop.trust)
