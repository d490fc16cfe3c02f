"""An evidence document that every shipped pack allows, small and made by hand."""

from __future__ import annotations

from typing import Any


def figure(value: float, low: float = 0.9, high: float = 0.99) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "group": "black", "reference": "white"}


def feature() -> dict[str, Any]:
    pair = {"group": "black", "reference": "white", "n": 79, "z": -1.2}
    return {
        "ratio": figure(0.95),
        "tpr_difference": figure(0.01, 0.0, 0.03),
        "comparisons": [pair],
    }


def check(name: str, metrics: dict[str, Any]) -> dict[str, Any]:
    return {"check": name, "verdict": "pass", "age_days": 1, "metrics": metrics}


def allowed_evidence() -> dict[str, Any]:
    reasons = [{"feature": "gdlin", "value": 1.0, "contribution": -0.2}]
    return {
        "candidate": {
            "digest": "sha256:" + "a" * 64,
            "author": "ada@bank.example",
            "format": "onnx",
            "protected_inputs": [],
            "randomised": False,
            "domain": "credit",
            "risk_tier": "high",
            "use": "credit-decision",
            "jurisdictions": ["US"],
        },
        "lineage": {"complete": True, "gaps": [], "datasets": [{}], "training": [{}]},
        "checks": {
            "data": check(
                "data",
                {
                    "leaking_in_features": [],
                    "protected_in_features": [],
                    "split": {"overlap": 0},
                },
            ),
            "performance": check("performance", {}),
            "fairness": check(
                "fairness",
                {
                    "features": {"race": feature(), "sex": feature(), "race and sex": feature()},
                },
            ),
            "explainability": check(
                "explainability",
                {
                    "additivity_error": 1e-9,
                    "protected_share": 0.0,
                    "oracle": {"max_abs_difference": 0.001},
                    "background": {"rows": 400},
                    "direction": [],
                    "proxies": [],
                    "samples": [{"reasons": reasons}],
                },
            ),
            "repeatability": check("repeatability", {"changed_rows": 0, "share": 0.0}),
        },
        "waivers": [],
        "evidence": [{"path": "candidate", "digest": "sha256:" + "b" * 64}],
    }
