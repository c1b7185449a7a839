"""Makes the ASGI application: JSON under ``/api``, a small page at ``/``."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from starlette.types import ASGIApp

from runyard.api import (
    attempt_blobs,
    attempts,
    computes,
    deliveries,
    drain,
    drops,
    faults,
    files,
    logs,
    page,
    parts,
    queues,
    runs,
    schedules,
    secrets,
    service,
    subscriptions,
    uploads,
    webhooks,
)
from runyard.api.guard import Guard
from runyard.api.traced import Traced
from runyard.services import Services


def create_app(get_services: Callable[[], Services], get_token: Callable[[], str | None] | None = None) -> ASGIApp:
    """Make the application.

    Args:
        get_services: Called for each request, not before: the services need not exist yet when the app is made.
        get_token: What callers must show; by default the services' own. ``None`` from it lets nobody in.
    """
    token = get_token or (lambda: get_services().token)
    app = FastAPI(
        title="Runyard", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json", redirect_slashes=False
    )
    app.state.get_services = get_services
    faults.install(app)
    for module in (
        uploads,
        parts,
        runs,
        logs,
        files,
        computes,
        drain,
        webhooks,
        deliveries,
        schedules,
        drops,
        subscriptions,
        queues,
        secrets,
        attempts,
        attempt_blobs,
        service,
        page,
    ):
        app.include_router(module.router)
    guard = Guard(app, get_token=token, get_entry=lambda: get_services().entry)
    app.state.is_known = guard.is_known
    return Traced(guard)
