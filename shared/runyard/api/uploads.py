"""``POST /api/runs``: a zip with a submission, or a submission that refers to a zip in a registered container."""

from __future__ import annotations

import errno
import hashlib
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException
from starlette.responses import Response

from runyard.accept import check_room, submit
from runyard.api.answers import answer
from runyard.api.context import CallerDep, PortsDep
from runyard.api.details import details
from runyard.api.guard import MAX_BODY, MAX_SNAPSHOT
from runyard.errors import ConflictError, EventError, RunyardError, SnapshotError, StorageFullError
from runyard.events.submission import Submission, parse_submission
from runyard.ports import Ports
from runyard.runs.model import Origin

router = APIRouter(prefix="/api")

UPLOADS: Final = "uploads"
"""The container of uploaded snapshots, named by their content."""
MAX_KEY: Final = 200


@router.post("/runs")
async def submit_run(request: Request, ports: PortsDep, caller: CallerDep) -> Response:
    """Ask for a run. 202 with its details; 200 if the ``Idempotency-Key`` found a run that exists."""
    key = request.headers.get("idempotency-key") or None
    if key is not None and len(key) > MAX_KEY:
        raise EventError(f"the Idempotency-Key has {len(key)} characters; at most {MAX_KEY} are allowed")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        await run_in_threadpool(check_room, ports, key)  # before a snapshot is kept for a run that will not be
        submission = await _uploaded(request, ports)
    elif kind == "application/json" or kind.endswith("+json"):
        submission = parse_submission(await request.body()).submission
    else:
        raise EventError(
            "send multipart/form-data with a snapshot and a submission, or a submission as application/json"
        )
    origin = Origin(source="api", name=caller, event_id=key or submission.id or "")

    def enter() -> Response:
        run, created = submit(ports, submission, origin=origin, key=key)
        return answer(details(ports, run), 202 if created else 200, {"Location": f"/api/runs/{run.id}"})

    return await run_in_threadpool(enter)


@router.post("/snapshots")
async def upload_snapshot(request: Request, ports: PortsDep) -> Response:
    """Keep a zip (the part ``snapshot``) for later submissions that refer to it; answers 201 with its name."""
    form = await _form(request)
    try:
        reference = await run_in_threadpool(store_upload, ports, _snapshot_part(form))
    finally:
        await form.close()
    return answer(reference, 201)


async def _uploaded(request: Request, ports: Ports) -> Submission:
    form = await _form(request)
    try:
        asked = await _submission_part(form)
        part = _snapshot_part(form)
        # What is wrong with the submission is said before anything is kept.
        Submission.of({**asked, "snapshot": {"container": UPLOADS, "name": "checked.zip"}})
        reference = await run_in_threadpool(store_upload, ports, part)
    finally:
        await form.close()
    return Submission.of({**asked, "snapshot": reference})


async def _form(request: Request) -> FormData:
    """The parts; a large one is on disk, not in memory."""
    try:
        form = await request.form(max_files=2, max_fields=2, max_part_size=MAX_BODY)
    except (MultiPartException, AttributeError, KeyError):
        raise EventError("the multipart body cannot be read") from None
    except OSError as error:
        raise _no_room(error) from None
    for name in ("snapshot", "submission"):
        if len(form.getlist(name)) > 1:
            await form.close()
            raise EventError(f"the part {name!r} is there twice; send it once")
    return form


async def _submission_part(form: FormData) -> dict[str, Any]:
    part = form.get("submission")
    if part is None:
        raise EventError("the part 'submission' is missing; it is the submission as JSON")
    text = await part.read(MAX_BODY) if isinstance(part, UploadFile) else part
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError):
        raise EventError("the part 'submission' is not JSON") from None
    if not isinstance(asked, dict):
        raise EventError("the part 'submission' must be a JSON object")
    if "snapshot" in asked:
        raise EventError("leave 'snapshot' out of the submission: the part 'snapshot' is the snapshot")
    return asked


def _snapshot_part(form: FormData) -> BinaryIO:
    part = form.get("snapshot")
    if not isinstance(part, UploadFile):
        raise EventError("the part 'snapshot' is missing; it is the zip, sent as a file")
    if (part.size or 0) > MAX_SNAPSHOT:
        raise SnapshotError(
            f"the snapshot is larger than {MAX_SNAPSHOT >> 20} MiB; leave out what the run does not need"
        )
    return part.file


def store_upload(ports: Ports, file: BinaryIO) -> dict[str, str]:
    """Keep an uploaded zip under its content's name; one that is there already is used again.

    Raises:
        SnapshotError: if it is no zip.
        StorageFullError: if there is no room.
    """
    with keeping():
        if not zipfile.is_zipfile(file):
            raise SnapshotError("the snapshot is not a zip file")
        file.seek(0)
        digest = hashlib.sha256()
        while piece := file.read(1 << 20):
            digest.update(piece)
        found = reference(digest.hexdigest())
        if ports.blobs.head(UPLOADS, found["name"]) is None:
            file.seek(0)
            ports.blobs.put(UPLOADS, found["name"], file, create_only=True)
    return found


def reference(sha256: str) -> dict[str, str]:
    """What a submission names an uploaded snapshot by."""
    return {"container": UPLOADS, "name": f"{sha256}.zip", "sha256": sha256}


@contextmanager
def keeping() -> Iterator[None]:
    """Around writing an upload under its content's name: the same bytes twice at a time are one, and a full disk says so.

    Raises:
        StorageFullError: if there is no room.
    """
    try:
        yield
    except ConflictError:
        return  # the same bytes came twice at the same time
    except OSError as error:
        raise _no_room(error) from None


def _no_room(error: OSError) -> RunyardError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageFullError("there is no room for the upload on the disk; free some, and send it again")
    return RunyardError(f"the upload could not be kept: {error.strerror}")
