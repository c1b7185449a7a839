"""Outside of a run: what is logged is printed, as SDK 1.0.2 and later print it, and nothing is kept."""

from __future__ import annotations

from tests.targets.hooked import Script

NO_RUN = "this script is not part of a run; submit it, or allow an offline run"


def test_what_is_logged_is_printed(script: Script) -> None:
    printed = script(
        """\
from azureml.core.run import Run
run = Run.get_context()
run.log("alpha", 0.1); run.log_list("l", [1]); run.log_row("r", x=1); run.log_table("t", {"x": [1]})
run.log_image("i", path="a.png"); run.log_image("i", plot=7)
run.log_confusion_matrix("m", 1); run.log_accuracy_table("m", 1); run.log_residuals("m", 1); run.log_predictions("m", 1)
run.tag("a", "b"); run.set_tags({"a": 1}); run.add_properties({"b": 2})
run.upload_file("name", "path"); run.upload_folder("name", "path"); run.upload_files(["name"], ["path"])
model = run.register_model("m", "outputs/m.pkl"); run.fail("no", 3); run.flush(); run.complete(); run.cancel()
assert (model.name, model.version) == ("m", 1)
assert (run.get_metrics(), list(run.get_children()), run.get_file_names()) == ({}, [], [])
""",
        submitted=False,
    )
    assert printed.splitlines() == [
        *("Attempted to log scalar metric alpha:", "0.1", "Attempted to log list metric l:", "[1]"),
        *("Attempted to log row metric r:", "{'x': 1}", "Attempted to log table metric t:", "{'x': [1]}"),
        *("Attempted to log image metric i:", "a.png", "Attempted to log image metric i:", "7"),
        *("Attempted to log confusion_matrix metric m:", "1", "Attempted to log accuracy_table metric m:", "1"),
        *("Attempted to log residual metric m:", "1", "Attempted to log predictions metric m:", "1"),
        "Attempted to add tag a with value b",
        "Attempted to set tags {'a': 1}",
        "Attempted to add properties {'b': 2}",
        "Attempted to track file name at path",
        "Attempted to track folder name at path",
        "Attempted to track files ['name'] at ['path']",
        "Attempted to register model m at outputs/m.pkl",
        "Run failed with error code 3:",
        "no",
        printed.splitlines()[-1],
    ]
    assert printed.splitlines()[-1].startswith("Attempted to flush run with id OfflineRun_")
    assert ["outputs"] == [path.name for path in script.work.iterdir()], "no file was made"


def test_children_and_contexts_are_offline_too(script: Script) -> None:
    printed = script(
        """\
from azureml.core import Run
from azureml.core.run import _OfflineRun
with Run.get_context() as run:
    child = run.child_run("fold")
    print(child.id == run.id + ".fold", isinstance(child, _OfflineRun), type(run) == _OfflineRun)
print(hasattr(run, "experiment"), run.id.startswith("OfflineRun_"))
""",
        submitted=False,
    )
    begun, child, stopped, last = printed.splitlines()
    assert begun.startswith("[START] Run OfflineRun_")
    assert begun.endswith(" context")
    assert stopped.startswith("[STOP] Run OfflineRun_")
    assert ("True True True", "False True") == (child, last)


def test_a_submitted_run_is_asked_for_in_vain(script: Script) -> None:
    printed = script(
        """\
from azureml.core.run import Run, get_run
from azureml.exceptions import RunEnvironmentException
for call in (Run.get_submitted_run, lambda: Run.get_context(allow_offline=False), lambda: Run.get_context(False), get_run):
    try:
        call()
    except RunEnvironmentException as error:
        print(error)
        assert error.message == str(error)
print(RunEnvironmentException(inner_exception=KeyError("x")))
""",
        submitted=False,
    )
    assert [NO_RUN] * 5 == printed.splitlines()
