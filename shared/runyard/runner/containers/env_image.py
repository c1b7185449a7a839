"""An image with a conda environment in it: built once for a base image and a wish, however many ask at the same time."""

import base64
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from typing import Any, Dict, List, Optional, Tuple

from ..environments import check_allowed, read_wish
from ..environments.cache import make_cache, open_lock, try_lock
from ..problems import Problem
from . import BUILD_LABEL, ENVIRONMENT_LABEL, PROGRAM, REPOSITORY, WORK
from .contained import mount
from .engine import Engine
from .in_image import CACHE
from .telling import Teller

READY_LABEL, SOURCE_LABEL = "runyard.ready", "runyard.source"
RECIPE = 1
"""Counts up when the same base image and wish are to become another image than before."""
TOOLS = "/runyard/tools"
_BRINGS = ("uv", "micromamba")
"""Programs without dependencies of their own, which the container gets from this machine."""
_SETTINGS = ("PIP_", "UV_", "CONDA_", "MAMBA_", "RATTLER_", "SSL_CERT_", "REQUESTS_CA_BUNDLE")
_LOCAL = ("/", "~", ".", "file:")
_CACHES = ("_CACHE_DIR", "_DIR", "_PREFIX", "_EXE", "_ROOT")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


class EnvironmentImage:
    """The image of one base image and one wish."""

    def __init__(
        self, base: str, python: Dict[str, Any], order: Dict[str, Any], engine: Engine, teller: Teller
    ) -> None:
        record = dict(order["environment"])
        self._cache: str = record["cache"]
        self._folder: str = order["folder"]
        self._base = base
        self._python = python
        self._container: Dict[str, Any] = order["container"]
        self._program: str = order["program"]
        self._engine = engine
        self._teller = teller
        # What this machine has, and where, is nothing to the image.
        record.update(python=python["interpreter"], resolver="auto", cache=CACHE, folder=WORK)
        self._record = record
        self.wish = read_wish(dict(record, folder=self._folder))
        text = json.dumps([RECIPE, base, python["interpreter"], self.wish.key])
        self.key = hashlib.sha256(text.encode()).hexdigest()
        self.tag = "%s:%s" % (REPOSITORY, self.key[:12])

    def find(self) -> Optional[Tuple[str, Dict[str, Any]]]:
        """(id, what the builder said of the environment); ``None`` if it is not built."""
        found = self._engine.inspect("image", self.tag)
        if found is None:
            return None
        labels = (found.get("Config") or {}).get("Labels") or {}
        if labels.get(ENVIRONMENT_LABEL) != self.key:
            return None
        note_use(self._cache, self.key)
        ready: Dict[str, Any] = json.loads(base64.b64decode(labels[READY_LABEL]).decode())
        return str(found["Id"]), ready

    def build(self) -> Tuple[str, Dict[str, Any]]:
        """Build it, or wait for whoever is just doing that.

        Raises:
            Problem: if it cannot be built, or may not be.
        """
        check_allowed(self.wish)
        make_cache(self._cache)
        lock = open_lock(self._cache, self.key, "image")
        try:
            if not try_lock(lock, fcntl.LOCK_EX):
                self._teller.line("another build of the image %s is waited for" % self.tag)
                fcntl.flock(lock, fcntl.LOCK_EX)
            found = self.find()
            if found is None:
                self._build()
                found = self.find()
        finally:
            os.close(lock)
        if found is None:
            raise Problem("the image %s was built, and is not there" % self.tag, "transient")
        return found

    def _build(self) -> None:
        began = time.monotonic()
        self._clear()
        name = "ry-build-%s-%d" % (self.key[:12], os.getpid())
        listed = " (%s)" % self.wish.source if self.wish.source else ""
        self._teller.line("building the image %s: the environment%s in the base image" % (self.tag, listed))
        words = ["create", "--interactive", "--name", name, "--user", "0:0", "--workdir", "/"]
        words += ["--label", "%s=%s" % (BUILD_LABEL, self.key), "--entrypoint", self._python["interpreter"]]
        words += ["--network", self._container["network"]] if self._container.get("network") else []
        words += ["--mount", mount(self._program, PROGRAM, True), "--mount", mount(self._folder, WORK, True)]
        for tool in self._tools():
            words += ["--mount", mount(tool, TOOLS + "/" + os.path.basename(tool), True)]
        self._engine.must(
            "making the container of the build", words + [self._base, "-I", "-S", PROGRAM, "build-in-image"]
        )
        try:
            ready = self._run(name)
            self._commit(name, ready)
        finally:
            self._engine.call(["rm", "--force", "--volumes", name])
        self._teller.line("the image %s was built in %.0f s" % (self.tag, time.monotonic() - began))

    def _clear(self) -> None:
        """Remove what a killed build left: we have the lock, so nobody is at work."""
        listed = self._engine.must(
            "looking for leftovers", ["ps", "--all", "--quiet", "--filter", "label=%s=%s" % (BUILD_LABEL, self.key)]
        )
        for left in listed.split():
            self._teller.line("an earlier build was killed; what it left is removed")
            self._engine.call(["rm", "--force", "--volumes", left])

    def _tools(self) -> List[str]:
        if not self._python.get("glibc"):
            return []
        path = os.pathsep.join([os.path.dirname(sys.executable), self._engine.environment.get("PATH", os.defpath)])
        found = (shutil.which(name, path=path) for name in _BRINGS)
        return [os.path.realpath(each) for each in found if each is not None]

    def _run(self, name: str) -> Dict[str, Any]:
        """Run the builder in its container; what it says is passed on. Returns its outcome."""
        order = {"wish": self._record, "variables": self._settings()}
        process = self._engine.start(
            ["start", "--attach", "--interactive", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        said: List[bytes] = []
        listener = threading.Thread(target=lambda: said.extend(process.stderr), daemon=True)
        listener.start()
        try:
            process.stdin.write(json.dumps(order).encode())
            process.stdin.close()
        except OSError:
            pass  # it ended at once: below
        ending: Dict[str, Any] = {}
        for raw in process.stdout:
            ending = self._heard(raw) or ending
        process.wait()
        listener.join()
        if "ready" in ending:
            found: Dict[str, Any] = ending["ready"]
            return found
        if "problem" in ending:
            for line in ending.get("tail", []):
                self._teller.line(line)
            raise Problem(ending["problem"], ending.get("class", "user"))
        last = b"".join(said[-1:]).decode("utf-8", "replace").strip()
        raise Problem("the build in the image ended without a word: %s" % (last or process.returncode), "transient")

    def _heard(self, raw: bytes) -> Dict[str, Any]:
        try:
            message = json.loads(raw.decode())
        except ValueError:
            return {}
        if "line" in message:
            self._teller.line(message["line"])
        return message if "ready" in message or "problem" in message else {}

    def _settings(self) -> Dict[str, str]:
        """What pip, uv and conda's tools are told by variables here, but for what lies in folders of this machine."""
        settings = {}
        for name, value in self._engine.environment.items():
            if not name.startswith(_SETTINGS) and name.lower() not in _PROXIES:
                continue
            if any(word.startswith(_LOCAL) for word in value.replace(",", " ").split()):
                if not name.endswith(_CACHES):
                    self._teller.line("%s names files of this machine: it does not count in the image" % name)
            else:
                settings[name] = value
        path = self._python.get("path") or os.defpath
        return dict(settings, PATH=path + os.pathsep + TOOLS, HOME="/root", UV_NO_CACHE="1", PIP_NO_CACHE_DIR="1")

    def _commit(self, name: str, ready: Dict[str, Any]) -> None:
        kept = {word: ready[word] for word in ("interpreter", "prefix", "notes", "tool")}
        # The conda file's own variables may be secret, and come with each wish anyway.
        kept["variables"] = {
            word: value
            for word, value in ready["variables"].items()
            if word not in self.wish.variables and word != "PATH"
        }
        labels = {
            ENVIRONMENT_LABEL: self.key,
            READY_LABEL: base64.b64encode(json.dumps(kept, sort_keys=True).encode()).decode(),
            SOURCE_LABEL: base64.b64encode(self.wish.source.encode()).decode(),
        }
        changes = [word for pair in labels.items() for word in ("--change", 'LABEL %s="%s"' % pair)]
        self._engine.must("keeping the image", ["commit"] + changes + [name, self.tag], timeout=None)
        note_use(self._cache, self.key)


def note_use(cache: str, key: str) -> None:
    """Remember that an image was used now."""
    try:
        os.makedirs(cache + "/images", mode=0o700, exist_ok=True)
        with open("%s/images/%s" % (cache, key), "ab"):
            os.utime("%s/images/%s" % (cache, key))
    except OSError:
        pass  # prune then takes it for unused since it was built
