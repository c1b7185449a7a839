"""Whether the environment of a run configuration is there already."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runyard.cli.env_problems import as_ours
from runyard.cli.env_source import options_of, wish_for
from runyard.errors import RunyardError
from runyard.runconfig.meaning import Meaning
from runyard.runconfig.model import RunConfiguration
from runyard.runconfig.redact import redacted_text
from runyard.runconfig.surroundings import environment_of
from runyard.runner.environments import Wish, find

if TYPE_CHECKING:
    from runyard.cli.config_source import Selected


@dataclass(slots=True)
class Prepared:
    """What is known of it. Nothing in it is a secret."""

    key: str = ""
    is_ready: bool = False
    sentence: str = ""
    problem: str | None = None


def prepared(selected: Selected, config: RunConfiguration, meant: Meaning, root: Path | None) -> Prepared | None:
    """Look for the environment in the cache of this machine; ``None`` where none is prepared outside a container."""
    if meant.container or config.environment.python.user_managed_dependencies:
        return None
    found = Prepared()
    try:
        spec = environment_of(config, selected.place.read)
        if spec is None:
            return None
        with wish_for(spec, selected.given, options_of(root)) as wish, as_ours():
            _tell(found, wish, selected)
    except RunyardError as error:
        found.sentence = redacted_text(f"whether its environment is there cannot be told: {error.message}")
    return found


def _tell(found: Prepared, wish: Wish, selected: Selected) -> None:
    found.key = wish.key
    found.is_ready = find(wish) is not None
    short = f"the environment {wish.key[:12]}"
    build = f"runyard env build {shlex.quote(str(selected.given))}"
    if selected.given.name != Path(selected.name).name:
        build += f" --runconfig {shlex.quote(selected.name)}"
    if found.is_ready:
        found.sentence = f"{short} is there already"
    elif wish.auto_prepare:
        found.sentence = f"{short} is not there yet: the first run builds it, or `{build}` does so now"
    else:
        found.sentence = f"{short} is not there yet"
        found.problem = f"{selected.name}: autoPrepareEnvironment is false, and {short} is not there; build it with `{build}`, or set it to true"
