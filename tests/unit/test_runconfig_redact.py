"""Secrets are told from what only looks like them, by name, by flag and by form."""

from __future__ import annotations

import json
import time

import pytest

from runyard.attempts import Keyring, issue
from runyard.runconfig.explain_source import masked_source
from runyard.runconfig.redact import MASK, redacted, redacted_items, redacted_text, redacted_value
from runyard.runconfig.secret_names import is_secret_name
from runyard.runconfig.yaml12 import load
from runyard.testing import ManualClock, MemorySecrets

SECRET_NAMES = [
    "password",
    "PASSWORD",
    "DB_PASSWORD",
    "dbPassword",
    "DBPASSWORD",
    "API_KEY",
    "apiKey",
    "APIKey",
    "authToken",
    "AZUREML_RUN_TOKEN",
    "AZURE_STORAGE_KEY",
    "CONNECTION_STRING",
    "connectionString",
    "GITHUB_TOKEN",
    "hf-token",
    "token",
    "TOKEN_GITHUB",
    "secret",
    "CLIENT_SECRET",
    "WANDB_API_KEY",
    "privateKey",
    "fs.azure.account.key.me.blob.core.windows.net",
    "GITHUB_PAT",
    "SAS_TOKEN",
    "DB_PWD",
    "AWS_SECRET_ACCESS_KEY",
    "SSH_KEY",
    "passphrase",
    "accountkey",
]
HARMLESS_NAMES = [
    "tokenizer",
    "TOKENIZER",
    "max_tokens",
    "max-tokens",
    "num_tokens",
    "pad_token",
    "eos_token_id",
    "token_type_ids",
    "key",
    "key_column",
    "KEY_COLUMN",
    "monkey",
    "turkey",
    "keyboard",
    "sort_key",
    "public_key",
    "partitionKey",
    "passwordless",
    "credentialPassthrough",
    "deleteSecretAfterRun",
    "author",
    "secretary",
    "bypass",
    "pwd",
    "PWD",
    "pattern",
    "username",
    "AZUREML_RUN_TOKEN_EXPIRY",
    "description",
    "tokens",
    "vocab",
]


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_name_that_tells_of_a_secret_is_known(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", HARMLESS_NAMES)
def test_a_name_that_only_looks_like_one_is_left(name: str) -> None:
    assert not is_secret_name(name)


STORAGE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

CARRIERS = {
    "connection string": "Server=tcp:db;User ID=me;Password=CANARY with a blank;Encrypt=True",
    "storage account": "DefaultEndpointsProtocol=https;AccountName=me;AccountKey=CANARY==;EndpointSuffix=core.windows.net",
    "shared access": "https://me.blob.core.windows.net/c/b?sv=2019&se=2030&sig=CANARY%2F1%3D&sp=r",
    "shared access in JSON": '{"url": "https://me.blob.core.windows.net/c/b?sp=r\\u0026sig=CANARY%3D\\u0026se=2030"}',
    "shared access in a URL": "https://host/x?next=https%3A%2F%2Fme.blob.core.windows.net%2Fc%3Fsp%3Dr%26sig%3DCANARY",
    "service bus": "Endpoint=sb://me;SharedAccessKeyName=root;SharedAccessKey=CANARY=",
    "basic auth": "https://me:CANARY@host/simple",
    "lone token": "git+https://CANARY@github.com/org/repo@v1",
    "channel token": "https://conda.anaconda.org/t/CANARY/channel",
    "index url": "--index-url https://me:CANARY@host/simple",
    "database": "postgresql://me:CANARY@host:5432/db",
    "query": "https://host/x?access_token=CANARY&page=2",
    "private key": "-----BEGIN RSA PRIVATE KEY-----\nCANARY\n-----END RSA PRIVATE KEY-----\n",
    "cut private key": "-----BEGIN OPENSSH PRIVATE KEY-----\nCANARY",
    "lookup": "AzureMlSecret=vm#me#CANARY",
    "joined flag": "--password=CANARY",
    "flag in a command": "python train.py --api-key CANARY --epochs 3",
    "docker variable": "--env=DB_PASSWORD=CANARY with blanks",
    "bearer": "Authorization: Bearer CANARYCANARY",
    "mapping as text": "{'password': 'CANARY', 'x': 1}",
}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_secret_inside_a_text_is_masked(carrier: str) -> None:
    text = CARRIERS[carrier]
    shown = redacted_value(text)
    assert "CANARY" not in shown
    assert MASK in shown
    assert "CANARY" not in json.dumps(redacted({"environmentVariables": {"HARMLESS": text}, "arguments": [text]}))


def test_a_token_is_known_by_its_form() -> None:
    for token in (f"ghp_{'a1' * 18}", "eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl", STORAGE_KEY, "AKIA" + "A1" * 8):
        assert redacted_value(f"use {token}") == f"use {MASK}"
        assert token not in redacted_text(f"error: {token} is wrong")


def test_our_own_attempt_tokens_are_known_by_their_form() -> None:
    keyring = Keyring(MemorySecrets(), ManualClock(start=1000.0))
    for run in ("exp_1700000000_ab12cd34", "r"):
        token = issue(keyring, run, 3)
        proof = token.rpartition(".")[2]
        for text in (
            f"used {token}.",
            f"used '{token}', twice",
            f"PLAIN={token}",
            f"Authorization: {token}",
            token[:-20],
        ):
            for shown in (redacted_text(text), redacted_value(text)):
                assert MASK in shown
                assert not any(part in shown for part in (proof, proof[:20], token[-60:-44]))
        assert redacted_text(f"used {token}. Then") == f"used {MASK}. Then"


def test_a_link_with_a_signature_keeps_its_other_parts() -> None:
    link = "https://me.blob.core.windows.net/runs/a?se=2030-01-01T00%3A00%3A00Z&sp=r&sv=2026&sig=c2VjcmV0%3D&sr=b"
    assert redacted_text(f"GET {link} failed") == f"GET {link.replace('c2VjcmV0%3D', MASK)} failed"


def test_what_is_no_secret_stays_readable() -> None:
    for text in (
        "wasbs://container@account.blob.core.windows.net/data",
        "--max_tokens=5",
        "--tokenizer bert --key-column id",
        "https://host:8080/path?page=2",
        "git+ssh://git@github.com/org/repo",
        "basic instructions",
        "rya1.txt and rya1.deadbeef are files",
        "design=new&config%3Dold",
        "mcr.microsoft.com/azureml/base:0.1.4",
        "$AZUREML_DATAREFERENCE_mydata",
    ):
        assert redacted_value(text) == text
        assert redacted_text(text) == text


def test_what_follows_a_flag_that_tells_of_a_secret_is_masked() -> None:
    arguments = [
        "--password",
        "x y",
        "--token",
        "--verbose",
        "--api-key",
        5,
        "--max-tokens",
        7,
        "-e",
        "MY_SECRET=a;b c",
    ]
    assert redacted_items(arguments) == [
        *("--password", MASK, "--token", "--verbose", "--api-key", MASK, "--max-tokens", 7, "-e", f"MY_SECRET={MASK}"),
    ]


def test_nothing_and_yes_and_no_are_no_secrets() -> None:
    document: dict[str, object] = {
        "password": None,
        "secret": "",
        "token": [],
        "api_key": True,
        "authToken": {"x": "CANARY"},
        "pin_key": 1234,
    }
    assert redacted(document) == {
        "password": None,
        "secret": "",
        "token": [],
        "api_key": True,
        "authToken": MASK,
        "pin_key": MASK,
    }


def test_a_sentence_about_a_file_does_not_repeat_what_stood_for_a_secret() -> None:
    assert "hunter2" not in redacted_text("a, line 4: the alias *hunter2 names nothing that is complete before it")
    assert "hunter2" not in redacted_text("a, line 4: the tag '!hunter2' is not allowed")


SOURCE = """\
# password: CANARY0
script: train.py  # stays
environment:
  docker:
    baseImageRegistry: {address: a.example, password: 'CANARY1', username: me}
  environmentVariables:
    API_KEY: |
      CANARY2
      CANARY2
    NOTE: "https://me:CANARY3@host/x"
    token: >-
      CANARY4
    SECRETS:
    - CANARY5
    - {a: CANARY5}
    TOKEN:
    OTHER: kept
  python: {condaDependencies: {channels: ["https://h/t/CANARY6/x"]}}
arguments:
- --password
- CANARY7
- &anchor plain
- 0.10
more: {secret: &s CANARY8, again: *s}
"""


def test_a_source_is_shown_as_it_is_but_for_its_secrets() -> None:
    shown = masked_source(SOURCE.encode(), "a.runconfig")
    assert "CANARY" not in shown
    before, after = load(SOURCE.encode(), "a"), load(shown.encode(), "a")
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert list(before) == list(after)
    for kept in (
        "script: train.py  # stays",
        "OTHER: kept",
        "- 0.10",
        "address: a.example",
        "- &anchor plain",
        "TOKEN:\n",
    ):
        assert kept in shown


def test_a_source_without_secrets_is_shown_byte_for_byte() -> None:
    text = "# note\nscript: train.py\narguments: [--lr, 0.10]\r\n"
    assert masked_source(text.encode(), "a") == text
    assert masked_source(text.encode("utf-16"), "a") == text


def test_json_with_tabs_is_masked_too() -> None:
    shown = masked_source(b'{\n\t"script": "a.py",\n\t"password": "CANARY"\n}', "a.json")
    assert json.loads(shown)["script"] == "a.py"
    assert "CANARY" not in shown


@pytest.mark.parametrize(
    "piece", ["a://b:c", "a://b:c ", "token=", "-----BEGIN PRIVATE KEY", "--token x ", "eyJaaaaaa.", "A", 'key="\\']
)
def test_a_long_hostile_text_is_searched_in_a_moment(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    began = time.process_time()
    redacted_text(text)
    redacted_value(text)
    assert time.process_time() - began < 5


def test_a_long_text_is_masked_to_its_end() -> None:
    text = "word " * 5_000 + "https://me:CANARY@host/x " + "word " * 5_000 + "--password CANARY"
    assert redacted_text(text) == text.replace("me:CANARY", MASK).replace("CANARY", MASK)
