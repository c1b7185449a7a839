"""Moves what a script made from its working directory to where users look."""

import os
import shutil
import stat
from typing import List

from .job import Job
from .places import LOG_FOLDER, Places, make_folder
from .spelling import respell

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


def collect(job: Job, places: Places) -> List[str]:
    """Move the folders. No link is followed: not one in a folder's place, nor those in it, which stay links.

    Returns:
        A sentence for each that was left out or renamed.

    Raises:
        OSError: if one cannot be moved, for instance for want of room on another disk.
    """
    notes: List[str] = []
    for name in folders_of(job):
        source = places.work + "/" + name
        if os.path.islink(source):
            notes.append("%s is a link to %r, which is not followed: it was left out" % (name, os.readlink(source)))
        elif not _is_bare(source):
            if _is_at_home(places.work, name):
                notes += respell(source, name)
                _move(source, places.folder + "/" + name)
            else:
                notes.append("%s lies behind a link, which is not followed: it was left out" % name)
    logs = places.work + "/" + LOG_FOLDER
    if _is_folder(logs) and _is_at_home(places.work, LOG_FOLDER):
        notes += respell(logs, LOG_FOLDER)
        _move(logs, places.log_folder)
    return notes


def _is_at_home(work: str, name: str) -> bool:
    """Whether the path leads there without a link, from the folder on that the working directory is in."""
    base, last = os.path.split(work)
    return os.path.realpath(work + "/" + name) == os.path.join(os.path.realpath(base), last, name)


def _is_bare(folder: str) -> bool:
    """Whether nothing is there to be moved."""
    try:
        return not os.listdir(folder)
    except FileNotFoundError:
        return True  # the script removed it
    except NotADirectoryError:
        return False


def _is_folder(path: str) -> bool:
    """Whether it is a folder, and no link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _move(source: str, destination: str) -> None:
    """Move a file or folder; where a folder exists already, what is in it moves, and nothing there is replaced."""
    try:
        os.rename(source, destination)
        return
    except FileNotFoundError:
        make_folder(os.path.dirname(destination))
    except OSError:
        if _is_folder(source) and _is_folder(destination):
            for name in os.listdir(source):
                if not os.path.lexists(destination + "/" + name) or _is_folder(destination + "/" + name):
                    _move(source + "/" + name, destination + "/" + name)
            return
        if os.path.lexists(destination):
            return
    shutil.move(source, destination)
