"""Every page is linked from its index once, and every link leads somewhere."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
LINK = re.compile(r"\]\(([^)#:\s]+\.(?:md|json|py|ya?ml|svg|png))(?:#[^)]*)?\)")


def links(page: Path) -> list[Path]:
    found = LINK.findall(page.read_text("utf-8"))
    return [(page.parent / target).resolve() for target in found]


def test_every_link_leads_to_a_file() -> None:
    pages = [*DOCS.rglob("*.md"), DOCS.parent / "README.md"]
    broken = [(page.name, str(target)) for page in pages for target in links(page) if not target.exists()]
    assert broken == []


def test_each_page_stands_in_its_index_once() -> None:
    apart = (DOCS / "adr", DOCS / "specs" / "predicates")
    for index, folder in [(DOCS / "index.md", None), (apart[0] / "index.md", apart[0])]:
        counted = Counter(links(index))
        assert [page.name for page, count in counted.items() if count > 1] == []
        wanted = {
            page.resolve()
            for page in (folder or DOCS).rglob("*.md")
            if page != index and (folder or not any(one in page.parents for one in apart))
        }
        if folder is None:
            wanted |= {(apart[0] / "index.md").resolve(), (apart[1] / "README.md").resolve()}
        assert {page.name for page in wanted ^ set(counted)} == set()
