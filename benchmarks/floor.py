"""The floor: bare threads that only unpack, spawn the interpreter, keep stdout and write a status row.

Usage: floor.py FOLDER_OF_ZIPS SLOTS WORK_FOLDER. Prints the seconds it took and the CPU seconds, children included.
"""

import json
import os
import resource
import sqlite3
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from queue import SimpleQueue

ENV = {**os.environ, "PYTHONUNBUFFERED": "1"}


def run(path: Path, place: Path) -> int:
    """Unpack a snapshot and run its script."""
    with zipfile.ZipFile(path) as archive:
        archive.extractall(place)
    with (place / "stdout.txt").open("wb") as out:
        null, command = subprocess.DEVNULL, [sys.executable, "train.py"]
        return subprocess.call(command, cwd=place, stdin=null, stdout=out, stderr=out, env=ENV)


def main() -> None:
    """Run every zip in the folder with as many threads as slots."""
    folder, slots, work = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    jobs: SimpleQueue[Path | None] = SimpleQueue()
    for each in [*sorted(folder.glob("*.zip")), *[None] * slots]:
        jobs.put(each)
    table = sqlite3.connect(work / "floor.db", isolation_level=None, check_same_thread=False)
    table.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; CREATE TABLE status (name, code, ended)")
    lock = threading.Lock()

    def slot() -> None:
        while (path := jobs.get()) is not None:
            code = run(path, work / path.stem)
            with lock:
                table.execute("INSERT INTO status VALUES (?, ?, ?)", (path.stem, code, time.time()))

    began = time.time()
    threads = [threading.Thread(target=slot) for _ in range(slots)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({"seconds": time.time() - began, "cpu": sum(u.ru_utime + u.ru_stime for u in used)}))


if __name__ == "__main__":
    main()
