"""``runner.pyz keep --root DIR``, ``runner.pyz serve --root DIR`` and ``runner.pyz run --root DIR JOB.json``.

``runner.pyz remote --root DIR --service URL`` carries out an attempt far from the service (:mod:`.remote`).
``runner.pyz build-environment`` is the builder of environments (:mod:`.environments`).
"""

import argparse
import json
import sys
from typing import List, Optional

from .keep import LINGER, keep

_FOR_CONTAINERS = ("inside", "shepherd", "build-image", "build-in-image")


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
    remote = commands.add_parser("remote", help="carry out the attempt that a token of a service stands for")
    remote.add_argument("--root", required=True, help="a folder of this machine: it goes with it")
    remote.add_argument("--service", required=True, help="the service's address")
    remote.add_argument(
        "--token-file", default="", help="holds the token, and is removed; or RUNYARD_ATTEMPT_TOKEN does"
    )
    commands.add_parser("build-environment", help="build the environment that the wish on stdin asks for")
    commands.add_parser("build-image", help="have the image of a container ready; the order comes on stdin")
    commands.add_parser("build-in-image", help="build an environment, in the container that becomes its image")
    commands.add_parser("shepherd", help="see to a container; the task comes on stdin")
    commands.add_parser("inside", help="be the first process in a container")
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in _FOR_CONTAINERS:
        return _container(words)
    chosen = parser.parse_args(words)
    # Each loads what it needs: the keeper is to be small.
    if chosen.command == "keep":
        return keep(chosen.root, chosen.build, chosen.linger, chosen.in_place)
    if chosen.command in ("remote", "build-environment"):
        return _far(chosen)
    if chosen.command == "serve":
        from .serve import serve  # noqa: PLC0415

        return serve(chosen.root, chosen.build, chosen.linger)
    if chosen.command == "run":
        from .single import run  # noqa: PLC0415

        with open(chosen.job, encoding="utf-8") as stream:
            return run(chosen.root, json.load(stream))
    parser.print_help()
    return 2


def _far(chosen: argparse.Namespace) -> int:
    """What is done away from a supervisor."""
    if chosen.command == "remote":
        from .remote.carry import carry  # noqa: PLC0415

        return carry(chosen.root, chosen.service, chosen.token_file)
    from .environments import main_build  # noqa: PLC0415

    return main_build()


def _container(words: List[str]) -> int:
    """What has to do with containers. Not by the parser: a script's arguments follow ``inside``, and are none of ours."""
    if words[0] == "inside":
        from .containers import inside  # noqa: PLC0415

        return inside.main(words[1:])
    if words[0] == "shepherd":
        from .containers import shepherd  # noqa: PLC0415

        return shepherd.main()
    if words[0] == "build-image":
        from .containers import images  # noqa: PLC0415

        return images.main(sys.stdin.buffer, sys.stdout.buffer)
    from .containers import in_image  # noqa: PLC0415

    return in_image.main(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    sys.exit(main())
