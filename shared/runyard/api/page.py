"""``/``: the one-time link is turned into a cookie here, and a small page lists the newest runs."""

from __future__ import annotations

import hmac
from html import escape
from typing import Final

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from runyard.api.answers import iso
from runyard.api.context import PortsDep, ServicesDep
from runyard.api.guard import COOKIE, cookie_of, is_head
from runyard.ports import Ports, Query
from runyard.runs.model import Run

router = APIRouter()

SHOWN: Final = 50

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Runyard</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1b1f24;background:#fff}}
table{{border-collapse:collapse;width:100%}}th,td{{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #d8dee4}}
code{{font-family:ui-monospace,monospace}}</style></head><body><h1>Runyard</h1>{body}</body></html>"""


@router.get("/")
async def show_page(request: Request, services: ServicesDep, ports: PortsDep, token: str = "") -> Response:
    """Take a one-time code, or show the newest runs to who has the cookie."""
    if token and not is_head(request.scope):
        code = services.one_time_code
        if services.token is None or code is None or not hmac.compare_digest(token.encode(), code.encode()):
            return _page(
                "<p>This link was used already, or is not of this host. Start the host again for a new one.</p>", 403
            )
        services.one_time_code = None  # no await since it was read: it is used once
        response = RedirectResponse("/", 303)
        response.set_cookie(COOKIE, cookie_of(services.token), httponly=True, samesite="strict", path="/")
        return response
    if not request.app.state.is_known(request.headers):
        return _page("<p>Open the link that <code>runyard up</code> printed when it started.</p>", 401)
    return _page(await run_in_threadpool(_table, ports), 200)


def _page(body: str, status: int) -> Response:
    return HTMLResponse(_PAGE.format(body=body), status)


def _table(ports: Ports) -> str:
    runs = ports.runs.list(Query(limit=SHOWN)).runs
    if not runs:
        return "<p>No runs yet: <code>runyard submit DIR</code>, or drop a zip into <code>snapshots/EXPERIMENT/</code>.</p>"
    head = "".join(f"<th>{name}</th>" for name in ("run", "status", "target", "created", "reason"))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(map(_row, runs))}</tbody></table>"


def _row(run: Run) -> str:
    cells = (run.id, run.status, run.target, iso(run.created)[:19].replace("T", " "), run.reason)
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells).encode("utf-8", "replace").decode() + "</tr>"
