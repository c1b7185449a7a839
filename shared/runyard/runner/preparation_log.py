"""The log that people look into while a run is prepared, or when it could not be."""

from typing import Any, Callable, List

from .job import Job
from .places import PREPARATION_LOG, Places
from .plain import append_line


class PreparationLog:
    """One attempt's ``azureml-logs/20_image_build_log.txt``. It is made by its first line."""

    def __init__(self, job: Job, places: Places, complain: Callable[[str], Any]) -> None:
        """``complain`` is told what cannot be written there."""
        self._run = job.run
        self._path = places.log_folder + "/" + PREPARATION_LOG
        self._complain = complain

    def write(self, text: str) -> None:
        """Add a line, or several."""
        try:
            append_line(self._path, text)
        except OSError as error:
            self._complain("%s: %s (%s)\n" % (self._run, text, error.strerror))

    def write_all(self, lines: List[str]) -> None:
        """Add lines with one write."""
        if lines:
            self.write("\n".join(lines))
