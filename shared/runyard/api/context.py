"""What a request handler is given."""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import Depends, Request

from runyard.errors import NotFoundError
from runyard.ports import Ports
from runyard.runs.model import Run
from runyard.services import Services

CALLER: Final = "X-Runyard-Caller"
"""Header in which a client says who it is, for the run's history: ``cli:alice``."""
_CALLER_FORM: Final = re.compile(r"[A-Za-z0-9_.@:+-]{1,64}")


async def services_of(request: Request) -> Services:
    """The services behind the application."""
    services: Services = request.app.state.get_services()
    return services


async def ports_of(request: Request) -> Ports:
    """The ports behind the application."""
    return (await services_of(request)).ports


async def caller_of(request: Request) -> str:
    """Who asks, as the client says; for the history, not for permissions."""
    said = request.headers.get(CALLER, "")
    return said if _CALLER_FORM.fullmatch(said) else "api"


ServicesDep = Annotated[Services, Depends(services_of)]
PortsDep = Annotated[Ports, Depends(ports_of)]
CallerDep = Annotated[str, Depends(caller_of)]


def existing(ports: Ports, run_id: str) -> Run:
    """The run.

    Raises:
        NotFoundError: if there is none of this id.
    """
    run = ports.runs.get(run_id)
    if run is None:
        raise NotFoundError(f"there is no run {run_id[:120]!r}; `runyard runs` lists them")
    return run
