"""Read a Hugging Face model folder: the card's front matter, ``config.json``, safetensors headers.

Nothing is fetched and no code of the folder runs: YAML is read by its safe loader, of safetensors
the header alone. What would run code if it were loaded elsewhere (pickles, ``auto_map``) is
named. The folder says what it was trained on by name and knows no bytes of it: those are gaps.
Sources: Hub documentation, "Model Cards"; safetensors, "Format".
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from govern.adapters.hashing import HashedFile, hash_folder
from govern.domain.source_run import Bytes, SourceRun
from govern.errors import InvalidRequestError, MalformedError
from govern.transparency.canonical import parse_json

CARD_BYTES_MAX = 1 << 20
CONFIG_BYTES_MAX = 4 << 20
HEADER_BYTES_MAX = 16 << 20
NAMES_MAX = 200
OPTIONS = frozenset(("name", "revision"))
RUNS_CODE = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".h5", ".py", ".msgpack")


def read(place: str, options: Mapping[str, str]) -> Sequence[SourceRun]:
    """Return what a folder says of how its model was made.

    Args:
        place: the folder; files, and no links into a cache.
        options: ``name`` of the model (the folder's unless said), ``revision`` of the hub.

    Raises:
        InvalidRequestError: no folder, a link in it, or an unknown option.
        MalformedError: a card, configuration or header cannot be read; it says which.
    """
    if set(options) - OPTIONS:
        raise InvalidRequestError(f"the source huggingface has the options {sorted(OPTIONS)}")
    folder = Path(place)
    hashed = hash_folder(folder)
    card, config = _front_matter(folder / "README.md"), _config(folder / "config.json")
    tensors = _tensors([file for file in hashed.files if file.name.endswith(".safetensors")])
    name = options.get("name") or folder.resolve().name
    files = tuple((file.name, file.digest) for file in hashed.files)
    data = tuple(Bytes(told, None, (), {}) for told in _names(card, "datasets"))
    base = _names(card, "base_model")
    gaps = _gaps(hashed.files, card, config, tensors, base)
    revision = options.get("revision")
    return [
        SourceRun(
            source="huggingface 1",
            level="declared",
            run_id=f"{name}@{revision}" if revision else hashed.digest,
            job=name,
            data=data,
            model=Bytes(name, hashed.digest, files, {}, str(folder)),
            reads=(*(item.name for item in data), *base),
            parameters={key: config[key] for key in _TOLD if key in config},
            environment={"card": _kept(card), "tensors": tensors, "base_model": list(base)},
            gaps=tuple(gaps),
        )
    ]


_TOLD = (
    "architectures", "model_type", "hidden_size", "num_hidden_layers", "num_attention_heads",
    "vocab_size", "torch_dtype", "dtype", "transformers_version", "problem_type", "num_labels",
)  # fmt: skip


def _front_matter(path: Path) -> Mapping[str, Any]:
    """Return the YAML between the first two ``---`` lines; empty where there is none."""
    text = _bytes(path, CARD_BYTES_MAX).decode("utf-8", "replace").replace("\r\n", "\n")
    if not text.startswith("---\n"):
        return {}
    head, mark, _ = text[4:].partition("\n---")
    if not mark:
        raise MalformedError("the front matter of README.md has no end")
    if "&" in head and "*" in head:
        raise MalformedError("the front matter of README.md uses anchors, which are not read")
    try:
        value = yaml.safe_load(head)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = str(error).splitlines()[0][:120]
        raise MalformedError(f"the front matter of README.md is no YAML: {said}") from None
    if not isinstance(value, dict | None):
        raise MalformedError("the front matter of README.md is no mapping")
    return value or {}


def _config(path: Path) -> Mapping[str, Any]:
    data = _bytes(path, CONFIG_BYTES_MAX)
    value = parse_json(data) if data else {}
    if not isinstance(value, dict):
        raise MalformedError("config.json is no object")
    return value


def _tensors(files: Sequence[HashedFile]) -> dict[str, Any]:
    """Return how many tensors and numbers the safetensors files hold, by type."""
    tensors = 0
    numbers: dict[str, int] = {}
    for file in files:
        for name, row in _header(file.path).items():
            if name == "__metadata__":
                continue
            if not isinstance(row, dict) or not isinstance(row.get("shape"), list):
                raise MalformedError(f"{file.name} has a header that is none of safetensors'")
            count = 1
            for size in row["shape"]:
                if not isinstance(size, int) or size < 0:
                    raise MalformedError(f"{file.name} has a tensor of no possible shape")
                count = min(count * size, 1 << 52)
            kind = str(row.get("dtype"))[:20]
            tensors, numbers[kind] = tensors + 1, numbers.get(kind, 0) + count
    return {"files": len(files), "tensors": tensors, "numbers": numbers}


def _header(path: Path) -> Mapping[str, Any]:
    with path.open("rb") as file:
        start = file.read(8)
        size = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 0 < size <= min(HEADER_BYTES_MAX, path.stat().st_size - 8):
            raise MalformedError(f"{path.name} is no safetensors file, or its header is too long")
        value = parse_json(file.read(size))
    if not isinstance(value, dict):
        raise MalformedError(f"{path.name} has a header that is none of safetensors'")
    return value


def _gaps(
    files: Sequence[HashedFile],
    card: Mapping[str, Any],
    config: Mapping[str, Any],
    tensors: Mapping[str, Any],
    base: Sequence[str],
) -> list[str]:
    gaps = [] if card else ["the folder has no model card with front matter"]
    if not _names(card, "datasets"):
        gaps.append("the card names no data set that the model was trained on")
    gaps += [f"the bytes of the base model {name} are not known" for name in base]
    if not config:
        gaps.append("the folder has no config.json")
    if not tensors["files"]:
        gaps.append("the folder has no safetensors file")
    odd = sorted(file.name for file in files if file.name.endswith(RUNS_CODE))
    if odd:
        gaps.append(f"{len(odd)} files can run code when loaded, such as {odd[0][:100]}")
    if "auto_map" in config:
        gaps.append("config.json asks for code of the folder's own (auto_map); it was not run")
    return gaps


def _names(card: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found = card.get(key)
    rows = found if isinstance(found, list) else [found] if isinstance(found, str) else []
    return tuple(dict.fromkeys(str(row)[:NAMES_MAX] for row in rows[:NAMES_MAX] if str(row)))


def _kept(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the lineage keeps of a card; its figures are the card's own claim."""
    found: dict[str, Any] = {}
    for key in ("license", "pipeline_tag", "library_name", "model_name"):
        if isinstance(card.get(key), str):
            found[key] = card[key][:NAMES_MAX]
    for key in ("language", "tags", "metrics"):
        names = _names(card, key)
        found |= {key: list(names)} if names else {}
    return found


def _bytes(path: Path, limit: int) -> bytes:
    if not path.is_file():
        return b""
    if path.stat().st_size > limit:
        raise MalformedError(f"{path.name} is larger than the limit of {limit} bytes")
    return path.read_bytes()
