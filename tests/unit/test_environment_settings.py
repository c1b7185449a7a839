"""The settings of pip, honoured under uv where uv has none of its own; and what a tool's failure is."""

from __future__ import annotations

from pathlib import Path

import pytest

from runyard.runner.environments.failures import failure_of
from runyard.runner.environments.options import Indexes
from runyard.runner.environments.pip_config import for_uv, pip_settings
from runyard.runner.environments.running import Outcome, tool_environment

NOT_THERE = """\
  x No solution found when resolving dependencies:
  ╰─▶ Because nosuch was not found in the package registry and you require nosuch, we can conclude"""
TIMED_OUT = """\
WARNING: Retrying ... after connection broken by 'ReadTimeoutError("Read timed out. (read timeout=15)")'
ERROR: No matching distribution found for six"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("HOME", str(tmp_path))
    # Lists of one empty name keep the machine's own files out.
    return {"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_CONFIG_DIRS": str(tmp_path / "xdg")}


def put(folder: str, name: str, text: str) -> None:
    path = Path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def mine(settings: dict[str, str]) -> dict[str, str]:
    """Without what this machine's /etc/pip.conf may add."""
    return {name: text for name, text in settings.items() if "index" in name or "links" in name}


def test_pips_files_are_read_the_later_over_the_earlier_and_variables_over_all(
    home: dict[str, str], tmp_path: Path
) -> None:
    put(str(tmp_path), ".pip/pip.conf", "[global]\nindex-url = https://old.example/s\nno-index = no\n")
    put(
        home["XDG_CONFIG_HOME"],
        "pip/pip.conf",
        "[global]\nindex_url = https://user.example/s\n[install]\nfind-links = /w\n",
    )
    assert {"index-url": "https://user.example/s", "no-index": "no", "find-links": "/w"} == mine(pip_settings(home))
    put(str(tmp_path), "chosen.conf", "[install]\nindex-url = https://chosen.example/s\n")
    chosen = {**home, "PIP_CONFIG_FILE": str(tmp_path / "chosen.conf")}
    assert "https://chosen.example/s" == pip_settings(chosen)["index-url"]
    assert (
        "https://variable.example/s"
        == pip_settings({**chosen, "PIP_INDEX_URL": "https://variable.example/s"})["index-url"]
    )


def test_uv_gets_pips_index_when_it_has_none_of_its_own(home: dict[str, str]) -> None:
    variables = {"PIP_CONFIG_FILE": "/dev/null", **home, "PIP_INDEX_URL": "https://p.example/s", "PIP_NO_INDEX": "0"}
    variables |= {"PIP_EXTRA_INDEX_URL": "https://q.example/s https://r.example/s", "PIP_TRUSTED_HOST": "p.example"}
    expected = Indexes("https://p.example/s", ("https://q.example/s", "https://r.example/s"), (), ("p.example",), False)
    assert expected == for_uv(Indexes(), variables)
    assert Indexes() == for_uv(Indexes(), {**variables, "UV_DEFAULT_INDEX": "https://u.example/s"})


@pytest.mark.parametrize(
    "text",
    [
        'index-url = "https://u.example/s"\n',
        '[[index]]\nurl = "https://u.example/s"\n',
        '[pip]\nindex-url = "https://u"\n',
    ],
)
def test_uvs_own_file_is_left_to_it(home: dict[str, str], text: str) -> None:
    put(home["XDG_CONFIG_HOME"], "uv/uv.toml", text)
    assert Indexes() == for_uv(Indexes(), {**home, "PIP_INDEX_URL": "https://p.example/s"})


def test_a_file_of_uv_without_an_index_leaves_pips(home: dict[str, str]) -> None:
    put(home["XDG_CONFIG_HOME"], "uv/uv.toml", "native-tls = true\n")
    assert "https://p.example/s" == for_uv(Indexes(), {**home, "PIP_INDEX_URL": "https://p.example/s"}).main


def test_an_index_of_the_wish_takes_the_place_of_those_configured(home: dict[str, str]) -> None:
    variables = {**home, "PIP_CONFIG_FILE": "/dev/null"}
    variables |= {"PIP_INDEX_URL": "https://p.example/s", "PIP_EXTRA_INDEX_URL": "https://q.example/s"}
    assert Indexes("https://w.example/s") == for_uv(Indexes("https://w.example/s"), variables)
    asked = Indexes("", ("https://x.example/s",))
    assert Indexes("https://p.example/s", ("https://q.example/s", "https://x.example/s")) == for_uv(asked, variables)


def test_tools_inherit_proxies_and_certificates_and_not_what_leads_them_astray() -> None:
    ours = {"HTTPS_PROXY": "p", "PIP_CERT": "c", "PYTHONPATH": "/x", "PIP_TARGET": "/t", "VIRTUAL_ENV": "/v"}
    given = tool_environment(ours)
    assert ("p", "c", "never") == (given["HTTPS_PROXY"], given["PIP_CERT"], given["UV_PYTHON_DOWNLOADS"])
    assert not {"PYTHONPATH", "PIP_TARGET", "VIRTUAL_ENV"} & given.keys()


GIT = (
    "Collecting foo\nerror: subprocess-exited-with-error\n"
    "git clone --filter=blob:none --quiet https://h/x.git /t/foo did not run successfully."
)
TRANSITIVE = (
    "Because a==1 depends on b<2 and you require a==1, we can conclude that you require b<2.\n"
    "And because you require b==3, we can conclude that your requirements are unsatisfiable."
)


@pytest.mark.parametrize(
    ("tool", "line", "kind", "part"),
    [
        ("pip", "ERROR: No matching distribution found for nosuch==1.0", "user", "the package nosuch;"),
        ("uv", NOT_THERE, "user", "the package nosuch;"),
        ("uv", "╰─▶ Because there is no version of six==99 and you require six==99, we can", "user", "package six;"),
        ("pip", "  ERROR: Failed building wheel for thing", "user", "could not build the package thing;"),
        ("uv", "  x Failed to build `thing==1.0`", "user", "could not build the package thing;"),
        ("pip", "idna requires Python '>=3.9' but the running Python is 3.6.15", "user", "the package idna;"),
        ("pip", "ERROR: Cannot install six==1.15 and six==1.16 because these package versions have conflicting dependencies.",
         "user", "pip cannot install these together: six==1.15 and six==1.16; loosen"),
        ("uv", "  ╰─▶ Because you require six==1.15 and\n      six==1.16, we can conclude that your requirements\n      are unsatisfiable.",
         "user", "uv cannot install these together: six==1.15 and six==1.16; loosen"),
        ("pip", GIT, "user", "pip could not get foo by git; see"),
        ("uv", TRANSITIVE, "user", "together: a==1 depends on b<2; loosen"),
        ("pip", "Double requirement given: six==1.16 (from -r x (line 2)) (already in six==1.15 (from -r x), name='six')", "user",
         "together: six==1.16 and six==1.15; loosen"),
        ("pip", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If\n    six==1.16.0 from https://h/s.whl:",
         "user", "the package six is not what its hash says"),
        ("uv", "  ╰─▶ Hash mismatch for `six==1.16.0`", "user", "the package six is not what its hash says"),
        ("pip", "  Running setup.py install for bad-eyes: finished with status 'error'", "user", "build the package bad-eyes;"),
        ("pip", "Collecting one\nCollecting two==2 (from -r x)\nerror: subprocess-exited-with-error\negg_info", "user",
         "could not build the package two==2;"),
        ("rattler", "SolverError: No candidates were found for numpy 9.*.", "user", "the package numpy;"),
        ("conda", "PackagesNotFoundError: The following packages are not available:\n\n  - nosuch=1.0", "user", "nosuch;"),
        ("micromamba", "error    nothing provides requested nosuch 1.0", "user", "the package nosuch;"),
        ("pip", TIMED_OUT, "transient", "could not reach an index (package six)"),
        ("pip", "NewConnectionError: Failed to establish a new connection: [Errno 111] Connection refused", "transient", "index"),
        ("uv", "error: HTTP status server error (503 Service Unavailable) for url (https://h/simple/six/)", "transient", "index"),
        ("pip", "ERROR: 502 Server Error: Bad Gateway for url: https://h/simple/six/", "transient", "index"),
        ("uv", "error: Network connectivity is disabled, but the requested data wasn't found in the cache", "user", "network"),
        ("pip", "ERROR: HTTP error 401 Client Error: Unauthorized for url", "config", "refused pip's credentials"),
        ("uv", "error: failed to write: No space left on device (os error 28)", "quota", "no room on the disk"),
        ("pip", "Traceback (most recent call last):", "user", "pip could not install the packages (exit code 1)"),
    ],
)  # fmt: skip
def test_a_failure_names_the_package_and_only_network_trouble_is_transient(
    tool: str, line: str, kind: str, part: str
) -> None:
    failure = failure_of(tool, Outcome(1, ["first", *line.splitlines()]))
    assert (kind, True) == (failure.error_class, part in failure.message), failure.message
    assert line.splitlines()[-1] == failure.tail[-1]


def test_without_an_index_the_failure_says_that_none_may_be_asked() -> None:
    failure = failure_of("pip", Outcome(1, ["No matching distribution found for six"]), no_index=True)
    assert "pip found no fitting six, and may ask no index (no-index is set)" == failure.message
