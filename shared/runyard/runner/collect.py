"""Moves what a script made from its working directory to where users look."""

import os
import shutil
from typing import List

from .job import Job
from .places import LOG_FOLDER, Places, make_folder

OUTPUTS = "outputs"


def folders_of(job: Job) -> List[str]:
    """The folders of the working directory that are made before the script, and kept."""
    names = [OUTPUTS]
    for name in job.watched_directories:
        plain = os.path.normpath(name)
        if os.path.isabs(plain) or plain.split(os.sep)[0] in ("", ".", ".."):
            continue  # only what lies in the working directory is the run's
        if plain not in names:
            names.append(plain)
    return names


def collect(job: Job, places: Places) -> None:
    """Move the folders.

    Raises:
        OSError: if one cannot be moved, for instance for want of room on another disk.
    """
    for name in folders_of(job):
        source = places.work + "/" + name
        if not _is_bare(source):
            _move(source, places.folder + "/" + name)
    if os.path.isdir(places.work + "/" + LOG_FOLDER):
        _move(places.work + "/" + LOG_FOLDER, places.log_folder)


def _is_bare(folder: str) -> bool:
    """Whether nothing is there to be moved."""
    try:
        return not os.listdir(folder)
    except FileNotFoundError:
        return True  # the script removed it
    except NotADirectoryError:
        return False


def _move(source: str, destination: str) -> None:
    """Move a file or folder; where a folder exists already, what is in it moves, and nothing there is replaced."""
    try:
        os.rename(source, destination)
        return
    except FileNotFoundError:
        make_folder(os.path.dirname(destination))
    except OSError:
        if os.path.isdir(source) and not os.path.islink(source) and os.path.isdir(destination):
            for name in os.listdir(source):
                if not os.path.lexists(destination + "/" + name) or os.path.isdir(destination + "/" + name):
                    _move(source + "/" + name, destination + "/" + name)
            return
        if os.path.lexists(destination):
            return
    shutil.move(source, destination)
