"""axe-core finds nothing to complain about on any page (WCAG 2.2 A and AA, and best practices).

axe-core is Deque's checker (https://github.com/dequelabs/axe-core), installed by
``tests/conformance/setup.sh``. It runs through the debugging protocol, so the portal's
content security policy stays as it is.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
AXE = Path(__file__).parents[1] / "conformance" / "node_modules" / "axe-core" / "axe.min.js"
PAGES = (
    "/", "/candidates", "/approvals", "/deployments", "/log", "/packs", "/reports", "/people",
    "/account", "/notices",
)  # fmt: skip
READ = """
async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  return found.violations.map(v => v.id + ": " + v.nodes.map(n => n.target.join(" ")).slice(0, 3).join(", "));
}
"""


def violations(page) -> list[str]:
    page.evaluate(AXE.read_text("utf-8"))
    return page.evaluate(READ)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation_on_any_page(enter, portal, scheme: str) -> None:
    assert AXE.exists(), "axe-core is missing: run tests/conformance/setup.sh"
    page = enter("olga", color_scheme=scheme)
    page.goto(portal[0] + "/candidates")
    paths = [*PAGES, page.locator("main a[href^='/candidates/']").first.get_attribute("href")]
    page.goto(portal[0] + paths[-1])
    paths.append(page.locator("main a[href^='/statements/']").first.get_attribute("href"))
    bad = {}
    for path in paths:
        page.goto(portal[0] + path)
        if found := violations(page):
            bad[path] = found
    assert bad == {}


def test_axe_finds_no_violation_where_people_sign_in_and_vote(enter, portal, browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(portal[0] + "/sign-in")
    assert violations(page) == []
    context.close()
    page = enter("rosa")
    page.locator("main a[href^='/approvals/']").first.click()
    assert violations(page) == []


def test_every_page_is_under_100_kilobytes(enter, portal) -> None:
    page = enter("olga")
    page.goto(portal[0] + "/candidates")
    candidate = page.locator("main a[href^='/candidates/']").first.get_attribute("href")
    for path in (*PAGES, candidate):
        answer = page.request.get(portal[0] + path)
        assert answer.ok, path
        assert len(answer.body()) < 100_000, path

