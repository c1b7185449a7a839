"""The commands over the in-process service: what they print, and how they end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from runyard.cli import outcome
from runyard.cli.main import app
from runyard.dispatch.wakes import BURIED, SUBMISSIONS
from runyard.errors import AuthError, StorageFullError, TransientError
from runyard.ports import LogChunk
from runyard.sdk.client import Client
from tests.fakes import snapshot
from tests.served import Served, client_over, serving
from tests.unit.test_api_runs import DETAILS, metrics

LOG = "azureml-logs/70_driver_log.txt"
Invoke = Callable[..., Any]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Served]:
    monkeypatch.setenv("RUNYARD_ROOT", str(tmp_path / "root"))
    monkeypatch.delenv("RUNYARD_DEBUG", raising=False)
    with serving() as made:
        monkeypatch.setattr(Client, "connect", lambda *_, **__: client_over(made))
        yield made


@pytest.fixture
def cli(served: Served) -> Invoke:
    def invoke(*args: str, code: int = 0, stdin: bytes | None = None) -> Any:
        result = CliRunner().invoke(app, [*args], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return invoke


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory to submit."""
    folder = tmp_path / "My Project!"
    (folder / "aml_config").mkdir(parents=True)
    (folder / "train.py").write_text("print('hello')\n")
    config = {"script": "train.py", "environment": {"python": {"userManagedDependencies": True}}}
    (folder / "aml_config" / "local.runconfig").write_text(json.dumps(config))
    return folder


def test_submit_packs_a_directory_and_prints_the_id_alone(cli: Invoke, served: Served, project: Path) -> None:
    result = cli("submit", str(project), "--arg=--alpha=0.5", "--tag", "stage=one")
    run_id = result.stdout.strip()
    assert run_id.startswith("My-Project_")
    assert "runyard up" in result.stderr
    served.settle()
    run = served.house.only()
    assert run.spec is not None
    assert (run.id, run.spec.arguments, run.tags) == (run_id, ("--alpha=0.5",), {"stage": "one"})
    assert run.origin.name.startswith("cli:") or run.origin.name == "test"


def test_submit_takes_a_zip_or_a_reference(cli: Invoke, served: Served, tmp_path: Path) -> None:
    zipped = tmp_path / "ready.zip"
    zipped.write_bytes(snapshot())
    first = json.loads(cli("submit", str(zipped), "--json").stdout)
    assert set(first) == DETAILS
    assert first["experiment"] == "ready"
    stored = served.house.ports.blobs.list("uploads")[0]
    cli("submit", f"uploads/{stored.name}", "--experiment", "again")
    cli("submit", "uploads/none.zip", "--experiment", "again", code=outcome.NOT_FOUND)
    missing = cli("submit", "./nothing-here", code=outcome.FAILED)
    assert "there is no directory or zip" in missing.stderr


def test_the_same_key_submits_once(cli: Invoke, project: Path) -> None:
    first = cli("submit", str(project), "--key", "k").stdout
    again = cli("submit", str(project), "--key", "k")
    assert again.stdout == first
    assert "the key found a run that exists" in again.stderr


def test_an_empty_directory_is_refused_in_one_sentence(cli: Invoke, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = cli("submit", str(tmp_path / "empty"), code=outcome.FAILED)
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Traceback" not in result.output


def test_runs_are_listed_as_a_table_and_as_json(cli: Invoke, served: Served) -> None:
    served.ended("first")
    served.running("second")
    table = cli("runs").stdout
    assert table.splitlines()[0].split() == ["RUN", "STATUS", "AGE", "TIME", "TARGET"]
    assert table.index("second_") < table.index("first_")
    assert "\x1b" not in table
    page = json.loads(cli("runs", "--status", "running", "--json").stdout)
    assert [run["experiment"] for run in page["runs"]] == ["second"]
    assert DETAILS - {"runDefinition", "logFiles", "queuePosition", "mayStillRun", "traceId"} == set(page["runs"][0])
    assert "no such runs" in cli("runs", "--experiment", "none").stderr


def test_pages_go_on_where_the_last_one_ended(cli: Invoke, served: Served) -> None:
    for number in range(5):
        served.submit(f"e{number}")
        served.house.clock.advance(1)
    first = json.loads(cli("runs", "--limit", "2", "--json").stdout)
    assert f"--after {first['next']}" in cli("runs", "--limit", "2").stderr
    second = json.loads(cli("runs", "--limit", "2", "--after", first["next"], "--json").stdout)
    assert [run["experiment"] for run in first["runs"] + second["runs"]] == ["e4", "e3", "e2", "e1"]
    assert len(json.loads(cli("runs", "--all", "--json").stdout)["runs"]) == 5
    cli("runs", "--all", "--sort", "mse", code=outcome.USAGE)


def test_show_tells_what_a_run_is_and_why(cli: Invoke, served: Served) -> None:
    run = served.ended(code=2)
    text = cli("show", "latest").stdout
    assert "Failed" in text
    assert "exited with code 2" in text
    assert set(json.loads(cli("show", run.id, "--json").stdout)) == DETAILS


@pytest.mark.parametrize("spelling", ["latest", "@last", "id", "suffix", "prefix"])
def test_a_run_is_meant_by_its_id_a_part_of_it_or_latest(cli: Invoke, served: Served, spelling: str) -> None:
    run = served.submit("mine").json()["runId"]
    said = {"id": run, "suffix": run[-8:], "prefix": "mine_"}.get(spelling, spelling)
    assert json.loads(cli("show", said, "--json").stdout)["runId"] == run


def test_what_may_mean_several_runs_is_refused(cli: Invoke, served: Served) -> None:
    served.submit("same")
    served.house.clock.advance(1)
    served.submit("same")
    result = cli("show", "same", code=outcome.FAILED)
    assert "may mean several runs" in result.stderr
    assert "no run whose id" in cli("show", "nothing", code=outcome.NOT_FOUND).stderr
    cli("show", "nothing_1_00000000", code=outcome.NOT_FOUND)


def test_latest_of_nothing_says_how_to_start(cli: Invoke) -> None:
    assert "runyard submit" in cli("show", "latest", code=outcome.NOT_FOUND).stderr


def test_logs_into_a_pipe_are_the_exact_bytes(cli: Invoke, served: Served) -> None:
    data = b"\x1b[31mred\x1b[0m \xff\xfe\r\n" + bytes(range(256))
    served.ended(files={LOG: data})
    assert cli("logs", "latest").stdout_bytes == data
    assert cli("logs", "-f", "latest", "--offset", "5").stdout_bytes == data[5:]


def test_logs_of_a_run_without_one_say_why(cli: Invoke, served: Served) -> None:
    served.submit()
    result = cli("logs", "latest")
    assert result.stdout == ""
    assert "NotStarted" in result.stderr


def test_following_reads_each_byte_once_until_the_end(
    cli: Invoke, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = served.running()
    data = b"".join(b"line %d\n" % number for number in range(50))
    calls = 0

    def live(_handle: object, offset: int, limit: int = 1 << 20) -> LogChunk:
        nonlocal calls
        calls += 1
        piece = data[offset : min(offset + min(limit, 37), calls * 40)]
        done = offset + len(piece) == len(data)
        if done:
            served.house.ports.blobs.put("runs", f"{run.id}/1/{LOG}", data)
            assert run.handle is not None
            served.house.target.end(run.handle.id)
            served.settle(60)
        return LogChunk(data=piece, next_offset=offset + len(piece), complete=done)

    monkeypatch.setattr(served.house.target, "logs", live)
    monkeypatch.setattr("runyard.sdk.runs._PAUSE", 0.0)
    assert cli("logs", "-f", run.id).stdout_bytes == data


def test_submit_wait_ends_as_the_run_did(
    cli: Invoke, served: Served, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a host (the client is not embedded): the log, then the exit code of the ending."""

    def connect(*_: object, **__: object) -> Client:
        client = client_over(served)
        client.embedded = False
        return client

    codes = iter((0, 9))

    def wait(self: Any, run_id: str, **_: object) -> Any:
        served.settle()
        run = self.get(run_id)
        if run["status"] == "Running":
            served.house.target.end(f"{run_id}/1", next(codes))
            served.settle(60)
        return self.get(run_id)

    monkeypatch.setattr(Client, "connect", connect)
    monkeypatch.setattr("runyard.sdk.runs.Runs.wait", wait)
    monkeypatch.setattr("runyard.cli.submit.print_log", lambda *_, **__: 0)
    assert "Completed" in cli("submit", str(project), "--wait", code=outcome.OK).stderr
    assert "code 9" in cli("submit", str(project), "--wait", code=outcome.FAILED).stderr
    monkeypatch.setattr("runyard.sdk.runs.Runs.wait", lambda self, run_id: self.cancel(run_id))
    assert (
        json.loads(cli("submit", str(project), "--wait", "--json", code=outcome.CANCELED).stdout)["status"]
        == "Canceled"
    )


def test_cancel_is_repeatable(cli: Invoke, served: Served) -> None:
    run = served.running()
    assert cli("cancel", run.id).stdout.strip() == f"{run.id} CancelRequested"
    assert json.loads(cli("cancel", run.id, "--json").stdout)["status"] == "CancelRequested"


def test_resubmit_prints_the_new_id(cli: Invoke, served: Served) -> None:
    run = served.ended()
    new = cli("resubmit", run.id, "--arg", "--x=1").stdout.strip()
    assert new != run.id
    assert json.loads(cli("show", new, "--json").stdout)["status"] == "NotStarted"


def test_events_show_reasons(cli: Invoke, served: Served) -> None:
    run = served.ended()
    assert "the script exited with code 0" in cli("events", run.id).stdout
    shown = json.loads(cli("events", run.id, "--json").stdout)
    assert (shown["runId"], shown["events"][-1]["status"]) == (run.id, "Completed")


def test_metrics_of_a_run_and_the_best_run(cli: Invoke, served: Served) -> None:
    for name, mse in (("a", 3.0), ("b", 1.5)):
        served.ended(name, files={"metrics.jsonl": metrics(mse=mse, accuracy=-mse)})
    table = cli("metrics", "latest").stdout
    assert table.split()[:5] == ["METRIC", "LAST", "MIN", "MAX", "COUNT"]
    assert json.loads(cli("metrics", "latest", "--json").stdout)["metrics"]["mse"] == 1.5
    lines = metrics(mse=1) + b'{"name": "depth", "type": "runyard.param", "value": "3"}\n'
    served.ended("c", files={"metrics.jsonl": lines})
    assert cli("metrics", "latest").stdout.split()[:6] == ["PARAM", "VALUE", "depth", "3", "METRIC", "LAST"]
    best = cli("metrics", "--best", "mse", "--experiment", "b").stdout
    assert "b_" in best
    assert "minimize" in best
    other = json.loads(cli("metrics", "--best", "mse", "--goal", "maximize", "--json").stdout)
    assert (other["value"], other["goal"], other["run"]["experiment"]) == (3.0, "maximize", "a")
    assert json.loads(cli("metrics", "--best", "accuracy", "--json").stdout)["goal"] == "maximize"
    cli("metrics", "--best", "none", code=outcome.NOT_FOUND)
    cli("metrics", code=outcome.USAGE)
    cli("runs", "--sort", "mse")


def test_download_writes_files_and_overwrites_nothing(cli: Invoke, served: Served, tmp_path: Path) -> None:
    run = served.ended(files={"outputs/a.pkl": b"aaa", "outputs/deep/b.pkl": b"bb", "metrics.jsonl": b""})
    listed = json.loads(cli("files", run.id, "--json").stdout)
    assert [file["name"] for file in listed["files"]] == ["metrics.jsonl", "outputs/a.pkl", "outputs/deep/b.pkl"]
    assert "outputs/a.pkl" in cli("files", run.id).stdout
    out = tmp_path / "out"
    cli("download", run.id, "outputs", "-o", str(out))
    assert ((out / "outputs/a.pkl").read_bytes(), (out / "outputs/deep/b.pkl").read_bytes()) == (b"aaa", b"bb")
    assert not (out / "metrics.jsonl").exists()
    assert "--force" in cli("download", run.id, "outputs/a.pkl", "-o", str(out), code=outcome.FAILED).stderr
    cli("download", run.id, "outputs/a.pkl", "-o", str(out), "--force")
    cli("download", run.id, "nothing", "-o", str(out), code=outcome.NOT_FOUND)
    assert [path.name for path in out.rglob("*.part")] == []


def test_a_download_does_not_leave_its_folder(cli: Invoke, served: Served, tmp_path: Path) -> None:
    run = served.ended(files={"outputs/a.pkl": b"aaa"})
    out = tmp_path / "out"
    out.mkdir()
    (out / "outputs").symlink_to(tmp_path)
    assert "leads out of" in cli("download", run.id, "-o", str(out), code=outcome.FAILED).stderr
    assert not (tmp_path / "a.pkl").exists()


def test_computes_are_set_and_listed(cli: Invoke) -> None:
    assert "kind fake, 3 runs at a time" in cli("compute", "set", "gpu", "--kind", "fake", "--limit", "3").stdout
    cli("compute", "set", "gpu", "--pause", "--option", "gpus=2")
    cli("compute", "alias", "cluster1", "gpu")
    assert "cluster1" in cli("compute", "list").stdout
    gpu = json.loads(cli("compute", "list", "--json").stdout)["computes"][0]
    assert (gpu["limit"], gpu["paused"], gpu["options"], gpu["aliases"]) == (3, True, {"gpus": 2}, ["cluster1"])
    cli("compute", "alias", "--remove", "cluster1")
    cli("compute", "remove", "gpu")
    cli("compute", "alias", "x", code=outcome.USAGE)
    cli("compute", "set", "gpu", "--option", "nothing", code=outcome.USAGE)
    cli("compute", "alias", "x", "nowhere", code=outcome.NOT_FOUND)


def test_a_made_secret_is_shown_once(cli: Invoke, served: Served, project: Path) -> None:
    added = cli("webhook", "add", "train", "--snapshot", str(project), "--arg=--alpha={/client_payload/alpha}")
    secret = added.stdout.split("secret")[1].strip()
    assert served.house.ports.secrets.get("webhook-train") == secret
    assert "/api/webhooks/train" in added.stdout
    listed = cli("webhook", "list", "--json")
    assert secret not in listed.output
    (webhook,) = json.loads(listed.stdout)["webhooks"]
    assert webhook["submission"]["arguments"] == ["--alpha={/client_payload/alpha}"]
    assert webhook["submission"]["experiment"] == "train"
    assert "train" in cli("webhook", "list").stdout
    cli("webhook", "remove", "train")
    cli("webhook", "remove", "train", code=outcome.NOT_FOUND)


def test_a_given_secret_is_not_shown(
    cli: Invoke, served: Served, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secret"
    file.write_text("from-the-file-1234\n")
    first = cli("webhook", "add", "one", "--snapshot", str(project), "--secret-file", str(file), "--json")
    monkeypatch.setenv("RUNYARD_WEBHOOK_SECRET", "from-the-env-1234")
    second = cli("webhook", "add", "two", "--snapshot", str(project))
    assert "from-the" not in first.output + second.output
    assert served.house.ports.secrets.get("webhook-one") == "from-the-file-1234"
    assert served.house.ports.secrets.get("webhook-two") == "from-the-env-1234"
    file.write_text("\n")
    cli("webhook", "add", "three", "--snapshot", str(project), "--secret-file", str(file), code=outcome.FAILED)
    cli("webhook", "add", "four", "--snapshot", "nowhere", code=outcome.FAILED)


def test_queues_are_sent_to_and_looked_into(cli: Invoke, served: Served, tmp_path: Path) -> None:
    cli("queue", "send", SUBMISSIONS, '{"a": 1}')
    cli("queue", "send", SUBMISSIONS, "-", stdin=b"from stdin")
    file = tmp_path / "message.json"
    file.write_text("from a file")
    cli("queue", "send", SUBMISSIONS, "--file", str(file), "--delay", "1h")
    shown = json.loads(cli("queue", "peek", SUBMISSIONS, "--json").stdout)["messages"]
    assert [each["body"] for each in shown] == ['{"a": 1}', "from stdin", "from a file"]
    assert "from stdin" in cli("queue", "peek", SUBMISSIONS).stdout
    assert "is empty" in cli("queue", "peek", BURIED).stderr
    assert "listens to" in cli("queue", "send", "submision", "x").stderr
    counts = json.loads(cli("queue", "list", "--json").stdout)["queues"]
    assert {"name": SUBMISSIONS, "messages": 3} in counts
    assert SUBMISSIONS in cli("queue", "list").stdout
    served.house.ports.queue.send(BURIED, b"x", properties={"source": SUBMISSIONS})
    assert json.loads(cli("queue", "redrive", "--json").stdout) == {"redriven": 1}
    cli("queue", "send", SUBMISSIONS, code=outcome.USAGE)
    cli("queue", "send", SUBMISSIONS, "x", "--delay", "soon", code=outcome.USAGE)


def test_prune_counts_before_it_removes(cli: Invoke, served: Served) -> None:
    served.ended(files={"outputs/a": b"x" * 2048})
    served.house.clock.advance(7200)
    assert "would remove 1 runs" in cli("prune", "--runs-older-than", "1h", "--dry-run").stdout
    assert json.loads(cli("prune", "--runs-older-than", "1h", "--json").stdout)["runs"] == 1
    assert "--runs-older-than" in cli("prune", code=outcome.USAGE).stderr
    assert "needs" in cli("prune", "--keep", "3", code=outcome.USAGE).stderr
    assert "30d" in cli("prune", "--runs-older-than", "month", code=outcome.USAGE).stderr


def test_doctor_exits_1_when_something_is_missing(cli: Invoke, served: Served) -> None:
    assert "python" in cli("doctor").stdout
    served.house.ports.queue.send(BURIED, b"{}")
    assert "redrive" in cli("doctor", code=outcome.FAILED).stdout
    assert not json.loads(cli("doctor", "--json", code=outcome.FAILED).stdout)["ok"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AuthError("no"), outcome.REFUSED),
        (TransientError("no"), outcome.UNREACHABLE),
        (StorageFullError("no"), outcome.STORAGE_FULL),
        (KeyboardInterrupt(), outcome.INTERRUPTED),
        (PermissionError(13, "Permission denied", "/root/x"), outcome.FAILED),
    ],
)
def test_errors_end_in_their_code_and_one_sentence(
    cli: Invoke, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fail(*_: object, **__: object) -> Any:
        raise error

    monkeypatch.setattr(Client, "connect", fail)
    result = cli("runs", code=code)
    assert "Traceback" not in result.output
    assert len(result.stderr.splitlines()) <= 1


def test_what_users_wrote_is_neutralised_in_tables(cli: Invoke, served: Served) -> None:
    served.submit("exp", target="\x1b]0;owned\x07", tags={"a": "\x1b[2J"})
    for command in ("runs", "show"):
        text = cli(command, *(["latest"] if command == "show" else [])).stdout
        assert "\x1b" not in text
        assert "\x07" not in text
    assert "\x1b" not in cli("show", "latest", "--json").stdout
