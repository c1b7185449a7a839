"""One attempt to its end, in the foreground: what a target starts where there is no supervisor."""

import signal
import sys
from typing import Any, Dict, List, Mapping, Optional

from .job import read_job
from .places import lay_out
from .problems import Problem
from .yard import Yard


def run(
    root: str,
    record: Dict[str, Any],
    secrets: Optional[Mapping[str, Any]] = None,
    asked: Optional[List[bool]] = None,
) -> int:
    """Carry out one attempt. TERM and INT cancel it, and so does whatever is put into ``asked``, by any thread.

    Args:
        root: The root folder.
        record: The job.
        secrets: What the record shows masked, by JSON pointers.
        asked: Not empty if it is to be canceled.

    Returns:
        0, also when the script failed: the result file carries the truth. 2 if the job cannot be read.
    """
    try:
        job = read_job(record, secrets)
    except Problem as problem:
        sys.stderr.write(problem.message + "\n")
        return 2
    lay_out(root)
    yard = Yard(root, sys.stderr.write)
    wishes: List[bool] = [] if asked is None else asked
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: wishes.append(True))

    def look() -> None:
        if wishes:
            for attempt in yard.attempts.values():
                attempt.cancel(job.grace)
        yard.loop.call_after(0.1, look)

    look()
    yard.start(job)
    while yard.attempts:
        yard.loop.step()
    yard.trash.empty()
    while not yard.trash.is_empty:
        yard.loop.step()
    return 0
