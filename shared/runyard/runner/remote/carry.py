"""One attempt far from its service, from its token to its result."""

import os
import signal
import sys
import time
from typing import Any, Dict, List, Optional

from .. import result, single
from ..job import Job, read_job
from ..places import DRIVER_LOG, LOG_FOLDER, PREPARATION_LOG, Places, lay_out
from ..problems import Problem
from ..register import STARTED
from ..verdict import Verdict
from . import token
from .blobs import Blobs, Changed
from .following import Following
from .service import Refused, Service
from .storing import RESULT, store_files, store_result
from .wire import Persistence, Trouble

REGISTER = "@register"
SNAPSHOT = "@snapshot"
LOG = LOG_FOLDER + "/" + DRIVER_LOG
PREPARATION = LOG_FOLDER + "/" + PREPARATION_LOG
METRICS = "metrics.jsonl"
_WANTED = [
    (REGISTER, "create"),
    (SNAPSHOT, "read"),
    (LOG, "append"),
    (PREPARATION, "append"),
    (METRICS, "append"),
    (RESULT, "create"),
]
_LAST_PATIENCE = 1800.0
"""Seconds for which what an ended script left is sent again: nobody else has it."""


def carry(root: str, address: str, token_file: str) -> int:
    """Carry out the attempt that the token stands for.

    Returns:
        0, also when the script failed or must not start: blobs carry the truth. 2 if there is no token, 3 if the service or
        the blobs cannot be reached.
    """
    try:
        held = token.take(token_file, sys.stderr.write)
    except OSError as error:
        sys.stderr.write("the token's file cannot be read: %s\n" % error.strerror)
        return 2
    if not held:
        sys.stderr.write("there is no attempt token: set %s, or give --token-file\n" % token.VARIABLE)
        return 2
    token.close_memory()
    try:
        return _carry(root, address, held)
    except Refused as refused:
        sys.stderr.write("this attempt does nothing here: %s\n" % refused)
        return 0
    except Trouble as trouble:
        sys.stderr.write("%s\n" % trouble)
        return 3


def _carry(root: str, address: str, held: str) -> int:
    persistence = Persistence()
    service = Service(address, held, persistence)
    blobs = Blobs(service, persistence)
    service.fetch(_WANTED)
    _win(blobs)
    service.renew()
    asked: List[bool] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.append(True))
    try:
        record, secrets = _prepare(root, service, blobs)
    except (Problem, Trouble, OSError) as error:
        _store_failure(service, blobs, _problem_of(error))
        return 0
    places = Places(root, service.run, service.attempt, record["name"])
    files = {LOG: places.log, PREPARATION: places.log_folder + "/" + PREPARATION_LOG, METRICS: places.metrics}
    following = Following(service, blobs, files, lambda: asked.append(True))
    following.start()
    if service.cancel_requested:
        asked.append(True)
    single.run(root, record, secrets, asked)
    persistence.patience = _LAST_PATIENCE
    following.stop()
    if following.refused:
        raise Refused(following.refused)
    _store(places, following, blobs, result.read(places.result), Job(record, secrets))
    return 0


def _win(blobs: Blobs) -> None:
    """Win the start register.

    Raises:
        Refused: if another has decided.
        Trouble: if that cannot be known.
    """
    mine = ("%s %s %.3f\n" % (STARTED, os.urandom(16).hex(), time.time())).encode()
    there = blobs.create(REGISTER, mine)
    if there != mine:  # the nonce tells our own earlier write from another runner's
        word, _, reason = there.decode("utf-8", "replace").strip().partition(" ")
        raise Refused("its start was %s" % ("made by another runner" if word == STARTED else "voided: " + reason[:500]))


def _prepare(root: str, service: Service, blobs: Blobs) -> Any:
    """The job's record, with its snapshot on this machine, and its secrets.

    Raises:
        Problem: if it is no job.
        Trouble: if it cannot be had.
        OSError: if there is no room for it.
        Refused: if the attempt is over.
    """
    record, secrets = service.job()
    job = read_job(record, secrets)
    if (job.run, job.attempt) != (service.run, service.attempt):
        raise Problem("the service gave the job of another attempt")
    lay_out(root)
    folder = root + "/snapshots"
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = "%s/%s.zip" % (folder, job.name)
    with open(path, "w+b") as stream:
        blobs.download(SNAPSHOT, stream)
    # Which version it is was seen to while it was read: the file's own ETag is another.
    record = dict(record, snapshot=path, snapshot_etag="")
    return record, secrets


def _store(places: Places, following: Following, blobs: Blobs, found: Optional[Dict[str, Any]], job: Job) -> None:
    if found is None:
        verdict = Verdict("interrupted", "its runner ended it without a result", "transient")
        found = result.make(job, verdict, None, None, time.time())
    notes = ["%s is not whole: %s" % (each.name, each.problem) for each in following.followers if each.problem]
    notes += store_files(places.folder, {each.name for each in following.followers} | {RESULT}, blobs)
    log = next(follower for follower in following.followers if follower.name == LOG)
    found["log_bytes"] = log.sent
    found["log_complete"] = bool(found["log_complete"]) and not log.problem
    if notes:
        found["notes"] = list(found.get("notes", [])) + [job.masked(note) for note in notes]
    _say(store_result(found, blobs))


def _store_failure(service: Service, blobs: Blobs, problem: Problem) -> None:
    job = Job({"name": "", "run": service.run, "attempt": service.attempt})
    verdict = Verdict("failed", problem.message, problem.error_class)
    _say(store_result(result.make(job, verdict, None, None, time.time()), blobs))


def _problem_of(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, Changed):
        return Problem(str(error), "config")
    if isinstance(error, OSError):
        return Problem("the snapshot cannot be kept: %s" % (error.strerror or type(error).__name__), "transient")
    return Problem(str(error), "transient")


def _say(text: str) -> None:
    if text:
        sys.stderr.write(text + "\n")
