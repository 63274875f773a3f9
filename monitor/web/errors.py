"""Errors as answers: what the caller did wrong, or that it should come again."""

from __future__ import annotations

import json
import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import DataError, SQLAlchemyError
from starlette.requests import ClientDisconnect

from monitor.store.database import is_away
from vigil.errors import ConflictError, NotFoundError, VigilError, WireError

RETRY_AFTER_S = 5
_log = logging.getLogger(__name__)


def install(app: FastAPI) -> None:
    """Answer what vigil and its database raise."""
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(VigilError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(DataError, _unstorable)
    app.add_exception_handler(SQLAlchemyError, _database)
    app.add_exception_handler(OSError, _storage)


def _ours(_request: Request, error: Exception) -> JSONResponse:
    status = 422
    if isinstance(error, NotFoundError):
        status = 404
    elif isinstance(error, ConflictError):
        status = 409
    elif isinstance(error, WireError):
        status = 400
    return JSONResponse({"detail": str(error)}, status)


def _gone(_request: Request, _error: Exception) -> Response:
    """A sender that went away in the middle: nobody reads this, and it is no error of ours."""
    return Response(status_code=400)


def _invalid(_request: Request, error: Exception) -> Response:
    """Where a request is wrong and what was expected; never what was sent: it may be a secret, or
    something that JSON can't hold."""
    assert isinstance(error, RequestValidationError)
    detail = [{name: one[name] for name in ("type", "loc", "msg")} for one in error.errors()]
    return Response(json.dumps({"detail": detail}), 422, media_type="application/json")


def _unstorable(_request: Request, _error: Exception) -> JSONResponse:
    """Such as a text with NUL, which a database can't be asked for."""
    return JSONResponse({"detail": "a value that the database can't hold"}, 422)


def _database(_request: Request, error: Exception) -> JSONResponse:
    """503 where the database is away or busy: nothing was stored, so the sender sends again."""
    if not is_away(error):
        raise error
    _log.warning("the database can't be used: %s", type(error).__name__)
    return come_again("the database can't be used at the moment")


def _storage(_request: Request, error: Exception) -> JSONResponse:
    _log.error("a file or bucket can't be used", exc_info=error)
    return come_again("the storage can't be used at the moment")


def come_again(detail: str) -> JSONResponse:
    """503 with the time after which another try makes sense."""
    return JSONResponse({"detail": detail}, 503, headers={"Retry-After": str(RETRY_AFTER_S)})
