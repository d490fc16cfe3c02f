"""The people and the house of the demo."""

from __future__ import annotations

from govern.adapters.keys_files import Organisation

DOMAIN = "bank.example"
ADA, EVAN, ROSA, TOMAS, NADIA, PRIYA, CARL = (
    f"{name}@{DOMAIN}" for name in ("ada", "evan", "rosa", "tomas", "nadia", "priya", "carl")
)
SERVICE = f"govern@{DOMAIN}"
NAMES = {
    ADA: ("Ada Author", ("author",)),
    EVAN: ("Evan Evaluator", ("validator",)),
    ROSA: ("Rosa Reviewer", ("reviewer",)),
    TOMAS: ("Tomas Reviewer", ("reviewer",)),
    NADIA: ("Nadia Reviewer", ("reviewer",)),
    PRIYA: ("Priya Platform", ("platform",)),
    CARL: ("Carl Compliance", ("compliance", "auditor")),
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
            "compliance": [CARL],
        },
        gates=[GATE],
        approvals=2,
    )
