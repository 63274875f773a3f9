"""Puts the overview into a Grafana, over its HTTP API.

Three calls with httpx, which the service has already. (grafana-client 4.3 and later bring
urllib3-future, which overwrites the ``urllib3`` module of everything else in the environment.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import httpx

from dashboards.grafana.panels import Json
from vigil.errors import VigilError


class GrafanaError(VigilError):
    """Grafana did not take the dashboard: what we asked, what it answered. Holds no token."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pushed:
    """Where the dashboard is now, and its version there."""

    url: str
    uid: str
    version: int


def push(
    dashboard: Json,
    *,
    url: str,
    token: str,
    folder: str,
    message: str = "vigil dashboards push",
    timeout_s: float = 10.0,
    transport: httpx.BaseTransport | None = None,
) -> Pushed:
    """Create or replace the dashboard in a folder, which is made where it is missing.

    Pushing twice changes nothing but the dashboard's version.

    Raises:
        GrafanaError: not reachable, the token refused, or the dashboard refused.
    """
    base = url.rstrip("/")
    with httpx.Client(
        base_url=base,
        headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
        timeout=timeout_s,
        transport=transport,
    ) as client:
        folder_uid = _folder(client, folder)
        body = {
            "dashboard": {**dashboard, "id": None},
            "folderUid": folder_uid,
            "overwrite": True,
            "message": message,
        }
        saved = _call(client, "POST", "/api/dashboards/db", body)
    if not isinstance(saved, dict) or "uid" not in saved:
        raise GrafanaError("POST /api/dashboards/db: expected a uid, found none")
    return Pushed(
        url=base + str(saved.get("url", "")),
        uid=str(saved["uid"]),
        version=int(saved.get("version", 0)),
    )


def _folder(client: httpx.Client, title: str) -> str:
    """The folder's uid, which follows from its title, so that two pushes make one folder."""
    uid = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40] or "vigil"
    found = _call(client, "GET", f"/api/folders/{uid}", missing_is_none=True)
    if found is None:
        _call(client, "POST", "/api/folders", {"uid": uid, "title": title})
    return uid


def _call(
    client: httpx.Client,
    method: str,
    path: str,
    body: Json | None = None,
    *,
    missing_is_none: bool = False,
) -> Any:
    try:
        answer = client.request(method, path, json=body)
    except httpx.HTTPError as error:
        raise GrafanaError(f"{method} {path}: {type(error).__name__}: no answer") from None
    if answer.status_code == 404 and missing_is_none:
        return None
    if answer.status_code in (401, 403):
        raise GrafanaError(
            f"{method} {path}: {answer.status_code}: expected a service account token that may "
            "edit dashboards"
        )
    if answer.is_error:
        raise GrafanaError(f"{method} {path}: {answer.status_code}: {_reason(answer)}")
    try:
        return answer.json()
    except ValueError:
        raise GrafanaError(f"{method} {path}: expected JSON, found something else") from None


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("message", ""))[:300]
    except (ValueError, AttributeError):
        return "no reason given"
