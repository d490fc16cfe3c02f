"""The report as a file: PDF/A-3a and PDF/UA-1, sealed, repeatable, closed to the outside."""

import copy
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko_certvalidator import ValidationContext

from govern.transparency.identity import make_revocation_list, make_root, make_service_cert, name
from govern.transparency.timestamp import make_token
from reports.content import build_document
from reports.errors import ReportError
from reports.html import body_identity, to_html
from reports.render import RenderedReport, render_report
from reports.signing import certificates_of, sign_pdf

sys.path.insert(0, str(Path(__file__).parent))
from verapdf import failures

FACTS = json.loads((Path(__file__).parents[1] / "support" / "report_facts.json").read_text("utf-8"))
AT = "2026-11-24T09:00:00Z"
FILES = {"evidence.json": b'{"a":1}', "trust.json": b"{}", "VERIFY.txt": b"pdfsig report.pdf\n"}


def _plain() -> bytes:
    held = BytesIO()
    with pikepdf.new() as pdf:
        pdf.add_blank_page()
        pdf.save(held)
    return held.getvalue()


PLAIN = _plain()


def html_of(facts: dict) -> str:
    """Return the words of a report as ``render_report`` does, without laying out its pages."""
    return to_html(build_document({**facts, "created_at": AT}))


@pytest.fixture(scope="module")
def house() -> dict[str, Any]:
    """A root, the keys below it and the report's certificate, as ``govern init`` makes them."""
    root, report, tsa = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    now = datetime.now(UTC).replace(microsecond=0)
    early = now - timedelta(days=1)
    above = make_root(name("House", "Root"), root, now=early)
    certify = partial(make_service_cert, ca_key=root, ca_cert=above, now=early)
    own = certify(name("House", "Report signer"), report, purpose="report")
    clock = certify(name("House", "Clock"), tsa, purpose="timestamp")
    return {
        "above": above, "own": own, "now": early,
        "list": partial(make_revocation_list, above, root, number=1, now=early),
        "key_pem": report.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "timestamp": lambda digest: make_token(digest, now=now, tsa_key=tsa, tsa_cert=clock, serial=7),
    }  # fmt: skip


@pytest.fixture(scope="module")
def seal(house: dict[str, Any]) -> dict[str, Any]:
    """What ``render_report`` takes to seal."""
    return {
        "key_pem": house["key_pem"],
        "cert_chain_pem": b"".join(house[one].public_bytes(Encoding.PEM) for one in ("own", "above")),
        "timestamp": house["timestamp"],
        "revocations": house["list"]({}).public_bytes(Encoding.DER),
    }


@pytest.fixture(scope="module")
def sealed(seal: dict[str, Any]) -> RenderedReport:
    return render_report(FACTS, attachments=FILES, created_at=AT, **seal)


def test_sealed_report_is_archivable_accessible_and_valid(tmp_path: Path, sealed: RenderedReport) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(sealed.pdf)
    assert failures(path, "3a") == {}
    assert failures(path, "ua1") == {}
    assert shutil.which("pdfsig"), "pdfsig is missing: apt install poppler-utils"
    said = subprocess.run(["pdfsig", "-nocert", path], capture_output=True, text=True).stdout
    assert "Signature is Valid" in said and "Total document signed" in said


def test_pyhanko_finds_long_term_validation_in_the_file_itself(sealed: RenderedReport, house: dict[str, Any]) -> None:
    """PAdES B-LT (ETSI EN 319 142-1): time, certificates and revocations lie in the signed revision."""
    reader = PdfFileReader(BytesIO(sealed.pdf))
    (signature,) = reader.embedded_signatures
    strict = {
        "trust_roots": certificates_of(house["above"].public_bytes(Encoding.PEM)),
        "allow_fetching": False, "revocation_mode": "require",
    }  # fmt: skip
    own = DocumentSecurityStore.read_dss(reader).as_validation_context(strict)
    status = validate_pdf_signature(signature, own, ts_validation_context=own)
    assert status.intact and status.bottom_line and status.timestamp_validity.trusted
    assert status.coverage == SignatureCoverageLevel.ENTIRE_FILE
    bare = ValidationContext(**strict, crls=[])
    assert not validate_pdf_signature(signature, bare, ts_validation_context=bare).bottom_line


def test_a_revoked_certificate_seals_nothing(seal: dict[str, Any], house: dict[str, Any]) -> None:
    gone = house["list"]({house["own"].serial_number: house["now"]}).public_bytes(Encoding.DER)
    with pytest.raises(ReportError, match="could not be signed"):
        sign_pdf(PLAIN, reason="test", **{**seal, "revocations": gone})


def test_without_a_revocation_list_the_seal_still_has_a_time(seal: dict[str, Any], house: dict[str, Any]) -> None:
    pdf = sign_pdf(PLAIN, reason="test", **{**seal, "revocations": None})
    (signature,) = PdfFileReader(BytesIO(pdf)).embedded_signatures
    context = ValidationContext(trust_roots=certificates_of(house["above"].public_bytes(Encoding.PEM)))
    status = validate_pdf_signature(signature, context, ts_validation_context=context)
    assert status.bottom_line and status.timestamp_validity.trusted


def test_pyhanko_notices_a_changed_byte(sealed: RenderedReport, house: dict[str, Any]) -> None:
    pdf = sealed.pdf
    at = pdf.index(b"/Producer") if b"/Producer" in pdf else 2000
    context = ValidationContext(trust_roots=certificates_of(house["above"].public_bytes(Encoding.PEM)))
    for data, good in ((pdf, True), (pdf[: at + 1] + b"Q" + pdf[at + 2 :], False)):
        signature = PdfFileReader(BytesIO(data), strict=False).embedded_signatures[0]
        status = validate_pdf_signature(signature, context, ts_validation_context=context)
        assert (status.intact and status.bottom_line) is good


@pytest.fixture(scope="module")
def hostile() -> RenderedReport:
    """In German, so that veraPDF sees a report of the other language too."""
    facts = copy.deepcopy(FACTS)
    bad = '<img src="http://evil.example/x.png"><style>@import url(file:///etc/passwd)</style>'
    facts["report"]["language"] = "de"
    facts["candidate"]["name"] = bad
    facts["candidate"]["owner"] = "ü" * 3000
    facts["approvals"][0]["approver"] = "\u202e\u05e9\u05dc\u05d5\u05dd 🧑‍⚖️ \u4e2d"
    race = facts["checks"]["fairness"]["result"]["metrics"]["features"]["race"]
    race["groups"] = [{**race["groups"][0], "group": f"group {i} " + "x" * 90} for i in range(200)]
    return render_report(facts, created_at=AT)


def test_body_is_byte_identical_on_repeat_and_changes_with_the_facts(
    sealed: RenderedReport, seal: dict[str, Any]
) -> None:
    again = render_report(FACTS, attachments=FILES, created_at=AT)
    assert sealed.pdf.startswith(again.pdf) and sealed.body_digest == again.body_digest
    assert again.html == html_of(FACTS)
    other = copy.deepcopy(FACTS)
    other["decision"]["value"]["outcome"] = "deny"
    assert body_identity(html_of(other)) != body_identity(again.html)


def test_hostile_rtl_and_emoji_fields_200_groups_and_long_names_stay_a_compliant_page(
    tmp_path: Path, hostile: RenderedReport
) -> None:
    assert "<img" not in hostile.html and "&lt;img" in hostile.html
    (tmp_path / "r.pdf").write_bytes(hostile.pdf)
    assert failures(tmp_path / "r.pdf", "3a") == {}


def test_ten_thousand_approvals_are_counted_and_the_first_printed_in_full() -> None:
    facts = copy.deepcopy(FACTS)
    vote = facts["approvals"][0]
    facts["approvals"] = [{**vote, "approver": f"p{i}@bank.example"} for i in range(10_000)]
    html = html_of(facts)
    assert html.count('class="quote') == 200 and "9,800 further votes" in html


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"candidate": None}, "candidate"),
        ({"report": {"language": "xx"}}, "language"),
    ],
)
def test_facts_without_a_frame_are_refused_in_a_sentence(change: dict, word: str) -> None:
    with pytest.raises(ReportError, match=word):
        render_report({**FACTS, **change}, created_at=AT)


def test_the_fetcher_refuses_the_outside() -> None:
    from weasyprint.urls import FatalURLFetchingError

    from reports.pdf import ClosedFetcher

    for url in ("http://a.example", "file:///etc/passwd", "font:../errors.py", "data:text/css,x"):
        with pytest.raises(FatalURLFetchingError):
            ClosedFetcher({}).fetch(url)


def test_rules_that_hold_do_not_print_what_a_failure_would_mean() -> None:
    facts = copy.deepcopy(FACTS)
    rule = facts["decision"]["value"]["rules"][0]
    held = {**rule, "status": "pass", "severity": "deny", "message": "This must not be read."}
    broken = {**rule, "status": "fail", "severity": "advise", "message": "A person must explain."}
    alike = {**broken, "value": None, "low": None, "high": None, "threshold": None}
    facts["decision"]["value"]["rules"] = [
        held, {**alike, "subject": "income"}, {**alike, "subject": "age"},
    ]  # fmt: skip
    html = html_of(facts)
    assert "This must not be read." not in html
    assert html.count("A person must explain.") == 2, "once in the summary, once in section 2"
    assert "[income, age]" in html and "not met, advice" in html


def test_what_people_declared_is_printed_with_their_name() -> None:
    facts = copy.deepcopy(FACTS)
    facts["declarations"] = [
        {"name": "monitoring_plan", "answer": "Every week.", "by": "evan@bank.example", "on": "2026-11-20"}
    ]
    html = html_of(facts)
    assert "Monitoring plan" in html and "Every week." in html and "evan@bank.example" in html
