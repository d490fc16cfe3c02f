"""What is attached to a report, so that the PDF alone can be verified.

The facts, the statements they rest on, the packs the decision was made under, the trust
file, and the statement that records the facts. ``govern.verifier.report`` reads them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from govern.domain import predicates
from govern.errors import NotFoundError
from govern.policy.document import Pack
from govern.services.recording import Recorder
from govern.transparency.digest import digest_of, hex_of
from govern.transparency.encoding import format_time


def report_files(
    recorder: Recorder, facts: Mapping[str, Any], packs: Sequence[Pack], *, signer: str
) -> dict[str, bytes]:
    """Record a report's facts and return the files to attach, by name.

    Args:
        facts: what ``report_facts`` returned.
        packs: the packs in use; those that the decision names are attached.
        signer: the service's identity.

    Raises:
        NotFoundError: a statement or pack that the facts name is not stored.
    """
    evidence = json.dumps(facts, indent=1, sort_keys=True).encode()
    recorded = recorder.record(
        predicates.REPORT,
        [("evidence.json", digest_of(evidence))],
        {
            "candidate": facts["candidate"]["digest"],
            "decision": facts["decision"]["statement"],
            "recorded_at": format_time(recorder.clock()),
        },
        signer=signer,
    )
    return {
        "evidence.json": evidence,
        "report.sigstore.json": recorded.bundle,
        "trust.json": recorder.trust.raw,
        **_statements(recorder, facts),
        **_packs(facts, packs),
    }


def _statements(recorder: Recorder, facts: Mapping[str, Any]) -> dict[str, bytes]:
    files = {}
    for row in facts["evidence"]:
        found = recorder.find(row["digest"])
        if found is None:
            raise NotFoundError(f"statement {row['digest']} of the report is not stored")
        kind = predicates.name_of(found.kind)
        files[f"{row['id']}-{kind}-{hex_of(found.digest)[:8]}.sigstore.json"] = found.bundle
    return files


def _packs(facts: Mapping[str, Any], packs: Sequence[Pack]) -> dict[str, bytes]:
    held = {pack.digest: pack for pack in packs}
    files = {}
    for row in facts["decision"]["value"]["packs"]:
        if row["digest"] not in held:
            raise NotFoundError(f"pack {row['id']} as decided under is not stored")
        files[f"{row['id']}.pack.yaml"] = held[row["digest"]].source
    return files
