"""Tools on the PATH: how micromamba, mamba and conda are called, and what is made of their failures.

The programs here note how they were called and make a prefix as those do; what they stand for cannot be installed
everywhere.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.targets.environments import Builders, make_wheel, says

TOOL = """\
#!{python}
import json, os, subprocess, sys
arguments = sys.argv[1:]
called = {{"arguments": arguments}}
for name in ("--file", "-f"):
    if name in arguments:
        path = arguments[arguments.index(name) + 1]
        called["file"] = json.load(open(path))
        called["mode"] = oct(os.stat(path).st_mode & 0o777)
with open({log!r}, "a") as stream:
    stream.write(json.dumps(called) + "\\n")
print("a word of the tool")
failure = os.environ.get("TOOL_FAILS")
if failure:
    sys.exit(failure)
prefix = arguments[arguments.index("--prefix") + 1]
if not os.path.exists(prefix):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
os.makedirs(prefix + "/conda-meta", exist_ok=True)
open(prefix + "/conda-meta/python-{version}-0.json", "w").write("{{}}")
"""
VERSION = ".".join(map(str, sys.version_info[:3]))
NO_NETWORK = "CondaHTTPError: HTTP 000 CONNECTION FAILED for url <https://channel.example/noarch/repodata.json>"


class Tools:
    """Programs on a PATH of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.log = folder / "calls"

    def put(self, name: str) -> None:
        path = self.folder / name
        path.write_text(TOOL.format(python=os.path.realpath(sys.executable), log=str(self.log), version=VERSION))
        path.chmod(0o755)

    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    @property
    def path(self) -> str:
        return f"{self.folder}:/usr/bin:/bin"


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return Tools(tmp_path / "programs")


def asked_of(builders: Builders, *packages: str, **more: Any) -> dict[str, Any]:
    make_wheel(builders.wheels, "greeting", "1.2")
    pip = ["--no-index", f"--find-links {builders.wheels}", "greeting"]
    return builders.record(
        *packages, pip=pip, channels=["https://u:pw@channel.example/c"], **{"resolver": "auto", **more}
    )


@pytest.mark.parametrize(
    ("name", "verbs"),
    [
        ("micromamba", ["create", "--yes"]),
        ("mamba", ["env", "create", "--quiet"]),
        ("conda", ["env", "create", "--quiet"]),
    ],
)
def test_a_tool_on_the_path_makes_the_prefix_as_written(
    builders: Builders, tools: Tools, name: str, verbs: list[str]
) -> None:
    tools.put(name)
    told = builders.build(
        asked_of(builders, "python=3.6.2", "nomkl", "numpy=1.16=b_0", policy="exact"), PATH=tools.path
    )
    assert (name, []) == (told.ready["tool"], told.notes)
    assert "a word of the tool" in told.lines
    (call,) = tools.calls()
    assert [*verbs, "--prefix", told.ready["prefix"], "--file"] == call["arguments"][:-1]
    assert not Path(call["arguments"][-1]).exists()
    assert "0o600" == call["mode"]
    packages = {"channels": ["https://u:pw@channel.example/c", "nodefaults"]}
    assert {**packages, "dependencies": ["nomkl", "numpy=1.16=b_0", "python=3.6.2"]} == {
        **call["file"],
        "dependencies": sorted(call["file"]["dependencies"]),
    }
    assert "pw@" not in told.output
    assert "1.2" == says(told.ready["interpreter"], "import greeting; print(greeting.VERSION)")


def test_micromamba_is_chosen_before_conda_and_an_asked_one_before_all(builders: Builders, tools: Tools) -> None:
    for name in ("micromamba", "conda"):
        tools.put(name)
    assert "micromamba" == builders.build(asked_of(builders), PATH=tools.path).ready["tool"]
    assert "conda" == builders.build(asked_of(builders, resolver="conda"), PATH=tools.path).ready["tool"]
    kind, sentence = builders.build(asked_of(builders, resolver="mamba"), PATH=tools.path).problem
    assert ("config", True) == (kind, "the resolver mamba is asked for, and it is not installed here" in sentence)


def test_a_tool_that_does_not_reach_its_channel_gives_way_by_nearest_and_not_by_exact(
    builders: Builders, tools: Tools
) -> None:
    tools.put("conda")
    asked = asked_of(builders, f"python={VERSION}", "greeting")
    told = builders.build(asked, PATH=tools.path, TOOL_FAILS=NO_NETWORK)
    assert "uv" == told.ready["tool"]
    assert [
        "channel https://********@channel.example/c: cannot be reached (conda says so); PyPI is used",
        "greeting: left to the pip part, which names it too",
    ] == told.notes
    kind, sentence = builders.build({**asked, "policy": "exact"}, PATH=tools.path, TOOL_FAILS=NO_NETWORK).problem
    assert ("config", True) == (kind, "the channel https://********@channel.example/c cannot be reached" in sentence)


def test_a_package_that_a_tool_does_not_find_is_named(builders: Builders, tools: Tools) -> None:
    tools.put("conda")
    words = "ResolvePackageNotFound:\n  - nosuch=1.0"
    kind, sentence = builders.build(asked_of(builders, "nosuch=1.0"), PATH=tools.path, TOOL_FAILS=words).problem
    assert ("user", "conda found no fitting version of the package nosuch") == (kind, sentence.partition(";")[0])


def test_a_base_environment_is_copied_and_added_to(builders: Builders, tools: Tools, tmp_path: Path) -> None:
    tools.put("conda")
    base = tmp_path / "base"
    (base / "conda-meta").mkdir(parents=True)
    (base / "conda-meta" / "python-3.6.8-0.json").write_text("{}")
    asked = asked_of(builders, "python=3.6", "numpy=1.16", base=str(base))
    ready = builders.build(asked, PATH=tools.path).ready
    clone, update = tools.calls()
    assert ["create", "--yes", "--quiet", "--prefix", ready["prefix"], "--clone", str(base)] == clone["arguments"]
    assert ["env", "update", "--quiet", "--prefix", ready["prefix"], "--file"] == update["arguments"][:-1]
    assert {"channels": ["https://u:pw@channel.example/c"], "dependencies": ["numpy=1.16"]} == update["file"]
    assert "1.2" == says(ready["interpreter"], "import greeting; print(greeting.VERSION)")


def test_a_tool_that_leaves_something_running_does_not_hold_up_the_build(builders: Builders, tools: Tools) -> None:
    tools.put("conda")
    path = tools.folder / "conda"
    path.write_text(path.read_text().replace("failure =", "subprocess.Popen(['sleep', '600'])\nfailure ="))
    assert "conda" == builders.build(asked_of(builders), PATH=tools.path).ready["tool"]
