"""What Azure Storage refuses is refused before Azurite, and what it takes is not."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.standins import table_rules
from tests.standins.blob_rules import BlobRules
from tests.standins.limits import Limits
from tests.standins.wire import BLOB, TABLE, Answer, Headers, RefusedError, Request

KEYS = {"PartitionKey": "p", "RowKey": "r"}


def insert(**entity: Any) -> Request:
    return Request(TABLE, "POST", "/yard/things", Headers({}), json.dumps({**KEYS, **entity}).encode())


def batch(*operations: tuple[str, str, dict[str, Any] | None]) -> Request:
    """A ``$batch`` as the SDK writes it: (method, path, entity)."""
    lines = ["--batch_1", "Content-Type: multipart/mixed; boundary=changeset_2", ""]
    for number, (method, path, entity) in enumerate(operations):
        lines += [
            "--changeset_2",
            "Content-Type: application/http",
            "Content-Transfer-Encoding: binary",
            f"Content-ID: {number}",
            "",
        ]
        lines += [f"{method} http://127.0.0.1/yard/{path} HTTP/1.1", "Accept: application/json", ""]
        lines += [json.dumps(entity) if entity is not None else "", ""]
    lines += ["--changeset_2--", "--batch_1--", ""]
    return Request(TABLE, "POST", "/yard/$batch", Headers({}), "\r\n".join(lines).encode())


def put(path: str, body: bytes = b"", **headers: str) -> Request:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(BLOB, "PUT", f"/yard/{path}", Headers(given), body)


def block(number: str) -> str:
    return "runs/a?comp=block&blockid=" + base64.b64encode(number.encode()).decode().replace("=", "%3D")


def refusal(request: Request, rules: BlobRules | None = None, **limits: int) -> str:
    """The code with which it is refused, or nothing."""
    try:
        if request.service == TABLE:
            table_rules.check(request, Limits(**limits))
        else:
            (rules or BlobRules(Limits(**limits))).check(request)
    except RefusedError as error:
        return str(json.loads(error.answer(TABLE).body)["odata.error"]["code"])
    return ""


ENTITIES: list[tuple[dict[str, Any], str]] = [
    ({"x": 1}, ""),
    ({"RowKey": "a/b"}, "OutOfRangeInput"),
    ({"RowKey": "a\\b"}, "OutOfRangeInput"),
    ({"PartitionKey": "a#b"}, "OutOfRangeInput"),
    ({"PartitionKey": "a?b"}, "OutOfRangeInput"),
    ({"RowKey": "a\tb"}, "OutOfRangeInput"),
    ({"RowKey": "a\x85b"}, "OutOfRangeInput"),
    ({"RowKey": "r" * 512}, ""),
    ({"RowKey": "r" * 513}, "KeyValueTooLarge"),
    ({"RowKey": "😀" * 257}, "KeyValueTooLarge"),
    ({f"n{number}": 1 for number in range(252)}, ""),
    ({f"n{number}": 1 for number in range(253)}, "TooManyProperties"),
    ({"n" * 255: 1}, ""),
    ({"n" * 256: 1}, "PropertyNameTooLong"),
    ({"a-b": 1}, "PropertyNameInvalid"),
    ({"1a": 1}, "PropertyNameInvalid"),
    ({"x": "s" * 32_768}, ""),
    ({"x": "s" * 32_769}, "PropertyValueTooLarge"),
    ({"x": base64.b64encode(b"b" * 65_536).decode(), "x@odata.type": "Edm.Binary"}, ""),
    ({"x": base64.b64encode(b"b" * 65_537).decode(), "x@odata.type": "Edm.Binary"}, "PropertyValueTooLarge"),
    ({f"x{number}": "s" * 32_768 for number in range(15)}, ""),
    ({f"x{number}": "s" * 32_768 for number in range(16)}, "EntityTooLarge"),
    ({"x": 2**31}, "InvalidInput"),
    ({"x": str(2**31), "x@odata.type": "Edm.Int64"}, ""),
    ({"x": "1", "x@odata.type": "Edm.Decimal"}, "InvalidInput"),
    ({"x": [1]}, "InvalidInput"),
    ({"x": {"a": 1}}, "InvalidInput"),
]


@pytest.mark.parametrize(
    ("entity", "code"), ENTITIES, ids=[f"{number}-{code}" for number, (_, code) in enumerate(ENTITIES)]
)
def test_an_entity_is_taken_or_refused_as_azure_does(entity: dict[str, Any], code: str) -> None:
    assert refusal(insert(**entity)) == code


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("runs", ""), ("r" * 63, ""), ("ab", "OutOfRangeInput"), ("r" * 64, "OutOfRangeInput"), ("1runs", "InvalidResourceName"),
        ("ru-ns", "InvalidResourceName"), ("tables", "InvalidResourceName"),
    ],
)  # fmt: skip
def test_a_table_name_is_taken_or_refused_as_azure_does(name: str, code: str) -> None:
    body = json.dumps({"TableName": name}).encode()
    assert refusal(Request(TABLE, "POST", "/yard/Tables", Headers({}), body)) == code


def test_keys_in_the_path_are_looked_at_too() -> None:
    path = "/yard/things(PartitionKey='it''s',RowKey='a%2Fb')"
    assert refusal(Request(TABLE, "DELETE", path, Headers({}))) == "OutOfRangeInput"
    assert refusal(Request(TABLE, "DELETE", path.replace("%2F", "-"), Headers({}))) == ""


def test_queries_have_their_limits() -> None:
    def query(text: str) -> str:
        return refusal(Request(TABLE, "GET", f"/yard/things()?{text}", Headers({})))

    assert query("$top=1000") == ""
    assert query("$top=1001") == "InvalidInput"
    assert query("$top=0") == "InvalidInput"
    assert query("$filter=" + "%20and%20".join(["x%20eq%20'a%20eq%20b'"] * 15)) == ""
    assert query("$filter=" + "%20and%20".join(["x%20eq%201"] * 16)) == "InvalidInput"


def test_a_batch_has_one_partition_each_entity_once_and_a_hundred_operations() -> None:
    many = [("POST", "things", {**KEYS, "RowKey": f"{number}"}) for number in range(101)]
    assert refusal(batch(*many[:100])) == ""
    assert refusal(batch(*many)) == "InvalidInput"
    merge = ("PATCH", "things(PartitionKey='p',RowKey='0')", {"x": 1})
    assert refusal(batch(merge, many[1])) == ""
    assert refusal(batch(many[0], merge)) == "InvalidDuplicateRow"
    other = ("DELETE", "things(PartitionKey='q',RowKey='0')", None)
    assert refusal(batch(many[0], other)) == "CommandsInBatchActOnDifferentPartitions"
    assert (
        refusal(batch(many[0], ("POST", "others", {**KEYS, "RowKey": "z"})))
        == "CommandsInBatchActOnDifferentPartitions"
    )
    assert refusal(batch(many[0], ("POST", "things", {**KEYS, "RowKey": "a/b"}))) == "OutOfRangeInput"
    large = [("POST", "things", {**KEYS, "RowKey": f"{number}", "x": "s" * 30_000}) for number in range(99)]
    assert refusal(batch(*large)) == ""
    assert refusal(batch(*large), batch_bytes=2 << 20) == "RequestBodyTooLarge"
    larger = [("POST", "things", {**KEYS, "RowKey": f"{n}", "x": "s" * 30_000, "y": "s" * 30_000}) for n in range(99)]
    assert refusal(batch(*larger)) == "RequestBodyTooLarge"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("runs?restype=container", ""), ("ru?restype=container", "OutOfRangeInput"), ("Runs?restype=container", "InvalidResourceName"),
        ("a--b?restype=container", "InvalidResourceName"), ("runs/" + "n" * 1024, ""), ("runs/" + "n" * 1025, "OutOfRangeInput"),
        ("runs/" + "/".join("n" * 254), ""), ("runs/" + "/".join("n" * 255), "OutOfRangeInput"), ("runs/a%09b", "InvalidUri"),
        ("runs/a%C2%81b", "InvalidUri"), ("runs/a%EF%BF%BFb", "InvalidUri"), ("runs/%C3%BC%20%25", ""),
    ],
    ids=range(12),
)  # fmt: skip
def test_names_of_containers_and_blobs_are_taken_or_refused_as_azure_does(path: str, code: str) -> None:
    assert refusal(put(path)) == code


def test_an_unknown_version_is_refused() -> None:
    assert refusal(put("runs/a", x_ms_version="2026-02-06")) == ""
    assert refusal(put("runs/a", x_ms_version="2026-02-30")) == "InvalidHeaderValue"
    assert (
        refusal(Request(TABLE, "GET", "/yard/things()", Headers({"x-ms-version": "1999-01-01"})))
        == "InvalidHeaderValue"
    )


def test_metadata_have_names_of_identifiers_and_8_kib() -> None:
    assert refusal(put("runs/a", x_ms_meta_op="1")) == ""
    assert refusal(Request(BLOB, "PUT", "/yard/runs/a", Headers({"x-ms-meta-op-id": "1"}))) == "InvalidMetadata"
    assert refusal(put("runs/a", x_ms_meta_op="x" * 8191)) == "MetadataTooLarge"


def test_block_ids_of_a_blob_have_one_length() -> None:
    rules = BlobRules(Limits())
    first = put(block("00001"))
    assert refusal(first, rules) == ""
    rules.saw(first, Answer(201))
    assert refusal(put(block("00002")), rules) == ""
    assert refusal(put(block("3")), rules) == "InvalidBlobOrBlock"
    rules.saw(put("runs/a?comp=blocklist"), Answer(201))
    assert refusal(put(block("3")), rules) == ""
    assert refusal(put(block("x" * 65)), rules) == "OutOfRangeInput"
    assert refusal(put("runs/a?comp=block&blockid=!"), rules) == "InvalidQueryParameterValue"


def test_a_block_list_has_so_many_blocks() -> None:
    body = b"<BlockList>" + b"<Latest>MQ==</Latest>" * 4 + b"</BlockList>"
    assert refusal(put("runs/a?comp=blocklist", body), blocks=4) == ""
    assert refusal(put("runs/a?comp=blocklist", body), blocks=3) == "BlockListTooLong"


def test_an_append_blob_has_so_many_blocks_of_a_size_by_version() -> None:
    rules = BlobRules(Limits(append_blocks=2, append_bytes=8, append_bytes_before_2022=4))
    append = put("runs/a?comp=appendblock", b"x" * 8, x_ms_version="2022-11-02")
    for _ in range(2):
        assert refusal(append, rules) == ""
        rules.saw(append, Answer(201))
    assert refusal(append, rules) == "BlockCountExceedsLimit"
    rules.saw(put("runs/a"), Answer(201))
    assert refusal(append, rules) == ""
    assert refusal(put("runs/a?comp=appendblock", b"x" * 9, x_ms_version="2022-11-02"), rules) == "RequestBodyTooLarge"
    assert refusal(put("runs/a?comp=appendblock", b"x" * 5, x_ms_version="2021-12-02"), rules) == "RequestBodyTooLarge"


def test_an_error_of_the_blob_service_is_xml_with_its_code_as_a_header() -> None:
    answer = RefusedError(503, "ServerBusy", "The server is busy.", (("Retry-After", "1"),)).answer(BLOB)
    assert (answer.status, dict(answer.headers)["x-ms-error-code"], dict(answer.headers)["Retry-After"]) == (
        503,
        "ServerBusy",
        "1",
    )
    assert b"<Code>ServerBusy</Code>" in answer.body
