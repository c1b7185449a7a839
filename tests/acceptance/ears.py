"""Hears what a host says to nobody in particular: its log, and what other users of the machine see of its processes."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Ears(logging.Handler):
    """Hears every log line, whatever its level, with its traceback."""

    def __init__(self, said: list[tuple[str, bytes]]) -> None:
        super().__init__(logging.DEBUG)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        text = logging.Formatter().format(record) + repr(record.__dict__)
        self._said.append((f"log {record.name}", text.encode("utf-8", "replace")))


@contextmanager
def watched_processes(said: list[tuple[str, bytes]]) -> Iterator[None]:
    """Samples what other processes see of those that are ours: all but the scripts and the test itself."""
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.02):
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    argv, environ = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
                except OSError:
                    continue  # it is gone, or another's
                if b"AZUREML_RUN_ID=" not in environ and int(folder.name) != os.getpid():
                    # An installer has no other way to learn an index's password; its variables are its owner's to read.
                    seen = argv if b"install" in argv.split(b"\0") else argv + environ
                    said.append((f"process {argv[:60]!r}", seen))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
