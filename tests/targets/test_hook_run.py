"""What a run is told beside metrics: tags, properties, child runs, models, its ending; and what it answers."""

from __future__ import annotations

import json

import pytest

from runyard.runs.metrics import collect, properties_of, summarise, tags_of
from tests.targets.hooked import Script


def test_tags_and_properties_are_given_read_back_and_removed(script: Script) -> None:
    printed = script(
        """\
from azureml.core import Run
run = Run.get_context()
run.tag("stage", "final"); run.tag("stage", "really"); run.tag("bare"); run.set_tags({"n": 1, "gone": 2, "too": 3})
run.remove_tags(["gone"]); run.remove_tags("too")
run.add_properties({"author": "me", "n": 1})
run.display_name = "night"; run.description = "all alphas"
print(run.tags == run.get_tags(), sorted(run.tags.items()))
print(run.properties == run.get_properties(), sorted(run.properties.items()), run.display_name, run.description)
"""
    )
    tags = {"bare": "None", "n": "1", "stage": "really"}
    properties = {"author": "me", "description": "all alphas", "displayName": "night", "n": "1"}
    assert printed.splitlines() == [
        f"True {sorted(tags.items())}",
        f"True {sorted(properties.items())} night all alphas",
    ]
    assert (tags, properties) == (tags_of(script.stored()), properties_of(script.stored()))
    assert ({}, []) == (collect(script.stored()).values, collect(script.stored()).problems)


def test_a_child_run_logs_under_its_parent(script: Script) -> None:
    printed = script(
        """\
import json
from azureml.core import Run
run = Run.get_context()
run.log("mse", 1)
for fold in range(2):
    with run.child_run(name="fold_%d" % fold) as child:
        assert (child.parent is run, child.status, child.name) == (True, "Running", "fold_%d" % fold)
        child.log("mse", fold + 2); child.tag("fold", fold)
        with child.child_run("inner") as inner:
            inner.log("x", 7)
    assert child.get_status() == "Completed"
try:
    with run.child_run() as broken:
        broken.log("mse", 9)
        raise RuntimeError("no luck")
except RuntimeError as error:
    print(error, broken.status)
print(json.dumps([run.get_metrics(), child.get_metrics(), sorted(map(str, run.get_metrics("mse", recursive=True).values()))]))
print([(each.name, each.status, each.tags) for each in run.get_children()][:2])
print([each.name for each in run.get_children(recursive=True, status="Completed")])
print([each.name for each in run.get_children(tags="fold")], [each.name for each in run.get_children(tags={"fold": "1"})])
print([each.name for each in run.get_children(type="azureml.other")])
assert {each.id for each in run.get_children()} == {each.id for each in run.get_children() if each.id.startswith(run.id)}
"""
    )
    broken, metrics, children, recursive, tagged, typed = printed.splitlines()
    assert "no luck Failed" == broken
    assert [
        {"mse": 1},
        {"mse": 3},
        sorted(["{'mse': 1}", "{'mse': 2}", "{'mse': 3}", "{'mse': 9}", "{}", "{}"]),
    ] == json.loads(metrics)
    assert "[('fold_0', 'Completed', {'fold': '0'}), ('fold_1', 'Completed', {'fold': '1'})]" == children
    assert "['fold_0', 'inner', 'fold_1', 'inner']" == recursive
    assert ("['fold_0', 'fold_1'] ['fold_1']", "[]") == (tagged, typed)
    read = collect(script.stored())
    unnamed = next(name for name in read.values if name.endswith("/mse") and not name.startswith("fold"))
    assert {
        "mse": 1,
        "fold_0/mse": 2,
        "fold_0/inner/x": 7,
        "fold_1/mse": 3,
        "fold_1/inner/x": 7,
        unnamed: 9,
    } == read.values
    assert {"fold_0/fold": "0", "fold_1/fold": "1"} == tags_of(script.stored())
    assert 3.0 == summarise(script.stored())["fold_1/mse"].last


def test_children_are_made_in_numbers_and_found_by_other_processes(script: Script) -> None:
    printed = script(
        """\
import os
from azureml.core import Run
from azureml.core.run import get_run
run = Run.get_context()
children = run.create_children(count=2) + run.create_children(tag_key="alpha", tag_values=[0.1, 0.2])
if os.fork() == 0:
    for child in Run.get_context().get_children():
        child.complete()
    os._exit(0)
os.wait()
print([child.status for child in run.get_children()], [child.tags for child in children][1:3])
print(get_run(run_id=children[0].id).id == children[0].id, get_run(None, run.id) is run)
children[0].cancel(); children[1].fail("why")
print([child.status for child in run.get_children()][:2])
for call in (lambda: run.create_children(), lambda: run.create_children(101), lambda: get_run(run_id="other")):
    try:
        call()
    except Exception as error:
        print(type(error).__name__, error)
"""
    )
    assert printed.splitlines() == [
        "['Completed', 'Completed', 'Completed', 'Completed'] [{'azureml.batch_child_number': '1'}, {'alpha': '0.1'}]",
        "True True",
        "['Canceled', 'Failed']",
        "ValueError create_children takes count, or tag_key and tag_values",
        "ValueError create_children makes at most 100 runs, not 101",
        "RunEnvironmentException a script here sees its own run exp_1_abc and its children alone, not other",
    ]
    assert "why" in {line.get("description") for line in script.lines()}


def test_a_model_stays_with_its_run_and_the_script_goes_on(script: Script) -> None:
    printed = script(
        """\
import os
from azureml.core import Run
run = Run.get_context()
open("outputs/m.pkl", "w").write("kept"); open("here.pkl", "w").write("beside")
os.makedirs("folder/sub"); open("folder/sub/part", "w").write("part")
for path in ("outputs/m.pkl", "./outputs/m.pkl", "here.pkl", "folder", "not_there", "/etc/passwd"):
    model = run.register_model(model_name="best", model_path=path, tags={"a": 1}, properties=None, model_framework="x")
    print(model.name, model.id, model.version, model.tags, model.url, model.experiment_name, model.run_id, sep="|")
print(run.register_model("here.pkl").url)
try:
    model.download()
except AttributeError as error:
    print(error)
"""
    )
    lines = printed.splitlines()
    urls = ["outputs/m.pkl", "outputs/m.pkl", "outputs/here.pkl", "outputs/folder", None, None]
    assert [f"best|best:{n}|{n}|{{'a': 1}}|{url}|exp|exp_1_abc" for n, url in enumerate(urls, 1)] == lines[:6]
    assert "outputs/here.pkl" == lines[6]
    assert "this version has no registry of models: best:6 has no download; its files are in its run" == lines[7]
    assert (b"beside", b"part") == (script.kept("outputs/here.pkl"), script.kept("outputs/folder/sub/part"))
    told = "runyard: model best was not registered: this version has no models; "
    assert told + "its files stay in the run, as outputs/m.pkl" in script.errors
    assert told + "and there is no file not_there" in script.errors
    assert ["runyard.model"] * 7 == [line["type"] for line in script.lines()]


def test_the_script_alone_decides_how_its_run_ends(script: Script) -> None:
    printed = script(
        """\
from azureml.core import Run
run = Run.get_context()
run.start(); run.complete(); run.fail(error_details="bad data", error_code="E1"); run.fail(); run.cancel(); run.flush(1)
with run:
    pass
print(run.status, run.get_status(), run.get_detailed_status()["status"], run.wait_for_completion(show_output=True)["status"])
"""
    )
    assert "Running Running Running Running\n" == printed
    assert script.errors.splitlines() == [
        "runyard: the script calls its run failed: E1 bad data (its exit code decides: end it with sys.exit(1))",
        "runyard: the script calls its run failed (its exit code decides: end it with sys.exit(1))",
        "runyard: a script cannot cancel its own run: end it, or call `runyard cancel exp_1_abc`",
    ]


def test_the_details_are_the_sdks(script: Script) -> None:
    logs = script.folder / "azureml-logs"
    logs.mkdir()
    (logs / "70_driver_log.txt").write_text("so far\n")
    printed = script(
        """\
import json
from azureml.core import Run
run = Run.get_context()
run.add_properties({"a": "b"})
details = run.get_details()
print(json.dumps(details))
print(json.dumps(run.get_details_with_logs()["logFiles"]))
print(run.get_all_logs("copies"), run.get_snapshot_id(), run.type, repr(run), repr(run.experiment))
""",
        variables={"RUNYARD_COMPUTE": "gpu-box", "AZUREML_NODE_COUNT": "1"},
    )
    details, logged, rest = printed.splitlines()
    assert {
        "runId": "exp_1_abc",
        "target": "gpu-box",
        "status": "Running",
        "warnings": [],
        "properties": {"a": "b"},
        "inputDatasets": [],
        "outputDatasets": [],
        "runDefinition": {
            "script": "-c",
            "arguments": [],
            "framework": "Python",
            "communicator": "None",
            "nodeCount": 1,
        },
        "logFiles": {"azureml-logs/70_driver_log.txt": str(logs / "70_driver_log.txt")},
        "submittedBy": None,
    } == json.loads(details)
    assert {"azureml-logs/70_driver_log.txt": "so far\n"} == json.loads(logged)
    run = "Run(Experiment: exp, Id: exp_1_abc) Experiment('exp')"
    assert f"['copies/azureml-logs/70_driver_log.txt'] exp_1_abc azureml.scriptrun {run}" == rest
    assert b"so far\n" == script.kept("copies/azureml-logs/70_driver_log.txt")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            "run.submit_child({})",
            "Runyard's run has no submit_child: a script starts no runs here; child_run() logs under",
        ),
        ("run.get_environment()", "Runyard's run has no get_environment: the environment is that of the interpreter"),
        (
            "run.get_secret('x')",
            "Runyard's run has no get_secret: there is no key vault here; pass secrets as environment",
        ),
        (
            "run.input_datasets['x']",
            "Runyard's run has no input_datasets: there are no datasets here; pass paths as arg",
        ),
        ("run.nothing", "Runyard's run has no nothing: it has add_properties, add_type_provider, "),
        (
            "run.experiment.workspace",
            "the experiment has no workspace: there is no workspace here: Runyard gives a script",
        ),
        ("run.experiment.submit(1)", "Runyard's experiment has a name alone, no submit"),
        (
            "Run.list(run.experiment)",
            "a script here sees its own run alone; `runyard runs` lists those of Experiment('exp')",
        ),
        ("Run.get(None, 'other')", "a script here sees its own run exp_1_abc and its children alone, not other"),
    ],
)
def test_what_there_is_not_is_named(script: Script, asked: str, told: str) -> None:
    assert told in script(f"from azureml.core import Run; run = Run.get_context(); {asked}", code=1)
