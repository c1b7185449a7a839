"""``runner.pyz serve --root DIR`` and ``runner.pyz run --root DIR JOB.json``."""

import argparse
import json
import sys
from typing import List, Optional

from .serve import LINGER, serve
from .single import run


def main(arguments: Optional[List[str]] = None) -> int:
    """Run a command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="runner")
    commands = parser.add_subparsers(dest="command")
    serving = commands.add_parser("serve", help="supervise every attempt under a root")
    serving.add_argument("--root", required=True)
    serving.add_argument("--build", default="", help="what hosts tell this program from another by")
    serving.add_argument("--linger", type=float, default=LINGER, help="seconds to stay with nothing to do")
    serving.add_argument("--foreground", action="store_true")
    running = commands.add_parser("run", help="carry out one attempt")
    running.add_argument("--root", required=True)
    running.add_argument("job", help="a file with the job's record as JSON")
    chosen = parser.parse_args(arguments)
    if chosen.command == "serve":
        return serve(chosen.root, chosen.build, chosen.linger, chosen.foreground)
    if chosen.command == "run":
        with open(chosen.job, encoding="utf-8") as stream:
            return run(chosen.root, json.load(stream))
    parser.print_help()
    return 2


if __name__ == "__main__":
    sys.exit(main())
