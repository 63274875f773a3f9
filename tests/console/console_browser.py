"""A browser for the console's app, without a network."""

from __future__ import annotations

import warnings

from console_world import Fleet
from fastapi import FastAPI

from monitor.web.console.router import router

with warnings.catch_warnings():
    # Starlette would like its test client to use httpx2; httpx is what vigil itself uses.
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

__all__ = ["TestClient", "app_on", "browser_on"]


def app_on(fleet: Fleet) -> FastAPI:
    app = FastAPI()
    app.state.services = fleet
    app.include_router(router)
    return app


def browser_on(
    fleet: Fleet, *, host: str = "127.0.0.1:8080", address: str = "127.0.0.1"
) -> TestClient:
    return TestClient(app_on(fleet), base_url=f"http://{host}", client=(address, 50000))
