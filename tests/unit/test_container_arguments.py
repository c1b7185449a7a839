"""``docker.arguments``: what any compute takes, in which spellings, and what none does."""

from __future__ import annotations

from typing import Any

import pytest

from runyard.errors import ConfigError, UnsupportedError
from runyard.ports import Compute, Job
from runyard.runner.containers.arguments import ALLOWED, read_arguments, wrong_flag
from runyard.runner.containers.contained import mount, options_of
from runyard.runner.problems import Problem
from runyard.runner.sealed import MASK
from runyard.runs.model import ContainerSpec, JobSpec, Origin, Run, SnapshotRef
from runyard.targets.local.jobs import make_plan
from runyard.targets.local.options import LocalOptions


def job(container: ContainerSpec, **options: object) -> Job:
    run = Run(
        id="exp_1_0000000a",
        experiment="exp",
        identity="0" * 64,
        origin=Origin(source="api"),
        reason="test",
        since=0.0,
        created=0.0,
        snapshot=SnapshotRef(container="snapshots", name="a.zip", etag="1-2-3", size=3),
        spec=JobSpec(script="train.py", container=container),
    )
    return Job(run=run, compute=Compute(name="local", kind="local", limit=1, options=options), attempt=1, slot=0)


@pytest.mark.parametrize(
    "arguments",
    [["--memory=8g"], ["--memory", "8g"], ["--memory 8g"], ["-m", "8g"], ["-m8g"], ["-m=8g"], ["-m 8g"]],
)
def test_every_spelling_of_an_argument_is_one_word(arguments: list[str]) -> None:
    assert ["--memory=8g"] == read_arguments(arguments).options


def test_variables_are_none_of_the_command_lines() -> None:
    found = read_arguments(["-e", "A=b=c", "--env=EMPTY=", "--env", "OF_THE_MACHINE", "-eX=1", "--cpus=1.5"])

    assert ["--cpus=1.5"] == found.options
    assert {"A": "b=c", "EMPTY": "", "X": "1"} == found.variables
    assert ["OF_THE_MACHINE"] == found.inherited


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--privileged"], "--privileged"),
        (["--volume", "/:/host"], "--volume"),
        (["-v", "/:/host"], "-v"),
        (["--network=host"], "--network"),
        (["--pid", "host"], "--pid"),
        (["--device=/dev/mem"], "--device"),
        (["--cap-add", "SYS_ADMIN"], "--cap-add"),
        (["--mount", "type=bind,src=/,dst=/h"], "--mount"),
        (["--memory", "1g", "--env-file=/etc/shadow"], "--env-file"),
        (["image-instead"], "image-instead"),
        (["--user=0"], "--user"),
    ],
)
def test_anything_else_is_refused_by_its_name(arguments: list[str], found: str) -> None:
    with pytest.raises(Problem) as caught:
        read_arguments(arguments)

    assert found in caught.value.message
    assert all(each in caught.value.message for each in ALLOWED)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--memory", "--privileged"],
        ["--memory"],
        ["--memory=lots"],
        ["--cpus=two"],
        ["--ulimit=x"],
        ["--env", "--privileged"],
        ["--env==1"],
        ["--gpus=$(id)"],
    ],
)
def test_a_value_of_another_form_is_refused(arguments: list[str]) -> None:
    with pytest.raises(Problem, match=r"docker\.arguments"):
        read_arguments(arguments)


def test_a_compute_allows_more_but_not_what_is_ours() -> None:
    assert ["--ipc=host", "--init"] == read_arguments(["--ipc=host", "--init"], ["--ipc", "--init"]).options
    with pytest.raises(Problem, match="--name, which Runyard sets itself"):
        read_arguments(["--name=x"], ["--name"])


@pytest.mark.parametrize("flag", ["ipc", "-v", "--Name", "--name", "--user", "--ipc=host"])
def test_a_compute_cannot_allow_what_is_no_argument_or_ours(flag: str) -> None:
    assert "" != wrong_flag(flag)
    with pytest.raises(ConfigError, match="docker_arguments"):
        LocalOptions.read(Compute(name="c", kind="local", limit=1, options={"docker_arguments": [flag]}))


def test_the_options_of_a_compute_take_a_list_as_it_is_typed() -> None:
    compute = Compute(name="c", kind="local", limit=1, options={"docker_arguments": "--ipc,--tmpfs"})

    assert ("--ipc", "--tmpfs") == LocalOptions.read(compute).docker_arguments


def test_a_plan_is_refused_early_and_says_why() -> None:
    with pytest.raises(UnsupportedError, match="--privileged"):
        make_plan(job(ContainerSpec(image="i", arguments=("--privileged",))))


def test_a_plan_shows_what_was_concealed_as_it_is_stored() -> None:
    container = ContainerSpec(image="i", arguments=("--env", MASK, "--memory", "1g"), password=MASK)

    record: Any = make_plan(job(container, docker_network="host")).request["container"]

    assert (["--env", MASK, "--memory", "1g"], MASK, "host") == (
        record["arguments"],
        record["password"],
        record["network"],
    )


@pytest.mark.parametrize(
    ("gpu", "slot", "arguments", "expected"),
    [
        (True, 1, [], ["--gpus", "device=1"]),
        (True, None, [], []),
        (False, 1, [], []),
        (True, 1, ["--gpus", "all"], ["--gpus=all"]),
    ],
)
def test_a_gpu_is_the_slots_own(gpu: bool, slot: int | None, arguments: list[str], expected: list[str]) -> None:
    assert expected == options_of({"gpu": gpu, "arguments": arguments}, slot)


def test_a_folder_with_a_comma_is_mounted_as_it_is() -> None:
    assert 'type=bind,"source=/a,b",target=/x,readonly' == mount("/a,b", "/x", True)
