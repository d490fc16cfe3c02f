"""Facts to the audit report: cover and sections in their fixed order (docs/specs/report_facts.md).

It measures nothing and decides nothing: it arranges what the signed evidence says.
"""

from collections.abc import Callable, Mapping
from typing import Any

from reports.bias_audit import build_bias_audit
from reports.document import Cover, Document
from reports.errors import ReportError
from reports.parts import SIGN, Parts
from reports.sections.back import back
from reports.sections.front import front
from reports.sections.middle import middle
from reports.technical_documentation import build_technical_documentation


def build_document(facts: Mapping[str, Any]) -> Document:
    """Arrange facts as the kind of report that ``report.kind`` names: by default the audit.

    Raises:
        ReportError: an unknown kind, or facts that this kind cannot do without are missing.
    """
    kind = str((facts.get("report") or {}).get("kind", "model-audit"))
    if kind not in KINDS:
        raise ReportError(f"there is no report of kind {kind!r:.40}; there are {', '.join(KINDS)}")
    return KINDS[kind](facts)


def build_audit(facts: Mapping[str, Any]) -> Document:
    """Arrange facts as the audit report.

    Args:
        facts: the dictionary of docs/specs/report_facts.md, with ``created_at``.

    Returns:
        The Document; equal facts give an equal document.

    Raises:
        ReportError: no candidate, or a language without texts.
    """
    p = Parts(facts)
    kicker = p.t("text.kicker")
    sections = (*front(p), *middle(p), *back(p))
    return p.document("model-audit", kicker, _cover(p, kicker), sections)


def _cover(p: Parts, kicker: str) -> Cover:
    t, outcome = p.t, str(p.get("decision.value.outcome", "none"))
    packs = "; ".join(
        f"{k.get('title') or k.get('id')} {k.get('version', '')}"
        for k in p.rows("decision.value.packs")
    )
    rows = (
        (t("cover.model_digest"), str(p.get("candidate.digest", "")), True),
        (t("cover.decision_digest"), str(p.get("decision.digest", "")), True),
        (t("cover.packs"), packs, False),
        (t("cover.as_of"), t.date(p.get("decision.value.as_of")), False),
        (t("cover.report"), str(p.get("report.id", "")), False),
        (t("cover.made"), t.date(p.get("created_at")), False),
    )
    return Cover(
        f"{p.get('report.issuer', '')}   {kicker}".strip(),
        p.title,
        str(p.get("report.subtitle", "")),
        t.word("outcome", outcome),
        t("cover.decision"),
        SIGN.get(outcome, "missing"),
        rows,
        t("cover.footer"),
    )


KINDS: dict[str, Callable[[Mapping[str, Any]], Document]] = {
    "model-audit": build_audit,
    "bias-audit": build_bias_audit,
    "technical-documentation": build_technical_documentation,
}
