"""Reading what a run's secret keeps: for accept, which resolves the submission, and for targets, which hand the job over."""

from __future__ import annotations

from runyard.errors import ConfigError
from runyard.ports.secrets import Secrets
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
