"""`govern admission pull` gives a model server the admitted bytes, and no others."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from govern.transparency.digest import digest_of, folder_digest
from serving_gate.model_host import load_folder
from tests.support.gate_lab import DEPLOYMENT, GateLab
from tests.support.home import govern, govern_here


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> GateLab:
    return GateLab(tmp_path_factory.mktemp("pull") / "home")


def pull(
    lab: GateLab, output: Path, wanted: str = DEPLOYMENT, source: Path | None = None,
    trust: Path | None = None, snapshot: str | None = None,
    run: Any = govern_here,
) -> subprocess.CompletedProcess[str]:
    return run(
        lab.home, "admission", "pull", wanted, "-o", str(output), "--snapshot", snapshot or str(lab.snapshot_path),
        "--trust", str(trust or lab.home / "trust.json"), "--source", str(source or lab.model_folder), "--json",
    )  # fmt: skip


@pytest.mark.parametrize("by_digest", [False, True], ids=["deployment", "digest"])
def test_the_admitted_model_is_copied_and_can_be_loaded(lab: GateLab, tmp_path: Path, by_digest: bool) -> None:
    lab.offer()
    done = pull(lab, tmp_path / "model", lab.digest if by_digest else DEPLOYMENT)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"] == lab.digest
    assert load_folder(tmp_path / "model", lab.digest) == lab.files
    again = pull(lab, tmp_path / "model", run=govern)
    assert (again.returncode, again.stderr.count("\n")) == (1, 1), "a folder that exists is not touched"


def test_other_bytes_are_refused_and_leave_nothing(lab: GateLab, tmp_path: Path) -> None:
    lab.offer()
    for name, change in {
        "changed": lambda folder: (folder / "model.json").write_text("{}"),
        "added": lambda folder: (folder / "extra.py").write_text("x"),
        "taken": lambda folder: (folder / "model.json").unlink(),
    }.items():
        source = tmp_path / name
        shutil.copytree(lab.model_folder, source)
        change(source)
        done = pull(lab, tmp_path / "out", source=source)
        assert done.returncode == 17, (name, done.stderr)
    linked = tmp_path / "linked"
    shutil.copytree(lab.model_folder, linked)
    (linked / "model.json").unlink()
    (linked / "model.json").symlink_to(lab.model_folder / "model.json")
    assert pull(lab, tmp_path / "out", source=linked).returncode not in (0, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["added", "changed", "linked", "taken"]


@pytest.mark.parametrize("status", ["suspended", "revoked"])
def test_what_may_not_serve_is_not_given(lab: GateLab, tmp_path: Path, status: str) -> None:
    lab.offer(status)
    assert pull(lab, tmp_path / "out").returncode == 15
    assert not (tmp_path / "out").exists()


def test_a_snapshot_that_is_stale_or_anothers_gives_nothing(lab: GateLab, tmp_path: Path) -> None:
    lab.offer(now=datetime.now(UTC) - timedelta(hours=3))
    assert pull(lab, tmp_path / "out").returncode == 15
    lab.snapshot_path.write_bytes(lab.forge("active"))
    assert pull(lab, tmp_path / "out").returncode in (11, 12)
    lab.offer()
    other = GateLab(tmp_path / "other")
    assert pull(lab, tmp_path / "out", trust=other.home / "trust.json").returncode in (11, 12)
    assert pull(lab, tmp_path / "out", "another-deployment").returncode == 1
    assert not (tmp_path / "out").exists()


class ControlPlane(BaseHTTPRequestHandler):
    """Serves one snapshot at its path, as the control plane does."""

    document = b""

    def do_GET(self) -> None:
        found = self.path == "/api/v1/snapshot"
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(self.document if found else b"no such page")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def control_plane(lab: GateLab) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), ControlPlane)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ControlPlane.document = lab.offer()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_snapshot_comes_from_a_control_plane(lab: GateLab, tmp_path: Path, control_plane: str) -> None:
    page = f"{control_plane}/api/v1/snapshot"
    done = pull(lab, tmp_path / "model", snapshot=page)
    assert done.returncode == 0, done.stderr
    assert load_folder(tmp_path / "model", lab.digest) == lab.files
    ControlPlane.document = lab.offer("revoked")
    assert pull(lab, tmp_path / "out", snapshot=page).returncode == 15
    ControlPlane.document = b"<html>a login page</html>"
    assert pull(lab, tmp_path / "out", snapshot=page).returncode == 10
    for address in (f"{control_plane}/elsewhere", "ftp://127.0.0.1/x"):
        done = pull(lab, tmp_path / "out", snapshot=address)
        assert done.returncode in (1, 2) and done.stderr.count("\n") == 1, (address, done.stderr)
    assert not (tmp_path / "out").exists()


def test_names_of_files_cannot_leave_the_folder(tmp_path: Path) -> None:
    from govern.adapters.artifact_copies import copy_exactly
    from govern.errors import InvalidRequestError

    for name in ("../x", "/x", "a/../../x", ""):
        digest = folder_digest([(name, digest_of(b"x"))])
        with pytest.raises(InvalidRequestError):
            copy_exactly({name: lambda: iter((b"x",))}, tmp_path / "out", digest)
    assert list(tmp_path.iterdir()) == []
