"""The people and the house of the demo."""

from __future__ import annotations

from govern.adapters.first_keys import Organisation

DOMAIN = "bank.example"
ADA, EVAN, ROSA, TOMAS, NADIA, PRIYA, CARL, COLE, OLGA = (
    f"{name}@{DOMAIN}"
    for name in ("ada", "evan", "rosa", "tomas", "nadia", "priya", "carl", "cole", "olga")
)
SERVICE = f"govern@{DOMAIN}"
NAMES = {
    ADA: ("Ada Author", ("author",)),
    EVAN: ("Evan Evaluator", ("validator",)),
    ROSA: ("Rosa Reviewer", ("reviewer",)),
    TOMAS: ("Tomas Reviewer", ("reviewer",)),
    NADIA: ("Nadia Reviewer", ("reviewer",)),
    PRIYA: ("Priya Platform", ("platform",)),
    CARL: ("Carl Compliance", ("compliance",)),
    COLE: ("Cole Compliance", ("compliance",)),
    OLGA: ("Olga Auditor", ("auditor",)),
}
PASSWORD = "demo-only-password"  # noqa: S105 — shown on the demo's sign-in page
DEPLOYMENT = "mortgage-approval"
UNAPPROVED = "mortgage-logistic"
GATE = "demo"
INTENDED_USE = (
    "Support for underwriters who decide on mortgage applications in Boston; it proposes "
    "approve or deny, and a person decides."
)
DISSENT = (
    "Hispanic applicants are approved less often than white ones, z = -2.6 on 44 people. The "
    "policy calls that too few to decide on. I would wait for more data before we lend on it."
)

DECLARED_ON = "2026-11-20"
DECLARED_BY_VALIDATION = {
    "model_materiality": "High: it proposes an answer to every mortgage application.",
    "conceptual_soundness": "A linear score; two coefficients against their declared sign are "
    "explained to the reviewers.",
    "limitations": "The label is the lender's decision, not repayment; one city, 1990.",
    "monitoring_plan": "Approval rates by group and drift of inputs every week; the owner is told.",
    "conditions_of_use": "An underwriter decides; the score is never the only ground.",
    "users": "Underwriters of the bank's mortgage desk, after a day of training.",
    "persons_affected": "People who apply for a mortgage on a home in the Boston area.",
    "out_of_scope": "Business loans, refinancing, prices of loans, and any answer without a person.",
    "human_oversight": "An underwriter reads every proposed denial with its reasons, and may overrule.",
    "label_limits": "It repeats how one lender decided in 1990; it cannot tell who would have paid.",
    "alternatives_considered": "Three other candidates were compared; the mitigation table shows them.",
    "vendor_components": "None; the libraries are open source and pinned.",
}
DECLARED_BY_COMPLIANCE = {
    "reason_codes": "The table from features to reasons was approved for mortgage decisions.",
    "adverse_action_notice": "A notice with the principal reasons leaves within 30 days.",
    "record_retention": "Applications and reasons are kept for 25 months at least.",
    "consumer_report_used": "no",
}


def declarations() -> dict[str, dict[str, str]]:
    """Return what the demo bank declares on each card: what only a person can answer."""
    answers = {EVAN: DECLARED_BY_VALIDATION, CARL: DECLARED_BY_COMPLIANCE}
    return {
        name: {"answer": answer, "by": person, "on": DECLARED_ON}
        for person, given in answers.items()
        for name, answer in given.items()
    }


def organisation() -> Organisation:
    """Return the demo bank."""
    return Organisation(
        name="Example Bank",
        domain=DOMAIN,
        issuer=f"https://sso.{DOMAIN}",
        roles={
            "author": [ADA],
            "evaluator": [EVAN],
            "decider": [SERVICE],
            "service": [SERVICE],
            "reviewer": [ROSA, TOMAS, NADIA, ADA],
            "platform": [PRIYA],
            "compliance": [CARL, COLE],
        },
        gates=[GATE],
        approvals=2,
    )
