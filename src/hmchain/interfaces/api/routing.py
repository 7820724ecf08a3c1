"""Routes: a function, a rule, and what OpenAPI says of them, read from the function's own signature.

A route is a plain function of a `Call`, of parameters, and of a body (a msgspec Struct of that file); what it gives is
a view of the services. There is no way to make a route without a rule. The rule is seen to before anything else of a
request is read.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from fastapi import Depends, Request
from starlette.responses import Response

from hmchain import decoding
from hmchain.application.access import permissions
from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.interfaces.api import idempotency, paging, uploads
from hmchain.interfaces.api.answers import answered
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.dispatch import Declared
from hmchain.interfaces.api.paging import Page
from hmchain.interfaces.api.signing import SignatureElsewhere, to_sign
from hmchain.interfaces.api.site import Site, only_looked_at
from hmchain.interfaces.api.uploads import BodyError, Upload, read

BODY_BYTES_MAX = 1 << 20
"""Of what is written as JSON; files come on ways of their own."""
STRANGER_BYTES_MAX = 32 << 10
"""Of somebody who need not be signed in."""
Handler = Callable[..., Any]
_PART = ("limit", "offset")


@dataclass(frozen=True)
class Route:
    """What a route is, for the documents and the tests that hold them."""

    method: str
    path: str
    rule: Rule
    name: str
    """Of its function; the operation's id."""
    resource: str
    takes: type[msgspec.Struct] | None
    gives: Any
    """The type of its view."""
    signs: bool
    """What it does is signed by the person: it may answer with a `ToSign`."""
    example: Any = None
    """Of a body."""
    answer: str = "application/json"
    """The media type of what it gives."""
    commands: tuple[str, ...] = ()
    """The commands that do the same."""
    job: bool = False
    """It begins a job, and answers with that (202)."""
    words: str = ""
    """Of the function itself."""
    bytes_max: int = 0
    """Of the file that it takes, if it takes one."""
    failing: int = 0
    """The status of the same view where it is bad news."""
    private: bool = False
    """Its answer tells of a patient: nothing of it is kept."""


class Routes:
    """The routes of one resource."""

    def __init__(self, resource: str) -> None:
        self.resource = resource
        self.all: list[Route] = []
        self.declared: list[Declared] = []

    def get(self, path: str, rule: Rule, **more: Any) -> Callable[[Handler], Handler]:
        """A route that changes nothing. `commands` are those that show the same; `answer` another media type."""
        return self._route("GET", path, rule, **more)

    def post(self, path: str, rule: Rule, **more: Any) -> Callable[[Handler], Handler]:
        """A route that does something. `signs` where the ledger has it, signed by the person; `example` of a body."""
        return self._route("POST", path, rule, **more)

    def put(self, path: str, rule: Rule, **more: Any) -> Callable[[Handler], Handler]:
        """A route that puts something in the place of what was there; as `post`."""
        return self._route("PUT", path, rule, **more)

    def delete(self, path: str, rule: Rule, **more: Any) -> Callable[[Handler], Handler]:
        """A route that takes something away; as `post`."""
        return self._route("DELETE", path, rule, **more)

    def _route(
        self, method: str, path: str, rule: Rule, *, signs: bool = False, **more: Any
    ) -> Callable[[Handler], Handler]:
        def add(handler: Handler) -> Handler:
            hints = get_type_hints(handler, include_extras=True)
            gives = hints.pop("return")
            takes = next((kind for kind in hints.values() if _is_struct(kind)), None)
            found = Route(
                method, path, rule, handler.__name__, self.resource, takes, gives, signs,
                words=handler.__doc__ or "", **more,
            )  # fmt: skip
            self.all.append(found)
            declared = Declared(
                path, partial(_endpoint, handler, hints, found), methods=[method], name=found.name,
                operation_id=found.name, tags=[self.resource], dependencies=[Depends(guard(rule))],
            )  # fmt: skip
            self.declared.append(declared)
            return handler

        return add


def guard(rule: Rule) -> Callable[..., None]:
    """The dependency that sees to a rule; what a route is given of it stands in the request's own scope."""

    def see_to(request: Request) -> None:
        site: Site = request.app.state.site
        who = site.authenticate(request)
        changes = rule.operation is not Operation.VIEW and rule.scope is not Scope.PUBLIC
        if who is not None and site.is_read_only and changes:
            request.state.call = Call(site, request, who, rule)  # the page that says so has its way back
            raise only_looked_at()
        permissions.require(rule, who, site.hospitals[0] if not site.is_read_only else _own(who), site.second_factor)
        request.state.call = Call(site, request, who, rule)

    return see_to


def _own(who: Any) -> str:
    """Whoever looks at a run looks at all of its hospitals as one of each."""
    return who.organisation if who else ""


async def call_of(request: Request) -> Call:
    """The call that `guard` made of a request. Not `async` it would take a thread."""
    return request.state.call  # type: ignore[no-any-return]


def _endpoint(handler: Handler, hints: dict[str, Any], route: Route) -> Handler:
    """The function that FastAPI calls: with a call and a decoded body in the place of what it would read itself."""
    signature = inspect.signature(handler)
    parameters = []
    for name, parameter in signature.parameters.items():
        kind = hints[name]
        if kind is Call:
            kind = Annotated[Call, Depends(call_of)]
        elif kind is Upload:
            kind = Annotated[Upload, Depends(uploads.taken(route.bytes_max))]
        elif _is_struct(kind):
            kind = Annotated[kind, Depends(_body(kind, body_bytes_max(route.rule)))]
        parameters.append(parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY))
    is_paged = is_page_of(route.gives) is not None and route.method == "GET"
    if is_paged:
        parameters += [_parameter("limit", paging.Limit, paging.LIMIT), _parameter("offset", paging.Offset, 0)]
    parameters.append(_parameter("http_request", Request))

    def endpoint(http_request: Request, **given: Any) -> Response:
        if route.method != "GET":
            http_request.state.call.require_still()  # a body may come slowly
        part = {name: given.pop(name) for name in _PART} if is_paged else {}
        http_request.state.part = part

        def made() -> Response:
            try:
                view = handler(**given)
            except SignatureElsewhere as needed:
                return answered(http_request, to_sign(*needed.messages), 202)
            if isinstance(view, Response):
                return view
            if is_paged and not isinstance(view, Page):
                view = paging.page(view, **part)
            return answered(http_request, view, 202 if route.job else 200)

        return idempotency.once(http_request, route.rule.scope, route.private, given, made)

    endpoint.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=parameters, return_annotation=Response
    )
    endpoint.__doc__, endpoint.__name__ = handler.__doc__, handler.__name__
    return endpoint


def _parameter(name: str, kind: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def _is_struct(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, msgspec.Struct)


def body_bytes_max(rule: Rule) -> int:
    """How much somebody may send to be read into memory."""
    return STRANGER_BYTES_MAX if rule.scope is Scope.PUBLIC else BODY_BYTES_MAX


def _body(kind: type[msgspec.Struct], bytes_max: int) -> Callable[..., Any]:
    async def decoded(request: Request) -> Any:
        if (said := request.headers.get("content-type", "")).partition(";")[0].strip() != "application/json":
            raise BodyError(f"this takes JSON, and not {said[:80] or 'nothing'}", "send Content-Type: application/json")
        try:
            return decoding.from_clients(await read(request, bytes_max), kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            hint = "`/v1/openapi.json` describes it"
            raise BodyError(f"the body cannot be used: {decoding.in_words(error, kind)}", hint) from error

    return decoded


def merged(all_routes: list[Routes]) -> list[Route]:
    """All routes of an API, with the prefix that they have in it."""
    return [replace(route, path=f"/v1{route.path}") for routes in all_routes for route in routes.all]


def is_page_of(kind: Any) -> Any:
    """The type of a page's entries, if a view is a list in pages; else None."""
    return get_args(kind)[0] if get_origin(kind) in (list, Page) else None


__all__ = ["Route", "Routes", "Upload", "body_bytes_max", "call_of", "guard", "is_page_of", "merged"]
