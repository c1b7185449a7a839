"""The builder of images: a process that has the image of a job ready, and says how."""

import json
import os
import signal
import sys
from typing import Any, Dict

from ..problems import Problem
from .base_image import base_image, probe
from .engine import Engine
from .env_image import EnvironmentImage
from .telling import Teller


def main(stdin: Any, stdout: Any) -> int:
    """Have an image ready, by an order that is read to the end of stdin.

    The order has ``container`` and ``interpreter`` of the job, ``environment`` (the wish, or ``None``), ``folder`` (the
    unpacked snapshot), ``program`` (the runner as one file), ``cache`` and ``variables`` (of the engine's client).

    What it says is :func:`..environments.main_build`'s; ``ready`` has ``image`` (its id), ``interpreter``, ``script`` (the
    interpreter of the script), ``variables`` and ``user``.

    Returns:
        0 with ``ready``, 1 with ``problem``.
    """
    teller = Teller(stdout)
    # So that a container of ours is removed on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        order = json.loads(stdin.read().decode())
        teller.masker.add(order["container"].get("password", ""))
        teller.ready(_image(order, teller))
        return 0
    except Problem as problem:
        teller.problem(problem)
    except OSError as error:
        teller.problem(Problem("the image could not be made ready: %s" % error, "transient"))
    return 1


def _image(order: Dict[str, Any], teller: Teller) -> Dict[str, Any]:
    container = order["container"]
    engine = Engine(container.get("engine", ""), order["variables"])
    user = _user(engine)
    base = base_image(container, engine, teller)
    asked = "" if order["environment"] is not None else order["interpreter"]
    python = probe(base, asked, engine, order["program"], order["cache"])
    found = engine.inspect("image", base) or {}
    python["path"] = _path_of(found)
    ready = {
        "image": base,
        "interpreter": python["interpreter"],
        "script": python["interpreter"],
        "variables": {},
        "user": user,
    }
    if order["environment"] is None:
        return ready
    image = EnvironmentImage(base, python, order, engine, teller)
    known = image.find()
    teller.line("the image %s %s" % (image.tag, "is not there yet" if known is None else "is reused"))
    name, said = known or image.build()
    for note in said["notes"]:
        teller.note(note)
    variables = dict(image.wish.variables, **said["variables"])
    variables["PATH"] = said["prefix"] + "/bin" + os.pathsep + (python["path"] or os.defpath)
    ready.update(image=name, script=said["interpreter"], variables=variables)
    return ready


def _path_of(image: Dict[str, Any]) -> str:
    for entry in (image.get("Config") or {}).get("Env") or []:
        if entry.startswith("PATH="):
            return str(entry[5:])
    return ""


def _user(engine: Engine) -> str:
    """Whom the script runs as, so that what it writes is ours: under a rootless engine we are its root.

    Raises:
        Problem: if the engine is not there, does not answer, or does not let us in.
    """
    answer = engine.call(["info", "--format", "{{json .SecurityOptions}}"])
    if answer.code != 0:
        raise engine.problem("asking the engine", answer)
    return "0:0" if "rootless" in answer.out else "%d:%d" % (os.getuid(), os.getgid())
