"""An evidence document that every shipped pack allows: the demo's fourth candidate."""

from __future__ import annotations

import copy
from typing import Any

from tests.support.packs import shipped_evidence


def allowed_evidence() -> dict[str, Any]:
    document = copy.deepcopy(shipped_evidence("credit-allowed"))
    for check in document["checks"].values():
        check["age_days"] = 1
    return document
