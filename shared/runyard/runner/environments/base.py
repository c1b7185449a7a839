"""A conda environment that is there already, and is used as it is."""

import os
import re
from typing import Dict, List

from ..problems import Problem

_RECORD = re.compile(r"(.+)-([^-]+)-[^-]+\.json")


def find_base(name: str, environment: Dict[str, str]) -> str:
    """The prefix of a base environment, from its name or path.

    Raises:
        Problem: if there is none.
    """
    if os.sep in name or name.startswith("~"):
        prefix = os.path.abspath(os.path.expanduser(name))
        if not os.path.isdir(prefix + "/conda-meta"):
            raise Problem(
                "baseCondaEnvironment %s is no conda environment (it has no conda-meta folder); name one, or leave it out"
                % name
            )
        return prefix
    for prefix in _prefixes(environment):
        if os.path.isdir(prefix + "/conda-meta") and _is_named(prefix, name):
            return prefix
    raise Problem(
        "there is no conda environment named %s here; give its path, make it with conda, or leave baseCondaEnvironment out"
        % name
    )


def _is_named(prefix: str, name: str) -> bool:
    is_root = os.path.basename(os.path.dirname(prefix)) != "envs"
    return is_root if name == "base" else not is_root and os.path.basename(prefix) == name


def _prefixes(environment: Dict[str, str]) -> List[str]:
    """Where conda environments are: those that conda keeps a list of, and those in its known folders."""
    roots = [environment.get("MAMBA_ROOT_PREFIX", ""), environment.get("CONDA_ROOT", "")]
    executable = environment.get("CONDA_EXE", "")
    if executable:
        roots.append(os.path.dirname(os.path.dirname(executable)))
    programs = [each.rstrip("/") for each in environment.get("PATH", "").split(os.pathsep)]
    roots += [os.path.dirname(each) for each in programs if os.path.basename(each) in ("bin", "condabin")]
    roots = [os.path.expanduser(each) for each in roots + ["~/micromamba"] if each]
    folders = [each for each in environment.get("CONDA_ENVS_PATH", "").split(os.pathsep) if each]
    folders += [root + "/envs" for root in roots] + [os.path.expanduser("~/.conda/envs")]
    found = []
    try:
        with open(os.path.expanduser("~/.conda/environments.txt"), encoding="utf-8") as stream:
            found = [line.strip() for line in stream if line.strip()]
    except OSError:
        pass  # conda has made none yet
    for folder in folders:
        if os.path.isdir(folder):
            found += [os.path.join(folder, each) for each in sorted(os.listdir(folder))]
    return found + roots


def packages_of(prefix: str) -> Dict[str, str]:
    """Name → version of the conda packages in a prefix."""
    found = {}
    for name in os.listdir(prefix + "/conda-meta"):
        match = _RECORD.fullmatch(name)
        if match:
            found[match.group(1)] = match.group(2)
    return found


def pip_packages_of(prefix: str) -> Dict[str, str]:
    """Normalised name → version of the Python packages in a prefix."""
    found = {}
    for folder in _site_packages(prefix):
        for name in os.listdir(folder):
            match = re.fullmatch(r"(.+?)-([^-]+)\.(?:dist|egg)-info", name) or re.fullmatch(
                r"(.+?)-([^-]+)-py[0-9.]+\.egg-info", name
            )
            if match:
                found[re.sub(r"[-_.]+", "-", match.group(1)).lower()] = match.group(2)
    return found


def _site_packages(prefix: str) -> List[str]:
    try:
        names = sorted(os.listdir(prefix + "/lib"))
    except OSError:
        return []
    folders = ["%s/lib/%s/site-packages" % (prefix, name) for name in names if re.fullmatch(r"python[0-9.]+", name)]
    return [each for each in folders if os.path.isdir(each)]
