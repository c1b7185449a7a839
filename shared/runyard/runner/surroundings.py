"""What a script is started in, as its preparation left it."""

import os
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional

if TYPE_CHECKING:
    from .environments import Ready

_OF_ANOTHER = (
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "CONDA_DEFAULT_ENV",
    "CONDA_PROMPT_MODIFIER",
    "CONDA_SHLVL",
    "PYTHONPATH",
    "PYTHONHOME",
)
"""Inherited variables that lead a prepared environment's Python to packages of the environment that the host runs in."""


class Surroundings:
    """Nothing is prepared at first: the script gets the interpreter that its job names."""

    __slots__ = ("held", "image", "notes", "ready")

    def __init__(self) -> None:
        self.ready: Optional["Ready"] = None
        """The prepared environment."""
        self.held: Optional[int] = None
        """The descriptor that keeps the environment from being removed; the script inherits it."""
        self.image: Dict[str, Any] = {}
        """The image of its container, as its builder told of it (:mod:`.containers.images`)."""
        self.notes: List[str] = []
        """What was done otherwise than the run configuration says, and how the environment came about, a sentence each."""

    @property
    def interpreter(self) -> str:
        """The interpreter in place of the job's; empty = the job's own."""
        return self.ready.interpreter if self.ready is not None else ""

    def inherited(self, base: Mapping[str, str]) -> Dict[str, str]:
        """What the script inherits: ``base`` with the environment's own variables."""
        made = dict(base)
        if self.ready is None:
            return made
        for name in _OF_ANOTHER:
            made.pop(name, None)
        made["PYTHONNOUSERSITE"] = "1"  # packages in the user's home are none of those that were asked for
        made.update((name, value) for name, value in self.ready.variables.items() if name != "PATH")
        return made

    def led(self, variables: Dict[str, str]) -> Dict[str, str]:
        """The script's variables with the environment's programs first on ``PATH``, whoever set that."""
        if self.ready is not None:
            path = variables.get("PATH", os.defpath)
            programs = self.ready.prefix + "/bin"
            variables["PATH"] = programs + os.pathsep + path if path else programs
        return variables

    def record(self) -> Optional[Dict[str, Any]]:
        """What a later supervisor needs of it; ``None`` if nothing was prepared. No secrets."""
        if self.ready is None and not self.notes:
            return None
        held = [self.ready.cache, self.ready.key] if self.ready is not None else None
        return {"prepared": {"notes": self.notes, "held": held}}

    def take_over(self, records: List[Any]) -> None:
        """Know again what an earlier supervisor recorded, and hold the environment as it did."""
        for record in records[1:]:
            try:
                notes, held = record["prepared"]["notes"], record["prepared"]["held"]
                self.notes = [str(note) for note in notes]
                if held is not None and self.held is None:
                    self._hold(str(held[0]), str(held[1]))
            except (LookupError, TypeError):
                continue

    def _hold(self, cache: str, key: str) -> None:
        from .environments import Ready, hold  # noqa: PLC0415 - only where one was prepared
        from .problems import Problem  # noqa: PLC0415

        texts = dict.fromkeys(("prefix", "interpreter", "tool"), "")
        try:
            self.held = hold(Ready(dict(texts, cache=cache, key=key, variables={}, notes=[])))
        except Problem:
            pass  # the script itself holds it, too

    def release(self) -> None:
        """Let go of the environment: nothing of the script is left."""
        if self.held is not None:
            os.close(self.held)
            self.held = None
