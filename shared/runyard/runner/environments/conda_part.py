"""A conda prefix, by py-rattler or by a tool on the PATH."""

import json
import os
from typing import Any, Dict, List, NamedTuple, Tuple

from ..problems import Problem
from .failures import Failure, failure_of, is_network_trouble
from .interpreters import full_path
from .rattler_part import ANSWER
from .resolve import CONDA_TOOLS, DEFAULT_CHANNELS
from .running import Outcome, Shop
from .wish import Wish

_PATIENCE = 30.0
_IMPORTS = "import rattler; rattler.Gateway, rattler.solve, rattler.install"
_OFFLINE = ("CONDA_OFFLINE", "MAMBA_OFFLINE", "UV_OFFLINE")


class Tool(NamedTuple):
    """A conda-capable tool."""

    name: str
    """One of :data:`.resolve.CONDA_TOOLS`; ``""``: there is none."""
    path: str
    """The program, or the interpreter that has py-rattler."""


def find_tool(shop: Shop, wish: Wish, interpreters: List[str], environment: Dict[str, str]) -> Tool:
    """The tool to be used: the one that is asked for, else the first that is there."""
    wanted = CONDA_TOOLS if wish.resolver == "auto" else [each for each in CONDA_TOOLS if each == wish.resolver]
    for name in wanted:
        if name == "rattler":
            for python in interpreters:
                if (
                    python
                    and shop.run([python, "-E", "-c", _IMPORTS], environment, quiet=True, seconds=_PATIENCE).code == 0
                ):
                    return Tool(name, python)
            continue
        path = full_path(name, environment)
        if name == "micromamba" and not path:
            path = (
                environment.get("MAMBA_EXE", "") if os.path.basename(environment.get("MAMBA_EXE", "")) == name else ""
            )
        if path:
            return Tool(name, path)
    return Tool("", "")


def unreachable(shop: Shop, tool: Tool, channels: List[str], environment: Dict[str, str]) -> Tuple[str, str]:
    """(the first channel that cannot be reached, why); empty if all can.

    py-rattler is asked. The other tools know their own mirrors and aliases, and say it when they are used.
    """
    for name in channels:
        if name.startswith("file://") and not os.path.isdir(name[7:]):
            return name, "there is no such folder"
    remote = [name for name in channels if not name.startswith("file://")]
    if any(environment.get(each, "").lower() in ("1", "true", "yes", "on") for each in _OFFLINE) and remote:
        return remote[0], "the network may not be used here"
    if tool.name != "rattler":
        return "", ""
    _, answer = _ask_rattler(shop, tool, {"do": "probe", "channels": channels}, environment, quiet=True)
    return (shop.masker(answer["channel"]), shop.masker(answer["error"])) if "channel" in answer else ("", "")


def make_prefix(
    shop: Shop, tool: Tool, prefix: str, channels: List[str], packages: List[str], environment: Dict[str, str]
) -> None:
    """Make a prefix with packages from channels.

    Raises:
        Failure: if they cannot be had; :class:`Unreachable` if that is for want of a channel.
    """
    named = [text.rpartition("::")[0] for text in packages if "::" in text]
    channels = channels + [each for each in dict.fromkeys(named) if each and each not in channels]
    if tool.name == "rattler":
        wanted = {"do": "install", "channels": channels, "packages": packages, "prefix": prefix}
        outcome, answer = _ask_rattler(shop, tool, wanted, environment)
        if "ok" not in answer:
            lines = outcome.lines + [shop.masker(line) for line in str(answer.get("error", "")).splitlines()]
            _raise(tool, Outcome(outcome.code, lines), channels)
        return
    document = {"channels": channels + ["nodefaults"], "dependencies": packages}
    if channels == DEFAULT_CHANNELS:
        document["channels"] = channels
    path = _written(prefix, document)
    try:
        # micromamba reads the file by `create`; conda and mamba of the day before it only by `env create`.
        start = [tool.path, "create", "--yes"] if tool.name == "micromamba" else [tool.path, "env", "create", "--quiet"]
        outcome = shop.run(start + ["--prefix", prefix, "--file", path], environment)
    finally:
        os.unlink(path)
    if outcome.code != 0:
        _raise(tool, outcome, channels)


WANTED = ".wanted.yml"
"""What a prefix's name and this make is the file that tells a tool what is wanted: it may hold credentials."""


def _written(prefix: str, document: Dict[str, Any]) -> str:
    """A file that only we can read, with a conda document: these tools take it by a name that ends in ``.yml``."""
    path = prefix + WANTED
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as stream:
        json.dump(document, stream)  # which is YAML, too
    return path


class Unreachable(Failure):
    """A channel did not answer."""

    def __init__(self, channel: str, failure: Failure) -> None:
        super().__init__(failure.message, failure.error_class, failure.tail)
        self.channel = channel


def _raise(tool: Tool, outcome: Outcome, channels: List[str]) -> None:
    failure = failure_of(tool.name, outcome)
    if failure.error_class == "transient" or is_network_trouble(outcome.text):
        failure.message = failure.message.replace("an index", "a channel")
        raise Unreachable(", ".join(channels), failure)
    raise failure


def clone(shop: Shop, tool: Tool, base: str, prefix: str, environment: Dict[str, str]) -> None:
    """Make a prefix that has what another has.

    Raises:
        Problem: if the tool cannot clone.
        Failure: if it fails.
    """
    if tool.name not in ("conda", "mamba"):
        raise Problem(
            "packages are to be added to a copy of the base conda environment, and no conda or mamba is on the PATH, which can "
            "copy one; install it, or leave baseCondaEnvironment out and list its packages"
        )
    outcome = shop.run([tool.path, "create", "--yes", "--quiet", "--prefix", prefix, "--clone", base], environment)
    if outcome.code != 0:
        raise failure_of(tool.name, outcome)


def add_packages(
    shop: Shop, tool: Tool, prefix: str, channels: List[str], packages: List[str], environment: Dict[str, str]
) -> None:
    """Install further conda packages into a prefix by conda or mamba.

    Raises:
        Failure: if they cannot be had.
    """
    # `env update` takes channels, which may hold credentials, by a file.
    document = {"channels": channels or DEFAULT_CHANNELS, "dependencies": packages}
    path = _written(prefix, document)
    try:
        outcome = shop.run([tool.path, "env", "update", "--quiet", "--prefix", prefix, "--file", path], environment)
    finally:
        os.unlink(path)
    if outcome.code != 0:
        raise failure_of(tool.name, outcome)


def _ask_rattler(
    shop: Shop, tool: Tool, wanted: Dict[str, Any], environment: Dict[str, str], quiet: bool = False
) -> Tuple[Outcome, Dict[str, Any]]:
    """Run :mod:`.rattler_part` in an interpreter that has py-rattler, from wherever this program is."""
    package = __package__ or ""
    place = os.path.abspath(__file__)
    for _ in package.split(".") + [""]:
        place = os.path.dirname(place)
    code = "import sys; sys.path.insert(0, %r); from %s.rattler_part import main; main()" % (place, package)
    outcome = shop.run([tool.path, "-E", "-c", code], environment, json.dumps(wanted).encode(), quiet)
    answers = [line for line in outcome.lines if line.startswith(ANSWER)]
    lines = [line for line in outcome.lines if not line.startswith(ANSWER)]
    try:
        answer = json.loads(answers[-1][len(ANSWER) :])
    except (IndexError, ValueError):
        answer = {"error": "py-rattler ended with exit code %d" % outcome.code}
    return outcome._replace(lines=lines), answer
