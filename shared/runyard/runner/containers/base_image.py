"""The base image: there, pulled, built from the text of a Dockerfile, or a living one in place of one that has gone."""

import hashlib
import json
import os
import re
from typing import Any, Dict, List

from ..problems import Problem
from . import PROGRAM, vanished
from .contained import mount
from .engine import Answer, Engine
from .registry import auth_address, credentials, reference
from .telling import Teller

BASE_LABEL = "runyard.base"
_DENIED = ("unauthorized", "denied", "authentication required", "no basic auth credentials", "forbidden")
_ABSENT = ("manifest unknown", "not found", "does not exist", "name unknown", "no such image")
_OFTEN = re.compile(r": (?:Downloading|Extracting|Waiting|Verifying Checksum|Download complete|Pulling fs layer)")
"""Lines of a pull that come by the hundred."""


def base_image(container: Dict[str, Any], engine: Engine, teller: Teller) -> str:
    """The id of the base image, which is there when this returns.

    Args:
        container: Of the job.
        engine: The engine.
        teller: Told of progress, and of a substitution.

    Raises:
        Problem: if it cannot be had.
    """
    if container.get("dockerfile"):
        return _built(container, engine, teller)
    name = reference(container)
    if not name:
        raise Problem("the run asks for a container and names no image; set docker.baseImage, or docker.baseDockerfile")
    if name.startswith("-") or any(each.isspace() for each in name):
        raise Problem("%r is no name of an image; set docker.baseImage to one such as python:3.11-slim" % name)
    found = engine.inspect("image", name)
    if found is None and not container.get("registry"):
        name = _substituted(name, container, teller)
        found = engine.inspect("image", name)
    if found is None:
        _pull(name, container, engine, teller)
        found = engine.inspect("image", name)
    if found is None:
        raise Problem("the image %s was pulled, and is not there" % name, "transient")
    return str(found["Id"])


def _substituted(name: str, container: Dict[str, Any], teller: Teller) -> str:
    other = vanished.living(name)
    if other is None:
        return name
    if container.get("policy") == "exact":
        raise Problem(
            "the base image %s is not published any more, and the policy is exact; set docker.baseImage, or map it with "
            "runyard.image_map, or set runyard.legacy to nearest" % name
        )
    teller.note(
        "the base image %s is not published any more: %s is used; runyard.image_map names another" % (name, other)
    )
    return other


def _pull(name: str, container: Dict[str, Any], engine: Engine, teller: Teller) -> None:
    password = container.get("password", "")
    teller.masker.add(password)
    teller.line("pulling the image %s" % name)
    words = ["pull"] + (["--platform", container["platform"]] if container.get("platform") else []) + [name]
    with credentials(auth_address(container), container.get("username", ""), password) as login:
        answer = engine.follow(login + words, lambda line: None if _OFTEN.search(line) else teller.line(line))
    if answer.code != 0:
        raise _refusal(name, container, engine, answer)


def _refusal(name: str, container: Dict[str, Any], engine: Engine, answer: Answer) -> Problem:
    said = answer.error.lower()
    if engine.is_silent(answer):
        return engine.problem("pulling the image %s" % name, answer)
    if any(text in said for text in _DENIED):
        hint = (
            "check the user name and the password of docker.baseImageRegistry"
            if container.get("username")
            else "set docker.baseImageRegistry, or log in with 'docker login'"
        )
        return Problem(
            "the registry does not give the image %s (%s); %s" % (name, answer.reason, hint),
            "auth" if container.get("username") else "config",
        )
    if any(text in said for text in _ABSENT):
        return Problem("there is no image %s (%s); set docker.baseImage to one that there is" % (name, answer.reason))
    return Problem("the image %s could not be pulled: %s" % (name, answer.reason), "transient")


def _built(container: Dict[str, Any], engine: Engine, teller: Teller) -> str:
    text = container["dockerfile"]
    platform = container.get("platform", "")
    tag = "runyard/base:" + hashlib.sha256((platform + "\n" + text).encode()).hexdigest()[:12]
    found = engine.inspect("image", tag)
    if found is None:
        teller.line("building the base image %s from docker.baseDockerfile" % tag)
        # An empty context: the text alone is the run configuration's.
        words = ["build", "--tag", tag, "--label", BASE_LABEL + "=1"]
        words += ["--platform", platform] if platform else []
        words += ["--network", container["network"]] if container.get("network") else []
        with credentials(
            auth_address(container), container.get("username", ""), container.get("password", "")
        ) as login:
            answer = engine.follow(login + words + ["-"], teller.line, text.encode())
        if answer.code != 0:
            raise engine.problem("building docker.baseDockerfile", answer, "user")
        found = engine.inspect("image", tag)
    if found is None:
        raise Problem("the image %s was built, and is not there" % tag, "transient")
    return str(found["Id"])


def probe(image: str, interpreter: str, engine: Engine, program: str, cache: str) -> Dict[str, Any]:
    """What the Python in an image is: ``interpreter``, ``version``, ``libc``; asked once an image.

    Raises:
        Problem: if there is none that the runner can be run by.
    """
    names = [interpreter] if interpreter not in ("", "python") else ["python3", "python"]
    mark = hashlib.sha256((image + "\n" + names[0]).encode()).hexdigest()[:32]
    path = "%s/probes/%s.json" % (cache, mark)
    try:
        with open(path, encoding="utf-8") as stream:
            known: Dict[str, Any] = json.load(stream)
            return known
    except (OSError, ValueError):
        pass  # it is only kept to be quick
    said: List[str] = []
    for name in names:
        answer = _ask(image, name, engine, program)
        if answer.code == 0:
            found = dict(json.loads(answer.out.splitlines()[-1]), interpreter=name)
            _keep(path, found)
            return found
        if engine.is_silent(answer):
            raise engine.problem("looking into the image", answer)
        said.append("%s: %s" % (name, answer.reason))
    raise Problem(
        "the image has no Python 3.6 or newer to run the script by (%s); name its interpreter with "
        "environment.python.interpreterPath, or take an image that has one" % "; ".join(said)[:400]
    )


def _ask(image: str, name: str, engine: Engine, program: str) -> Answer:
    words = ["run", "--rm", "--network", "none", "--entrypoint", name, "--mount", mount(program, PROGRAM, True)]
    return engine.call(words + [image, "-I", "-S", PROGRAM, "inside", "--probe"])


def _keep(path: str, found: Dict[str, Any]) -> None:
    temporary = "%s.%d" % (path, os.getpid())
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(temporary, "w", encoding="utf-8") as stream:
            json.dump(found, stream)
        os.rename(temporary, path)
    except OSError:
        pass  # as above
