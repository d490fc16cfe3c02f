"""A whole review in a real browser with a passkey, to an admission; its talk; what is refused on the way."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from govern.errors import ConflictError, RefusedError
from tests.conformance.dossier_workshop import ADA, NADIA, PRIYA, ROSA, TOMAS
from tests.support.review_home import PASSWORD, ReviewHome

pytestmark = pytest.mark.browser
KEY = {
    "protocol": "ctap2", "transport": "usb", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


class Reviewer:
    """A person at a browser with a security key of their own."""

    def __init__(self, browser, address: str, email: str) -> None:
        self.address = address
        self.page = browser.new_context().new_page()
        self.page.set_default_timeout(8_000)
        self.go("/account")
        self.page.get_by_label("E-mail address").fill(email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(address + "/account")
        self.cdp = self.page.context.new_cdp_session(self.page)
        self.cdp.send("WebAuthn.enable")
        added = self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": KEY})
        self.key = added["authenticatorId"]

    def go(self, path: str) -> None:
        self.page.goto(self.address + path)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name).click()

    def said(self) -> str:
        return self.page.get_by_role("status").inner_text()

    def alert(self) -> str:
        found = self.page.locator("[role=alert]:not(:empty)")
        found.wait_for()
        return found.inner_text()

    def make_passkey(self) -> str:
        self.go("/account")
        self.page.locator("#passkey-name").fill("blue key")
        self.press("Make a passkey")
        self.page.get_by_text("Not enrolled yet").wait_for()
        return self.page.locator("#passkeys ~ ul code").first.inner_text()

    def prepare(self, request: str) -> None:
        self.go(f"/approvals/{request}")
        self.press("Approve")

    def credential(self) -> dict:
        (found,) = self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.key})["credentials"]
        return found


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> ReviewHome:
    return ReviewHome(tmp_path_factory.mktemp("review"))


@pytest.fixture(scope="module")
def address(bank: ReviewHome) -> Iterator[str]:
    with bank.portal() as found:
        yield found


def test_from_making_a_passkey_to_an_admission(bank: ReviewHome, address: str, browser, tmp_path: Path) -> None:
    item = bank.candidate("forest")
    request = bank.operations.request_approval(item.digest, PRIYA)
    rosa = Reviewer(browser, address, ROSA)
    key = rosa.make_passkey()
    bank.command("key", "enrol", ROSA, "--passkey", key[7:23])
    rosa.go("/account")
    assert "Enrolled" in rosa.page.inner_text("main")
    listed = bank.command("key", "list")
    assert [row["algorithm"] for row in listed if row["id"] == key] == ["passkey, ECDSA P-256"]

    rosa.prepare(request)
    shown = rosa.page.inner_text("main")
    assert "You approve forest 1, as rosa@bank.example." in shown and item.digest in shown
    rosa.cdp.send("WebAuthn.setUserVerified", {"authenticatorId": rosa.key, "isUserVerified": False})
    rosa.press("Sign with your passkey")
    assert "Nothing was signed" in rosa.alert()
    rosa.cdp.send("WebAuthn.setUserVerified", {"authenticatorId": rosa.key, "isUserVerified": True})
    rosa.press("Sign with your passkey")
    rosa.page.get_by_role("status").wait_for()
    assert rosa.said() == "Your vote is signed with your passkey and in the log."
    rosa.page.context.close()

    ada = Reviewer(browser, address, ADA)
    ada.go(f"/approvals/{request}")
    assert "Separation of duties: ada@bank.example is the candidate's author" in ada.page.inner_text("main")
    assert ada.page.get_by_role("button", name="Approve").count() == 0
    form = {"csrf": ada.page.locator("[name=csrf]").first.get_attribute("value"), "vote": "approve"}
    answer = ada.page.request.post(f"{address}/approvals/{request}/vote", form=form)
    assert answer.status == 403 and "separation of duties" in answer.text()
    ada.page.context.close()

    tomas = Reviewer(browser, address, TOMAS)
    tomas.prepare(request)
    tomas.page.context.close()
    priya = Reviewer(browser, address, PRIYA)
    priya.go(f"/candidates/{item.digest}")
    priya.page.get_by_label("Deployment").fill("mortgage-approval")
    priya.press("Admit")
    assert "Serving" in priya.page.inner_text("main")
    priya.page.context.close()

    votes = [one for one in bank.operations.recorder.about(item.digest) if one.signer == ROSA]
    done = bank.command("approval", "export", votes[0].digest, "-o", str(tmp_path / "vote"))
    checked = subprocess.run(["sh", "-c", done["verify"]], cwd=tmp_path / "vote", capture_output=True, text=True)
    assert checked.returncode == 0 and f"Good \"approval@govern\" signature for {ROSA}" in checked.stdout


def test_a_copied_passkey_is_betrayed_by_its_counter(bank: ReviewHome, address: str, browser) -> None:
    item = bank.candidate("tree")
    tomas = Reviewer(browser, address, TOMAS)
    bank.command("key", "enrol", TOMAS, "--passkey", tomas.make_passkey())
    copy = tomas.credential()
    tomas.prepare(bank.operations.request_approval(item.digest, PRIYA))
    tomas.press("Sign with your passkey")
    tomas.page.get_by_role("status").wait_for()
    bank.decide_again(item)
    where = {"authenticatorId": tomas.key}
    tomas.cdp.send("WebAuthn.removeCredential", {**where, "credentialId": copy["credentialId"]})
    tomas.cdp.send("WebAuthn.addCredential", {**where, "credential": copy})
    tomas.prepare(bank.operations.request_approval(item.digest, PRIYA))
    tomas.press("Sign with your passkey")
    tomas.page.get_by_text("it may have been copied").wait_for()
    tomas.page.context.close()


def test_talk_about_a_request_is_kept_and_does_what_it_says(bank: ReviewHome, address: str, browser) -> None:
    item = bank.candidate("oak")
    request = bank.operations.request_approval(item.digest, PRIYA)
    nadia = Reviewer(browser, address, NADIA)
    nadia.go(f"/approvals/{request}")
    main = nadia.page.locator("main")
    nadia.page.get_by_label("Write").fill("Away until Monday.")
    nadia.page.get_by_label("handing my review").check()
    assert ADA not in nadia.page.get_by_label("Hand over to").inner_text()
    nadia.page.get_by_label("Hand over to").select_option(ROSA)
    nadia.press("Send")
    assert "nadia@bank.example handed the review to rosa@bank.example" in main.inner_text()
    assert nadia.page.get_by_role("button", name="Approve").count() == 0
    with pytest.raises(RefusedError, match="takes no part"):
        bank.operations.approve(request, NADIA, "approve", "", [])
    with pytest.raises(RefusedError, match="separation of duties"):
        bank.operations.say(request, ROSA, "delegation", "you do it", ADA)
    nadia.page.context.close()
    bank.operations.say(request, ADA, "answer", "the split is by time")
    bank.operations.say(request, ROSA, "changes", "show the split")
    with pytest.raises(ConflictError, match="is changes"):
        bank.operations.approve(request, TOMAS, "approve", "", [])
    kept = bank.application.records.messages_for(request)
    assert [one.kind for one in kept] == ["delegation", "answer", "changes"]


def test_a_request_that_waited_too_long_expires(bank: ReviewHome) -> None:
    item = bank.candidate("elm")
    request = bank.operations.request_approval(item.digest, PRIYA)
    recorder = bank.operations.recorder
    present = recorder.clock
    try:
        recorder.clock = lambda: present() + timedelta(days=31)
        with pytest.raises(ConflictError, match="expired at"):
            bank.operations.prepare_vote(request, NADIA, "approve", "", [])
    finally:
        recorder.clock = present
    assert bank.application.records.request(request).state == "expired"
