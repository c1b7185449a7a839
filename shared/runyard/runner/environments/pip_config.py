"""The index that pip is configured with, for uv, which does not read pip's settings.

Sources: pip's configuration files and variables (https://pip.pypa.io/en/stable/topics/configuration/), uv's
(https://docs.astral.sh/uv/reference/environment/, https://docs.astral.sh/uv/concepts/configuration-files/).
"""

import configparser
import os
import re
from typing import Dict, List

from .options import Indexes

_UV_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX")
_UV_SETTING = re.compile(
    r"^\s*(?:\[\[(?:tool\.uv\.)?index\]\]|(?:index|index-url|extra-index-url|find-links|no-index)\s*=)", re.MULTILINE
)
_SECTIONS = ("global", "install")
_OFF = ("", "0", "false", "no", "off")


def uv_has_its_own(environment: Dict[str, str]) -> bool:
    """Whether uv itself is told where packages come from."""
    if any(environment.get(name) for name in _UV_VARIABLES):
        return True
    home = environment.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    chosen = environment.get("UV_CONFIG_FILE")
    for path in [chosen] if chosen else [home + "/uv/uv.toml", "/etc/xdg/uv/uv.toml", "/etc/uv/uv.toml"]:
        try:
            with open(path, encoding="utf-8", errors="replace") as stream:
                if _UV_SETTING.search(stream.read()):
                    return True
        except OSError:
            continue  # it is not there
    return False


def pip_settings(environment: Dict[str, str]) -> Dict[str, str]:
    """The settings of pip, by their long names: of its files, the later over the earlier, then of its variables."""
    settings: Dict[str, str] = {}
    for path in _pip_files(environment):
        parser = configparser.RawConfigParser()
        try:
            with open(path, encoding="utf-8", errors="replace") as stream:
                parser.read_file(stream)
        except (OSError, configparser.Error):
            continue  # it is not there, or pip itself will say what is wrong with it
        for section in _SECTIONS:
            if parser.has_section(section):
                settings.update({name.replace("_", "-"): value for name, value in parser.items(section)})
    for name, value in environment.items():
        if name.startswith("PIP_") and value:
            settings[name[4:].lower().replace("_", "-")] = value
    return settings


def _pip_files(environment: Dict[str, str]) -> List[str]:
    chosen = environment.get("PIP_CONFIG_FILE", "")
    if chosen == os.devnull:
        return []
    shared = environment.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    home = environment.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    files = [each + "/pip/pip.conf" for each in reversed(shared.split(os.pathsep)) if each]
    files += ["/etc/pip.conf", os.path.expanduser("~/.pip/pip.conf"), home + "/pip/pip.conf"]
    return files + ([chosen] if chosen else [])


def is_on(value: str) -> bool:
    """Whether a flag's value turns it on."""
    return value.strip().lower() not in _OFF


def pip_indexes(settings: Dict[str, str]) -> Indexes:
    """Where pip's settings say that packages come from."""

    def listed(name: str) -> List[str]:
        return settings.get(name, "").split()

    return Indexes(
        settings.get("index-url", "").strip(),
        tuple(listed("extra-index-url")),
        tuple(listed("find-links")),
        tuple(listed("trusted-host")),
        is_on(settings.get("no-index", "")),
    )


def for_uv(asked: Indexes, environment: Dict[str, str]) -> Indexes:
    """Where uv is to look: what the wish asks for, over pip's settings where uv has none of its own.

    As with pip, an ``--index-url`` of the wish takes the place of all indexes that are configured.
    """
    if uv_has_its_own(environment):
        return asked
    own = pip_indexes(pip_settings(environment))
    return Indexes(
        asked.main or own.main,
        asked.extra if asked.main else own.extra + asked.extra,
        own.links + asked.links,
        own.trusted + asked.trusted,
        asked.no_index or own.no_index,
    )
