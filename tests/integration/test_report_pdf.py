"""The report as a file: PDF/A-3a and PDF/UA-1, sealed, repeatable, closed to the outside."""

import copy
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from reports.content import build_document
from reports.errors import ReportError
from reports.html import body_identity, to_html
from reports.render import RenderedReport, render_report

sys.path.insert(0, str(Path(__file__).parent))
from verapdf import failures

FACTS = json.loads((Path(__file__).parents[1] / "support" / "report_facts.json").read_text("utf-8"))
AT = "2026-11-24T09:00:00Z"
FILES = {"evidence.json": b'{"a":1}', "trust.json": b"{}", "VERIFY.txt": b"pdfsig report.pdf\n"}


@pytest.fixture(scope="module")
def seal() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Report key")])
    now = datetime.now(UTC)
    usage = x509.KeyUsage(True, True, False, False, False, True, False, False, False)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=9))
        .add_extension(usage, True)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem, cert.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def plain() -> RenderedReport:
    return render_report(FACTS, attachments=FILES, created_at=AT)


@pytest.fixture(scope="module")
def sealed(seal) -> bytes:
    report = render_report(
        FACTS, key_pem=seal[0], cert_chain_pem=seal[1], attachments=FILES, created_at=AT
    )
    return report.pdf


def html_of(facts: dict) -> str:
    """Return the words of a report as ``render_report`` does, without laying out its pages."""
    return to_html(build_document({**facts, "created_at": AT}))


def test_sealed_report_is_archivable_accessible_and_valid(tmp_path: Path, sealed: bytes) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(sealed)
    assert failures(path, "3a") == {}
    assert failures(path, "ua1") == {}
    assert shutil.which("pdfsig"), "pdfsig is missing: apt install poppler-utils"
    said = subprocess.run(["pdfsig", "-nocert", path], capture_output=True, text=True).stdout
    assert "Signature is Valid" in said and "Total document signed" in said


def test_pyhanko_accepts_the_seal_and_notices_a_changed_byte(seal, sealed: bytes) -> None:
    from io import BytesIO

    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    from reports.signing import certificates_of

    pdf = sealed
    at = pdf.index(b"/Producer") if b"/Producer" in pdf else 2000
    roots = ValidationContext(trust_roots=certificates_of(seal[1]))
    for data, good in ((pdf, True), (pdf[: at + 1] + b"Q" + pdf[at + 2 :], False)):
        signature = PdfFileReader(BytesIO(data), strict=False).embedded_signatures[0]
        status = validate_pdf_signature(signature, roots)
        assert (status.intact and status.bottom_line) is good


def test_body_is_byte_identical_on_repeat_and_changes_with_the_facts(
    plain: RenderedReport, hostile: RenderedReport
) -> None:
    assert plain.pdf == render_report(FACTS, attachments=FILES, created_at=AT).pdf
    assert plain.html == html_of(FACTS)
    assert hostile.body_digest != plain.body_digest
    other = copy.deepcopy(FACTS)
    other["decision"]["value"]["outcome"] = "deny"
    assert body_identity(html_of(other)) != body_identity(plain.html)


@pytest.fixture(scope="module")
def hostile() -> RenderedReport:
    facts = copy.deepcopy(FACTS)
    bad = '<img src="http://evil.example/x.png"><style>@import url(file:///etc/passwd)</style>'
    facts["candidate"]["name"] = bad
    facts["approvals"][0]["approver"] = "\u202e\u05e9\u05dc\u05d5\u05dd 🧑‍⚖️ \u4e2d"
    race = facts["checks"]["fairness"]["result"]["metrics"]["features"]["race"]
    race["groups"] = [{**race["groups"][0], "group": f"group {i} " + "x" * 90} for i in range(200)]
    return render_report(facts, created_at=AT)


def test_hostile_rtl_and_emoji_fields_and_200_groups_stay_a_compliant_page(
    tmp_path: Path, hostile: RenderedReport
) -> None:
    assert "<img" not in hostile.html and "&lt;img" in hostile.html
    (tmp_path / "r.pdf").write_bytes(hostile.pdf)
    assert failures(tmp_path / "r.pdf", "3a") == {}


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


def test_words_claim_no_more_than_evidence_shows() -> None:
    html = html_of(FACTS).lower()
    for claim in (
        "bias-free",
        "unbiased",
        "fully compliant",
        "proves fairness",
        "tamper-proof",
        "guarantee",
        "legally required",
    ):
        assert claim not in html
