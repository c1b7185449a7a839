"""``runyard env images``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from runyard.cli.context import Json, Root, seconds
from runyard.cli.outcome import say
from runyard.cli.show import print_json, print_table, size


def images(
    prune_older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Remove those that no run used for that long: 30d.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing; say what would be.")] = False,
    json: Json = False,
    root: Root = None,
) -> None:
    """List the images that runs in containers had made here, or remove old ones; never one that a container uses."""
    from runyard.cli.env_print import ago  # noqa: PLC0415 - 150 ms, with those below
    from runyard.cli.env_problems import as_ours  # noqa: PLC0415
    from runyard.cli.env_source import options_of  # noqa: PLC0415
    from runyard.runner.containers.engine import Engine  # noqa: PLC0415
    from runyard.runner.containers.keeping import list_images, prune_images  # noqa: PLC0415

    options = options_of(root)
    engine = Engine(options.docker, os.environ)
    age = seconds(prune_older_than, "--prune-older-than")
    with as_ours():
        if age is None:
            found = list_images(engine, options.environments)
        else:
            found = prune_images(engine, options.environments, age, dry_run=dry_run)
    if json:
        print_json({"engine": options.docker, "dryRun": dry_run, "images": found})
        return
    if age is not None:
        verb = "would remove" if dry_run else "removed"
        for each in found:
            name = ", ".join(each["tags"]) or each["id"]
            print(f"{verb if each['removed'] or dry_run else 'kept'} {name}: {each['reason']}")
        return
    if found:
        rows = [
            (
                ", ".join(each["tags"]) or each["id"][:19],
                each["kind"],
                each["tool"] or "",
                size(each["bytes"] or 0),
                ago(each["last_use"]),
                each["source"],
            )
            for each in found
        ]
        print_table(("IMAGE", "KIND", "TOOL", "SIZE", "LAST USE", "SOURCE"), rows)
    say(f"{len(found)} images; sizes are with their base images, which they share")
