"""The pipeline files that we give away: valid by the vendors' schemas, and their steps run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dossier_workshop import PACK, Story

from govern.adapters.evidence_files import write_evidence
from govern.domain.evidence_folder import make_folder
from govern.services.tracing import statements_about

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "docs" / "how_to" / "ci"


@pytest.mark.parametrize(
    ("file", "schema"),
    [("action.yml", "vendor.github-actions"), ("policy-change.yml", "vendor.github-workflows"),
     ("gitlab-ci.yml", "vendor.gitlab-ci")],
)
def test_the_vendor_schema_accepts_the_file(file: str, schema: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema,
         *(["--data-transform", "gitlab-ci"] if "gitlab" in schema else []), str(FILES / file)],
        capture_output=True, text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def place(story: Story, tmp_path: Path) -> Path:
    """A checkout with evidence, trust file, one pack, and `govern` on PATH."""
    shop, item = story.shop, story.first
    index = statements_about(shop.recorder, item.digest)
    write_evidence(tmp_path / "evidence", make_folder(item.digest, index.by_digest.values(), {}, shop.now))
    (tmp_path / "trust.json").write_bytes(shop.trust_bytes)
    (tmp_path / "policies" / "test-pack").mkdir(parents=True)
    (tmp_path / "policies" / "test-pack" / "policy.yaml").write_bytes(PACK)
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "govern"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m govern.cli.main "$@"\n')
    command.chmod(0o755)
    return tmp_path


def run(place: Path, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    environment["PATH"] = f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=place, env=environment, capture_output=True, text=True, timeout=60,
    )


def test_the_actions_step_decides_and_sets_its_outputs(place: Path) -> None:
    action = yaml.safe_load((FILES / "action.yml").read_text())
    (step,) = action["runs"]["steps"]
    given = {"evidence": "evidence", "trust": "trust.json", "policies": "policies", "sarif": "govern.sarif"}
    variables = {
        name: given[text.split("inputs.")[1].split()[0]] for name, text in step["env"].items()
    }
    outputs = place / "outputs"
    done = run(place, step["run"], GITHUB_OUTPUT=str(outputs), GITHUB_STEP_SUMMARY=str(place / "s.md"), **variables)
    assert done.returncode == 0, done.stderr
    named = {line.split("=")[0] for line in outputs.read_text().splitlines()}
    assert named == set(action["outputs"]) and (place / "govern.sarif").exists()


def test_the_gitlab_script_runs(place: Path) -> None:
    job = yaml.safe_load((FILES / "gitlab-ci.yml").read_text())["govern-ci"]
    for script in job["script"]:
        done = run(place, script, GOVERN_POLICIES="policies", **job["variables"])
        assert done.returncode == 0, done.stderr
    for name in (*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]):
        assert (place / name).exists(), name


def test_the_pre_commit_hook_names_what_pre_commit_needs_and_runs(place: Path) -> None:
    (hook,) = yaml.safe_load((FILES / "pre-commit-hooks.yaml").read_text())
    assert {"id", "name", "entry", "language"} <= set(hook) and hook["pass_filenames"] is False
    (place / "policies").rename(place / "mine")
    (place / "policies").symlink_to(ROOT / "policies")
    done = run(place, hook["entry"])
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_policy_workflow_comments_its_back_test(place: Path) -> None:
    who = "git -c user.name=t -c user.email=t@t -c commit.gpgsign=false"
    run(place, f"git init -q && git add policies && {who} commit -qm x")
    path = place / "policies" / "test-pack" / "policy.yaml"
    path.write_bytes(PACK.replace(b'verdict == "pass"', b'verdict == "fail"'))
    made = run(place, "govern policy decisions --from evidence --trust trust.json -o past.jsonl")
    assert made.returncode == 0, made.stderr
    steps = yaml.safe_load((FILES / "policy-change.yml").read_text())["jobs"]["back-test"]["steps"]
    summary = place / "summary.md"
    done = run(place, steps[-1]["run"], BASE="HEAD", GITHUB_STEP_SUMMARY=str(summary))
    assert done.returncode == 0, done.stderr
    assert "**test-pack/accurate**" in summary.read_text() and "| denied |" in summary.read_text()
