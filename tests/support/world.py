"""A small bank for web tests: four candidates, a review, an admission, people, and a gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from govern.adapters.sql.records import Records
from govern.domain import predicates
from govern.errors import RefusedError
from govern.services.ports import OwnKeys
from govern.services.report_form import ReportForm
from govern.transparency.canonical import canonical_json
from govern.transparency.digest import digest_of
from tests.support.statements import Scribe, digest

PASSWORD = "correct horse battery"
PEOPLE = {
    "ada": ["author"],
    "evan": ["validator"],
    "rosa": ["reviewer"],
    "tomas": ["reviewer"],
    "nadia": ["reviewer"],
    "priya": ["platform"],
    "olga": ["auditor"],
    "carl": ["compliance"],
    "root": ["admin"],
}


def mail(name: str) -> str:
    """Return a demo person's address."""
    return f"{name}@bank.example"


@dataclass
class FakeServices:
    """Records what was asked, and refuses as the services would."""

    records: Records
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    pack_list: Sequence[Any] = ()

    def _note(self, *call: Any) -> str:
        self.calls.append(call)
        return digest(repr(call))

    def approve(
        self, request_id: str, approver_email: str, vote: str, comment: str, evidence_read: Any,
        *, review: Any = None,
    ) -> str:
        """Refuse the author; note the rest."""
        if approver_email == mail("ada"):
            raise RefusedError("ada cannot approve", ["separation of duties", "not a reviewer"])
        return self._note("approve", request_id, approver_email, vote, comment, evidence_read)

    def own_keys(self, person: str) -> OwnKeys:
        """Return that nobody has a key of their own."""
        return OwnKeys()

    def say(self, request_id: str, by: str, kind: str, text: str, to: str | None = None) -> str:
        """Note."""
        return self._note("say", request_id, by, kind, text, to)

    def request_approval(self, candidate: str, by: str, expected: str | None = None) -> str:
        """Note."""
        self._note("request_approval", candidate, by)
        return self.records.list_requests()[0].id

    def withdraw_request(self, request_id: str, by: str) -> None:
        """Note."""
        self._note("withdraw", request_id, by)

    def admit(self, *args: Any) -> str:
        """Note."""
        return self._note("admit", *args)

    def suspend(self, admission: str, by: str, reason: str) -> str:
        """Note."""
        return self._note("suspend", admission, by, reason)

    def reinstate(self, admission: str, by: str, reason: str) -> str:
        """Note."""
        return self._note("reinstate", admission, by, reason)

    def revoke(self, admission: str, by: str, reason: str) -> str:
        """Note."""
        return self._note("revoke", admission, by, reason)

    def grant_waiver(self, candidate: str, terms: Mapping[str, str], by: str) -> str:
        """Note."""
        return self._note("grant_waiver", candidate, dict(terms), by)

    def revoke_waiver(self, candidate: str, terms: str, reason: str, by: str) -> str:
        """Note."""
        return self._note("revoke_waiver", candidate, terms, reason, by)

    def waivers(self, candidate: str) -> list[dict[str, Any]]:
        """Return one waiver in force."""
        return [
            {
                "pack": "internal-fair-lending", "pack_version": "1.0.0", "rule": "race-significance",
                "reason": "Numbers are small.", "compensating_control": "Weekly review of denials.",
                "expires_at": "2027-01-01T00:00:00Z", "terms": digest("terms"), "state": "in-force",
                "signed_by": [mail("carl"), mail("cleo")],
            }
        ]  # fmt: skip

    def snapshot_document(self) -> bytes:
        """Return something like a snapshot."""
        return b'{"bundles":[],"snapshot":{}}'

    def register_candidate(
        self, card: Mapping[str, Any], files: Mapping[str, bytes], by: str
    ) -> str:
        """Note."""
        return self._note("register", card, dict(files), by)

    def run_checks(self, candidate: str, names: Sequence[str], by: str) -> list[str]:
        """Note."""
        return [self._note("checks", candidate, tuple(names), by)]

    def decide(self, candidate: str, by: str) -> str:
        """Note."""
        return self._note("decide", candidate, by)

    def build_report(self, candidate: str | None, by: str, form: ReportForm) -> str:
        """Note."""
        return self._note("report", candidate, by, form)

    def lineage(self, target: str, *, records: bool = False) -> dict[str, Any]:
        """Note."""
        return {"noted": self._note("lineage", target, records)}

    def recall(self, target: str, **more: Any) -> dict[str, Any]:
        """Note."""
        return {"noted": self._note("recall", target, more)}

    def packs(self) -> Sequence[Any]:
        """Return the packs given."""
        return self.pack_list


def group(name: str, n: int, rate: float) -> dict[str, Any]:
    """Return one group's fairness line."""
    return {
        "group": name,
        "n": n,
        "selected": round(n * rate),
        "rate": rate,
        "rate_low": rate - 0.08,
        "rate_high": min(rate + 0.06, 1.0),
        "tpr": rate,
        "fpr": rate / 2,
        "excluded": False,
    }


def feature(groups: Sequence[tuple[str, int, float]], ratio: float) -> dict[str, Any]:
    """Return one protected feature's fairness metrics."""
    first, reference = groups[0][0], groups[-1][0]
    comparison = {
        "group": first,
        "reference": reference,
        "ratio": ratio,
        "ratio_low": ratio - 0.11,
        "ratio_high": ratio + 0.1,
        "difference": 0.14,
        "fisher_p": 0.0004,
        "significant": ratio < 0.9,
    }
    return {
        "groups": [group(*item) for item in groups],
        "comparisons": [comparison],
        "unknown": {"count": 5},
    }


def checks(ratio: float) -> dict[str, dict[str, Any]]:
    """Return the metrics of each check for a candidate with this ratio."""
    race = feature(
        [("black", 79, 0.92 * ratio), ("hispanic", 44, 0.8), ("white", 673, 0.92)], ratio
    )
    names = ["obrat", "pubrec", "cons", "loanprc", "mortg", "unver", "netw", "hrat", "term"]
    overall = [
        {"feature": name, "mean_abs": 0.2 / (place + 1), "mean": (-1) ** place * 0.05}
        for place, name in enumerate(names)
    ]
    reasons = [
        {"feature": name, "value": 1.0, "contribution": (-1) ** place * 0.3 / (place + 1)}
        for place, name in enumerate(names[:6])
    ]
    gap = [{"feature": name, "value": 0.04 / (place + 1)} for place, name in enumerate(names)]
    return {
        "fairness": {
            "rows": 796,
            "positive": "approve",
            "features": {
                "race": race,
                "sex": feature([("female", 130, 0.9), ("male", 650, 0.91)], 0.99),
            },
        },
        "explainability": {
            "method": "permutation SHAP over 100 background rows",
            "global": overall,
            "gap": {"groups": ["white", "black"], "total": 0.11, "by_feature": gap},
            "samples": [{"row": row, "score": 0.6, "reasons": reasons} for row in (3, 14, 15)],
        },
        "performance": {"rows": 796, "accuracy": {"value": 0.89, "low": 0.86, "high": 0.91}},
        "repeatability": {"rows": 796, "repeats": 5, "changed_rows": 0, "share": 0.0},
        "data": {"rows": 1989, "columns": 59},
    }


def rule(status: str, severity: str = "deny", **more: Any) -> dict[str, Any]:
    """Return one rule result."""
    return {
        "pack": "internal-fair-lending",
        "rule": "four-fifths",
        "title": "Selection rates stay within four fifths",
        "severity": severity,
        "status": status,
        "subject": "race: black vs white",
        "message": "Black applicants are approved at 0.729 of the white rate; the bound is 0.8.",
        "citation": "Internal fair lending policy, section 4.2",
        "value": 0.729,
        "low": 0.615,
        "high": 0.829,
        "threshold": 0.8,
        "reads": [],
        "evidence": [],
        "fix": "Mitigate the gap, or lower the reliance on pubrec.",
    } | more


def candidate_story(
    scribe: Scribe, name: str, ratio: float, outcome: str, rules: list[dict[str, Any]]
) -> str:
    """Write lineage, candidate, checks and a decision; return the decision's digest."""
    scribe.write(
        predicates.PROVENANCE,
        digest(name),
        {
            "buildDefinition": {
                "buildType": predicates.BUILD_TRAINING,
                "internalParameters": {"trained_by": mail("ada")},
                "resolvedDependencies": [
                    {"name": "features", "digest": {"sha256": digest("features")[7:]}}
                ],
            }
        },
        signer=mail("ada"),
        name=name,
    )
    scribe.candidate(name, randomised=outcome == "review")
    evidence = []
    for check, metrics in checks(ratio).items():
        verdict = "fail" if check == "fairness" and outcome == "deny" else "pass"
        made = scribe.write(
            predicates.TEST_RESULT,
            digest(name),
            {"govern": {"check": check, "verdict": verdict, "findings": [], "metrics": metrics}},
            signer=mail("evan"),
            name=name,
        )
        evidence.append({"path": f"checks.{check}", "digest": made.digest})
        if check == "fairness":
            for item in rules:
                item["evidence"] = [made.digest]
    value = {
        "outcome": outcome,
        "as_of": "2026-11-24",
        "candidate": digest(name),
        "packs": [{"id": "internal", "version": "1", "title": "Internal fair lending"}],
        "rules": rules,
        "evidence": evidence,
        "approvals": {"quorum": 2, "roles": ["reviewer"], "tier": "high"},
    }
    return scribe.write(
        predicates.SVR,
        digest(name),
        {
            "govern": value,
            "decision_digest": digest_of(canonical_json(value)),
            "requested_by": mail("evan"),
        },
        signer="govern@bank.example",
        name=name,
    ).digest


def build(home: Path, url: str | None = None) -> FakeServices:
    """Fill a database under ``home``, or at ``url``, and return services over it."""
    records = Records.open(url or home / "govern.db", migrate=True)
    for name, roles in PEOPLE.items():
        records.put_person(mail(name), name=name.title(), roles=roles, password=PASSWORD)
    scribe = Scribe()
    _data(scribe)
    passing = rule("pass", value=0.918, message="The ratio is 0.918.", low=0.84, high=0.99)
    advice = rule("fail", "advise", title="The federal effects test is advisory")
    candidate_story(scribe, "mortgage-logistic", 0.729, "deny", [rule("fail"), advice])
    candidate_story(
        scribe,
        "mortgage-threshold",
        0.95,
        "deny",
        [rule("fail", title="No protected attribute at inference", value=None)],
    )
    review = candidate_story(
        scribe,
        "mortgage-randomised",
        0.86,
        "review",
        [
            rule("uncertain", value=0.86),
            rule("fail", "review", title="Answers repeat", value=0.04, subject=None),
            passing,
        ],
    )
    allow = candidate_story(scribe, "mortgage-approval", 0.918, "allow", [passing])
    for name, vote in (("rosa", "approve"), ("tomas", "approve"), ("nadia", "dissent")):
        scribe.write(
            predicates.APPROVAL,
            digest("mortgage-approval"),
            {
                "decision": allow,
                "approver": mail(name),
                "vote": vote,
                "comment": "Seventy-nine people are few." if vote == "dissent" else "Read it all.",
                "evidence_read": [],
                "approved_at": "2026-11-24T02:40:00Z",
            },
            signer=mail(name),
        )
    _admit(scribe, allow)
    for item in scribe.made:
        records.put_statement(item)
    for decision, name in ((review, "mortgage-randomised"), (allow, "mortgage-approval")):
        records.add_request(
            candidate=digest(name),
            decision=decision,
            decision_digest=digest("value"),
            requested_by=mail("ada"),
            requested_at="2026-11-24T02:50:00Z",
            tier="high",
        )
    return FakeServices(records)


def _data(scribe: Scribe) -> None:
    scribe.write(
        predicates.DATASET, digest("loanapp"), {"profile": {}}, signer=mail("ada"), name="loanapp"
    )
    scribe.write(
        predicates.PROVENANCE,
        digest("features"),
        {
            "buildDefinition": {
                "buildType": predicates.BUILD_FEATURES,
                "resolvedDependencies": [
                    {"name": "loanapp", "digest": {"sha256": digest("loanapp")[7:]}}
                ],
            }
        },
        signer=mail("ada"),
        name="features",
    )


def _admit(scribe: Scribe, decision: str) -> None:
    scribe.write(
        predicates.ADMISSION,
        digest("mortgage-approval"),
        {
            "deployment": "mortgage-approval",
            "environment": "production",
            "decision": decision,
            "approvals": [],
            "admitted_by": mail("priya"),
            "admitted_at": "2026-11-24T02:55:00Z",
            "not_before": "2026-11-24T02:55:00Z",
            "expires_at": "2036-12-24T02:55:00Z",
        },
        signer=mail("priya"),
    )
