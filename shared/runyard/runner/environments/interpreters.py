"""The Pythons that are installed here, with their real versions."""

import json
import os
import re
from typing import Any, Dict, List, Optional, Tuple

from .resolve import Interpreter
from .running import Shop, tool_environment

_NAME = re.compile(r"python(?:2\.7|3\.[0-9]{1,2})")
_PATIENCE = 20.0
"""Seconds that an interpreter may take to start."""
_ASK = """\
import json, os, sys
def has(name):
    try:
        __import__(name)
    except Exception:
        return False
    return True
wheels = []
if has("ensurepip"):
    import ensurepip, sysconfig
    folders = [os.path.join(os.path.dirname(ensurepip.__file__), "_bundled"), sysconfig.get_config_var("WHEEL_PKG_DIR")]
    for folder in folders:
        if folder and os.path.isdir(folder):
            wheels += sorted(os.path.join(folder, each) for each in os.listdir(folder) if each.endswith(".whl"))
implementation = getattr(getattr(sys, "implementation", None), "name", "cpython")
print("\\n" + json.dumps({
    "version": list(sys.version_info[:3]), "implementation": implementation, "wheels": wheels,
    "venv": has("venv") and has("ensurepip"), "virtualenv": has("virtualenv"),
}))
"""


class Census:
    """Asks interpreters for their versions, each once: what they said is kept by path and time of change."""

    def __init__(self, shop: Shop, cache: str, environment: Dict[str, str]) -> None:
        self._shop = shop
        self._environment = environment
        self._path = cache + "/interpreters.json"
        self._known = self._read()
        self._is_new = False

    def _read(self) -> Dict[str, Any]:
        try:
            with open(self._path, encoding="utf-8") as stream:
                found = json.load(stream)
        except (OSError, ValueError):
            return {}  # it is only kept to be quick
        return found if isinstance(found, dict) else {}

    def ask(self, path: str) -> Optional[Interpreter]:
        """What an interpreter is; ``None`` if it does not start, or is not CPython."""
        try:
            changed = os.stat(path).st_mtime
        except OSError:
            return None
        known = self._known.get(path)
        if not isinstance(known, dict) or known.get("changed") != changed:
            known = dict(self._told_by(path), changed=changed)
            self._known[path] = known
            self._is_new = True
        if known.get("implementation") != "cpython":
            return None
        wheels = tuple(known["wheels"])
        return Interpreter(path, tuple(known["version"]), known["venv"], known["virtualenv"], wheels)

    def _told_by(self, path: str) -> Dict[str, Any]:
        environment = tool_environment(self._environment)
        outcome = self._shop.run([path, "-E", "-c", _ASK], environment, quiet=True, seconds=_PATIENCE)
        try:
            found = json.loads(outcome.lines[-1]) if outcome.code == 0 and outcome.lines else {}
        except ValueError:
            found = {}
        return found if isinstance(found, dict) else {}

    def keep(self) -> None:
        """Keep what was learnt; without room for it, it is asked again."""
        if not self._is_new:
            return
        temporary = "%s.%d" % (self._path, os.getpid())
        try:
            with open(temporary, "w", encoding="utf-8") as stream:
                json.dump(self._known, stream)
            os.rename(temporary, self._path)
        except OSError:
            self._shop.say("what is installed here could not be noted; it is asked again next time")


def candidates(default: str, environment: Dict[str, str]) -> List[str]:
    """Paths of interpreters, real ones, each once: ``pythonX.Y`` on the PATH, pyenv's versions, the compute's own."""
    found: List[str] = []
    for folder in environment.get("PATH", os.defpath).split(os.pathsep):
        if folder and not _is_shims(folder):
            found += [os.path.join(folder, name) for name in _listed(folder) if _NAME.fullmatch(name)]
    versions = os.path.join(environment.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"), "versions")
    for version in _listed(versions):
        found.append(os.path.join(versions, version, "bin", "python"))
    found.append(default)
    real: Dict[str, None] = {os.path.realpath(path): None for path in found if path and os.access(path, os.X_OK)}
    return list(real)


def _is_shims(folder: str) -> bool:
    """Whether it is pyenv's folder of scripts that look for an interpreter at each start."""
    return os.path.basename(folder.rstrip("/")) == "shims"


def _listed(folder: str) -> List[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def full_path(command: str, environment: Dict[str, str]) -> str:
    """A command's full path, through the PATH but past pyenv's shims; ``""`` if there is none."""
    if os.sep in command:
        return os.path.abspath(command) if os.access(command, os.X_OK) else ""
    for folder in environment.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, command)
        if folder and not _is_shims(folder) and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return ""


def take_census(
    shop: Shop, cache: str, default: str, environment: Dict[str, str]
) -> Tuple[Optional[Interpreter], List[Interpreter]]:
    """(the compute's own interpreter, all that are installed); ``None`` if it does not start or is not set."""
    census = Census(shop, cache, environment)
    own = full_path(default or "python3", environment)
    found = [census.ask(path) for path in candidates(own, environment)]
    default_found = census.ask(own) if own else None
    census.keep()
    return default_found, [each for each in found if each is not None]
