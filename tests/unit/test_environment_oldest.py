"""The engine on the oldest interpreter: the same keys, recipes and answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runyard.runner.build import PACKAGE, build_zipapp
from tests.interpreters import oldest_interpreter

CODE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from PACKAGE import environments as e
from PACKAGE.environments.resolve import Facts, Interpreter, resolve
from PACKAGE.problems import Problem
have = [Interpreter("/py", version) for version in [(2, 7, 18), (3, 6, 15), (3, 11, 7)]]
said = []
for record in json.load(sys.stdin):
    try:
        wish = e.read_wish(record)
        recipe = resolve(wish, Facts(have[-1], have, record["tool"], has_uv=True))
        said.append([wish.key, recipe.kind, recipe.conda, recipe.packages, recipe.notes, e.find(wish), e.explain(wish)])
    except Problem as problem:
        said.append([problem.message, problem.error_class])
said += [e.list_environments(sys.argv[2]), e.builder_command("/p", "/z")]
json.dump(said, sys.stdout)
""".replace("PACKAGE", PACKAGE)


def wishes(cache: str) -> list[dict[str, Any]]:
    asked = [
        (["python=3.6.2", "numpy=1.16=b_0", "nomkl", {"pip": ["--pre", "azureml-defaults", "six"]}], "nearest", ""),
        (["python=3.6.2", "numpy"], "exact", ""),
        (["python=3.6.2", "numpy", {"pip": ["--index-url https://u:pässword@h.example/s"]}], "exact", "rattler"),
        (["python=3.5", "numpy=9d"], "nearest", ""),
        ([{"pip": ["-r more.txt"]}], "nearest", ""),
    ]
    return [
        {
            "conda": {"channels": ["c"], "dependencies": each},
            "policy": policy,
            "tool": tool,
            "cache": cache,
            "source": "s",
        }
        for each, policy, tool in asked
    ]


def test_the_oldest_interpreter_gives_the_same_answers(tmp_path: Path) -> None:
    oldest = oldest_interpreter()
    if oldest is None:
        pytest.skip("no older interpreter is installed here")
    build_zipapp(str(tmp_path / "a.pyz"))
    cache = str(tmp_path / "environments")
    answers = []
    for python in (sys.executable, oldest):
        done = subprocess.run(
            [python, "-I", "-S", "-c", CODE, str(tmp_path / "a.pyz"), cache],
            input=json.dumps(wishes(cache)),
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.environ["PATH"]},
        )
        assert done.returncode == 0, done.stderr
        answers.append(json.loads(done.stdout))
    assert answers[0] == answers[1]
    assert [7, 2, 7, 2, 2] == [len(each) for each in answers[0][:5]]
