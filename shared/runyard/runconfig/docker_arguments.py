"""``docker.arguments``: further arguments of ``docker run``, read into pairs and held against a list of what is allowed.

A run configuration comes with a snapshot, and a snapshot may come from an event. What a container may reach is therefore
the compute's to say: these arguments give it resources and variables, and nothing of the machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from runyard.errors import RunconfigError

_SIZE: Final = re.compile(r"\d+(?:\.\d+)?(?:[bkmg]|[kmg]b)?", re.IGNORECASE)
_COUNT: Final = re.compile(r"\d+(?:\.\d+)?")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

ALLOWED: Final = {
    "--gpus": (
        re.compile(r"all|\d+|[\"']?(?:device|count|capabilities|driver)=[\w.,:=\"'-]+"),
        "all, a number or device=0,1",
    ),
    "--memory": (_SIZE, "a size such as 512m or 8g"),
    "--cpus": (_COUNT, "a number such as 1.5"),
    "--shm-size": (_SIZE, "a size such as 2g"),
    "--ulimit": (re.compile(r"[a-z]+=-?\d+(?::-?\d+)?"), "name=soft[:hard], such as memlock=-1"),
    "--env": (None, "NAME=value, or NAME for the value that the machine has"),
}
"""Each argument that any compute takes, with the form of its value."""
SHORT: Final = {"-e": "--env", "-m": "--memory"}

OURS: Final = frozenset({
    "--attach", "--cidfile", "--detach", "--detach-keys", "--entrypoint", "--env-file", "--help", "--interactive", "--label",
    "--label-file", "--name", "--platform", "--pull", "--quiet", "--restart", "--rm", "--sig-proxy", "--stop-signal", "--tty",
    "--user", "--workdir",
})  # fmt: skip
"""What Runyard sets itself, so that no compute can allow it."""
SWITCHES: Final = frozenset(
    {"--init", "--no-healthcheck", "--oom-kill-disable", "--privileged", "--publish-all", "--read-only"}
)
"""Arguments without a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerArguments:
    """What the arguments say."""

    options: tuple[str, ...] = ()
    """For the command line, each as one word: ``--memory=8g``."""
    variables: dict[str, str] = field(default_factory=dict)
    """Of ``--env NAME=value``: kept off the command line, which anybody on the machine can read."""
    inherited: tuple[str, ...] = ()
    """Of ``--env NAME``: variables of the machine that the container gets too."""


def read_arguments(arguments: Sequence[str], more: Iterable[str] = ()) -> DockerArguments:
    """Read arguments, in any spelling that docker takes: ``--memory=8g``, ``--memory 8g`` in one item or two, ``-m 8g``.

    Args:
        arguments: As the run configuration has them.
        more: Further arguments that the compute allows.

    Raises:
        RunconfigError: naming the first one that is not allowed, or has no value of its form.
    """
    allowed = frozenset(more)
    options: list[str] = []
    variables: dict[str, str] = {}
    inherited: list[str] = []
    for name, value in _pairs(arguments, allowed):
        if name == "--env":
            variable, equals, text = (value or "").partition("=")
            if not _NAME.fullmatch(variable):
                raise RunconfigError(f"docker.arguments: {variable[:80]!r} is no name of an environment variable")
            if equals:
                variables[variable] = text
            else:
                inherited.append(variable)
            continue
        if name in ALLOWED:
            form, meaning = ALLOWED[name]
            if form is not None and not form.fullmatch(value or ""):
                raise RunconfigError(f"docker.arguments: {name} is {(value or '')[:80]!r}; it is {meaning}")
        options.append(name if value is None else f"{name}={value}")
    return DockerArguments(options=tuple(options), variables=variables, inherited=tuple(inherited))


def wrong_flag(flag: str) -> str:
    """Why a compute cannot allow an argument; empty if it can."""
    if not re.fullmatch(r"--[a-z][a-z0-9-]*", flag):
        return f"{flag!r} is no long argument of docker run, such as --ipc"
    return f"{flag} is set by Runyard itself" if flag in OURS else ""


def _pairs(arguments: Sequence[str], allowed: frozenset[str]) -> Iterator[tuple[str, str | None]]:
    words = iter(_words(arguments))
    for word in words:
        name, equals, text = word.partition("=")
        if name[:2] in SHORT and not name.startswith("--"):
            text = word[2:].removeprefix("=")
            name, equals = SHORT[name[:2]], "=" if text else ""
        if name not in ALLOWED and (name not in allowed or wrong_flag(name)):
            raise RunconfigError(_refusal(word, name, allowed))
        if name in SWITCHES:
            yield (f"{name}={text}" if equals else name), None
            continue
        if not equals:
            following = next(words, None)
            if following is None or following.startswith("-"):
                raise RunconfigError(f"docker.arguments: {name} has no value")
            text = following
        yield name, text


def _words(arguments: Sequence[str]) -> Iterator[str]:
    """The words; one item may hold an argument and its value, as people write them at a shell."""
    for argument in arguments:
        first, blank, rest = argument.strip().partition(" ")
        if blank and first.startswith("-") and "=" not in first:
            yield first
            yield rest.strip()
        else:
            yield argument.strip()


def _refusal(word: str, name: str, allowed: frozenset[str]) -> str:
    shown = name if name.startswith("-") else word.partition("=")[0]
    known = ", ".join([*ALLOWED, *sorted(allowed)])
    if shown in OURS:
        return f"docker.arguments has {shown[:80]}, which Runyard sets itself; allowed are {known}"
    return (
        f"docker.arguments has {shown[:80]!r}, which is not allowed; allowed are {known}; the compute's option "
        "docker_arguments allows more"
    )
