"""``/api/attempts``: what a runner in the cloud does with its attempt's token, sent as ``Authorization: Bearer``.

It trades it for links to its blobs, renews it, and reads its job. The service's own token opens nothing here.
"""

from __future__ import annotations

from typing import Annotated, Final, cast
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from runyard.api.answers import answer
from runyard.api.context import PortsDep, ServicesDep
from runyard.attempts import Link, Standing, TokenError, issue, job_document, standing, trade
from runyard.attempts.grants import LONGEST_NAME
from runyard.attempts.links import MOST, SECONDS
from runyard.attempts.tokens import RENEWED
from runyard.ports import LinkUse

router = APIRouter(prefix="/api/attempts")

BLOBS: Final = "/api/attempts/blobs/"
"""Where the service itself takes and gives the bytes, if the store has no links."""
_LONGEST_TOKEN: Final = 512


class Wanted(BaseModel):
    """A blob that a link is wanted for."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str = Field(max_length=LONGEST_NAME)
    use: str = Field(max_length=10)


class Asked(BaseModel):
    """What is wanted in one trade."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    files: list[Wanted] = Field(max_length=MOST)


async def standing_of(request: Request, services: ServicesDep) -> Standing:
    """What the caller's token is worth."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or len(token) > _LONGEST_TOKEN:
        raise TokenError
    return await run_in_threadpool(standing, services.ports, services.keyring, token.strip())


StandingDep = Annotated[Standing, Depends(standing_of)]


@router.post("/links")
def trade_token(ports: PortsDep, held: StandingDep, asked: Asked) -> Response:
    """Links to blobs of the attempt, good for ``seconds``; ``own`` ones are addresses here, and need the token too.

    401: the token is none. 403: its attempt is over. ``cancelRequested`` asks the runner to end the script.
    """
    links = trade(ports, held, [(each.name, cast("LinkUse", each.use)) for each in asked.files])
    return answer(
        {
            "runId": held.claim.run_id,
            "attempt": held.claim.attempt,
            "links": [_shown(link) for link in links],
            "seconds": SECONDS,
            "cancelRequested": held.cancel_requested,
        }
    )


@router.post("/token")
def renew_token(services: ServicesDep, held: StandingDep) -> Response:
    """A new token for the same attempt, good for ``seconds``."""
    token = issue(services.keyring, held.claim.run_id, held.claim.attempt, seconds=RENEWED)
    return answer({"token": token, "seconds": RENEWED, "cancelRequested": held.cancel_requested})


@router.get("/job")
def read_job(ports: PortsDep, held: StandingDep) -> Response:
    """What to run: the record, and what is secret of it by JSON pointers."""
    found = job_document(ports, held)
    return answer({"record": found.record, "secrets": found.secrets, "cancelRequested": held.cancel_requested})


def _shown(link: Link) -> dict[str, object]:
    url = link.url if link.url is not None else BLOBS + quote(link.grant.name, safe="/@")
    return {
        "name": link.grant.name,
        "use": link.grant.use,
        "url": url,
        "own": link.url is None,
        "etag": link.grant.etag,
    }
