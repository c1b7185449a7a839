"""The run's files, as a script keeps them and finds them again."""

from __future__ import annotations

import json

import pytest

from tests.targets.hooked import Script


def test_files_are_kept_under_their_names(script: Script) -> None:
    printed = script(
        """\
import io, json, os, pathlib
from azureml.core import Run
run = Run.get_context()
open("a.txt", "w").write("a"); open("outputs/there.txt", "w").write("there")
run.upload_file("outputs/a.txt", "a.txt")
run.upload_file(name="outputs/deep/er/a.txt", path_or_stream=pathlib.Path("a.txt"))
run.upload_file("outputs/there.txt", "./outputs/there.txt")
run.upload_file("bytes", io.BytesIO(b"\\xff\\x00")); run.upload_file("./text.txt", io.StringIO("\\u00e9"))
run.upload_file("logs/log.txt", "a.txt"); run.upload_file("outputs", "a.txt")
made = run.upload_files(["x/1", "x/2"], ["a.txt", "a.txt"], return_artifacts=True)
assert sorted(made) == ["x/1", "x/2"] and run.upload_files(names=["x/3"], paths=["a.txt"], timeout_seconds=5) is None
os.makedirs("model/sub"); open("model/sub/w", "w").write("w"); open("model/top", "w").write("t")
run.upload_folder("outputs/model", "model"); run.upload_folder(name="again", path="model"); run.upload_folder("outputs", "outputs")
print(run.take_snapshot("model"), run.take_snapshot("a.txt"))
print(json.dumps(run.get_file_names()))
"""
    )
    snapshots, names = printed.splitlines()
    assert "outputs/snapshots/model outputs/snapshots/a.txt" == snapshots
    assert [
        "logs/log.txt",
        *("outputs/a.txt", "outputs/again/sub/w", "outputs/again/top", "outputs/bytes", "outputs/deep/er/a.txt"),
        *("outputs/model/sub/w", "outputs/model/top", "outputs/outputs"),
        *("outputs/snapshots/a.txt", "outputs/snapshots/model/sub/w", "outputs/snapshots/model/top"),
        *("outputs/text.txt", "outputs/there.txt", "outputs/x/1", "outputs/x/2", "outputs/x/3"),
    ] == json.loads(names)
    assert (b"\xff\x00", "é".encode()) == (script.kept("outputs/bytes"), script.kept("outputs/text.txt"))
    assert b"there" == script.kept("outputs/there.txt")


def test_files_are_found_again_under_the_names_they_were_given(script: Script) -> None:
    printed = script(
        """\
import os
from azureml.core import Run
run = Run.get_context()
open("m", "w").write("m")
run.upload_file("model.pkl", "m"); run.upload_files(["outputs/x/1", "outputs/x/2"], ["m", "m"])
run.download_file("model.pkl"); run.download_file("outputs/model.pkl", "copies/other.pkl")
run.download_file("outputs/x/1", output_file_path="copies")
run.download_files("outputs/x", "into"); run.download_files(prefix="outputs/x", output_directory="bare", append_prefix=False)
run.download_files(prefix="outputs/x/2", output_paths=["exact"])
print(sorted(os.path.relpath(os.path.join(f, n)) for f, _, ns in os.walk(".") for n in ns if not f.startswith("./outputs")))
try:
    run.download_file("nothing")
except FileNotFoundError as error:
    print(error)
"""
    )
    found, error = printed.splitlines()
    assert str(sorted(["m", "model.pkl", "copies/other.pkl", "copies/1", "into/outputs/x/1", "into/outputs/x/2", "bare/1", "bare/2", "exact"])) == found  # fmt: skip
    assert "the run has no file 'nothing'; it has outputs/model.pkl, outputs/x/1, outputs/x/2" == error


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("upload_file('../x', 'a')", "a run's file has a relative name without '..', not '../x'"),
        ("upload_file('/x', 'a')", "a run's file has a relative name without '..', not '/x'"),
        ("upload_file('', 'a')", "a run's file has a relative name without '..', not ''"),
        ("upload_file('x', 'a', 'store')", "there are no datastores here; leave datastore_name='store' out"),
        ("upload_file('x', 'not there')", "No such file or directory: 'not there'"),
        ("upload_folder('x', 'not there')", "upload_folder takes a folder, and not there is none"),
        ("upload_files(['x'], [])", "upload_files takes as many names as paths, not 1 and 0"),
    ],
)
def test_what_cannot_be_kept_is_told(script: Script, call: str, told: str) -> None:
    assert told in script(f"from azureml.core import Run; Run.get_context().{call}", code=1)
