"""Canonical JSON (RFC 8785) and a strict reader.

The reader refuses what two readers could understand differently: duplicate keys, NaN,
infinities, deep nesting, and anything but UTF-8.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from govern.errors import MalformedError

BYTES_MAX = 16 << 20
DEPTH_MAX = 64
_SAFE_INTEGER = 2**53 - 1
_BRACKETS = re.compile(r"[\[\]{}]")


def canonical_json(value: Any) -> bytes:
    """Serialise ``value`` by RFC 8785 (JSON Canonicalization Scheme).

    Raises:
        MalformedError: a NaN, an infinity, an integer beyond 2^53-1 or a non-JSON type.
    """
    parts: list[str] = []
    _write(value, parts)
    try:
        return "".join(parts).encode()
    except UnicodeEncodeError:
        raise MalformedError("a text holds a lone surrogate; it cannot be written") from None


def _write(value: Any, out: list[str]) -> None:
    if value is None or value is True or value is False:
        out.append({None: "null", True: "true", False: "false"}[value])
    elif isinstance(value, str):
        out.append(json.dumps(value, ensure_ascii=False))
    elif isinstance(value, int):
        if abs(value) > _SAFE_INTEGER:
            raise MalformedError(f"integer {value} is beyond 2^53-1; write it as text")
        out.append(str(int(value)))
    elif isinstance(value, float):
        out.append(_number(value))
    elif isinstance(value, dict):
        _write_object(value, out)
    elif isinstance(value, (list, tuple)):
        _write_array(value, out)
    else:
        raise MalformedError(f"{type(value).__name__} is not a JSON type")


def _write_object(value: dict[Any, Any], out: list[str]) -> None:
    for key in value:
        if not isinstance(key, str):
            raise MalformedError(f"object key {key!r} is not text")
    out.append("{")
    ordered = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
    for position, key in enumerate(ordered):
        out.append("," if position else "")
        out.append(json.dumps(key, ensure_ascii=False) + ":")
        _write(value[key], out)
    out.append("}")


def _write_array(value: list[Any] | tuple[Any, ...], out: list[str]) -> None:
    out.append("[")
    for position, item in enumerate(value):
        out.append("," if position else "")
        _write(item, out)
    out.append("]")


def _number(value: float) -> str:
    """Print a double as ECMAScript does (RFC 8785 section 3.2.2.3)."""
    if math.isnan(value) or math.isinf(value):
        raise MalformedError("NaN and infinities are not JSON")
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{float(value)!r}".partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0") or "0"
    return sign + _place_point(digits, point)


def _place_point(digits: str, point: int) -> str:
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    exponent = f"e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return digits[0] + (f".{digits[1:]}" if count > 1 else "") + exponent


def parse_json(data: bytes, *, bytes_max: int = BYTES_MAX, depth_max: int = DEPTH_MAX) -> Any:
    """Read JSON strictly.

    Args:
        data: UTF-8 bytes.
        bytes_max: largest input, bytes.
        depth_max: deepest nesting of objects and arrays.

    Raises:
        MalformedError: too large, too deep, not UTF-8, not JSON, duplicate keys, or NaN.
    """
    if len(data) > bytes_max:
        raise MalformedError(f"JSON of {len(data)} bytes is over the limit of {bytes_max}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedError("JSON is not UTF-8") from None
    _check_depth(text, depth_max)
    try:
        return json.loads(
            text,
            object_pairs_hook=_no_duplicates,
            parse_constant=_refuse,
            parse_float=_float,
            parse_int=_integer,
        )
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"not JSON: {str(error)[:120]}") from None


def _check_depth(text: str, depth_max: int) -> None:
    """Count brackets outside strings; linear, and without a loop over every character."""
    if text.count("[") + text.count("{") <= depth_max:
        return
    depth = 0
    unescaped = text.replace("\\\\", "").replace('\\"', "")
    outside = "".join(unescaped.split('"')[::2])
    for bracket in _BRACKETS.findall(outside):
        depth += 1 if bracket in "[{" else -1
        if depth > depth_max:
            raise MalformedError(f"JSON is nested deeper than {depth_max}")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise MalformedError(f"duplicate key {twice[:80]!r}")
    return result


def _refuse(name: str) -> Any:
    raise MalformedError(f"{name} is not JSON")


def _integer(text: str) -> int | float:
    """Read an integer; beyond 2^53-1 it is a double, as in ECMAScript."""
    if len(text) <= 15:
        return int(text)
    value = _float(text)
    return int(text) if abs(value) <= _SAFE_INTEGER else value


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise MalformedError(f"number {text[:40]} is beyond a double")
    return value
