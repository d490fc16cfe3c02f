"""Attacks on tokens, by name (RFC 8725 and what was found in libraries)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from govern.errors import MalformedError
from serving_gate.callers import Caller, Callers
from serving_gate.heads import read_request

ISSUER, AUDIENCE = "https://login.bank.example/", "govern-gate"
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
KEYS = {"r": ("RS256", RSA), "e": ("ES256", EC), "d": ("EdDSA", ED)}


def jwk(kid: str, key: Any, **more: Any) -> dict[str, Any]:
    maker = {"r": RSAAlgorithm, "e": ECAlgorithm, "d": OKPAlgorithm}[kid[0]]
    return {**maker.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", **more}


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    found = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "iat": now, "exp": now + 60, **changes}
    return {name: value for name, value in found.items() if value is not None}


def token(kid: str = "e", header: dict[str, Any] | None = None, **changes: Any) -> str:
    algorithm, key = KEYS[kid]
    return jwt.encode(claims(**changes), key, algorithm, {"kid": kid, **(header or {})})


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Callers]:
    def made(keys: list[dict[str, Any]] | None = None, **issuer: Any) -> Callers:
        found = [jwk(kid, key) for kid, (_, key) in KEYS.items()] if keys is None else keys
        (tmp_path / "jwks.json").write_text(json.dumps({"keys": found}))
        row = {"name": "bank", "issuer": ISSUER, "audience": AUDIENCE, "jwks_file": "jwks.json", **issuer}
        (tmp_path / "callers.json").write_text(json.dumps({"callers": [], "issuers": [row]}))
        callers = Callers.load(tmp_path / "callers.json")
        callers.refresh()
        return callers

    return made


def ask(callers: Callers, text: str | bytes) -> Caller | str:
    value = text.encode() if isinstance(text, str) else text
    head = read_request(b"POST / HTTP/1.1\r\nhost: g\r\nauthorization: Bearer " + value + b"\r\n\r\n")
    return callers.identify(head, b"")


def part(value: Any) -> bytes:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=")


@pytest.mark.parametrize("kid", list(KEYS))
def test_a_genuine_token_names_its_caller(make: Callable[..., Callers], kid: str) -> None:
    callers = make()
    assert ask(callers, token(kid)) == Caller("bank:ada", frozenset("*"))
    assert ask(callers, token(kid, aud=["other", AUDIENCE])) == Caller("bank:ada", frozenset("*"))


def test_alg_none_is_refused(make: Callable[..., Callers]) -> None:
    for name in ("none", "None", "NONE", "nOnE"):
        text = part({"alg": name, "typ": "JWT", "kid": "e"}) + b"." + part(claims()) + b"."
        assert isinstance(ask(make(), text), str)


def test_an_hmac_under_the_public_key_is_refused(make: Callable[..., Callers]) -> None:
    pem = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    document = json.dumps({"keys": [jwk("r", RSA)]}).encode()
    for secret in (pem, pem.strip(), document, b"", json.dumps(jwk("r", RSA)).encode()):
        text = part({"alg": "HS256", "kid": "r"}) + b"." + part(claims())
        signature = hmac.digest(secret, text, hashlib.sha256)
        assert ask(make(), text + b"." + part(signature)) == "the token's algorithm is not accepted"


def test_a_shared_secret_in_the_key_set_is_no_key(make: Callable[..., Callers]) -> None:
    oct_key = {"kty": "oct", "kid": "o", "alg": "HS256", "k": part(b"s" * 32).decode()}
    callers = make([oct_key])
    assert isinstance(ask(callers, jwt.encode(claims(), b"s" * 32, "HS256", {"kid": "o"})), str)
    assert callers.problem is not None


def test_a_key_of_another_type_than_the_algorithm_is_refused(make: Callable[..., Callers]) -> None:
    found = ask(make(), jwt.encode(claims(), RSA, "RS256", {"kid": "e"}))
    assert found == "the token's algorithm is not its key's"


def test_an_algorithm_outside_the_list_is_refused(make: Callable[..., Callers]) -> None:
    assert isinstance(ask(make(algorithms=["ES256"]), token("r")), str)
    for other in ("RS384", "RS512", "PS256"):
        assert isinstance(ask(make(), jwt.encode(claims(), RSA, other, {"kid": "r"})), str)


def test_a_key_inside_the_token_is_not_believed(make: Callable[..., Callers]) -> None:
    mine = ec.generate_private_key(ec.SECP256R1())
    for header in (
        {"jwk": jwk("e", mine)}, {"jku": "https://evil.example/jwks"}, {"x5u": "https://evil.example/c"},
        {"jwk": jwk("e", mine), "kid": "mine"}, {"kid": "../../dev/null"}, {"kid": "' OR 1=1"},
    ):  # fmt: skip
        text = jwt.encode(claims(), mine, "ES256", {"kid": "e", **header})
        assert isinstance(ask(make(), text), str), header


def test_critical_extensions_are_refused(make: Callable[..., Callers]) -> None:
    assert isinstance(ask(make(), token(header={"crit": ["x"], "x": "must"})), str)
    assert isinstance(ask(make(), token(header={"crit": ["b64"], "b64": True})), str)


@pytest.mark.parametrize("changes", [
    {"iss": "https://login.bank.example"}, {"iss": "https://evil.example/"}, {"iss": None},
    {"aud": "another"}, {"aud": []}, {"aud": None}, {"exp": None}, {"sub": None},
    {"exp": timedelta(seconds=-1)}, {"nbf": timedelta(seconds=60)}, {"iat": timedelta(seconds=60)},
    {"sub": ""}, {"sub": "a b"}, {"sub": "a" * 129}, {"sub": "\u0430da"},
    {"exp": "tomorrow"},
], ids=str)  # fmt: skip
def test_wrong_claims_are_refused(make: Callable[..., Callers], changes: dict[str, Any]) -> None:
    now = int(time.time())  # and not when the tests were collected
    made = {
        name: now + int(value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in changes.items()
    }
    text = part({"alg": "ES256", "kid": "e"}) + b"." + part(claims(**made))
    r, s = decode_dss_signature(EC.sign(text, ec.ECDSA(SHA256())))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert isinstance(ask(make(), text + b"." + part(signature)), str)


def test_changed_payloads_and_cut_signatures_are_refused(make: Callable[..., Callers]) -> None:
    head, body, signature = token().encode().split(b".")
    for text in (
        head + b"." + part(claims(sub="eve")) + b"." + signature,
        head + b"." + body + b".", head + b"." + body + b"." + signature[:-4],
        head + b"." + body + b"." + part(bytes(64)), b"..", b"a.b.c", head + b"..", b"." + body + b".",
        head + b"." + body + b"." + signature + b"=" * 3000 + b"x" * 6000,
    ):  # fmt: skip
        assert isinstance(ask(make(), text), str), text[:60]


def test_an_id_token_is_not_an_access_token(make: Callable[..., Callers]) -> None:
    callers = make(type="at+jwt")
    assert isinstance(ask(callers, token()), str)
    assert isinstance(ask(callers, token(header={"typ": "at+jwt"})), Caller)


def test_a_remembered_token_ends_to_the_second(make: Callable[..., Callers]) -> None:
    callers, end = make(), int(time.time()) + 2
    text = token(exp=end)
    assert isinstance(ask(callers, text), Caller)
    time.sleep(max(0.0, end - time.time()))
    assert ask(callers, text) == "the token does not verify: ExpiredSignatureError"


def test_a_key_taken_out_of_the_set_stops_counting(make: Callable[..., Callers], tmp_path: Path) -> None:
    callers, text = make(), token("r")
    assert isinstance(ask(callers, text), Caller)
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [jwk("e", EC)]}))
    callers.refresh()
    assert ask(callers, text) == "the token's key is not in the issuer's key set"


def test_a_key_set_that_cannot_be_read_changes_nothing(
    make: Callable[..., Callers], tmp_path: Path
) -> None:
    callers, text = make(), token()
    for junk in ("", "{", '{"keys": 5}', '{"keys": []' + " " * (2 << 20) + "x"):
        (tmp_path / "jwks.json").write_text(junk)
        callers.refresh()
        assert isinstance(ask(callers, text), Caller), junk[:20]


def test_deployments_are_those_that_both_sides_name(make: Callable[..., Callers]) -> None:
    callers = make(deployments=["a", "b"], deployments_claim="models")
    found = ask(callers, token(models=["b", "c", "*"]))
    assert isinstance(found, Caller)
    assert found.deployments == {"b"}
    nothing = ask(callers, token())
    assert isinstance(nothing, Caller)
    assert not nothing.may_use("a")
    everything = ask(make(deployments_claim="scope"), token(scope="a *"))
    assert isinstance(everything, Caller)
    assert everything.deployments == {"a"}


@pytest.mark.parametrize("issuer", [
    {"algorithms": ["HS256"]}, {"algorithms": ["none"]}, {"algorithms": []}, {"audience": ""},
    {"issuer": 5}, {"name": "A B"}, {"leeway_seconds": 1e9}, {"leeway_seconds": "x"},
    {"jwks_url": "http://login.bank.example/jwks", "jwks_file": None},
    {"jwks_url": "file:///etc/passwd", "jwks_file": None}, {"jwks_file": None},
    {"jwks_url": "https://login.bank.example/jwks"},
], ids=str)  # fmt: skip
def test_an_issuer_that_is_none_is_malformed(
    make: Callable[..., Callers], issuer: dict[str, Any]
) -> None:
    with pytest.raises(MalformedError):
        make(**issuer)


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_short_rsa_key_spoils_its_set(make: Callable[..., Callers]) -> None:
    weak = rsa.generate_private_key(65537, 1024)
    callers = make([jwk("r", weak)])
    assert callers.problem is not None
    assert isinstance(ask(callers, jwt.encode(claims(), weak, "RS256", {"kid": "r"})), str)
