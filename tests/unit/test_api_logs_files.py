"""Logs by offset, and downloads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runyard.api import logs as module
from runyard.api.answers import answer
from runyard.errors import TransientError
from runyard.finalize.ending import RUNS
from runyard.ports import LogChunk
from runyard.runs.model import Handle
from tests.served import Served, serving

LOG = "azureml-logs/70_driver_log.txt"


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as made:
        yield made


def test_a_log_is_read_to_its_end_without_losing_or_repeating_a_byte(served: Served) -> None:
    data = bytes(range(256)) * 40
    run = served.ended(files={LOG: data})
    got, offset, complete = b"", 0, False
    while not complete:
        answer = served.http.get(f"/api/runs/{run.id}/logs", params={"offset": offset, "limit": 999})
        got += answer.content
        offset = int(answer.headers["x-next-offset"])
        complete = answer.headers["x-log-complete"] == "true"
    assert data == got
    assert (answer.headers["x-log-attempt"], answer.headers["x-run-status"]) == ("1", "Completed")


def test_a_running_script_is_read_from_its_compute(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    run = served.running()
    written = bytearray(b"one\n")

    def live(handle: Handle, offset: int, limit: int = 1 << 20) -> LogChunk:
        data = bytes(written[offset : offset + limit])
        return LogChunk(data=data, next_offset=offset + len(data), complete=False)

    monkeypatch.setattr(served.house.target, "logs", live)
    first = served.http.get(f"/api/runs/{run.id}/logs")
    assert (first.content, first.headers["x-next-offset"], first.headers["x-log-complete"]) == (b"one\n", "4", "false")
    written += b"two\n"
    assert served.http.get(f"/api/runs/{run.id}/logs?offset=4").content == b"two\n"


def test_waiting_for_news_ends_with_the_news(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    run = served.running()
    calls = []

    def late(handle: Handle, offset: int, limit: int = 1 << 20) -> LogChunk:
        calls.append(offset)
        data = b"news" if len(calls) == 3 else b""
        return LogChunk(data=data, next_offset=offset + len(data), complete=False)

    monkeypatch.setattr(served.house.target, "logs", late)
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.001)
    assert served.http.get(f"/api/runs/{run.id}/logs?wait=20").content == b"news"
    assert len(calls) == 3
    answer = served.http.get(f"/api/runs/{run.id}/logs?wait=0.01")
    assert (answer.content, answer.headers["x-log-complete"]) == (b"", "false")
    assert served.http.get(f"/api/runs/{run.id}/logs?wait=21").status_code == 422


def test_a_run_that_has_not_started_has_an_empty_log(served: Served) -> None:
    run = served.submit().json()["runId"]
    answer = served.http.get(f"/api/runs/{run}/logs")
    assert (
        answer.content,
        answer.headers["x-log-complete"],
        answer.headers["x-log-attempt"],
    ) == (b"", "false", "0")
    assert served.http.get(f"/api/runs/{run}/logs?attempt=1").status_code == 404


def test_a_compute_that_does_not_answer_is_503(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    run = served.running()

    def silent(handle: Handle, offset: int, limit: int = 1 << 20) -> LogChunk:
        raise TransientError("no route")

    monkeypatch.setattr(served.house.target, "logs", silent)
    answer = served.http.get(f"/api/runs/{run.id}/logs")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_a_log_that_was_removed_is_told(served: Served) -> None:
    run = served.ended()
    answer = served.http.get(f"/api/runs/{run.id}/logs")
    assert answer.status_code == 404
    assert "was removed" in answer.json()["error"]["message"]


def test_an_offset_beyond_all_bounds_is_refused(served: Served) -> None:
    run = served.ended(files={LOG: b"abc"})
    for offset, status in (("9" * 25, 422), (str(1 << 62), 200)):
        assert served.http.get(f"/api/runs/{run.id}/logs", params={"offset": offset}).status_code == status


def test_files_are_listed_in_pages(served: Served) -> None:
    names = [LOG, "metrics.jsonl", "outputs/a.pkl", "outputs/b.pkl"]
    run = served.ended(files=dict.fromkeys(names, b"x" * 3))
    listed = served.http.get(f"/api/runs/{run.id}/files").json()
    assert (names, None) == ([file["name"] for file in listed["files"]], listed["next"])
    first = served.http.get(f"/api/runs/{run.id}/files?limit=3").json()
    rest = served.http.get(f"/api/runs/{run.id}/files", params={"limit": 3, "after": first["next"]}).json()
    assert names == [file["name"] for file in first["files"] + rest["files"]]
    assert {LOG: f"/api/runs/{run.id}/files/{LOG}"} == served.http.get(f"/api/runs/{run.id}").json()["logFiles"]


def test_files_whose_names_are_no_text_are_left_out(served: Served) -> None:
    odd = [f"outputs/b\udce9{number}" for number in range(3)]
    run = served.ended(files=dict.fromkeys(["outputs/a", *odd, "outputs/c", f"{LOG}\udce9"], b"x"))
    first = served.http.get(f"/api/runs/{run.id}/files?limit=1").json()
    rest = served.http.get(f"/api/runs/{run.id}/files", params={"limit": 2, "after": first["next"]}).json()
    assert [file["name"] for file in first["files"] + rest["files"]] == ["outputs/a", "outputs/c"]
    assert served.http.get(f"/api/runs/{run.id}").json()["logFiles"] == {}


def test_texts_that_utf8_cannot_hold_do_not_break_an_answer() -> None:
    assert answer({"a\udce9": "é\udce9"}).body == b'{"a\\udce9": "\\u00e9\\udce9"}'


def test_a_download_is_an_attachment_that_no_browser_runs(served: Served) -> None:
    name = 'outputs/<b>"é".html'
    run = served.ended(files={name: b"<script>alert(1)</script>"})
    answer = served.http.get(f"/api/runs/{run.id}/files/{name}")
    assert (
        answer.status_code,
        answer.content,
        answer.headers["content-length"],
    ) == (200, b"<script>alert(1)</script>", "25")
    headers = answer.headers
    assert headers["content-disposition"] == "attachment; filename*=UTF-8''%3Cb%3E%22%C3%A9%22.html"
    assert headers["content-type"] == "application/octet-stream"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("sandbox")


@pytest.mark.parametrize(
    ("asked", "status", "data"),
    [
        ("bytes=2-", 206, b"23456789"),
        ("bytes=2-3", 206, b"23"),
        ("bytes=8-99", 206, b"89"),
        ("bytes=10-", 416, b""),
        ("bytes=-3", 200, b"0123456789"),
        ("lines=1-2", 200, b"0123456789"),
    ],
)
def test_a_range_of_bytes_may_be_asked_for(served: Served, asked: str, status: int, data: bytes) -> None:
    run = served.ended(files={"a": b"0123456789"})
    answer = served.http.get(f"/api/runs/{run.id}/files/a", headers={"Range": asked})
    assert (status, data) == (answer.status_code, answer.content)


def test_an_empty_file_can_be_downloaded(served: Served) -> None:
    run = served.ended(files={"empty": b""})
    answer = served.http.get(f"/api/runs/{run.id}/files/empty")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")


def test_a_file_that_grows_is_sent_as_it_was(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    run = served.ended(files={"a": b"0123"})
    monkeypatch.setattr(served.house.ports.blobs, "stream", lambda *_, **__: iter([b"01", b"23", b"45"]))
    assert served.http.get(f"/api/runs/{run.id}/files/a").content == b"0123"


def test_a_download_stays_inside_its_run(served: Served) -> None:
    run = served.ended(files={"a": b"x"})
    served.house.ports.blobs.put(RUNS, "other/1/secret", b"s")
    for name in ("%2e%2e/%2e%2e/other/1/secret", "outputs/%2e%2e/a", "/a", "a%00", "nothing"):
        request = served.http.build_request("GET", f"/api/runs/{run.id}/files/x")
        request.url = request.url.copy_with(raw_path=f"/api/runs/{run.id}/files/{name}".encode())
        assert served.http.send(request).status_code in {400, 404}, name
    assert served.http.get(f"/api/runs/{run.id}/files/a?attempt=2").status_code == 400
