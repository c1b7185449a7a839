"""Plans and options of the kind ``local``: data in, data out."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from runyard.errors import ConfigError, UnsupportedError
from runyard.ports import Compute, Job, Plan
from runyard.runs.model import Handle, JobSpec, Origin, Run, SnapshotRef
from runyard.targets.local import options
from runyard.targets.local.inherit import inherited
from runyard.targets.local.jobs import make_plan, split_handle

RUN = Run(
    id="exp_1_abcdef01",
    experiment="exp",
    identity="0",
    origin=Origin(source="api"),
    reason="r",
    since=0.0,
    created=0.0,
    snapshot=SnapshotRef(container="snapshots", name="exp/a.zip", etag="1-2-3", size=3),
)
COMPUTE = Compute(name="box", kind="local", limit=2)


def plan(compute: Compute = COMPUTE, slot: int = 0, **spec: Any) -> Plan:
    run = msgspec.structs.replace(RUN, spec=JobSpec(**{"script": "train.py", **spec}))
    return make_plan(Job(run=run, compute=compute, attempt=2, slot=slot))


def test_a_plan_is_the_exact_request() -> None:
    made = plan(
        arguments=("--alpha", "0.5"),
        environment_variables={"A": "b"},
        max_duration=60.0,
        interpreter="python",
    )
    assert made == Plan(
        kind="local",
        compute="box",
        run_id="exp_1_abcdef01",
        attempt=2,
        name=made.name,
        handle=Handle(kind="local", compute="box", id="exp_1_abcdef01/2"),
        request={
            "name": made.name,
            "run": "exp_1_abcdef01",
            "attempt": 2,
            "experiment": "exp",
            "compute": "box",
            "framework": "Python",
            "script": "train.py",
            "arguments": ["--alpha", "0.5"],
            "interpreter": sys.executable,
            "environment_variables": {"A": "b"},
            "node_count": 1,
            "gpu": None,
            "max_duration": 60.0,
            "grace": 10.0,
            "watched_directories": ["logs"],
            "hook": True,
            "environment": None,
            "container": None,
            "snapshot": "snapshots/exp/a.zip",
            "snapshot_etag": "1-2-3",
        },
    )
    assert made.name.startswith("ry-")
    assert made.name.endswith("-2")
    assert made == plan(
        arguments=("--alpha", "0.5"), environment_variables={"A": "b"}, max_duration=60.0, interpreter="python"
    )


def test_a_slot_sees_its_gpu() -> None:
    compute = replace(COMPUTE, options={"gpus": 2})
    assert [plan(compute, slot).request["gpu"] for slot in range(4)] == [0, 1, 0, 1]


def test_a_named_interpreter_is_kept() -> None:
    compute = replace(COMPUTE, options={"interpreter": "/opt/py/bin/python"})
    assert plan(compute).request["interpreter"] == "/opt/py/bin/python"
    assert plan(compute, interpreter="/usr/bin/python3.6").request["interpreter"] == "/usr/bin/python3.6"


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (
            {"framework": "PySpark"},
            "the framework 'PySpark' cannot run on 'box': kind 'local' runs Python scripts; set framework to Python, or submit with another target",
        ),
        ({"node_count": 2}, "the run asks for 2 nodes, and 'box' is one machine; set nodeCount to 1"),
    ],
)
def test_what_one_machine_cannot_do_is_refused(spec: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        plan(**spec)
    assert caught.value.message == sentence


def test_the_spelling_of_the_framework_does_not_matter() -> None:
    assert plan(framework="python").request["framework"] == "Python"


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            {"image": "x"},
            (
                "has the option 'image', which kind 'local' does not know; it knows interpreter, gpus, grace, environments, "
                "resolver, docker, docker_network, docker_arguments, hook"
            ),
        ),
        ({"gpus": -1}, "the option 'gpus' is '-1'; it is a whole number from 0"),
        ({"gpus": True}, "the option 'gpus' is 'True'; it is a whole number from 0"),
        ({"grace": "long"}, "the option 'grace' is 'long'; it is a number of seconds from 0 to 3600"),
        ({"grace": float("nan")}, "it is a number of seconds from 0 to 3600"),
        ({"interpreter": ""}, "the option 'interpreter' is ''; it is a path, or a name on PATH"),
        ({"hook": "maybe"}, "the option 'hook' is 'maybe'; it is true or false"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_allowed(found: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        options.check(replace(COMPUTE, options=found))
    assert sentence in caught.value.message


def test_options_may_come_as_texts() -> None:
    found = options.LocalOptions.read(replace(COMPUTE, options={"gpus": "2", "grace": "1.5", "hook": "false"}))
    assert (found.gpus, found.grace, found.hook) == (2, 1.5, False)
    known = {"interpreter", "gpus", "grace", "environments", "resolver", "hook"}
    assert known | {"docker", "docker_network", "docker_arguments"} == set(options.describe())


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="has the limit 0; at least 1 is needed"):
        options.check(replace(COMPUTE, limit=0))


def test_gpus_are_counted_when_nobody_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "count_gpus", lambda: 2)
    assert options.check(COMPUTE).options == {"gpus": 2}
    assert options.check(replace(COMPUTE, options={"gpus": 0})).options == {"gpus": 0}
    compute = options.default_compute()
    assert (compute.limit, compute.options) == (1, {"gpus": 2})


def test_scripts_inherit_neither_our_variables_nor_the_services_credentials() -> None:
    secret = [
        "RUNYARD_TOKEN",
        "AZUREML_RUN_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_CLIENT_CERTIFICATE_PASSWORD",
        "AZURE_PASSWORD",
        "IDENTITY_HEADER",
        "MSI_SECRET",
        "AzureWebJobsStorage",
        "ServiceBus__clientSecret",
        "SB_CONNECTION_STRING",
        "AZURE_STORAGE_KEY",
        "STORAGE_ACCOUNT_KEY",
        "PYTHONHOME",
    ]
    kept = ["PATH", "HOME", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "LANG", "https_proxy", "CONDA_PREFIX"]
    assert sorted(inherited(dict.fromkeys(secret + kept, "x"))) == sorted(kept)


def test_a_handle_of_another_kind_is_refused() -> None:
    run, attempt, name = split_handle(Handle(kind="local", compute="c", id="exp_1_abcdef01/2"))
    assert (run, attempt, name) == ("exp_1_abcdef01", 2, plan().name)
    with pytest.raises(ValueError, match="is no handle of kind 'local'"):
        split_handle(Handle(kind="local", compute="c", id="x"))
