"""Every command of the page on stock tools works, in its order, with networking off."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from dossier_workshop import SERVICE, Workshop, prepare
from stock import HERE, ROOT, VENV, offline

from govern.services import auditing
from govern.services.exporting import admitted_layouts
from govern.transparency.digest import digest_of

pytestmark = pytest.mark.conformance
PAGE = ROOT / "docs" / "how_to" / "verify_with_stock_tools.md"


@dataclass
class Blobs:
    """Bytes by digest."""

    held: dict[str, bytes] = field(default_factory=dict)

    def get(self, digest: str) -> bytes:
        return self.held[digest]


@pytest.fixture(scope="module")
def regulator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dossier as the product gathers and seals it, and the trust file."""
    folder = tmp_path_factory.mktemp("regulator")
    shop = Workshop(folder / "shop")
    item = prepare(shop)
    from govern.policy.document import load_pack

    blobs = Blobs({digest_of(data): data for data in [*item.files.values(), *shop.data_files.values()]})
    files = auditing.gather(
        shop.recorder,
        lineage_log={},
        blobs=blobs,
        packs={load_pack(shop.pack).digest: shop.pack},
        gates=[],
        extra=admitted_layouts(shop.recorder, shop.keys.sign_layout),
        release=shop.keys.sign_release,
    )
    sealed = auditing.seal(shop.recorder, files, [], title="Test", signer=SERVICE)
    desk = folder / "desk"
    desk.mkdir()
    (desk / "dossier.zip").write_bytes(sealed)
    (desk / "trust.json").write_bytes(shop.trust_bytes)
    (desk / "node_modules").symlink_to(HERE / "node_modules")
    return desk


def commands() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def test_every_command_of_the_page_works(regulator: Path) -> None:
    blocks = commands()
    assert len(blocks) == 8
    script = "\n".join(f"{block}\necho DONE {place}" for place, block in enumerate(blocks))
    done = offline("bash", "-c", f'set -euo pipefail\nPATH="{VENV}:$PATH"\n{script}', cwd=regulator)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("DONE") == len(blocks)
    assert "verified rosa@bank.example" in done.stdout
