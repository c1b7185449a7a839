"""Reading what a run's secret keeps: for accept, which resolves the submission, and for targets, which hand the job over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runyard.errors import ConfigError
from runyard.ports.secrets import Secrets
from runyard.runner.sealed import MASK, at, pointer_to
from runyard.runs.identity import OF_USER
from runyard.runs.kept import Kept, decode


def kept_of(secrets: Secrets, name: str, run_id: str) -> Kept:
    """What a run's secret keeps; nothing if ``name`` is empty.

    Raises:
        ConfigError: if it is gone, or is not this run's.
    """
    if not name:
        return Kept(run=run_id, at=0.0)
    text = secrets.get(name)
    kept = decode(text) if text is not None else None
    if kept is None or kept.run != run_id:
        raise ConfigError(f"the secrets of {run_id} are gone from the service's secrets; submit it anew")
    return kept


def user_secret(secrets: Secrets, name: str, variable: str) -> str:
    """The value of a secret that a user keeps in the service.

    Raises:
        ConfigError: if there is none of this name.
    """
    value = secrets.get(OF_USER + name)
    if value is None:
        raise ConfigError(
            f"runyard.secrets names {name!r} for the variable {variable}, and there is no such secret; "
            f"`runyard secret set {name}` makes it"
        )
    return value


def secrets_for(secrets: Secrets, record: Mapping[str, Any], run_id: str) -> dict[str, Any]:
    """What a runner's record shows masked, by JSON pointers into it.

    The record names the run's secret as ``secret``, and the users' by their variables as ``secrets``. It has those fields of the
    run's ``spec`` that matter to it under their own names.

    Raises:
        ConfigError: if the run's secrets are gone, or one that its run configuration names is not there.
    """
    kept = kept_of(secrets, record.get("secret", ""), run_id)
    found = {pointer: value for pointer, value in kept.spec.items() if at(record, pointer) == MASK}
    for variable, name in record.get("secrets", {}).items():
        found[pointer_to("environment_variables", variable)] = user_secret(secrets, name, variable)
    return found
