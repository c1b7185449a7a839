"""Routes of the secrets that users keep in the service, for ``runyard.secrets`` of run configurations. No answer holds a value."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from starlette.responses import Response

from runyard.api.answers import answer, iso
from runyard.api.context import PortsDep
from runyard.api.shapes import SecretShape
from runyard.errors import ConfigError, NotFoundError
from runyard.ports import Ports
from runyard.runconfig.redact import is_stored_name
from runyard.runs.identity import OF_USER

router = APIRouter(prefix="/api/secrets")

LONGEST = 25_000
"""Characters of a value: what Key Vault takes (25 KB)."""


class SecretValue(BaseModel):
    """A secret's value."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    value: SecretStr = Field(min_length=1, max_length=LONGEST)


@router.get("")
def list_secrets(ports: PortsDep) -> Response:
    """The names, and when each was last set."""
    names = [name for name in ports.secrets.names() if name.startswith(OF_USER)]
    shown = [_shape(ports, name) for name in names]
    return answer({"secrets": [each for each in shown if each is not None]})


@router.put("/{name}")
def set_secret(ports: PortsDep, name: str, secret: SecretValue) -> Response:
    """Keep a value under a name; what was there before is replaced. Runs that are handed over from now on get it."""
    stored = _check(name)
    value = secret.value.get_secret_value()
    if "\0" in value:
        raise ConfigError("the value holds a NUL character, which no environment variable can")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConfigError("the value is not text that UTF-8 can spell") from None
    ports.secrets.set(stored, value)
    return answer(_shape(ports, stored))


@router.delete("/{name}")
def remove_secret(ports: PortsDep, name: str) -> Response:
    """Remove a secret. A run that names it and is not handed over yet will fail and say so."""
    if not ports.secrets.remove(_check(name)):
        raise NotFoundError(f"there is no secret {name!r}; `runyard secret list` lists them")
    return Response(status_code=204)


def _check(name: str) -> str:
    """The stored name."""
    if is_stored_name(name):
        return OF_USER + name
    raise ConfigError(
        "no secret can have this name; it needs 1 to 100 lower-case letters, digits or '-', beginning and ending with a letter or digit"
    )


def _shape(ports: Ports, stored: str) -> SecretShape | None:
    changed = ports.secrets.changed(stored)
    return None if changed is None else {"name": stored.removeprefix(OF_USER), "changedTimeUtc": iso(changed)}
