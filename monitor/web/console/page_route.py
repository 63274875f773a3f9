"""A route whose errors are pages instead of JSON."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.exc import DataError

from dashboards.console import pages
from monitor.store.database import is_away
from monitor.web.console.requests import SignInNeededError, bare_chrome, html, login_path, see
from vigil.errors import ConflictError, NotFoundError, VigilError

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_TITLES = {
    400: "That did not work",
    403: "Not allowed",
    404: "Not found",
    409: "Someone was faster",
    413: "Too long",
    422: "Not found",
    503: "The database is away",
}


class PageRoute(APIRoute):
    """Answers errors with a page instead of JSON."""

    def get_route_handler(self) -> Handler:
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except SignInNeededError as error:
                return see(login_path(error.then))
            except HTTPException as error:
                return _sorry(request, error.status_code, str(error.detail))
            except NotFoundError as error:
                return _sorry(request, 404, str(error))
            except (RequestValidationError, DataError):
                return _sorry(request, 404, "there is no such page")
            except ConflictError as error:
                return _sorry(request, 409, str(error))
            except VigilError as error:
                return _sorry(request, 400, str(error))
            except Exception as error:
                if not is_away(error):
                    raise
                text = "Nothing is lost: collectors keep their windows. Try again in a moment."
                return _sorry(request, 503, text)

        return answer


def _sorry(request: Request, status: int, text: str) -> Response:
    title = _TITLES.get(status, "That did not work")
    return html(pages.render_message(bare_chrome(request), title=title, text=text), status=status)
