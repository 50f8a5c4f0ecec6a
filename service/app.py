"""The web process: builds what it holds open and mounts the doors. Nothing imports it."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

import service.mdm.look_jobs  # noqa: F401  (a ticket that is filed here offers it)
from schema.door import graphql_door
from schema.hub import Hub
from service import health
from service.assets import rest as assets
from service.core.middleware import Surroundings
from service.core.settings import Settings
from service.mdm import command_rest as device_commands
from service.mdm import rest as managements
from service.mdm import sync_rest as syncs
from service.monitoring import command_rest as commands
from service.monitoring import discovery_rest as discovery
from service.monitoring import history_rest as history
from service.monitoring import rest as network
from service.people import rest as people
from service.places import rest as places
from service.playbooks import authoring_rest as authoring
from service.playbooks import rest as playbooks
from service.reports import rest as reports
from service.resources import make_resources
from service.sla import rest as sla
from service.tickets import desk_rest as desk
from service.tickets import rest as tickets
from service.web import install_document, install_refusals

ROUTERS = [
    tickets.router,
    playbooks.opened,
    playbooks.router,
    playbooks.suggested,
    desk.router,
    sla.router,
    places.router,
    people.router,
    assets.router,
    assets.lent,
    authoring.router,
    authoring.drafts,
    authoring.facts,
    authoring.decided,
    reports.router,
    authoring.reports,
    network.router,
    discovery.router,
    history.router,
    commands.router,
    managements.router,
    device_commands.router,
    syncs.router,
]
ABOUT = """The IT service desk of a school district.

Send `Authorization: Bearer fb_…`. Every POST takes an `Idempotency-Key`; every answer about one ticket has
an `ETag` that `If-Match` sends back. Refusals are `application/problem+json` with a stable `code`.
"""


def make_app(url: str, settings: Settings | None = None) -> FastAPI:
    """The whole service on the database at `url`."""
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.resources = make_resources(url, settings)
        app.state.hub = Hub(url, app.state.resources)
        app.state.hub.start()
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 50, 50)
        try:
            yield
        finally:
            await app.state.hub.close()
            await app.state.resources.close()

    app = FastAPI(
        title="Firstbell",
        version=version("firstbell"),
        description=ABOUT,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(Surroundings, max_body=settings.max_body)
    install_refusals(app)
    install_document(app)
    app.include_router(graphql_door(settings))  # routes are tried in order: the busiest come first
    for router in ROUTERS:
        app.include_router(router)
    app.include_router(health.router)
    return app
