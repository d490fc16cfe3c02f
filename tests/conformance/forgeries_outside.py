"""Forgeries by someone who holds no key: bytes changed, cut, swapped, or badly formed."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

from dossier_workshop import log_files
from forging import Files, Forged, Forger, edit_json, flip, forgery, path_of, rebuild, reproof

from govern.domain.dossier import pack
from govern.transparency.bundle import parse_bundle
from govern.transparency.encoding import b64

Change = Callable[[bytes], bytes]


def changed(forger: Forger, name: str, change: Change = flip) -> Forged:
    """Return the dossier with one file changed."""
    files = forger.files()
    genuine = files[name]
    files[name] = change(genuine)
    assert files[name] != genuine
    return forger.hand_in(files)


def without(forger: Forger, *names: str) -> Forged:
    """Return the dossier without some files."""
    return forger.hand_in({key: data for key, data in forger.files().items() if key not in names})


def vote_path(forger: Forger) -> str:
    """Return where Rosa's vote lies."""
    return path_of(forger.story.first.votes[0])


def artifact(forger: Forger, end: str) -> str:
    """Return the first artifact whose name ends so."""
    return next(name for name in forger.story.files if name.endswith(end))


# -- a changed byte in each kind of file ---------------------------------------


@forgery
def changed_statement_payload(forger: Forger) -> Forged:
    def change(value: Any) -> None:
        payload = base64.b64decode(value["dsseEnvelope"]["payload"])
        swapped = payload.replace(b"approve", b"reprove")
        value["dsseEnvelope"]["payload"] = b64(swapped)

    return changed(forger, vote_path(forger), lambda data: edit_json(data, change))


@forgery
def changed_payload_with_derived_fields_rebuilt(forger: Forger) -> Forged:
    def change(data: bytes) -> bytes:
        envelope = dict(parse_bundle(data).envelope)
        payload = base64.b64decode(envelope["payload"])
        return rebuild(data, envelope={**envelope, "payload": b64(payload.replace(b"ros", b"tom"))})

    return changed(forger, vote_path(forger), change)


@forgery
def changed_signature(forger: Forger) -> Forged:
    def change(data: bytes) -> bytes:
        bundle = parse_bundle(data)
        signatures = [{"sig": b64(flip(bundle.signature))}]
        return rebuild(data, envelope={**bundle.envelope, "signatures": signatures})

    return changed(forger, vote_path(forger), change)


@forgery
def changed_timestamp(forger: Forger) -> Forged:
    def change(data: bytes) -> bytes:
        return rebuild(data, timestamp=flip(parse_bundle(data).timestamp))

    return changed(forger, vote_path(forger), change)


@forgery
def changed_inclusion_proof(forger: Forger) -> Forged:
    def change(data: bytes) -> bytes:
        hashes = parse_bundle(data).proof.hashes
        return reproof(data, hashes=(flip(hashes[0]), *hashes[1:]))

    return changed(forger, vote_path(forger), change)


@forgery
def changed_checkpoint_in_a_bundle(forger: Forger) -> Forged:
    def change(data: bytes) -> bytes:
        proof = parse_bundle(data).proof
        lines = proof.checkpoint.split("\n")
        return reproof(data, checkpoint="\n".join([lines[0], str(proof.size + 1), *lines[2:]]))

    return changed(forger, vote_path(forger), change)


@forgery
def changed_log_checkpoint(forger: Forger) -> Forged:
    def change(note: bytes) -> bytes:
        origin, size, rest = note.split(b"\n", 2)
        return b"\n".join([origin, b"%d" % (int(size) - 1), rest])

    return changed(forger, "log/checkpoint", change)


@forgery
def changed_log_entry(forger: Forger) -> Forged:
    return changed(forger, artifact(forger, entries(forger, "log")))


@forgery
def changed_hash_tile(forger: Forger) -> Forged:
    name = next(name for name in forger.story.files if name.startswith("log/tile/0/"))
    return changed(forger, name)


@forgery
def changed_policy_pack(forger: Forger) -> Forged:
    return changed(forger, "packs/test-pack.yaml", lambda data: data.replace(b"pass", b"fail"))


@forgery
def changed_model(forger: Forger) -> Forged:
    return changed(forger, artifact(forger, "/model.onnx"))


@forgery
def changed_data(forger: Forger) -> Forged:
    return changed(forger, artifact(forger, "/loans.csv"))


@forgery
def changed_gate_leaf(forger: Forger) -> Forged:
    return changed(forger, entries(forger, "gates/demo"))


@forgery
def changed_gate_checkpoint(forger: Forger) -> Forged:
    size = b"\n%d\n" % len(forger.story.shop.gates["demo"].leaves)
    return changed(
        forger, "gates/demo/checkpoint", lambda note: note.replace(size, b"\n4\n", 1)
    )


@forgery
def changed_record(forger: Forger) -> Forged:
    def change(value: Any) -> None:
        value["record"]["status"] = 403

    return changed(forger, record(1), lambda data: edit_json(data, change))


@forgery
def changed_response_body(forger: Forger) -> Forged:
    def change(value: Any) -> None:
        value["response_body"] = b64(b'{"label":"deny"}')

    return changed(forger, record(1), lambda data: edit_json(data, change))


@forgery
def changed_salt(forger: Forger) -> Forged:
    def change(value: Any) -> None:
        value["salt"] = b64(bytes(32))

    return changed(forger, record(1), lambda data: edit_json(data, change))


@forgery
def changed_manifest(forger: Forger) -> Forged:
    def change(value: Any) -> None:
        value["files"] = value["files"][1:]

    return changed(forger, "manifest.json", lambda data: edit_json(data, change))


@forgery
def changed_seal(forger: Forger) -> Forged:
    def change(data: bytes) -> bytes:
        return rebuild(data, timestamp=flip(parse_bundle(data).timestamp))

    return changed(forger, "dossier.sigstore.json", change)


# -- something left out --------------------------------------------------------


def record(number: int) -> str:
    """Return where a record lies."""
    return f"gates/demo/records/{number:09d}.json"


def entries(forger: Forger, folder: str) -> str:
    """Return where a log's first entries lie."""
    start = f"{folder}/tile/entries/"
    return next(name for name in forger.story.files if name.startswith(start))


def statement(forger: Forger, place: int) -> str:
    """Return the path of one statement, by its place."""
    return sorted(name for name in forger.story.files if name.startswith("statements/"))[place]


@forgery
def deleted_first_statement(forger: Forger) -> Forged:
    return without(forger, statement(forger, 0))


@forgery
def deleted_middle_statement(forger: Forger) -> Forged:
    return without(forger, statement(forger, 9))


@forgery
def deleted_newest_statement(forger: Forger) -> Forged:
    return without(forger, statement(forger, -1))


@forgery
def deleted_dissent(forger: Forger) -> Forged:
    return without(forger, path_of(forger.story.first.votes[1]))


@forgery
def deleted_first_record(forger: Forger) -> Forged:
    return without(forger, record(0))


@forgery
def deleted_middle_record(forger: Forger) -> Forged:
    return without(forger, record(2))


@forgery
def deleted_newest_record(forger: Forger) -> Forged:
    return without(forger, record(4))


@forgery
def deleted_log_entries(forger: Forger) -> Forged:
    return without(forger, entries(forger, "log"))


@forgery
def deleted_gate(forger: Forger) -> Forged:
    return without(
        forger, *(name for name in forger.story.files if name.startswith("gates/demo/"))
    )


@forgery
def deleted_policy_pack(forger: Forger) -> Forged:
    return without(forger, "packs/test-pack.yaml")


@forgery
def deleted_model(forger: Forger) -> Forged:
    return without(forger, artifact(forger, "/model.onnx"))


@forgery
def deleted_manifest(forger: Forger) -> Forged:
    return without(forger, "manifest.json")


@forgery
def deleted_seal(forger: Forger) -> Forged:
    return without(forger, "dossier.sigstore.json")


@forgery
def cut_gate_log(forger: Forger) -> Forged:
    gate = forger.story.shop.gates["demo"]
    files = {
        name: data for name, data in forger.files().items() if not name.startswith("gates/demo/t")
    }
    files |= log_files("gates/demo", gate.leaves[:-1], gate.note())
    return forger.hand_in(files)


@forgery
def truncated_entries_tile(forger: Forger) -> Forged:
    return changed(forger, entries(forger, "log"), lambda data: data[:-10])


@forgery
def truncated_hash_tile(forger: Forger) -> Forged:
    name = next(name for name in forger.story.files if name.startswith("log/tile/0/"))
    return changed(forger, name, lambda data: data[:-32])


@forgery
def rolled_back_checkpoint(forger: Forger) -> Forged:
    """An older checkpoint, genuinely signed, with the entries of its day."""
    shop = forger.story.shop
    middle = shop.store.items[-4]
    proof = parse_bundle(middle.bundle).proof
    older = log_files("log", list(shop.log.entries())[: proof.size], proof.checkpoint)
    files = {name: data for name, data in forger.files().items() if not name.startswith("log/")}
    return forger.hand_in({**files, **older})


# -- something swapped or added ------------------------------------------------


@forgery
def swapped_statement_files(forger: Forger) -> Forged:
    files = forger.files()
    first, second = (path_of(item) for item in (checks(forger)))
    files[first], files[second] = files[second], files[first]
    return forger.hand_in(files)


def checks(forger: Forger) -> list[Any]:
    """Return the checks of both candidates."""
    return [forger.story.first.check, forger.story.second.check]


@forgery
def one_statement_twice(forger: Forger) -> Forged:
    files = forger.files()
    first, second = (path_of(item) for item in checks(forger))
    files[first] = files[second]
    return forger.hand_in(files)


@forgery
def proof_for_another_index(forger: Forger) -> Forged:
    def change(data: bytes) -> bytes:
        return reproof(data, index=parse_bundle(data).proof.index - 1)

    return changed(forger, vote_path(forger), change)


@forgery
def proof_of_another_statement(forger: Forger) -> Forged:
    first, second = (item.bundle for item in checks(forger))
    return changed(
        forger,
        path_of(checks(forger)[0]),
        lambda data: rebuild(first, proof=parse_bundle(second).proof),
    )


@forgery
def certificate_of_another_statement(forger: Forger) -> Forged:
    other = parse_bundle(forger.story.first.votes[2].bundle)
    return changed(
        forger, vote_path(forger), lambda data: rebuild(data, certificate=other.certificate)
    )


@forgery
def timestamp_of_another_statement(forger: Forger) -> Forged:
    other = parse_bundle(forger.story.first.votes[2].bundle)
    return changed(
        forger, vote_path(forger), lambda data: rebuild(data, timestamp=other.timestamp)
    )


@forgery
def record_from_another_index(forger: Forger) -> Forged:
    files = forger.files()
    files[record(1)] = files[record(2)]
    return forger.hand_in(files)


@forgery
def record_from_another_gate(forger: Forger) -> Forged:
    files = forger.files()
    files[record(1)] = files[record(1).replace("demo", "other")]
    return forger.hand_in(files)


@forgery
def log_of_another_gate(forger: Forger) -> Forged:
    files = forger.files()
    for name in list(files):
        if name.startswith("gates/other/"):
            files[name.replace("other", "demo")] = files[name]
    return forger.hand_in(files)


@forgery
def unsealed_extra_file(forger: Forger) -> Forged:
    return forger.hand_in({**forger.files(), "artifacts/extra.txt": b"not sealed"})


@forgery
def statement_offered_as_seal(forger: Forger) -> Forged:
    files = forger.files()
    files["dossier.sigstore.json"] = files[vote_path(forger)]
    return forger.hand_in(files)


# -- bytes that cannot be read -------------------------------------------------


@forgery
def duplicate_json_keys(forger: Forger) -> Forged:
    return changed(
        forger, vote_path(forger), lambda data: data.replace(b"{", b'{"mediaType":"x",', 1)
    )


@forgery
def duplicate_keys_in_a_record(forger: Forger) -> Forged:
    return changed(forger, record(1), lambda data: data.replace(b"{", b'{"salt":"x",', 1))


@forgery
def non_canonical_json(forger: Forger) -> Forged:
    return changed(
        forger, vote_path(forger), lambda data: json.dumps(json.loads(data), indent=1).encode()
    )


@forgery
def non_canonical_record(forger: Forger) -> Forged:
    return changed(forger, record(1), lambda data: data + b"\n")


@forgery
def unknown_bundle_field(forger: Forger) -> Forged:
    return changed(
        forger,
        vote_path(forger),
        lambda data: edit_json(data, lambda value: value.update(note="harmless")),
    )


@forgery
def truncated_bundle(forger: Forger) -> Forged:
    return changed(forger, vote_path(forger), lambda data: data[: len(data) // 2])


@forgery
def deeply_nested_json(forger: Forger) -> Forged:
    return changed(forger, vote_path(forger), lambda data: b"[" * 100_000 + b"]" * 100_000)


@forgery
def wrong_encoding(forger: Forger) -> Forged:
    return changed(forger, vote_path(forger), lambda data: data.decode().encode("utf-16"))


@forgery
def json_nan(forger: Forger) -> Forged:
    return changed(forger, record(1), lambda data: data.replace(b"900", b"NaN"))


@forgery
def huge_log_index(forger: Forger) -> Forged:
    return changed(
        forger, vote_path(forger), lambda data: data.replace(b'"logIndex":"', b'"logIndex":"' + b"9" * 5000)
    )


@forgery
def cut_certificate(forger: Forger) -> Forged:
    def change(value: Any) -> None:
        certificate = value["verificationMaterial"]["certificate"]
        raw = base64.b64decode(certificate["rawBytes"])
        certificate["rawBytes"] = b64(raw[:-20])

    return changed(forger, vote_path(forger), lambda data: edit_json(data, change))


@forgery
def cut_timestamp(forger: Forger) -> Forged:
    def change(data: bytes) -> bytes:
        return rebuild(data, timestamp=parse_bundle(data).timestamp[:-20])

    return changed(forger, vote_path(forger), change)


@forgery
def long_form_der_in_timestamp(forger: Forger) -> Forged:
    def change(data: bytes) -> bytes:
        token = parse_bundle(data).timestamp
        size = int.from_bytes(token[2:4], "big")
        assert token[1] == 0x82
        return rebuild(data, timestamp=b"\x30\x83" + size.to_bytes(3, "big") + token[4:])

    return changed(forger, vote_path(forger), change)


@forgery
def binary_checkpoint(forger: Forger) -> Forged:
    return changed(forger, "log/checkpoint", lambda data: b"\xff\xfe" + data)


# -- the container -------------------------------------------------------------


def zipped(files: Files, kind: int = zipfile.ZIP_STORED, **more: bytes) -> bytes:
    """Return an ordinary zip, of which ours are a strict subset."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        for name, data in [*sorted(files.items()), *more.items()]:
            archive.writestr(name, data)
    return buffer.getvalue()


@forgery
def zip_bomb(forger: Forger) -> Forged:
    bomb = {"artifacts/zeros": bytes(64 << 20)}
    return forger.hand_in(zipped({**forger.files(), **bomb}, zipfile.ZIP_DEFLATED))


@forgery
def zip_that_lies_about_sizes(forger: Forger) -> Forged:
    data = pack(forger.files())
    at = data.rindex(b"PK\x01\x02")
    return forger.hand_in(data[: at + 24] + (0xFFFFFFF0).to_bytes(4, "little") + data[at + 28 :])


@forgery
def path_traversal(forger: Forger) -> Forged:
    return forger.hand_in(zipped({**forger.files(), "../../outside": b"x"}))


@forgery
def absolute_path(forger: Forger) -> Forged:
    return forger.hand_in(zipped({**forger.files(), "/outside": b"x"}))


@forgery
def backslash_path(forger: Forger) -> Forged:
    return forger.hand_in(zipped({**forger.files(), "..\\outside": b"x"}))


@forgery
def file_twice_in_zip(forger: Forger) -> Forged:
    buffer = io.BytesIO(pack(forger.files()))
    with zipfile.ZipFile(buffer, "a") as archive:
        data = archive.read("manifest.json")
        archive.filelist[0].filename = archive.filelist[0].filename
        info = zipfile.ZipInfo("manifest.json", (1980, 1, 1, 0, 0, 0))
        del archive.NameToInfo["manifest.json"]
        archive.writestr(info, data)
    return forger.hand_in(buffer.getvalue())


@forgery
def bytes_after_the_zip(forger: Forger) -> Forged:
    return forger.hand_in(pack(forger.files()) + b"x")


@forgery
def bytes_before_the_zip(forger: Forger) -> Forged:
    return forger.hand_in(b"PK\x03\x04" + pack(forger.files()))


@forgery
def zip_with_a_comment(forger: Forger) -> Forged:
    buffer = io.BytesIO(pack(forger.files()))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = b"trust me"
    return forger.hand_in(buffer.getvalue())


@forgery
def cut_zip(forger: Forger) -> Forged:
    return forger.hand_in(pack(forger.files())[:-100])


@forgery
def symlink_in_a_folder(forger: Forger) -> Forged:
    folder = forger.folder / "dossier"
    for name, data in forger.files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "artifacts" / "link").symlink_to("/etc/hostname")
    return forger.hand_in(folder)


@forgery
def empty_file(forger: Forger) -> Forged:
    return forger.hand_in(b"")
