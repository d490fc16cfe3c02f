"""The portal in a real browser: a review from sign-in to a signed vote, with keyboard and names."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.browser


def test_a_review_from_the_queue_to_a_vote(enter, portal) -> None:
    page = enter("rosa")
    page.get_by_role("link", name="mortgage-randomised").click()
    page.get_by_role("link", name="evidence ").first.click()
    assert "it is noted there that you opened this" in page.inner_text("main")
    page.get_by_role("link", name="Back to the review").click()
    for place in range(page.locator("textarea[name^=answer-]").count()):
        page.fill(f"#answer-{place}", "weighed, and acceptable here")
    page.get_by_role("button", name="Approve").click()
    assert page.get_by_role("status").inner_text() == "Your vote is signed and in the log."
    vote = portal[1].calls[-1]
    assert vote[0] == "approve"
    assert len(vote[5]) == 1
    assert page.complaints == []


def test_the_author_is_told_why_she_cannot_approve(enter) -> None:
    page = enter("ada")
    page.get_by_role("link", name="mortgage-randomised").click()
    assert page.get_by_role("button", name="Approve").count() == 0
    barred = page.get_by_role("complementary").inner_text()
    assert "ada@bank.example" in barred
    assert "is the candidate's author" in barred


def test_platform_suspends_with_a_reason(enter, portal) -> None:
    page = enter("priya")
    page.get_by_role("link", name="Deployments").click()
    page.get_by_label("Reason").fill("drift in the approval rate")
    page.get_by_role("button", name="Suspend").click()
    page.get_by_role("status").wait_for()
    assert portal[1].calls[-1][0] == "suspend"
    assert portal[1].calls[-1][3] == "drift in the approval rate"


def test_the_report_downloads(enter) -> None:
    page = enter("olga")
    page.get_by_role("link", name="Reports").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="report.pdf").click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_a_small_phone_and_nothing_is_blocked(enter, portal, scheme) -> None:
    page = enter("olga", viewport={"width": 320, "height": 640}, color_scheme=scheme)
    page.goto(portal[0] + "/candidates")
    candidate = page.get_by_role("link", name="mortgage-logistic").get_attribute("href")
    for path in ("/", "/candidates", candidate, "/approvals", "/deployments", "/log", "/account"):
        page.goto(portal[0] + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
    assert page.complaints == []


def test_the_keyboard_reaches_the_content_first(enter) -> None:
    page = enter("olga")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_the_lineage_graph_uses_the_whole_column(enter, portal) -> None:
    page = enter("olga", viewport={"width": 1280, "height": 900})
    page.goto(portal[0] + "/candidates")
    page.get_by_role("link", name="mortgage-logistic").click()
    graph = page.get_by_role("region", name="Lineage graph").bounding_box()
    heading = page.get_by_role("heading", name="Lineage", exact=True).bounding_box()
    assert graph["width"] == pytest.approx(heading["width"], abs=1)
