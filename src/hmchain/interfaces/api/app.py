"""The API as one application: all routes, errors as problems, and its own description."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import compile_path

from hmchain.application.watching.lines import LineLog
from hmchain.errors import HMChainError
from hmchain.interfaces.api import logs, openapi, problems, routing
from hmchain.interfaces.api.dispatch import Dispatch
from hmchain.interfaces.api.logs import PREFIX
from hmchain.interfaces.api.one_origin import OneOrigin
from hmchain.interfaces.api.routes import ALL, AT_ROOT
from hmchain.interfaces.api.site import Site
from hmchain.interfaces.api.watch import Watch, install
from hmchain.plain import RESEARCH_ONLY

ROUTES = [*routing.merged(ALL), *(route for routes in AT_ROOT for route in routes.all)]
"""Every route of the API, and those that programs look for outside of it."""
_AT_ROOT = frozenset(route.path for routes in AT_ROOT for route in routes.all)
_ABOUT = f"""\
All that a hospital's people do at its node, as the command line does it. {RESEARCH_ONLY}

What goes on the ledger is signed by the person: such a route answers 202 with what is to be signed, and
`POST /v1/transactions` sends it."""


def answers(path: str) -> bool:
    """Whether a path is the API's, which answers programs: with problems, and no pages."""
    return path.startswith(f"{PREFIX}/") or path in _AT_ROOT


def create(site: Site, watch: Watch | None = None) -> FastAPI:
    """The API of a site; with a `watch` that has a log, every request is in that."""
    app = FastAPI(
        title="FL-HMChain", version=version("hmchain"), description=_ABOUT, openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None, redoc_url=None, redirect_slashes=False,
    )  # fmt: skip
    app.state.site = site
    declared = [each.under(PREFIX) for routes in ALL for each in routes.declared]
    found = Dispatch([*declared, *(each for routes in AT_ROOT for each in routes.declared)])
    app.router.routes.append(found)
    app.add_exception_handler(HMChainError, _failed)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unexpected)
    if site.access is not None:
        app.add_middleware(OneOrigin, settings=site.access.settings, organisation=site.access.organisation)
    app.openapi = lambda: _described(app, found)  # type: ignore[method-assign]
    install(app, watch or Watch(site, LineLog(None)))
    return app


def _described(app: FastAPI, found: Dispatch) -> dict[str, Any]:
    if app.openapi_schema is None:
        base = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version="3.1.0",
            description=app.description,
            routes=found.routes,
        )
        app.openapi_schema = openapi.describe(ROUTES, base)
    return app.openapi_schema


async def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HMChainError)
    return problems.response(problems.problem(error))


async def _malformed(request: Request, error: Exception) -> Response:
    """A parameter that is none; its value is not repeated."""
    assert isinstance(error, RequestValidationError)
    said = "; ".join(f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in error.errors()[:5])
    return problems.response(problems.of(400, "bad_parameter", said or "a parameter cannot be used", _SEE))


_CLIENT_CLOSED = 499
"""As proxies write it down."""
_SEE = "`/v1/openapi.json` describes every route"


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "no_route", 405: "no_such_method"}.get(error.status_code, "http")
    if not (allowed := _methods(request.url.path)):
        return problems.response(problems.of(error.status_code, code, "there is nothing here", _SEE))
    found = problems.of(error.status_code, code, f"this address takes no {request.method[:20]}", _SEE)
    return problems.response(found, Allow=", ".join(allowed))


def _methods(path: str) -> list[str]:
    """All that an address takes: each of its methods is a route of its own."""
    return sorted({method for method, form in _forms() if form.fullmatch(path)})


@cache
def _forms() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((route.method, compile_path(route.path)[0]) for route in ROUTES)


async def _gone(request: Request, error: Exception) -> Response:
    """Whoever asked went away in the middle, and hears nothing of it; the log does."""
    return Response(status_code=_CLIENT_CLOSED)


async def _unexpected(request: Request, error: Exception) -> Response:
    """Something that nobody thought of: its words may quote what was asked, and stay here."""
    id = str(getattr(request.state, logs.STATE, ""))
    found = problems.of(500, "unexpected", "that went wrong", f"see request {id} in the portal's log")
    return problems.response(found, **{logs.HEADER: id})
