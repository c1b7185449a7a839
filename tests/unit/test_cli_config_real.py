"""``runyard config`` over every real file, and over one with a secret in each place that the format has."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from runyard.cli import config
from runyard.cli.main import Commands
from tests.unit.test_cli_config_check import put, zipped
from tests.unit.test_runconfig_yaml12 import reference

FOLDERS = ("aml_config", ".azureml")

# The whole application is built anew for each call; these commands alone are so ten times faster.
app = typer.Typer(cls=Commands)
app.add_typer(config.app)


@pytest.fixture(autouse=True)
def _no_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNYARD_ROOT", str(tmp_path / "root"))
    monkeypatch.delenv("RUNYARD_DEBUG", raising=False)


def output(*args: object) -> str:
    """All that a command prints; it ends as a command should."""
    result = CliRunner().invoke(app, ["config", *map(str, args)])
    assert result.exception is None or isinstance(result.exception, SystemExit), (args, result.exception)
    assert result.exit_code in {0, 1, 2}
    assert "this is a bug" not in result.output
    return result.output


def cases() -> list[Path]:
    return sorted(folder.parent for name in FOLDERS for folder in reference().glob(f"*/*/{name}"))


def test_every_real_project_is_checked_and_shown() -> None:
    found = cases()
    assert len(found) == 51
    for case in found:
        said = json.loads(output("check", case, "--json"))
        assert said["command"], case
        assert said["defaults"], case
        assert not any(" is not a known key" in note for note in said["notes"]), (case, said["notes"])
        name = str(said["runconfig"])
        assert "verdict" in output("check", case / name)
        shown = json.loads(output("show", case, "--json"))
        assert {"script", "target", "framework", "environment"} <= set(shown["runconfig"])
        raw = output("show", case, "--raw")
        written = (case / name).read_text()
        assert (
            raw == written or "password: ********" in raw.replace('"', "") or "_Key: ********" in raw.replace('"', "")
        )


def test_real_projects_are_compared_across_releases() -> None:
    found = cases()
    for case in found[::4]:
        assert json.loads(output("diff", case, case, "--json")) == {"differences": []}, case
    for one, other in pairwise(found[::4]):
        assert json.loads(output("diff", one, other, "--json"))["differences"], (one, other)


def test_the_real_snapshot_is_checked() -> None:
    for path in (reference() / "snapshots").glob("*.zip"):
        assert json.loads(output("check", path, "--json"))["runconfig"].startswith("aml_config/")


SECRETS = """\
# password: CANARY_comment
script: train.py
arguments: [--password, CANARY_flag, --token=CANARY_joined, "https://u:CANARY_url@h/x", "-e", "DB_PASSWORD=CANARY;env x"]
target: vm
environment:
  environmentVariables:
    MY_API_KEY: CANARY_key
    STORE: "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=CANARY_account;EndpointSuffix=x"
    LINK: "https://a.blob.core.windows.net/c?sv=1&sig=CANARY_sas"
    PEM: "-----BEGIN RSA PRIVATE KEY-----\\nCANARY_pem\\n-----END RSA PRIVATE KEY-----"
    NUMBER_PASSWORD: 4711001
  docker:
    enabled: true
    baseImage: "u:CANARY@h/image"
    arguments: ["--env", "TOKEN=CANARY_docker"]
    baseImageRegistry: {address: a.example, username: me, password: CANARY_registry}
  python:
    condaDependencies:
      channels: ["https://h/t/CANARY_channel/x"]
      dependencies: [python=3.8, {pip: ["--index-url https://u:CANARY_pip@h/simple", "x @ git+https://CANARY_git@h/x"]}]
  r: {githubPackages: [{repository: o/r, authToken: CANARY_github}]}
history: {ambientAuthentication: {method: x, secret: CANARY_ambient}}
data: {d: {dataLocation: {uri: {path: "https://a/b?sig=CANARY_data"}}}}
unknownPassword: CANARY_unknown
spark: {configuration: {fs.azure.account.key.a.blob.core.windows.net: CANARY_spark}}
"""
COMPUTE = "type: remote\naddress: h\nusername: me\npassword: CANARY_compute\nprivateKey: CANARY_private\n"

BROKEN = (
    "environment: {docker: {baseImageRegistry: {password: [CANARY_list]}}}\n",
    "environment: {docker: {baseImageRegistry: {password: {a: CANARY_map}}}}\n",
    "environment: {docker: {baseImageRegistry: {password: *CANARY_alias}}}\n",
    "environment: {docker: {baseImageRegistry: {password: !CANARY_tag x}}}\n",
    "environment: {docker: {baseImageRegistry: {password: x, Password: CANARY_twice}}}\n",
    "environment: {environmentVariables: {MY_SECRET: [CANARY_variable]}}\n",
    "environment: {r: {githubPackages: [{authToken: {a: CANARY_token}}]}}\n",
    "history: {ambientAuthentication: {secret: [CANARY_secret]}}\n",
    "nodeCount: 'https://u:CANARY_number@h'\n",
    "environment: 'https://u:CANARY_path@h/x'\n",
    "environment: {python: {condaDependencies: {dependencies: ['https://u:CANARY_conda@h/x y z [', {pip: 5}]}}}\n",
    "script: 'https://u:CANARY_script@h/x'\n",
)


def test_a_secret_in_each_place_is_found_in_no_output(tmp_path: Path) -> None:
    files = {
        "train.py": "",
        "aml_config/x.runconfig": SECRETS.replace("u:CANARY@h/image", "image"),
        "aml_config/vm.compute": COMPUTE,
    }
    put(tmp_path / "p", files)
    put(
        tmp_path,
        {"other.yml": "script: a.py\n", "twin.yml": files["aml_config/x.runconfig"].replace("CANARY", "CANARY2")},
    )
    path = zipped(tmp_path / "p.zip", files)
    for place in (tmp_path / "p", path, tmp_path / "p" / "aml_config" / "x.runconfig"):
        for args in (
            ("check",),
            ("check", "--all"),
            ("check", "--json"),
            ("show",),
            ("show", "--json"),
            ("show", "--raw"),
        ):
            said = output(args[0], place, *args[1:])
            assert "CANARY" not in said, (place, args, [line for line in said.splitlines() if "CANARY" in line])
            assert "4711001" not in said
            assert "train.py" in said
        for twin in ("other.yml", "twin.yml"):
            for options in ([], ["--json"]):
                said = output("diff", place, tmp_path / twin, *options)
                assert "CANARY" not in said
                assert "baseImageRegistry.password" in said


@pytest.mark.parametrize("text", BROKEN)
def test_no_error_repeats_a_secret(tmp_path: Path, text: str) -> None:
    put(tmp_path, {"a.yml": text, "b.yml": "script: a.py\n"})
    for args in (
        ("check", tmp_path / "a.yml"),
        ("show", tmp_path / "a.yml"),
        ("diff", tmp_path / "a.yml", tmp_path / "b.yml"),
    ):
        said = output(*args)
        assert said
        assert "CANARY" not in said, said


def test_hostile_files_end_in_a_sentence(tmp_path: Path) -> None:
    hostile = {
        "deep": "[" * 3000,
        "digits": "nodeCount: " + "9" * 5000,
        "nul": "script: a\0b",
        "many": "".join(f"key{number}: x\n" for number in range(20_000)),
        "wrong": "environment:\n  environmentVariables:\n"
        + "".join(f"    A{number}: [1]\n" for number in range(3_000)),
    }
    put(tmp_path, hostile)
    for name in hostile:
        assert output("check", tmp_path / name).endswith("problems\n") or "1 problem\n" in output(
            "check", tmp_path / name
        )
