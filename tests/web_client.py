"""Starlette's test client, which warns at import that it would rather have httpx2."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # httpx, which vigil needs anyway, works; httpx2 would be installed for the tests alone.
    warnings.filterwarnings("ignore", message="Using `httpx` with")
    from fastapi.testclient import TestClient

__all__ = ["TestClient"]
