"""``/api/attempts``: the token is the only way in, and it opens one attempt."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import httpx
import pytest

from runyard.api.app import create_app
from runyard.runner.sealed import MASK
from runyard.sdk.transport import InProcessTransport
from tests.fakes import runconfig
from tests.remote import SERVICE_TOKEN, Far

LOG = "azureml-logs/70_driver_log.txt"


@pytest.fixture
def far() -> Far:
    made = Far()
    made.begin()
    return made


@pytest.fixture
def http(far: Far) -> Iterator[httpx.Client]:
    transport = InProcessTransport(create_app(lambda: far.services))
    with httpx.Client(
        transport=transport,
        base_url="https://yard.example.org",
        headers={"Authorization": f"Bearer {far.token()}"},
    ) as client:
        yield client


def put(http: httpx.Client, name: str, data: bytes, query: str = "", **headers: str) -> httpx.Response:
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    return http.put(f"/api/attempts/blobs/{name}{query}", content=data, headers=sent)


def test_links_are_traded_for_the_token(far: Far, http: httpx.Client) -> None:
    answer = http.post(
        "/api/attempts/links", json={"files": [{"name": "@snapshot", "use": "read"}, {"name": LOG, "use": "append"}]}
    )
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["runId"], found["attempt"], found["cancelRequested"]) == (far.run.id, 1, False)
    assert [link["own"] for link in found["links"]] == [True, True]
    assert found["seconds"] <= 900
    assert answer.headers["cache-control"] == "no-store"
    snapshot = http.get(found["links"][0]["url"])
    assert snapshot.content[:2] == b"PK"


@pytest.mark.parametrize("shown", ["", "Bearer ", f"Bearer {SERVICE_TOKEN}", "Basic abc", "Bearer " + "x" * 600])
def test_nothing_else_opens_these_doors(http: httpx.Client, shown: str) -> None:
    for method, path in (("POST", "links"), ("POST", "token"), ("GET", "job"), ("GET", "blobs/@snapshot")):
        answer = http.request(method, f"/api/attempts/{path}", headers={"Authorization": shown}, json={"files": []})
        assert answer.status_code == 401, (path, answer.text)
        assert "x" * 20 not in answer.text


def test_the_token_opens_no_other_door(far: Far, http: httpx.Client) -> None:
    host = {"Host": "127.0.0.1"}
    for path in ("/api/runs", f"/api/runs/{far.run.id}", f"/api/runs/{far.run.id}/files", "/api/secrets"):
        assert http.get(path, headers=host).status_code == 401


def test_after_the_end_the_token_is_refused(far: Far, http: httpx.Client) -> None:
    far.end()
    answers = [
        http.post("/api/attempts/links", json={"files": []}),
        http.post("/api/attempts/token"),
        http.get("/api/attempts/job"),
        put(http, "outputs/a", b"x"),
        http.get("/api/attempts/blobs/@snapshot"),
    ]
    assert [answer.status_code for answer in answers] == [403] * 5
    assert "attempt is over" in answers[0].json()["error"]["message"]


def test_a_renewed_token_is_another_one_for_the_same_attempt(far: Far, http: httpx.Client) -> None:
    far.house.clock.advance(10)
    found = http.post("/api/attempts/token").json()
    assert found["token"] not in http.headers["authorization"]
    answer = http.post("/api/attempts/links", json={"files": []}, headers={"Authorization": f"Bearer {found['token']}"})
    assert answer.json()["runId"] == far.run.id


def test_a_cancel_is_told(far: Far, http: httpx.Client) -> None:
    from runyard.dispatch.cancel import request_cancel

    request_cancel(far.house.ports, far.run.id, who="test")
    assert http.post("/api/attempts/links", json={"files": []}).json()["cancelRequested"] is True


def test_the_job_comes_with_its_secrets_apart(http: httpx.Client) -> None:
    far = Far()
    far.house.ports.secrets.set("user-db", "hunter2")
    environment = {
        "python": {"userManagedDependencies": True, "interpreterPath": "python"},
        "environmentVariables": {"PLAIN": "1", "DB_PASSWORD": "in-clear-text"},
    }
    run = far.begin(config=runconfig(environment=environment, runyard={"secrets": {"DATABASE": "db"}}))
    with httpx.Client(
        transport=InProcessTransport(create_app(lambda: far.services)), base_url="https://yard.example.org"
    ) as client:
        found = client.get("/api/attempts/job", headers={"Authorization": f"Bearer {far.token()}"}).json()
    variables = found["record"]["environment_variables"]
    assert variables == {"PLAIN": "1", "DB_PASSWORD": MASK, "DATABASE": MASK}
    assert found["secrets"] == {
        "/environment_variables/DB_PASSWORD": "in-clear-text",
        "/environment_variables/DATABASE": "hunter2",
    }
    assert found["record"]["concealed"] == sorted(found["secrets"])
    assert found["record"]["run"] == run.id
    assert "secret" not in found["record"]


def test_a_blob_that_can_only_be_created_is_never_replaced(far: Far, http: httpx.Client) -> None:
    assert put(http, "@register", b"started a").status_code == 400
    assert put(http, "@register", b"started a", If_None_Match="*").status_code == 201
    again = put(http, "@register", b"started b", If_None_Match="*")
    assert (again.status_code, http.get("/api/attempts/blobs/@register").text) == (409, "started a")


def test_what_is_appended_goes_to_its_place_or_nowhere(far: Far, http: httpx.Client) -> None:
    add = "?comp=appendblock"
    assert put(http, LOG, b"one", add, x_ms_blob_condition_appendpos="0").status_code == 404
    made = [put(http, LOG, b"", x_ms_blob_type="AppendBlob", If_None_Match="*").status_code for _ in range(2)]
    assert made == [201, 409]
    assert put(http, LOG, b"one", add, x_ms_blob_condition_appendpos="0").status_code == 201
    assert put(http, LOG, b"one", add, x_ms_blob_condition_appendpos="0").status_code == 412
    assert put(http, LOG, b"two", add).status_code == 412
    assert put(http, LOG, b"two", add, x_ms_blob_condition_appendpos="3").status_code == 201
    assert far.text(LOG) == "onetwo"
    assert http.head(f"/api/attempts/blobs/{LOG}").headers["content-length"] == "6"
    assert put(http, LOG, b"all new").status_code == 400


def test_a_large_file_comes_in_blocks(far: Far, http: httpx.Client) -> None:
    idents = [base64.b64encode(b"%08d" % n).decode() for n in range(2)]
    for ident, data in zip(idents, (b"first ", b"second"), strict=True):
        assert put(http, "outputs/m", data, f"?comp=block&blockid={ident}").status_code == 201
    listed = "".join(f"<Latest>{ident}</Latest>" for ident in idents)
    document = f"<BlockList>{listed}</BlockList>".encode()
    assert put(http, "outputs/m", document, "?comp=blocklist").status_code == 201
    assert far.text("outputs/m") == "first second"
    assert put(http, "outputs/m", document, "?comp=blocklist").status_code == 400
    assert put(http, "outputs/m", b"x", "?comp=block&blockid=nonsense").status_code == 400
    assert put(http, "outputs/m", b"x", "?comp=metadata").status_code == 400
    assert http.get("/api/attempts/blobs/outputs/m").status_code == 400


def test_a_snapshot_that_changed_is_not_read(far: Far, http: httpx.Client) -> None:
    assert far.run.snapshot is not None
    part = http.get("/api/attempts/blobs/@snapshot", headers={"Range": "bytes=10-"})
    whole = http.get("/api/attempts/blobs/@snapshot")
    assert (part.status_code, part.content) == (206, whole.content[10:])
    assert http.get("/api/attempts/blobs/@snapshot", headers={"Range": "bytes=9999999-"}).status_code == 416
    far.blobs.put("snapshots", far.run.snapshot.name, b"another")
    assert http.get("/api/attempts/blobs/@snapshot").status_code == 412


def test_what_is_too_large_is_refused_before_it_is_read(http: httpx.Client) -> None:
    assert put(http, "outputs/a", b"x" * ((8 << 20) + 1)).status_code == 413
    many = {"files": [{"name": f"outputs/{n}", "use": "replace"} for n in range(101)]}
    assert http.post("/api/attempts/links", json=many).status_code == 422
    assert http.post("/api/attempts/links", json={"files": [{"name": "a", "use": "x" * 11}]}).status_code == 422
