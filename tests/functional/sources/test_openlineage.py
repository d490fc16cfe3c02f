"""OpenLineage's own client, unchanged, tells a served govern of runs; they become signed lineage."""

from __future__ import annotations

import gzip
import json
import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import (
    InputDataset,
    Job,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
)
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    data_quality_metrics_input_dataset,
    dataset_version_dataset,
    output_statistics_output_dataset,
    parent_run,
    schema_dataset,
)
from openlineage.client.transport.http import HttpConfig, HttpTransport
from openlineage.client.uuid import generate_new_uuid
from werkzeug.serving import make_server

from govern.adapters.lineage_inbox import LineageInbox
from govern.adapters.sources.openlineage_inbox import receive, settle_inbox
from govern.cli.main import main
from govern.domain import predicates
from govern.domain.openlineage import EVENT_BYTES_MAX, identity, put_together, read_event
from govern.errors import MalformedError
from govern.services.pipelines import settle
from govern.web.app import create_app
from govern.web.config import WebSettings
from tests.support.home import ROOT, SERVICE, new_home
from tests.support.pages import block, follow

ETL = "etl@bank.example"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    home = tmp_path_factory.mktemp("served") / "home"
    application = new_home(home)
    application.records.put_person(ETL, name="ETL", roles=["author"])
    secrets = {
        scope: application.records.add_token(ETL, name=scope, scopes=[scope], days=1)[1]
        for scope in ("lineage", "write")
    }
    app = create_app(application.operations, WebSettings(b"k" * 32, home, cookie_secure=False))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    yield SimpleNamespace(home=home, application=application, url=url, secrets=secrets)
    server.shutdown()
    thread.join(10)
    application.close()


def client(served: SimpleNamespace, **options: Any) -> OpenLineageClient:
    given = {"url": served.url, "auth": {"type": "api_key", "apiKey": served.secrets["lineage"]}, **options}
    return OpenLineageClient(transport=HttpTransport(HttpConfig.from_dict(given)))


def signed(served: SimpleNamespace, grace: float = 0) -> list[Any]:
    application = served.application
    found = settle_inbox(
        LineageInbox(served.home), application.operations.recorder, application.blobs,
        signer=SERVICE, grace=timedelta(seconds=grace),
    )  # fmt: skip
    return [item.statement.predicate for item in found.made]


def event(state: RunState, run_id: str, *, job: str = "load", at: datetime | None = None, **sides: Any) -> RunEvent:
    moment = (at or datetime.now(UTC)).isoformat()
    return RunEvent(eventType=state, eventTime=moment, run=Run(run_id), job=Job("bank", job), producer="https://bank.example/etl", **sides)


def loaded() -> OutputDataset:
    fields = [schema_dataset.SchemaDatasetFacetFields("income", "double")]
    source = column_lineage_dataset.InputField("db", "people", "salary")
    column = column_lineage_dataset.Fields(inputFields=[source])
    return OutputDataset("file", "/data/loans", facets={
        "schema": schema_dataset.SchemaDatasetFacet(fields=fields),
        "version": dataset_version_dataset.DatasetVersionDatasetFacet("7"),
        "columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(fields={"income": column}),
    }, outputFacets={"outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=300, size=9)})  # fmt: skip


def people() -> InputDataset:
    quality = data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet(columnMetrics={}, rowCount=310)
    return InputDataset("db", "people", inputFacets={"dataQualityMetrics": quality})


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_what_the_standard_client_sends_becomes_signed_lineage(
    compression: str | None, served: SimpleNamespace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = client(served, **({"compression": compression} if compression else {}))
    first, second = str(generate_new_uuid()), str(generate_new_uuid())
    parent = {"parent": parent_run.ParentRunFacet(run=parent_run.Run(str(generate_new_uuid())), job=parent_run.Job("bank", "nightly"))}
    sender.emit(event(RunState.START, first, inputs=[people()]))
    sender.emit(RunEvent(eventType=RunState.COMPLETE, eventTime=datetime.now(UTC).isoformat(), run=Run(first, facets=parent),
                         job=Job("bank", "load"), producer="https://bank.example/etl", outputs=[loaded()]))
    reader = InputDataset("file", "/data/loans", facets={"version": dataset_version_dataset.DatasetVersionDatasetFacet("7")})
    sender.emit(event(RunState.COMPLETE, second, job="features", inputs=[reader]))
    found = {row["job"]: row for row in signed(served)}
    load = found["bank/load"]
    assert load["state"] == "COMPLETE" and load["marks"] == [] and load["source"]["senders"] == [ETL]
    (output,) = load["outputs"]
    assert output["facets"]["schema"]["fields"][0]["name"] == "income" and output["version"] == "7"
    assert output["facets"]["columnLineage"]["fields"]["income"]["inputFields"][0]["field"] == "salary"
    assert output["facets"]["outputStatistics"]["rowCount"] == 300
    assert load["inputs"][0]["facets"]["dataQualityMetrics"]["rowCount"] == 310
    assert load["facets"]["parent"]["job"]["name"] == "nightly"
    assert "it read db people, of which it tells neither bytes nor version" in load["gaps"]
    monkeypatch.setenv("GOVERN_HOME", str(served.home))
    capsys.readouterr()
    assert main(["lineage", "show", "bank/features"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "pipeline run bank/load" in said and "tells its version but not its bytes" in said


def test_replayed_and_out_of_order_events_sign_a_run_once(served: SimpleNamespace) -> None:
    sender, run_id = client(served), str(generate_new_uuid())
    start = datetime.now(UTC) - timedelta(seconds=5)
    events = [event(RunState.START, run_id, at=start, inputs=[people()]), event(RunState.RUNNING, run_id, at=start + timedelta(seconds=1)),
              event(RunState.COMPLETE, run_id, at=start + timedelta(seconds=2), outputs=[loaded()])]
    for one in (events[2], events[0], events[2], events[1], events[0]):
        sender.emit(one)
    (found,) = signed(served)
    assert [row["type"] for row in found["events"]] == ["START", "RUNNING", "COMPLETE"]
    for one in events:
        sender.emit(one)
    assert signed(served) == []
    sender.emit(event(RunState.FAIL, run_id, at=start + timedelta(seconds=3)))
    (late,) = signed(served)
    assert late["state"] == "FAIL" and late["amends"].startswith("sha256:")
    assert late["marks"] == ["further events came after the run had been signed"]


def test_a_run_that_goes_on_waits_and_one_that_ended_waits_for_stragglers(served: SimpleNamespace) -> None:
    sender, run_id = client(served), str(generate_new_uuid())
    sender.emit(event(RunState.START, run_id))
    assert signed(served) == []
    sender.emit(event(RunState.COMPLETE, run_id))
    assert signed(served, grace=60) == []
    assert [row["run_id"] for row in signed(served)] == [run_id]


def post(served: SimpleNamespace, data: bytes, scope: str | None = "lineage", **headers: str) -> requests.Response:
    given = {"Content-Type": "application/json", **headers}
    if scope is not None:
        given["Authorization"] = f"Bearer {served.secrets.get(scope, scope)}"
    return requests.post(f"{served.url}/api/v1/lineage", data=data, headers=given, timeout=20)


def plain(run_id: str = "0191c0de-0000-7000-8000-000000000001", **changes: Any) -> dict[str, Any]:
    return {"eventType": "COMPLETE", "eventTime": "2026-11-25T12:00:00Z", "run": {"runId": run_id}, "job": {"namespace": "n", "name": "j"}, "inputs": [], "outputs": [], **changes}


def test_forged_tokens_are_refused_and_nothing_is_kept(served: SimpleNamespace) -> None:
    before = LineageInbox(served.home).is_empty()
    data = json.dumps(plain()).encode()
    assert [post(served, data, scope).status_code for scope in (None, "forged", "write")] == [401, 401, 403]
    assert LineageInbox(served.home).is_empty() == before


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"7", b'{"run": 1}', json.dumps(plain())[:-9].encode(), b"[" * 9000, b'{"a": NaN}', b"\xff\xfe"]
    + [json.dumps(plain(**changes)).encode() for changes in (
        {"run": {"runId": "seven"}}, {"eventType": "DONE"}, {"eventTime": "yesterday"}, {"eventTime": "2026-13-45T99:00:00Z"}, {"eventTime": "0001-01-01T00:00:00+23:00"},
        {"job": {}}, {"job": {"namespace": "n", "name": ""}}, {"inputs": {}}, {"inputs": [7]}, {"outputs": [{"namespace": "n"}]},
        {"inputs": [{"namespace": "n", "name": "d"}] * 1001}, {"outputs": [{"namespace": "n", "name": "d", "facets": {"govern_content": {"digest": "x"}}}]},
        {"inputs": [{"namespace": "n", "name": "d", "facets": []}]},
    )],
)  # fmt: skip
def test_half_written_and_malformed_events_are_a_sentence(data: bytes, served: SimpleNamespace) -> None:
    answer = post(served, data)
    assert answer.status_code == 400 and answer.headers["Content-Type"] == "application/problem+json"
    assert 0 < len(answer.json()["detail"]) < 300


def test_oversized_events_and_zip_bombs_are_refused(served: SimpleNamespace) -> None:
    assert post(served, b'{"a": "' + b"x" * EVENT_BYTES_MAX + b'"}').status_code == 413
    bomb = gzip.compress(b" " * (64 << 20))
    assert len(bomb) < EVENT_BYTES_MAX
    assert post(served, bomb, **{"Content-Encoding": "gzip"}).status_code == 400
    assert post(served, bomb[:-9], **{"Content-Encoding": "gzip"}).status_code == 400
    half = gzip.compress(json.dumps(plain()).encode())[:-9]
    assert "ends too early" in post(served, half, **{"Content-Encoding": "gzip"}).json()["detail"]
    assert post(served, b"{}", **{"Content-Encoding": "br"}).status_code == 400


def test_events_about_no_run_are_taken_and_not_kept(served: SimpleNamespace) -> None:
    answer = post(served, json.dumps({"eventTime": "2026-11-25T12:00:00Z", "dataset": {"namespace": "n", "name": "d"}}).encode())
    assert (answer.status_code, answer.json()["kept"]) == (200, False)


def read(value: dict[str, Any], at: datetime = NOW, sender: str = ETL) -> Any:
    return read_event(value, received_at=at, sender=sender)


def test_a_renamed_run_two_ends_two_senders_and_clocks_apart_are_marked() -> None:
    run = put_together([
        read(plain(eventType="START", eventTime="2026-11-25T07:00:00+00:00")),
        read(plain(job={"namespace": "n", "name": "k"})),
        read(plain(eventType="FAIL", job={"namespace": "n", "name": "k"}), sender="other@bank.example"),
    ])  # fmt: skip
    marks = run.predicate["marks"]
    assert "the run was renamed: n/j then n/k" in marks
    assert any("ended more than once" in mark for mark in marks) and "different senders told of the same run" in marks
    assert any("5:00:00 before it was received" in mark for mark in marks)


def test_order_and_repetition_change_nothing() -> None:
    events = [read(plain(eventType=kind, eventTime=f"2026-11-25T12:00:{at:02}Z", inputs=[{"namespace": "n", "name": f"d{at % 3}"}])) for at, kind in enumerate(["START", *["RUNNING"] * 8, "COMPLETE"])]
    expected = put_together(events)
    for seed in range(10):
        mixed = events * 2
        random.Random(seed).shuffle(mixed)
        assert put_together(mixed) == expected


def test_an_input_asks_by_the_most_exact_name_that_is_known() -> None:
    digest = "sha256:" + "a" * 64
    named = {"namespace": "n", "name": "d"}
    versioned = {**named, "facets": {"version": {"datasetVersion": "3"}}}
    exact = {**named, "facets": {**versioned["facets"], "govern_content": {"digest": digest}}}
    subjects = [digest for _, digest in put_together([read(plain(outputs=[exact]))]).subjects[2:]]
    assert subjects == [digest, identity("n", "d", "3"), identity("n", "d")]
    run = put_together([read(plain(outputs=[exact]))])
    assert run.predicate["gaps"] == []
    from govern.domain.openlineage import asks

    for given, expected in zip((named, versioned, exact), (subjects[2], subjects[1], subjects[0]), strict=True):
        (row,) = put_together([read(plain(inputs=[given]))]).predicate["inputs"]
        assert asks(row) == expected


def test_facets_too_long_to_sign_are_left_out_by_name() -> None:
    long = [{"namespace": "n", "name": f"d{at}", "facets": {"schema": {"fields": [{"name": "x" * 900}] * 900}}} for at in range(8)]
    run = put_together([read(plain(outputs=long))])
    assert "facets were left out" in run.predicate["marks"][-1]
    assert run.predicate["outputs"][0]["other"] == ["schema"] and run.predicate["outputs"][0]["facets"] == {}


def test_a_run_that_never_ends_is_signed_as_such_after_a_day(tmp_path: Path) -> None:
    application = new_home(tmp_path / "home")
    recorder = application.operations.recorder
    options = {"signer": SERVICE, "keep": application.blobs.put}
    events = [read(plain(eventType="START"))]
    assert settle(recorder, events, now=NOW + timedelta(hours=23), **options).waiting == tuple(events)
    (made,) = settle(recorder, events, now=NOW + timedelta(hours=25), **options).made
    assert made.statement.predicate["state"] == "RUNNING"
    assert "the run never said that it ended" in made.statement.predicate["gaps"]
    application.close()


def test_a_cut_line_loses_itself_alone_and_an_error_loses_nothing(tmp_path: Path) -> None:
    inbox = LineageInbox(tmp_path)
    receive(inbox, json.dumps(plain()).encode(), sender=ETL, now=NOW)
    with (inbox.folder / "open.jsonl").open("ab") as file:
        file.write(b'{"received_at": "2026')
    receive(inbox, json.dumps(plain(eventType="START")).encode(), sender=ETL, now=NOW)
    with pytest.raises(RuntimeError), inbox.take() as taken:
        assert (len(taken.lines), taken.torn) == (2, 1)
        raise RuntimeError("the disk is full")
    with inbox.take() as again:
        assert len(again.lines) == 2
    assert inbox.is_empty()


def test_a_full_inbox_refuses_and_keeps_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from govern.adapters import lineage_inbox
    from govern.errors import StorageError

    inbox, data = LineageInbox(tmp_path), json.dumps(plain()).encode()
    receive(inbox, data, sender=ETL, now=NOW)
    with inbox.take() as taken:
        taken.keep = taken.lines
    monkeypatch.setattr(lineage_inbox, "INBOX_BYTES_MAX", inbox.size() + len(data))
    with pytest.raises(StorageError, match="govern lineage settle"):
        receive(inbox, data, sender=ETL, now=NOW)
    with inbox.take() as taken:
        assert len(taken.lines) == 1


def test_many_senders_at_once_lose_no_event(tmp_path: Path) -> None:
    inbox = LineageInbox(tmp_path)

    def send(at: int) -> None:
        for turn in range(25):
            receive(inbox, json.dumps(plain(f"0191c0de-0000-7000-8000-{at:06}{turn:06}")).encode(), sender=ETL, now=NOW)

    threads = [threading.Thread(target=send, args=(at,)) for at in range(8)]
    for thread in threads:
        thread.start()
    seen: list[Any] = []
    while any(thread.is_alive() for thread in threads):
        with inbox.take() as taken:
            seen += taken.lines
    with inbox.take() as taken:
        seen += taken.lines
    assert len({line["event"]["run"]["runId"] for line in seen}) == 200


def test_recorded_runs_hold_to_their_schema(served: SimpleNamespace) -> None:
    import jsonschema

    schema = json.loads((ROOT / "docs" / "specs" / "predicates" / "pipeline-run.schema.json").read_text())
    found = served.application.operations.recorder.all(predicates.PIPELINE_RUN)
    assert found
    for item in found:
        jsonschema.validate(dict(item.statement.predicate), schema)
        record = served.application.blobs.get(item.statement.subject)
        assert len(json.loads(record)) == len(item.statement.predicate["events"])


def test_every_command_of_the_page_works(served: SimpleNamespace, tmp_path: Path) -> None:
    settings = block("send_openlineage_events.md", "yaml").replace("http://localhost:8080", served.url)
    (tmp_path / "openlineage.yml").write_text(settings.replace("TOKEN", served.secrets["lineage"]))
    said = follow("send_openlineage_events.md", tmp_path, served.home, "job.py")
    assert "pipeline run warehouse/load_loans" in said


def test_a_malformed_line_in_a_file_of_events_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MalformedError):
        receive(LineageInbox(tmp_path), b"{}", sender=ETL, now=NOW)
    assert LineageInbox(tmp_path).is_empty()
