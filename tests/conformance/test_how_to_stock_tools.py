"""Every command of the page on stock tools works, in its order, with networking off."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from dossier_workshop import SERVICE, Workshop, prepare
from stock import HERE, ROOT, VENV, offline

from govern.services import auditing
from govern.services.exporting import admitted_layouts
from govern.transparency.canonical import canonical_json
from govern.transparency.digest import digest_of
from govern.transparency.signer import EcSigner
from govern.transparency.trust_file import next_version, root_entry, sign_trust

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
    (desk / "trust.json").write_bytes(two_of_three(shop))
    (desk / "node_modules").symlink_to(HERE / "node_modules")
    return desk


def two_of_three(shop: Workshop) -> bytes:
    """Return the trust file with a root of three keys, signed by the old root and two of them."""
    roots = [EcSigner(ec.generate_private_key(ec.SECP256R1())) for _ in range(3)]
    entry = root_entry([root.public_key() for root in roots], 2)
    value = next_version(shop.trust_bytes, now=shop.now, reason="three people hold the root")
    return sign_trust({**value, "root": entry}, [shop.keys.ec_key("root"), *roots[:2]])


def commands() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def test_every_command_of_the_page_works(regulator: Path) -> None:
    blocks = commands()
    assert len(blocks) == 9
    script = "\n".join(f"{block}\necho DONE {place}" for place, block in enumerate(blocks))
    done = offline("bash", "-c", f'set -euo pipefail\nPATH="{VENV}:$PATH"\n{script}', cwd=regulator)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("DONE") == len(blocks)
    assert "verified rosa@bank.example" in done.stdout
    assert "version 2: signed by 2 of 3 root keys" in done.stdout


def test_securesystemslib_refuses_a_trust_file_with_too_few_signatures(regulator: Path) -> None:
    trust = json.loads((regulator / "trust.json").read_bytes())
    block = next(block for block in commands() if "threshold.py" in block)

    def run(value: dict[str, Any]) -> int:
        desk = regulator.parent / "few"
        desk.mkdir(exist_ok=True)
        (desk / "trust.json").write_bytes(canonical_json(value))
        script = f'set -euo pipefail\nPATH="{VENV}:$PATH"\n{block}'
        return offline("bash", "-c", script, cwd=desk).returncode

    assert run(trust) == 0
    assert run({**trust, "signatures": trust["signatures"][:2]}) != 0  # the old root and one
    assert run({**trust, "reason": "another"}) != 0
