"""The cache: where ready environments are, and how they are found and held."""

import errno
import fcntl
import json
import os
import re
import stat
import time
from typing import Any, Dict, List, Optional

from ..problems import NO_ROOM, Problem
from .wish import Wish

FORMAT = 1
_KEY = re.compile(r"[0-9a-f]{64}")
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


class Ready:
    """An environment that can be used now.

    Attributes:
        key: Of the wish.
        prefix: Its folder.
        interpreter: The full path.
        variables: What a script's environment gets: the conda file's variables, ``VIRTUAL_ENV`` or ``CONDA_PREFIX``, and
            ``PATH``: the environment's programs before this process's own ``PATH``. :meth:`environment` does it for another.
        notes: The substitutions, a sentence each.
        tool: What built it: ``uv``, ``pip``, ``rattler``, ``micromamba``, ``mamba``, ``conda`` or ``base``.
        cache: The folder that it is in.
    """

    def __init__(self, record: Dict[str, Any]) -> None:
        self.key: str = record["key"]
        self.prefix: str = record["prefix"]
        self.interpreter: str = record["interpreter"]
        self.variables: Dict[str, str] = dict(record["variables"])
        self.notes: List[str] = list(record["notes"])
        self.tool: str = record["tool"]
        self.cache: str = record["cache"]

    @classmethod
    def from_record(cls, record: Dict[str, Any], wish: Optional[Wish] = None) -> "Ready":
        """From what the builder sent; with the wish, the conda file's variables are in it again."""
        variables = dict(wish.variables if wish is not None else {})
        variables.update(record["variables"])
        return cls(dict(record, variables=variables))

    def as_record(self, wish: Wish) -> Dict[str, Any]:
        """As data for JSON, without the conda file's variables: they may be secret, and whoever has the wish has them."""
        names = ("key", "prefix", "interpreter", "variables", "notes", "tool", "cache")
        record = {name: getattr(self, name) for name in names}
        kept = {"VIRTUAL_ENV", "CONDA_PREFIX", "PATH"}
        record["variables"] = {
            name: text for name, text in self.variables.items() if name in kept or name not in wish.variables
        }
        return record

    def environment(self, variables: Dict[str, str]) -> Dict[str, str]:
        """A copy of a script's variables with those of this environment, which win; ``PATH`` is put before theirs."""
        result = dict(variables)
        result.update(self.variables)
        result["PATH"] = _path_with(self.prefix, variables.get("PATH", os.defpath))
        result.pop("PYTHONHOME", None)
        return result


def _path_with(prefix: str, path: str) -> str:
    return os.pathsep.join([prefix + "/bin", path]) if path else prefix + "/bin"


def find(wish: Wish) -> Optional[Ready]:
    """The ready environment of a wish, or ``None`` if it must be built first. Notes that it was used. Starts no process.

    Raises:
        Problem: if the cache is not ours alone, or files that the wish names cannot be read.
    """
    if not check_cache(wish.cache):
        return None
    manifest = read_manifest(wish.cache, wish.key)
    if manifest is None or not has_interpreter(manifest):
        return None
    try:
        os.utime(manifest_path(wish.cache, wish.key))
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None  # it was removed just now
        if error.errno not in _READ_ONLY + NO_ROOM:
            raise Problem("the cache of environments %s failed: %s" % (wish.cache, error.strerror)) from error
    return ready_of(wish, manifest)


def ready_of(wish: Wish, manifest: Dict[str, Any]) -> Ready:
    """A wish's environment, of which the manifest is given."""
    variables = dict(wish.variables)
    variables.update(manifest["variables"])
    variables["PATH"] = _path_with(manifest["prefix"], os.environ.get("PATH", os.defpath))
    return Ready(dict(manifest, variables=variables, cache=wish.cache))


def has_interpreter(manifest: Dict[str, Any]) -> bool:
    """Whether an environment's interpreter can be run: the installed Python that a venv is made from may be gone."""
    return os.access(manifest["interpreter"], os.X_OK) and os.path.isfile(manifest["interpreter"])


def hold(ready: Ready, inheritable: bool = False) -> Optional[int]:
    """Keep an environment from being removed: a descriptor that does so until it, and each copy of it, is closed.

    Args:
        ready: As :func:`find` or the builder gave it.
        inheritable: Whether programs that this process starts get it too (the caller passes it on): then a script holds its
            environment by itself, whatever becomes of us.

    Returns:
        ``None`` if the environment was removed in the meantime: it is to be found, or built, anew.

    Raises:
        Problem: if the lock cannot be had.
    """
    try:
        descriptor = open_lock(ready.cache, ready.key, "use")
    except OSError as error:
        raise Problem("the environment %s cannot be held: %s" % (ready.key[:12], error.strerror)) from error
    if not try_lock(descriptor, fcntl.LOCK_SH) or not os.path.exists(manifest_path(ready.cache, ready.key)):
        os.close(descriptor)
        return None
    os.set_inheritable(descriptor, inheritable)
    return descriptor


def release(descriptor: int) -> None:
    """Let go of what :func:`hold` gave."""
    os.close(descriptor)


def check_cache(cache: str) -> bool:
    """Whether there is such a folder, and it is ours alone.

    Raises:
        Problem: if it is another user's, or others may write to it: what they put there would run as us.
    """
    try:
        found = os.stat(cache)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise Problem("the cache of environments %s cannot be read: %s" % (cache, error.strerror)) from error
    if not stat.S_ISDIR(found.st_mode):
        raise Problem("the cache of environments %s is no folder; set RUNYARD_ENVIRONMENTS to one" % cache)
    if found.st_uid != os.geteuid():
        raise Problem(
            "the cache of environments %s is the user %d's and not yours; set RUNYARD_ENVIRONMENTS to a folder of yours"
            % (cache, found.st_uid)
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Problem("others may write to the cache of environments %s; run 'chmod go-w %s' first" % (cache, cache))
    return True


def make_cache(cache: str) -> None:
    """Make the folder, 0700, unless it is there.

    Raises:
        Problem: if it cannot be, or is not ours alone.
    """
    try:
        if not check_cache(cache):
            os.makedirs(os.path.dirname(cache), exist_ok=True)
            try:
                os.mkdir(cache, 0o700)
            except FileExistsError:
                pass  # by another, just now
            check_cache(cache)
        os.makedirs(cache + "/locks", mode=0o700, exist_ok=True)
    except OSError as error:
        raise from_cache_error(error, cache) from error


def from_cache_error(error: OSError, cache: str) -> Problem:
    """The problem that an ``OSError`` is that was met while a cache was written."""
    reason = error.strerror or str(error)
    if error.errno in NO_ROOM:
        return Problem(
            "there is no room for the environment in %s (%s); 'runyard env prune' makes some" % (cache, reason), "quota"
        )
    return Problem(
        "the cache of environments %s cannot be written: %s; set RUNYARD_ENVIRONMENTS to another folder"
        % (cache, reason)
    )


def is_key(text: str) -> bool:
    """Whether it is a whole key."""
    return _KEY.fullmatch(text) is not None


def manifest_path(cache: str, key: str) -> str:
    """Where an environment's manifest is."""
    return "%s/%s.json" % (cache, key)


def read_manifest(cache: str, key: str) -> Optional[Dict[str, Any]]:
    """What is known of a built environment; ``None`` if there is none, or not one that this program understands."""
    try:
        with open(manifest_path(cache, key), encoding="utf-8") as stream:
            found = json.load(stream)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("format") == FORMAT and found.get("key") == key else None


def publish(cache: str, key: str, manifest: Dict[str, Any]) -> None:
    """Write a manifest, whole and on disk, in one step: from now on the environment is ready.

    Raises:
        OSError: if it cannot be written.
    """
    from ..durable import sync_folder  # noqa: PLC0415 - by builders only

    path = manifest_path(cache, key)
    temporary = path + ".new"  # one builder at a time
    data = json.dumps(dict(manifest, format=FORMAT, key=key, created=time.time()), indent=1, sort_keys=True)
    with open(temporary, "w", encoding="utf-8") as stream:
        os.chmod(temporary, 0o600)
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(temporary, path)
    sync_folder(cache)


def open_lock(cache: str, key: str, name: str) -> int:
    """A descriptor of a lock's file, which is made if it is not there and never removed: a lock belongs to its file.

    Raises:
        OSError: if it can neither be made nor read.
    """
    path = "%s/locks/%s.%s" % (cache, key, name)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return os.open(manifest_path(cache, key), os.O_RDONLY | os.O_CLOEXEC)  # a read-only cache: no one prunes it


def try_lock(descriptor: int, kind: int) -> bool:
    """Take a lock if that can be at once; whether it was."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(cache: str, key: str, name: str) -> bool:
    """Whether anybody has a lock."""
    try:
        descriptor = os.open("%s/locks/%s.%s" % (cache, key, name), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not try_lock(descriptor, fcntl.LOCK_EX)
    except OSError:
        return False
    finally:
        os.close(descriptor)
