"""Make a small sealed report about a candidate of the workshop, or one bent in one place.

The page says next to nothing; attachments, signature and file structure are those of a
real report: ``report_files`` attaches, pydyf (as WeasyPrint) writes, ``sign_pdf`` seals.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import pydyf
from dossier_workshop import SERVICE, Candidate, Workshop

from govern.domain import predicates
from govern.domain.evidence import decision_digest, decision_value
from govern.policy.document import load_pack
from govern.services.report_files import report_files
from govern.services.tracing import statements_about
from reports.signing import sign_pdf

Attached = dict[str, bytes]


def facts_about(shop: Workshop, item: Candidate) -> dict[str, Any]:
    """Return the facts of a report, in the shape that ``report_facts`` gives them."""
    assert item.decision and item.check and item.admission
    said = item.admission.statement.predicate
    kinds = (predicates.SUSPENSION, predicates.REINSTATEMENT, predicates.REVOCATION)
    evidence = [
        found
        for found in statements_about(shop.recorder, item.digest).by_digest.values()
        if found.kind not in (*kinds, predicates.REPORT)
    ]
    return {
        "candidate": {
            **item.statement.statement.predicate,
            "digest": item.digest,
            "statement": item.statement.digest,
        },
        "decision": {
            "statement": item.decision.digest,
            "digest": decision_digest(item.decision),
            "value": decision_value(item.decision),
        },
        "checks": {
            "performance": {
                "statement": item.check.digest,
                "result": item.check.statement.predicate["govern"],
            }
        },
        "approvals": [
            {
                "statement": vote.digest,
                **{
                    key: vote.statement.predicate[key]
                    for key in ("approver", "vote", "comment", "approved_at", "evidence_read")
                },
            }
            for vote in item.votes
        ],
        "admission": {
            "statement": item.admission.digest,
            **{
                key: said[key]
                for key in ("deployment", "environment", "admitted_by", "admitted_at", "expires_at")
            },
        },
        "evidence": [
            {"id": f"E{at}", "digest": found.digest} for at, found in enumerate(evidence, 1)
        ],
    }


def attach(
    shop: Workshop, item: Candidate, *, signer: str = SERVICE, change: Callable[[Any], Any] = id
) -> Attached:
    """Return what is attached to a report; ``change`` may bend its facts before."""
    facts = facts_about(shop, item)
    change(facts)
    return report_files(shop.recorder, facts, [load_pack(shop.pack)], signer=signer)


def print_pdf(attached: Mapping[str, bytes], words: str = "Model audit report") -> bytes:
    """Return an unsigned PDF with attachments, with object streams as WeasyPrint writes them."""
    pdf = pydyf.PDF()
    text = pydyf.Stream([f"BT /F1 12 Tf 72 720 Td ({words}) Tj ET".encode()])
    pdf.add_object(text)
    pdf.add_page(
        pydyf.Dictionary(
            {
                "Type": "/Page",
                "Parent": pdf.pages.reference,
                "MediaBox": pydyf.Array([0, 0, 595, 842]),
                "Contents": text.reference,
            }
        )
    )
    names = pydyf.Array()
    for name, data in sorted(attached.items()):
        held = pydyf.Stream(
            [zlib.compress(data)],
            extra={"Type": "/EmbeddedFile", "Filter": "/FlateDecode", "Subtype": "/text#2Fplain"},
        )
        pdf.add_object(held)
        spec = pydyf.Dictionary(
            {
                "Type": "/Filespec",
                "F": pydyf.String(name),
                "UF": pydyf.String(name),
                "EF": pydyf.Dictionary({"F": held.reference}),
            }
        )
        pdf.add_object(spec)
        names.extend([pydyf.String(name), spec.reference])
    tree = pydyf.Dictionary({"Names": names})
    pdf.add_object(tree)
    pdf.catalog["Names"] = pydyf.Dictionary({"EmbeddedFiles": tree.reference})
    out = io.BytesIO()
    pdf.write(out, version=b"1.7", identifier=b"report", compress=True)
    return out.getvalue()


def seal_pdf(pdf: bytes, shop: Workshop) -> bytes:
    """Seal with a workshop's report key."""
    return sign_pdf(
        pdf,
        key_pem=None,
        sign=shop.keys.ec_key("report").sign,
        cert_chain_pem=shop.keys.chain_pem("report"),
        reason="Model audit report",
    )


def make_report(shop: Workshop, item: Candidate, **options: Any) -> bytes:
    """Return the sealed report about a candidate."""
    return seal_pdf(print_pdf(attach(shop, item, **options)), shop)
