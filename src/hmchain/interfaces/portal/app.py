"""The portal as one application: the API, and the pages beside it on the same origin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import cast
from urllib.parse import quote, urlsplit

import htpy as h
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from hmchain.application.access.permissions import NotSignedInError, SecondFactorError
from hmchain.application.access.sessions import SignInAgainError
from hmchain.errors import HMChainError
from hmchain.interfaces.api import app as api
from hmchain.interfaces.api import problems
from hmchain.interfaces.api.dispatch import Dispatch
from hmchain.interfaces.api.problems import Problem
from hmchain.interfaces.api.site import ReadOnlyError, Site
from hmchain.interfaces.api.watch import Watch
from hmchain.interfaces.portal import static
from hmchain.interfaces.portal.components import problem
from hmchain.interfaces.portal.framing import look_of
from hmchain.interfaces.portal.page import Page, local
from hmchain.interfaces.portal.pages import ALL
from hmchain.interfaces.portal.protection import PROTECTED, Protected
from hmchain.interfaces.portal.registry import Pages, answer
from hmchain.interfaces.portal.texts import ENGLISH, say, speaking, theirs

_NO_ROUTE = "no_route"
_WANT_SIGN_IN = (NotSignedInError.code, SecondFactorError.code, SignInAgainError.code)
"""What is mended by signing in: in a session of one's own it adds a factor."""


def create(site: Site, rooms: Sequence[Pages] = ALL, language: str = ENGLISH, watch: Watch | None = None) -> FastAPI:
    """The API and the pages of a site; `language` is for those who choose none and whose browser asks for none."""
    app = api.create(site, watch)
    app.state.language = language
    app.state.pages = tuple(shown for room in rooms for shown in room.all)
    app.router.routes.append(Dispatch(each for room in rooms for each in room.declared))
    app.add_route(f"{static.PATH}{{name}}", _static, methods=["GET"])
    for kind in (HMChainError, RequestValidationError, HTTPException, Exception):
        _show_in_pages(app, kind)
    app.add_middleware(Protected)
    return app


async def _static(request: Request) -> Response:
    found = static.find(request.path_params["name"])
    if found is None:
        raise HTTPException(404)
    headers = {**static.FOR_GOOD, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.packed, headers=headers | {"Content-Encoding": "gzip"}, media_type=found.kind)
    return Response(found.body, headers=headers, media_type=found.kind)


def _show_in_pages(app: FastAPI, kind: type[Exception]) -> None:
    """Where a page was asked for, show what went wrong as a page; the API goes on to answer in its own form."""
    as_problem = cast(Callable[[Request, Exception], Awaitable[Response]], app.exception_handlers[kind])

    async def handle(request: Request, error: Exception) -> Response:
        if api.answers(request.url.path):
            return await as_problem(request, error)
        if isinstance(error, NotSignedInError) and "hx-request" in request.headers:
            return Response(status_code=401, headers={"HX-Redirect": _sign_in(request)})  # of the whole page
        if isinstance(error, NotSignedInError) and request.method == "GET":
            return RedirectResponse(_sign_in(request), 303)
        with speaking(look_of(request).language):
            return answer(failure(_problem(error), _sign_in(request)), request)

    async def handle_protected(request: Request, error: Exception) -> Response:
        """Answer outside of `Protected`, where what nobody thought of ends."""
        response = await handle(request, error)
        response.headers.update(PROTECTED)
        return response

    app.add_exception_handler(kind, handle_protected if kind is Exception else handle)


def _problem(error: Exception) -> Problem:
    if isinstance(error, HMChainError):
        return problems.problem(error)
    if isinstance(error, RequestValidationError):
        return problems.of(400, "bad_parameter", "something in the address cannot be used", "follow a link of a page")
    if isinstance(error, HTTPException):
        code = {404: _NO_ROUTE, 405: "no_such_method"}.get(error.status_code, "http")
        return problems.of(error.status_code, code, "there is nothing here", "start from the first page")
    return problems.of(500, "unexpected", "that went wrong", "try again; the portal's log says more")


def _sign_in(request: Request) -> str:
    """The page for signing in, from where one comes back: to the page that was asked for, or whose form was sent."""
    is_page = request.method == "GET"
    url = request.url if is_page else urlsplit(request.headers.get("referer", ""))
    here = local(url.path + (f"?{url.query}" if url.query else ""))
    return f"/sign-in?next={quote(here)}"


def failure(found: Problem, sign_in: str = "/sign-in") -> Page:
    """The page that says what went wrong, and the way out; `sign_in` is the way to show once more who one is."""
    titles = {
        403: say("Not allowed"),
        404: say("There is no such page") if found.code == _NO_ROUTE else say("There is no such thing"),
        429: say("Too many requests at once"),
        500: say("That went wrong"),
    }
    title = say("Only looked at") if found.code == ReadOnlyError.code else titles.get(found.status)
    title = title or str(theirs(found.title))
    content = [problem(found.code, found.detail, found.hint, title=title + ":")]
    if found.code in _WANT_SIGN_IN:
        content.append(h.p[h.a(".button", href=sign_in)[say("Confirm who you are")]])
    else:
        content.append(h.p[h.a(".button", href="/")[say("To the first page")]])
    return Page(title, content, status=found.status)
