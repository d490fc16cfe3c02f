"""C2SP tlog-tiles: where each tile lies and what is in it.

Pure: paths and bytes. A tile holds 256 hashes of level 8*L; an entry bundle holds 256
entries, each with a big-endian uint16 length before it.
Source: c2sp.org/tlog-tiles@v0.1.0.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from govern.errors import MalformedError
from govern.transparency.tree import Tree

TILE_WIDTH = 256
ENTRY_BYTES_MAX = 65535


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Return ``tile/<level>/<index>[.p/<width>]``."""
    return f"tile/{level}/{_encode_index(index)}{_partial(width)}"


def entries_path(index: int, width: int = TILE_WIDTH) -> str:
    """Return ``tile/entries/<index>[.p/<width>]``."""
    return f"tile/entries/{_encode_index(index)}{_partial(width)}"


def bundle_path(index: int) -> str:
    """Return where the statement bundle of entry ``index`` lies: ``bundles/<index>…``.

    The directory scheme is that of tiles; the files are this product's own.
    """
    return f"bundles/{_encode_index(index)}.sigstore.json"


def _encode_index(index: int) -> str:
    parts = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        parts.append(f"x{index % 1000:03d}")
    return "/".join(reversed(parts))


def _partial(width: int) -> str:
    return "" if width == TILE_WIDTH else f".p/{width}"


def entry_bundle(entries: Sequence[bytes]) -> bytes:
    """Return the bytes of an entry bundle.

    Raises:
        MalformedError: an entry is longer than 65,535 bytes.
    """
    for entry in entries:
        if len(entry) > ENTRY_BYTES_MAX:
            raise MalformedError(f"log entry of {len(entry)} bytes is over {ENTRY_BYTES_MAX}")
    return b"".join(struct.pack(">H", len(entry)) + entry for entry in entries)


def parse_entry_bundle(data: bytes) -> list[bytes]:
    """Return the entries of a bundle.

    Raises:
        MalformedError: it is cut or holds more than 256 entries.
    """
    if uniform := _parse_uniform(data):
        return uniform
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise MalformedError("entry bundle is cut in a length")
        (length,) = struct.unpack_from(">H", data, at)
        if at + 2 + length > len(data):
            raise MalformedError("entry bundle is cut in an entry")
        entries.append(data[at + 2 : at + 2 + length])
        at += 2 + length
        if len(entries) > TILE_WIDTH:
            raise MalformedError("entry bundle holds more than 256 entries")
    return entries


def _parse_uniform(data: bytes) -> list[bytes]:
    """Return the entries of a bundle whose entries are all of one length; else nothing.

    A gate's leaves are; comparing the length bytes in two slices is four times as fast.
    """
    step = 2 + int.from_bytes(data[:2], "big")
    count, odd = divmod(len(data), step)
    if odd or not 0 < count <= TILE_WIDTH:
        return []
    if data[::step] != data[:1] * count or data[1::step] != data[1:2] * count:
        return []
    return list(struct.unpack(f"2x{step - 2}s" * count, data))


def tiles_after(tree: Tree, old_size: int) -> list[tuple[str, bytes]]:
    """Return the hash tiles that are new or have grown since ``old_size``.

    Returns:
        pairs of path and content, lowest level first; partial tiles carry ``.p/<width>``.
    """
    result: list[tuple[str, bytes]] = []
    level = 0
    while (count := tree.size >> (8 * level)) > 0:
        first = (old_size >> (8 * level)) // TILE_WIDTH
        if count > old_size >> (8 * level):
            for index in range(first, (count + TILE_WIDTH - 1) // TILE_WIDTH):
                width = min(TILE_WIDTH, count - index * TILE_WIDTH)
                result.append((tile_path(level, index, width), _tile(tree, level, index, width)))
        level += 1
    return result


def _tile(tree: Tree, level: int, index: int, width: int) -> bytes:
    start = index * TILE_WIDTH
    return b"".join(tree.hash_at(8 * level, start + at) for at in range(width))
