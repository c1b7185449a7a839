"""What an image's builder says, in the words of :func:`..environments.main_build`: JSON lines, of which the last is the outcome."""

import json
import os
import sys
from typing import Any, Dict

from ..environments.masking import Masker
from ..problems import Problem


class Teller:
    """Tells whoever started the builder. Everything is masked."""

    def __init__(self, stdout: Any) -> None:
        self.masker = Masker()
        self._stdout = stdout

    def line(self, text: str) -> None:
        """Progress, or what the engine says."""
        self._send({"line": self.masker(text)})

    def note(self, sentence: str) -> None:
        """A substitution."""
        self._send({"note": self.masker(sentence)})

    def ready(self, record: Dict[str, Any]) -> None:
        """The end."""
        self._send({"ready": record})

    def problem(self, problem: Problem) -> None:
        """The other end."""
        self._send({"problem": self.masker(problem.message), "class": problem.error_class, "tail": []})

    def _send(self, message: Dict[str, Any]) -> None:
        try:
            self._stdout.write(json.dumps(message).encode() + b"\n")
            self._stdout.flush()
        except BrokenPipeError:
            # Nobody waits any more. What is under way is removed on the way out.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stdout.fileno())
            sys.exit(1)
