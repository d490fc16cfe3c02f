"""Sign in through a real OpenID Connect provider (oidc-provider-mock) on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from oidc_provider_mock import User, run_server_in_thread

from govern.errors import InvalidRequestError
from govern.services.single_sign_on import Provider, read_provider
from govern.web.app import create_app
from govern.web.config import WebSettings
from tests.support import world

pytestmark = pytest.mark.functional
ORIGIN = "http://localhost"
GROUPS = {"model-risk": ["reviewer"], "platform-team": ["platform"], "admins": ["admin"]}


def user(name: str, groups: list[str], **more: object) -> User:
    claims = {"email": f"{name}@bank.example", "email_verified": True, "name": name.title(), "groups": groups}
    return User(sub=name, claims=claims | more)


USERS = [
    user("nina", ["model-risk", "unknown"]), user("paul", ["platform-team"]), user("mole", ["elsewhere"]),
    user("fake", ["model-risk"], email_verified=False), user("rosa", ["admins"]), user("both", ["admins", "model-risk"]),
]  # fmt: skip


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[object, world.FakeServices]]:
    home = tmp_path_factory.mktemp("home")
    services = world.build(home)
    with run_server_in_thread(user_claims=USERS, require_nonce=True) as server:
        issuer = f"http://localhost:{server.server_port}"
        provider = Provider(issuer, "govern", "secret", GROUPS, "Bank sign-on")
        settings = WebSettings(b"k" * 32, home, cookie_secure=False, origin=ORIGIN, provider=provider)
        yield create_app(services, settings), services
    services.records.close()


def arrive(portal, name: str, change=lambda address: address):
    """Go to the provider as a person and come back; return the portal's client and answer."""
    client = portal[0].test_client()
    away = client.get("/sign-in/provider")
    assert away.status_code == 302, away.text
    asked = away.headers["Location"]
    assert "code_challenge_method=S256" in asked and "nonce=" in asked and "state=" in asked
    back = httpx.post(asked, data={"sub": name}).headers["Location"]
    parts = urlsplit(change(back))
    return client, client.get(f"{parts.path}?{parts.query}")


def test_groups_give_roles_and_unknown_groups_none(portal) -> None:
    client, answer = arrive(portal, "nina")
    assert answer.status_code == 302 and answer.headers["Location"] == "/"
    assert "Nina" in client.get("/").text
    found = portal[1].records.person("nina@bank.example")
    assert found.roles == ("reviewer",) and found.password_hash is None
    assert "Continue with Bank sign-on" in portal[0].test_client().get("/sign-in").text


@pytest.mark.parametrize(
    ("name", "why"),
    [
        pytest.param("mole", "of your groups has a role here", id="no_known_group"),
        pytest.param("fake", "does not call your address verified", id="unverified_address"),
        pytest.param("rosa", "has a password here", id="take_over_of_a_local_account"),
        pytest.param("both", "an admin cannot approve", id="admin_and_reviewer_by_two_groups"),
    ],
)
def test_refused(portal, name: str, why: str) -> None:
    client, answer = arrive(portal, name)
    assert answer.status_code == 403 and why in answer.text
    assert client.get("/").status_code == 302
    if name == "rosa":
        assert portal[1].records.person("rosa@bank.example").roles == ("reviewer",)


def test_a_disabled_person_stays_out(portal) -> None:
    assert arrive(portal, "paul")[1].status_code == 302
    portal[1].records.put_person("paul@bank.example", name="Paul", roles=["platform"], disabled=True)
    assert "disabled" in arrive(portal, "paul")[1].text


def test_anothers_answer_or_a_second_use_is_refused(portal) -> None:
    swapped = arrive(portal, "nina", lambda address: address.replace("state=", "state=x"))[1]
    assert swapped.status_code == 403 and "did not let you in" in swapped.text
    kept: list[str] = []
    arrive(portal, "nina", lambda address: kept.append(address) or address)
    parts = urlsplit(kept[0])
    again = portal[0].test_client().get(f"{parts.path}?{parts.query}")
    assert again.status_code == 403


def test_without_a_provider_the_door_leads_nowhere(tmp_path) -> None:
    services = world.build(tmp_path)
    client = create_app(services, WebSettings(b"k" * 32, tmp_path, cookie_secure=False)).test_client()
    assert client.get("/sign-in/provider").status_code == 404
    services.records.close()


GOOD = {"issuer": "https://sso.bank.example", "client_id": "govern", "client_secret_file": "secret", "roles": GROUPS}


def test_the_file_is_read_with_its_secret_apart() -> None:
    found = read_provider(json.dumps(GOOD).encode(), lambda name: f"{name} text\n")
    assert found.client_secret == "secret text" and "secret text" not in repr(found)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"issuer": "http://sso.bank.example"}, "https://"),
        ({"roles": {"g": ["king"]}}, "unknown roles"),
        ({"roles": 3}, "cannot be read"),
        ({"client_secret": "inline"}, "may have"),
    ],
)
def test_a_wrong_file_is_one_sentence(change: dict[str, object], why: str) -> None:
    with pytest.raises(InvalidRequestError, match=why):
        read_provider(json.dumps(GOOD | change).encode(), lambda name: "s")
    with pytest.raises(InvalidRequestError, match="cannot be read"):
        read_provider(b"nonsense", lambda name: "s")
