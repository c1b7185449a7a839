"""``runner.pyz keep --root DIR``, ``runner.pyz serve --root DIR`` and ``runner.pyz run --root DIR JOB.json``.

``runner.pyz build-environment`` is the builder of environments (:mod:`.environments`).
"""

import argparse
import json
import sys
from typing import List, Optional

from .keep import LINGER, keep


def main(arguments: Optional[List[str]] = None) -> int:
    """Run a command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="runner")
    commands = parser.add_subparsers(dest="command")
    keeping = commands.add_parser("keep", help="supervise every attempt under a root, in the background")
    serving = commands.add_parser("serve", help="the same in the foreground, by one process that nobody starts again")
    for each in (keeping, serving):
        each.add_argument("--root", required=True)
        each.add_argument("--build", default="", help="what hosts tell this program from another by")
        each.add_argument("--linger", type=float, default=LINGER, help="seconds to stay with nothing to do")
    keeping.add_argument("--in-place", action="store_true", help="stay this process: it has children")
    serving.add_argument("--foreground", action="store_true", help="as always")
    running = commands.add_parser("run", help="carry out one attempt")
    running.add_argument("--root", required=True)
    running.add_argument("job", help="a file with the job's record as JSON")
    commands.add_parser("build-environment", help="build the environment that the wish on stdin asks for")
    chosen = parser.parse_args(arguments)
    # Each loads what it needs: the keeper is to be small.
    if chosen.command == "keep":
        return keep(chosen.root, chosen.build, chosen.linger, chosen.in_place)
    if chosen.command == "serve":
        from .serve import serve  # noqa: PLC0415

        return serve(chosen.root, chosen.build, chosen.linger)
    if chosen.command == "run":
        from .single import run  # noqa: PLC0415

        with open(chosen.job, encoding="utf-8") as stream:
            return run(chosen.root, json.load(stream))
    if chosen.command == "build-environment":
        from .environments import main_build  # noqa: PLC0415

        return main_build()
    parser.print_help()
    return 2


if __name__ == "__main__":
    sys.exit(main())
