"""``docker.arguments``: further arguments of ``docker run``, read into pairs and held against a list of what is allowed.

A run configuration comes with a snapshot, and a snapshot may come from an event. What a container may reach is therefore
the compute's to say: these arguments give it resources and variables, and nothing of the machine.
"""

import re
from typing import Dict, FrozenSet, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..problems import Problem

_SIZE = re.compile(r"\d+(?:\.\d+)?(?:[bkmg]|[kmg]b)?", re.IGNORECASE)
_COUNT = re.compile(r"\d+(?:\.\d+)?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

ALLOWED = {
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
SHORT = {"-e": "--env", "-m": "--memory"}

OURS = frozenset({
    "--attach", "--cidfile", "--detach", "--detach-keys", "--entrypoint", "--env-file", "--help", "--interactive", "--label",
    "--label-file", "--name", "--platform", "--pull", "--quiet", "--restart", "--rm", "--sig-proxy", "--stop-signal", "--tty",
    "--user", "--workdir",
})  # fmt: skip
"""What Runyard sets itself, so that no compute can allow it."""
SWITCHES = frozenset(
    {"--init", "--no-healthcheck", "--oom-kill-disable", "--privileged", "--publish-all", "--read-only"}
)
"""Arguments without a value."""


class DockerArguments(NamedTuple):
    """What the arguments say."""

    options: List[str]
    """For the command line, each as one word: ``--memory=8g``."""
    variables: Dict[str, str]
    """Of ``--env NAME=value``: kept off the command line, which anybody on the machine can read."""
    inherited: List[str]
    """Of ``--env NAME``: variables of the machine that the container gets too."""


def read_arguments(arguments: Sequence[str], more: Iterable[str] = (), mask: str = "") -> DockerArguments:
    """Read arguments, in any spelling that docker takes: ``--memory=8g``, ``--memory 8g`` in one item or two, ``-m 8g``.

    Args:
        arguments: As the run configuration has them.
        more: Further arguments that the compute allows.
        mask: What stands where a secret was taken out, so that nothing can be said of it; empty = nothing was.

    Raises:
        Problem: naming the first one that is not allowed, or has no value of its form.
    """
    allowed = frozenset(more)
    options: List[str] = []
    variables: Dict[str, str] = {}
    inherited: List[str] = []
    for name, value in _pairs(arguments, allowed, mask):
        if name == "--env":
            variable, equals, text = (value or "").partition("=")
            if mask and value == mask:
                continue
            if not _NAME.fullmatch(variable):
                raise Problem("docker.arguments: %r is no name of an environment variable" % variable[:80])
            if equals:
                variables[variable] = text
            else:
                inherited.append(variable)
            continue
        if name in ALLOWED:
            form, meaning = ALLOWED[name]
            if form is not None and not form.fullmatch(value or ""):
                raise Problem("docker.arguments: %s is %r; it is %s" % (name, (value or "")[:80], meaning))
        options.append(name if value is None else "%s=%s" % (name, value))
    return DockerArguments(options, variables, inherited)


def wrong_flag(flag: str) -> str:
    """Why a compute cannot allow an argument; empty if it can."""
    if not re.fullmatch(r"--[a-z][a-z0-9-]*", flag):
        return "%r is no long argument of docker run, such as --ipc" % flag
    return "%s is set by Runyard itself" % flag if flag in OURS else ""


def _pairs(arguments: Sequence[str], allowed: FrozenSet[str], mask: str) -> Iterator[Tuple[str, Optional[str]]]:
    words = iter(_words(arguments))
    for word in words:
        if mask and word == mask:
            continue
        name, equals, text = word.partition("=")
        if name[:2] in SHORT and not name.startswith("--"):
            text = word[3:] if word[2:3] == "=" else word[2:]
            name, equals = SHORT[name[:2]], "=" if text else ""
        if name not in ALLOWED and (name not in allowed or wrong_flag(name)):
            raise Problem(_refusal(word, name, allowed))
        if name in SWITCHES:
            yield ("%s=%s" % (name, text) if equals else name), None
            continue
        if not equals:
            following = next(words, None)
            if following is None or following.startswith("-"):
                raise Problem("docker.arguments: %s has no value" % name)
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


def _refusal(word: str, name: str, allowed: FrozenSet[str]) -> str:
    shown = name if name.startswith("-") else word.partition("=")[0]
    known = ", ".join([*ALLOWED, *sorted(allowed)])
    if shown in OURS:
        return "docker.arguments has %s, which Runyard sets itself; allowed are %s" % (shown[:80], known)
    return (
        "docker.arguments has %r, which is not allowed; allowed are %s; the compute's option docker_arguments allows more"
        % (shown[:80], known)
    )
