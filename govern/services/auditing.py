"""Gather everything a regulator needs into one sealed dossier."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from govern.domain import predicates
from govern.domain.dossier import MANIFEST, MEDIA_TYPE, SEAL, pack
from govern.domain.evidence import decision_value
from govern.errors import NotFoundError
from govern.services.recording import Recorder
from govern.transparency.canonical import canonical_json
from govern.transparency.checkpoint import Checkpoint
from govern.transparency.digest import digest_of, from_hex, hex_of
from govern.transparency.encoding import b64, format_time
from govern.transparency.verify import VerifiedStatement

VERIFY_TEXT = """# Verify this dossier

With the trust file you were given apart from it, offline:

    govern verify dossier.zip --trust trust.json

With tools that were written by others:

    # any statement (the subject's digest stands in the statement)
    jq .sigstore trust.json > sigstore-trust.json
    sigstore --trust-config sigstore-trust.json verify identity --offline \\
        --bundle statements/FILE --cert-identity SIGNER --cert-oidc-issuer ISSUER sha256:SUBJECT
    # a model or data set folder
    model_signing verify sigstore artifacts/DIGEST --signature statements/FILE \\
        --trust_config sigstore-trust.json --identity SIGNER --identity_provider ISSUER
    # the same folder with the release key of the trust file, and nothing else
    jq -r '.keys[] | select(.role == "release") | .publicKey' trust.json \\
        | base64 -d | openssl pkey -pubin -inform DER -out release.pub
    model_signing verify key artifacts/DIGEST --signature artifacts/DIGEST.oms.sig.json \\
        --public_key release.pub
    # the chain from data to admission, step by step
    jq -r '.keys[] | select(.role == "layout") | .publicKey' trust.json \\
        | base64 -d | openssl pkey -pubin -inform DER -out owner.pub
    in-toto-verify --layout in-toto/DIGEST/root.layout --verification-keys owner.pub \\
        --link-dir in-toto/DIGEST
    # every file listed in the manifest
    jq -r '.files[] | (.digest[7:] + "  " + .name)' manifest.json | sha256sum -c
"""


Release = Callable[[bytes, datetime], bytes]


@dataclass(frozen=True, slots=True)
class GateExport:
    """One gate's log, a sample of its records by file name, and receipts callers kept.

    Receipts are values of ``Govern-Receipt`` in the log's order.
    """

    name: str
    origin: str
    log: Mapping[str, bytes]
    records: Mapping[int, bytes]
    receipts: Sequence[str] = ()


def gather(
    recorder: Recorder,
    *,
    lineage_log: Mapping[str, bytes],
    blobs: Any,
    packs: Mapping[str, bytes],
    gates: Sequence[GateExport],
    extra: Mapping[str, bytes],
    release: Release | None = None,
) -> dict[str, bytes]:
    """Return the dossier's files, not yet sealed.

    Args:
        lineage_log: the lineage log's files (``checkpoint``, ``tile/…``), read after the
            last statement that should be inside.
        blobs: where artifact bytes are, by digest.
        packs: pack digest to exact bytes, for every pack a decision names.
        gates: gate logs with the records to show.
        extra: other files, such as the report.
        release: signs each folder's statement with the release key (None: no key bundles).

    Raises:
        NotFoundError: a pack or artifact that evidence names is not stored.
    """
    statements = sorted(recorder.every(), key=lambda item: item.log_index)
    files = {f"log/{name}": data for name, data in lineage_log.items()}
    for item in statements:
        short = hex_of(item.digest)[:8]
        kind = predicates.name_of(item.kind)
        files[f"statements/{item.log_index:06d}-{kind}-{short}.sigstore.json"] = item.bundle
        if item.kind == predicates.MODEL_SIGNATURE and not item.void:
            files |= _artifact(item, blobs)
            if release is not None:
                files[release_path(item)] = release(item.statement.payload, recorder.clock())
        if item.kind == predicates.SVR:
            files |= _packs(item, packs)
    for gate in gates:
        files |= {f"gates/{gate.name}/{name}": data for name, data in gate.log.items()}
        for index, data in gate.records.items():
            files[f"gates/{gate.name}/records/{index:09d}.json"] = data
        if gate.receipts:
            lines = "".join(f"{line}\n" for line in gate.receipts)
            files[f"gates/{gate.name}/receipts.txt"] = lines.encode()
    return {**files, **extra, "VERIFY.md": VERIFY_TEXT.encode()}


def _artifact(signature: VerifiedStatement, blobs: Any) -> dict[str, bytes]:
    folder = f"artifacts/{hex_of(signature.statement.subject)}"
    resources = signature.statement.predicate["resources"]
    return {f"{folder}/{row['name']}": blobs.get(from_hex(row["digest"])) for row in resources}


def release_path(signature: VerifiedStatement) -> str:
    """Return where a dossier keeps the key bundle of a signed folder."""
    return f"artifacts/{hex_of(signature.statement.subject)}.oms.sig.json"


def _packs(decision: VerifiedStatement, packs: Mapping[str, bytes]) -> dict[str, bytes]:
    files = {}
    for row in decision_value(decision)["packs"]:
        if row["digest"] not in packs:
            raise NotFoundError(f"pack {row['id']} as decided under is not stored")
        name = f"packs/{row['id']}-{hex_of(row['digest'])[:8]}.yaml"
        files[name] = packs[row["digest"]]
    return files


def seal(
    recorder: Recorder,
    files: Mapping[str, bytes],
    gates: Sequence[tuple[GateExport, Checkpoint]],
    *,
    title: str,
    signer: str,
) -> bytes:
    """Seal the files with a signed manifest and return the dossier as a zip.

    The seal is recorded right after the state of the lineage log inside the dossier.
    """
    manifest = canonical_json(
        {
            "mediaType": MEDIA_TYPE,
            "title": title,
            "created_at": format_time(recorder.clock()),
            "files": [
                {"name": name, "digest": digest_of(files[name]), "bytes": len(files[name])}
                for name in sorted(files)
            ],
        }
    )
    predicate = {
        "title": title,
        "files": len(files),
        "gates": [
            {
                "name": gate.name,
                "origin": gate.origin,
                "size": checkpoint.size,
                "root": b64(checkpoint.root),
                "records": sorted(gate.records),
                "receipts": len(gate.receipts),
            }
            for gate, checkpoint in gates
        ],
    }
    subject = [(MANIFEST, digest_of(manifest))]
    sealed = recorder.record(predicates.DOSSIER, subject, predicate, signer=signer)
    return pack({**files, MANIFEST: manifest, SEAL: sealed.bundle})
