"""All attempts that one runner carries."""

import os
import shutil
import zlib
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Optional, Set, Tuple

from . import build, codes, process, register
from .attempt import Attempt
from .hunt import reap_orphans
from .job import Job
from .loop import Loop
from .places import is_source
from .trash import Trash

if TYPE_CHECKING:
    from .builder import Builder
    from .builds import Builds

_HOUSEKEEPING = 10.0


class Yard:
    """The attempts and what they share."""

    def __init__(self, root: str, complain: Callable[[str], Any], keeper: int = 0) -> None:
        """Make ready.

        Args:
            root: The root folder.
            complain: Told, as text, of what nobody else can be told of.
            keeper: The process id of our parent, if it is a keeper: adopted scripts and what they leave are its children.
        """
        self.root = root
        self.keeper = keeper
        self.complain = complain
        self.loop = Loop(complain)
        self.attempts: Dict[str, Attempt] = {}
        """By remote name: those that have not ended."""
        self.environment = dict(os.environ)
        """What scripts inherit: the newest host's environment, as it told us."""
        self.boot = process.boot_id()
        self._idents = tuple(process.ident_of(pid) for pid in (os.getpid(), keeper))
        self.hook = install_hook(root + "/local")
        self._program = ""
        self.helpers: Set["Builder"] = set()
        """Builders that serve one attempt alone."""
        self.tell: Callable[[str, Attempt], None] = lambda *_: None
        """``tell(news, attempt)``: ``preparing``, ``running``, ``ended`` or ``refused``."""
        process.become_subreaper()
        self.trash = Trash(self.loop, complain)
        self._builds: Optional["Builds"] = None
        self._spent: List[codes.Ident] = []
        """Processes whose end is in a result: their notes go, also those that the keeper is about to write."""
        self._keep_house()

    def start(self, job: Job) -> None:
        """Begin an attempt; one that is here already goes on."""
        if job.name not in self.attempts:
            attempt = self.attempts[job.name] = _attempt(self, job)
            self.trash.stir()
            attempt.begin()

    def adopt(self, job: Job, records: List[Any]) -> None:
        """Take over an attempt that was begun; ``records`` are those of its register."""
        attempt = self.attempts[job.name] = _attempt(self, job)
        attempt.adopt(records)

    def leave(self, news: str, attempt: Attempt) -> None:
        """An attempt is over."""
        self.attempts.pop(attempt.job.name, None)
        self.tell(news, attempt)
        self.trash.stir()
        if not attempt.keeps_work:
            self.trash.add(attempt.places.work)
        if attempt.job.container is not None:
            self.trash.add(attempt.places.control)

    def code_of(self, ident: codes.Ident) -> Optional[codes.Code]:
        """How a script ended, if the keeper noted it."""
        return codes.read(self.root, ident, self.boot)

    def forget_code(self, ident: codes.Ident) -> None:
        """The end of an adopted script is in its result."""
        codes.remove(self.root, ident)
        self._spent.append(ident)

    def program(self) -> str:
        """The path of this program as one file, for what is started in other places.

        Raises:
            OSError: if it had to be made, and could not be.
        """
        if not self._program:
            self._program = build.own_program(self.root + "/local")
        return self._program

    def winner(self) -> register.Won:
        """Who wins a register now."""
        return register.Won(self.boot, process.ticks(), self._idents[0], self._idents[1])

    def claims(self, ident: codes.Ident) -> bool:
        """Whether a process is the script of an attempt."""
        return ident in self._spent or any(attempt.script.ident == ident for attempt in self.attempts.values())

    @property
    def builds(self) -> "Builds":
        """The environments that are being built."""
        if self._builds is None:
            from .builds import Builds  # noqa: PLC0415 - most supervisors need none of it

            self._builds = Builds(self.loop, lambda: self.environment)
        return self._builds

    def scripts(self) -> Set[int]:
        """The process ids of all scripts, and of all builders of environments: children that are no orphans."""
        builders = self._builds.pids() if self._builds is not None else set()
        builders.update(helper.pid for helper in self.helpers)
        return builders.union(attempt.script.pid for attempt in self.attempts.values())

    def is_alone(self, attempt: Attempt) -> bool:
        """Whether no other attempt can have a process."""
        return all(other is attempt or other.phase == "accepted" for other in self.attempts.values())

    def _keep_house(self) -> None:
        reap_orphans(self.scripts())
        spent, self._spent = self._spent, []
        for ident in spent:
            codes.remove(self.root, ident)
        self.loop.call_after(_HOUSEKEEPING, self._keep_house)


def _attempt(yard: Yard, job: Job) -> Attempt:
    if job.container is None:
        return Attempt(yard, job)
    from .containers.attempt import ContainedAttempt  # noqa: PLC0415 - most supervisors need none of it

    return ContainedAttempt(yard, job)


def install_hook(folder: str) -> str:
    """Put what scripts import into a folder of its own; returns its path.

    A copy, as the runner may be one zip file, and may be replaced by a newer one while scripts run.
    """
    here = os.path.dirname(os.path.abspath(__file__))
    archive = getattr(globals().get("__loader__"), "archive", None)
    files = dict(_files_in(os.path.join(here, "hook"))) if archive is None else {}
    mark = 0
    if archive is not None:
        with open(archive, "rb") as stream:
            mark = zlib.crc32(stream.read())
    for name in sorted(files):
        mark = zlib.crc32(files[name], zlib.crc32(name.encode(), mark))
    path = "%s/hook-%08x" % (folder, mark)
    if os.path.isdir(path):
        return path
    if archive is not None:
        files = _files_of(archive, os.path.relpath(here, archive) + "/hook/")
    temporary = "%s.%d" % (path, os.getpid())
    for name, data in files.items():
        os.makedirs(os.path.dirname(temporary + "/" + name), exist_ok=True)
        with open(temporary + "/" + name, "wb") as made:
            made.write(data)
        if name.endswith(".py"):
            _compile(temporary + "/" + name, path + "/" + name)
    try:
        os.rename(temporary, path)
    except OSError:
        shutil.rmtree(temporary)  # another runner was first
    return path


def _compile(path: str, later: str) -> None:
    """Keep the bytecode for this interpreter, which most scripts have too: theirs may be told to write none.

    A millisecond of each script's start, otherwise.
    """
    import py_compile  # noqa: PLC0415 - once per build

    py_compile.compile(path, dfile=later, doraise=True)


def _files_in(base: str) -> Iterator[Tuple[str, bytes]]:
    for folder, _, names in os.walk(base):
        for name in names:
            if is_source(name):
                path = os.path.join(folder, name)
                with open(path, "rb") as stream:
                    yield os.path.relpath(path, base), stream.read()


def _files_of(archive: str, prefix: str) -> Dict[str, bytes]:
    import zipfile  # noqa: PLC0415 - needed once per build, and takes a sixth of the time to start

    with zipfile.ZipFile(archive) as stream:
        return {name[len(prefix) :]: stream.read(name) for name in stream.namelist() if name.startswith(prefix)}
