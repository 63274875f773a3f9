"""Puts the overview into a Grafana, over its HTTP API, with grafana-client (extra ``grafana``).

The library's settings are all given here: certificates are verified whatever the address says, no
redirect is followed (it would turn a POST into a GET), and every call has our timeout.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from dashboards.grafana.panels import Json
from vigil.errors import VigilError

INSTALL = "pip install 'vigil-cv[grafana]'"
UID_LENGTH = 40


class GrafanaError(VigilError):
    """Grafana did not take the dashboard: what we asked, what it answered. Holds no token.

    ``status``: the HTTP status, where there was an answer.
    """

    def __init__(self, text: str, *, status: int | None = None) -> None:
        self.status = status
        super().__init__(text)


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
) -> Pushed:
    """Create or replace the dashboard in a folder, which is made where it is missing.

    Pushing twice changes nothing but the dashboard's version.

    Raises:
        GrafanaError: grafana-client is missing, the address or the token can't be used, Grafana is
            not reachable, or it refuses the token or the dashboard.
    """
    parts = _address(url)
    if not re.fullmatch(r"[!-~]+", token):
        raise GrafanaError("the token: expected visible ASCII, found nothing or other characters")
    api = _api(parts, token, timeout_s)
    try:
        body = {
            "dashboard": {**dashboard, "id": None},
            "folderUid": _folder(api, token, folder),
            "overwrite": True,
            "message": message,
        }
        what = "POST /api/dashboards/db"
        saved = _ask(what, token, lambda: api.dashboard.update_dashboard(body))
    finally:
        api.client.s.close()
    if not isinstance(saved, dict) or "uid" not in saved:
        raise GrafanaError(f"{what}: expected a uid, found none")
    return Pushed(
        # Grafana's own path holds its sub-path already.
        url=urljoin(f"{parts.scheme}://{parts.netloc}/", str(saved.get("url", ""))),
        uid=str(saved["uid"]),
        version=int(saved.get("version", 0)),
    )


def _address(url: str) -> SplitResult:
    """Scheme, host, port and path; a user, password or query in the address is left out."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = SplitResult("", "", "", "", ""), None
    if parts.scheme not in ("http", "https") or not host:
        raise GrafanaError("Grafana's url: expected http://host or https://host, found neither")
    netloc = parts.netloc.rpartition("@")[2]
    return SplitResult(parts.scheme, netloc, parts.path.strip("/"), "", "")


def _api(parts: SplitResult, token: str, timeout_s: float) -> Any:
    try:
        import grafana_client
    except ModuleNotFoundError as error:
        raise GrafanaError(f"{error.name} is not installed: {INSTALL}") from None
    version = grafana_client.__version__
    if not version.startswith("3."):
        raise GrafanaError(f"expected grafana-client 3, found {version}: {INSTALL}")
    host = parts.hostname or ""
    api = grafana_client.GrafanaApi(
        token,
        protocol=parts.scheme,
        host=f"[{host}]" if ":" in host else host,
        port=parts.port,
        url_path_prefix=f"{parts.path}/" if parts.path else "",
        verify=True,
        timeout=timeout_s,
    )
    api.client.s.max_redirects = 0
    return api


def _folder(api: Any, token: str, title: str) -> str:
    """The uid of the folder: ours, or one that bears the title already, or a new one.

    Ours follows from the title, so that two pushes make one folder.
    """
    uid = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:UID_LENGTH] or "vigil"
    if _exists(api, token, uid):
        return uid
    for one in _ask("GET /api/folders", token, api.folder.get_all_folders):
        if isinstance(one, dict) and one.get("title") == title and one.get("uid"):
            return str(one["uid"])
    try:
        _ask("POST /api/folders", token, lambda: api.folder.create_folder(title, uid=uid))
    except GrafanaError as error:
        # Another push may have made it since we looked.
        if error.status not in (409, 412) or not _exists(api, token, uid):
            raise
    return uid


def _exists(api: Any, token: str, uid: str) -> bool:
    try:
        _ask(f"GET /api/folders/{uid}", token, lambda: api.folder.get_folder(uid))
    except GrafanaError as error:
        if error.status == 404:
            return False
        raise
    return True


def _ask(what: str, token: str, call: Callable[[], Any]) -> Any:
    """What Grafana answers: an object or a list.

    The library's errors hold the request, and so the token: ours is raised once they are gone.
    """
    from grafana_client.client import GrafanaException
    from requests.exceptions import JSONDecodeError, RequestException, TooManyRedirects

    status: int | None = None
    try:
        answer = call()
    except GrafanaException as error:
        status = error.status_code
        reason = _refusal(status, error.response, token)
    except TooManyRedirects:
        reason = "expected Grafana itself, found a redirect: is its url complete, with https?"
    except JSONDecodeError:
        reason = "expected JSON, found something else"
    except RequestException as error:
        reason = f"{type(error).__name__}: no answer"
    else:
        if isinstance(answer, dict | list):
            return answer
        reason = "expected JSON, found something else"
    raise GrafanaError(f"{what}: {reason}", status=status)


def _refusal(status: int, body: object, token: str) -> str:
    if status in (401, 403):
        return f"{status}: expected a service account token that may edit dashboards"
    text = body.get("message") if isinstance(body, dict) else None
    said = str(text or "no reason given").replace(token, "***")
    return f"{status}: {said[:300]}"
