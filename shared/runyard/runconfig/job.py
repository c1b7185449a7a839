"""From a run configuration, and what the event says instead, to the job that a target is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from runyard.environment.variables import fault_of_name
from runyard.errors import RunconfigError, UnsupportedError
from runyard.runconfig.meaning import Meaning, meaning
from runyard.runconfig.model import RunConfiguration
from runyard.runconfig.paths import inside
from runyard.runconfig.redact import is_stored_name, masked
from runyard.runconfig.surroundings import container_of, environment_of, no_files
from runyard.runs.model import JobSpec

if TYPE_CHECKING:
    from runyard.runconfig.read import Files

DEFAULT_INTERPRETER = "python"
"""As ``interpreterPath``: the compute's default interpreter."""


@masked()
def job_spec(
    config: RunConfiguration,
    origin_text: str,
    *,
    script: str | None = None,
    arguments: Sequence[str] | None = None,
    environment_variables: Mapping[str, str] | None = None,
    files: Files = no_files,
) -> JobSpec:
    """What to run.

    Args:
        config: The run configuration; it is only read.
        origin_text: Which one it is, for people: ``aml_config/local.runconfig in the snapshot``.
        script: The event's, instead of the run configuration's.
        arguments: The event's, instead of the run configuration's.
        environment_variables: The event's; added to the run configuration's.
        files: Gives files of the snapshot, such as the one that lists the packages.

    Raises:
        RunconfigError: if the script, a directory or a variable's name is not legal, or there is no script.
        UnsupportedError: if it asks for what this version cannot do.
    """
    meant = meaning(config)
    check_supported(config, meant)
    wanted = script if script is not None else config.script
    if not wanted:
        raise RunconfigError(f"{config.source}: no script is named; set `script` to its path inside the snapshot")
    return JobSpec(
        script=_inside(config, "script", wanted),
        arguments=_arguments(config, arguments),
        framework=meant.framework,
        interpreter=config.environment.python.interpreter_path.strip() or DEFAULT_INTERPRETER,
        environment_variables=_variables(config, environment_variables or {}),
        secrets=_secrets(config, environment_variables or {}),
        environment=environment_of(config, files),
        container=container_of(config, meant),
        max_duration=config.max_run_duration_seconds,
        watched_directories=tuple(
            _inside(config, "history.directoriesToWatch", path) for path in config.history.directories_to_watch
        ),
        node_count=meant.node_count,
        retries=config.runyard.retries,
        on_preemption=config.runyard.on_preemption,
        fallback=tuple(config.runyard.fallback),
        runconfig=origin_text,
    )


def check_supported(config: RunConfiguration, meant: Meaning) -> None:
    """Refuse what this version understands and cannot do.

    Raises:
        UnsupportedError: one sentence on the first such thing and the way round it.
    """
    for sentence in unsupported(config, meant):
        raise UnsupportedError(f"{config.source}: {sentence}")


def unsupported(config: RunConfiguration, meant: Meaning) -> Iterator[str]:
    """Each thing that a run configuration asks for and this version cannot do, as a sentence with the way round it."""
    missing = "is not available in this version"
    if meant.framework != "Python":
        yield f"framework is {config.framework}, which {missing}; use Python"
    if meant.communicator != "None":
        said = "framework" if config.communicator == "None" else "communicator"
        word = config.framework if said == "framework" else config.communicator
        yield f"{said} is {word}: running over several processes {missing}; use {'Python' if said == 'framework' else 'None'}"
    if meant.node_count > 1:
        yield f"nodeCount is {meant.node_count}: running on several nodes {missing}; use 1"
    if config.command:
        yield f"`command` {missing}; use `script` and `arguments`"
    data: dict[str, Sequence[object] | Mapping[str, object]] = {
        "dataReferences": config.data_references,
        "data": config.data,
        "outputData": config.output_data,
        "datacaches": config.datacaches,
    }
    for key, value in data.items():
        if value:
            yield f"`{key}` asks for data to be brought to the script, which {missing}; remove it, or read the data in the script"
    if config.environment.docker.build_context is not None:
        yield f"environment.docker.buildContext {missing}; use baseImage or baseDockerfile"


def _inside(config: RunConfiguration, key: str, path: str) -> str:
    safe = inside(path)
    if safe is None:
        hint = "; write it with '/'" if "\\" in path else ""
        raise RunconfigError(
            f"{config.source}: {key} is {path[:120]!r}; it must be a relative path inside the snapshot{hint}"
        )
    return safe


def _arguments(config: RunConfiguration, instead: Sequence[str] | None) -> tuple[str, ...]:
    arguments = tuple(config.arguments if instead is None else instead)
    for index, argument in enumerate(arguments):
        if "\0" in argument:
            raise RunconfigError(f"{config.source}: arguments[{index}] holds a NUL character, which no argument can")
    return arguments


def _variables(config: RunConfiguration, instead: Mapping[str, str]) -> dict[str, str]:
    """The run configuration's variables, then the event's."""
    variables = {**config.environment.environment_variables, **config.environment_variables}
    for name in variables:
        if not name or "=" in name or "\0" in name:
            raise RunconfigError(
                f"{config.source}: environmentVariables has the name {name[:60]!r}; a name is not empty and has no '='"
            )
    for name in instead:
        if fault := fault_of_name(name):
            raise RunconfigError(f"the event's environmentVariables: {name[:60]!r} {fault}")
    return {**variables, **instead}


def _secrets(config: RunConfiguration, instead: Mapping[str, str]) -> dict[str, str]:
    """The variables that get a stored secret: what the event sets itself does not."""
    for variable, name in config.runyard.secrets.items():
        if fault := fault_of_name(variable):
            raise RunconfigError(f"{config.source}: runyard.secrets has the variable {variable[:60]!r}, which {fault}")
        if not is_stored_name(name):
            raise RunconfigError(
                f"{config.source}: runyard.secrets.{variable[:60]} names what no secret can be called; a name has 1 to 100 lower-case letters, digits or '-'; "
                "`runyard secret set NAME` keeps the value, and here stands the name"
            )
    return {variable: name for variable, name in config.runyard.secrets.items() if variable not in instead}
