"""A real Dask cluster under the recorder, and event files that bar who committed the code."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client, LocalCluster

from govern import recorder
from govern.errors import EvidenceError, RefusedError
from govern.services import tracing
from govern.verifier.dossier import verify_dossier
from tests.conformance.dossier_workshop import PRIYA, ROSA, TOMAS, Workshop
from tests.support.home import new_home
from tests.support.pages import follow

SHA = "a" * 40


def add(value: int) -> int:
    return value + 1


def fail() -> None:
    raise ZeroDivisionError


def test_the_graph_workers_and_failures_of_a_real_cluster_are_recorded(tmp_path: Path) -> None:
    graphs = []
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as cluster, Client(cluster) as client:
        for turn in range(2):
            with recorder.record("net", to=tmp_path) as run, run.dask(client):
                first = client.map(add, range(10 * turn, 10 * turn + 4))
                assert client.submit(sum, first).result() == 10 + 40 * turn
                with pytest.raises(ZeroDivisionError):
                    client.submit(fail, pure=False).result()
            graphs.append(json.loads((tmp_path / "run.json").read_text())["environment"]["dask"][0])
        assert [name for name in client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.plugins)) if "govern" in name] == []
    one, other = graphs
    assert one["graph"] == {"tasks": {"add": 4, "fail": 1, "sum": 1}, "edges": [["add", "sum", 4]]}
    assert one["failed"] == {"fail": 1} and len(one["workers"]) == 2 and one["workers_lost"] == 0
    assert one["graph_digest"] == other["graph_digest"]


def with_authors(monkeypatch: pytest.MonkeyPatch, *people: str) -> None:
    real = tracing.record_build

    def record_build(*arguments: Any, internal: dict[str, Any], **options: Any) -> Any:
        return real(*arguments, internal={**internal, "review": {"authors": list(people)}}, **options)

    monkeypatch.setattr(tracing, "record_build", record_build)


def test_who_committed_the_code_cannot_approve_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_authors(monkeypatch, ROSA, "github:nobody")
    shop = Workshop(tmp_path)
    shop.trace()
    item = shop.candidate("forest")
    shop.check(item)
    shop.decide(item)
    with pytest.raises(RefusedError) as refused:
        shop.vote(item, ROSA)
    assert refused.value.reasons == (f"separation of duties: {ROSA} committed the code that trained the model",)
    shop.record_vote(item, ROSA)
    shop.record_vote(item, TOMAS)
    shop.admit(item, by=PRIYA)
    with pytest.raises(EvidenceError, match="committed the code"):
        verify_dossier(shop.dossier([item]), shop.trust)


def test_every_command_of_the_dask_page_works(tmp_path: Path) -> None:
    new_home(tmp_path / "home").close()
    assert "training run dask-net" in follow("record_a_dask_run.md", tmp_path, tmp_path / "home", "train.py")
    assert json.loads((tmp_path / "out" / "run.json").read_text())["environment"]["dask"][0]["graph"]["tasks"] == {"part": 4}


def test_every_command_of_the_review_page_works(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    with recorder.record("loan-net", to=tmp_path / "out") as run:
        run.trained(LogisticRegression().fit(np.eye(4)[:, :2], [0, 1, 0, 1]), columns=["a", "b"])
    repository, pull = {"full_name": "bank/models"}, {"number": 1, "head": {"sha": SHA}, "user": {"login": "tim"}}
    review = {"state": "approved", "commit_id": SHA, "user": {"login": "rosa"}}
    (tmp_path / "push.json").write_text(json.dumps({"after": SHA, "repository": repository, "commits": [{"author": {"email": "tim@bank.example"}}]}))
    (tmp_path / "review.json").write_text(json.dumps({"pull_request": pull, "review": review, "repository": repository}))
    (tmp_path / "people.json").write_text(json.dumps({"rosa": "rosa@bank.example", "tim": "tim@bank.example"}))
    new_home(tmp_path / "home").close()
    said = follow("tie_a_code_review_to_a_model.md", tmp_path, tmp_path / "home")
    assert f"ran, and the events are about {SHA[:12]}" in " ".join(said.split())


def test_bad_event_files_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from govern.adapters.sources.ci_events import review_in
    from govern.errors import GovernError

    (tmp_path / "half.json").write_text('{"after": "aaa')
    (tmp_path / "people.json").write_text('["rosa"]')
    (tmp_path / "large.json").write_bytes(b" ")
    os.truncate(tmp_path / "large.json", 9 << 20)
    for events, people in ([["half.json"], None], [["none.json"], None], [["large.json"], None], [["half.json"], "people.json"], [["half.json"] * 21, None]):
        with pytest.raises(GovernError) as refused:
            review_in([tmp_path / name for name in events], people and tmp_path / people)
        assert len(str(refused.value).splitlines()) == 1


