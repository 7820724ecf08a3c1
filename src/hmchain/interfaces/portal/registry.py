"""Pages as they are declared: a path, a rule, a place in the navigation, and a function from a call to a page.

There is no page without a rule. A page that does something is a form's: it takes fields, and gives the next page to
see. What it does goes through the services that commands and routes use; where those come to a person's signature, the
person is shown what is to be signed.
"""

from __future__ import annotations

import gzip
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, get_type_hints

from fastapi import Depends, Request
from starlette.datastructures import FormData, UploadFile
from starlette.responses import HTMLResponse, Response

from hmchain.application.access.challenges import same_text
from hmchain.application.access.permissions import Rule
from hmchain.application.node.live import Place
from hmchain.errors import InputError
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.dispatch import Declared
from hmchain.interfaces.api.one_origin import unmasked
from hmchain.interfaces.api.routing import body_bytes_max, call_of, guard
from hmchain.interfaces.api.signing import SignatureElsewhere, to_sign
from hmchain.interfaces.api.uploads import BodyError, TooLargeBodyError
from hmchain.interfaces.portal.framing import SINCE, Shown, csrf_of, frame_of, look_of, remember, say_next
from hmchain.interfaces.portal.layout import AFTER, CSRF, render
from hmchain.interfaces.portal.page import Entry, Page
from hmchain.interfaces.portal.signing import signing
from hmchain.interfaces.portal.texts import Later, speaking
from hmchain.plain import size

Handler = Callable[..., Any]
FIELDS_MAX, FIELD_BYTES_MAX = 500, 256 << 10
"""Of a form, which is held in memory."""
BESIDE_MAX = 20
"""Fields beside a file."""
_MULTIPART = re.compile(r"multipart/form-data; ?boundary=\"?[A-Za-z0-9'()+_,./:=?-]{1,70}\"?", re.IGNORECASE)
_PACKED_MIN, _PACKING = 1024, 1
"""From so many bytes on it pays; the cheapest way takes a third of a millisecond, and packs to a fifth."""


@dataclass(frozen=True)
class Next:
    """Done: the page to see next, with a sentence for whoever did it."""

    path: str
    said: str = ""


class ForeignFormError(InputError):
    """A form was sent that is not one of this session's pages."""

    code = "foreign_form"


class NoFileSentError(InputError):
    """A form came without the file that it is for."""

    code = "no_file_sent"


class Fields:
    """What a form was sent with."""

    def __init__(self, data: FormData, file_bytes: int = 0) -> None:
        """`file_bytes` has at most a file of it."""
        self._data, self._file_bytes = data, file_bytes
        self.after = self.text(AFTER)
        """The page to see once what the form asks for is signed; a handler that alone knows it says so here."""

    def text(self, name: str, default: str = "") -> str:
        """The last text of a field."""
        found = [each for each in self._data.getlist(name) if isinstance(each, str)]
        return found[-1] if found else default

    def texts(self, name: str) -> list[str]:
        """All texts of a field."""
        return [each for each in self._data.getlist(name) if isinstance(each, str)]

    def file(self, name: str) -> UploadFile:
        """The file that was sent. Raises `NoFileSentError` or `TooLargeBodyError`."""
        found = self._data.get(name)
        if not isinstance(found, UploadFile) or not found.size:
            raise NoFileSentError("no file was sent", "choose one")
        if found.size > self._file_bytes:
            raise TooLargeBodyError("the file is too large", f"at most {size(self._file_bytes)}")
        return found


class Pages:
    """The pages of a room of the portal."""

    def __init__(self, role: str = "") -> None:
        """`role` is in whose navigation they stand; everybody's if it is empty."""
        self.role = role
        self.all: list[Shown] = []
        self.declared: list[Declared] = []

    def show(
        self, path: str, rule: Rule, title: Later | None = None, count: Callable[[Call], int] | None = None
    ) -> Callable[[Handler], Handler]:
        """A page to look at; with a `title` it stands in the navigation, with how much waits there."""
        entry = Entry(title, path, self.role) if title else None
        return self._made(lambda handler: Shown("GET", path, rule, handler.__name__, entry, count))

    def do(self, path: str, rule: Rule, *, file_bytes: int = 0) -> Callable[[Handler], Handler]:
        """What a form does: a function of a call, of what the path names, and of `Fields`; it gives a `Next` or a page.

        An `after_field` names the page to see once what it asks for is signed and in a block. With `file_bytes` the
        form may bring a file of at most so many.
        """
        return self._made(lambda handler: Shown("POST", path, rule, handler.__name__), file_bytes)

    def carry(self, path: str, rule: Rule) -> Callable[[Handler], Handler]:
        """Pages of another make, behind a rule: an async function of a request makes the whole answer.

        What changes something must come from a page of this origin, which is seen to here.
        """

        def add(handler: Handler) -> Handler:
            async def endpoint(request: Request) -> Response:
                if request.method == "POST" and not is_own(request, csrf_of(request)):
                    raise _foreign()
                return await handler(request)  # type: ignore[no-any-return]

            self._add(lambda: endpoint, *(Shown(method, path, rule, handler.__name__) for method in ("GET", "POST")))
            return handler

        return add

    def _made(self, shown: Callable[[Handler], Shown], file_bytes: int = 0) -> Callable[[Handler], Handler]:
        def add(handler: Handler) -> Handler:
            found = shown(handler)
            self._add(partial(_endpoint, handler, found.rule, file_bytes), found)
            return handler

        return add

    def _add(self, endpoint: Callable[[], Handler], *shown: Shown) -> None:
        """What makes the function that makes responses, under the one path and rule of what it shows."""
        self.all += shown
        first, methods = shown[0], [each.method for each in shown]
        guarded = [Depends(guard(first.rule))]
        self.declared.append(
            Declared(first.path, endpoint, methods=methods, name=f"page_{first.name}", dependencies=guarded)
        )


def _endpoint(handler: Handler, rule: Rule, file_bytes: int) -> Handler:
    """The function that FastAPI calls: with the call and the fields of the form in their places."""
    signature, hints = inspect.signature(handler), get_type_hints(handler, include_extras=True)
    parameters = []
    for name, parameter in signature.parameters.items():
        kind = hints[name]
        if kind is Call:
            kind = Annotated[Call, Depends(call_of)]
        elif kind is Fields:
            kind = Annotated[Fields, Depends(_fields(body_bytes_max(rule), file_bytes))]
        parameters.append(parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY))
    parameters.append(inspect.Parameter("http_request", inspect.Parameter.KEYWORD_ONLY, annotation=Request))

    def endpoint(http_request: Request, **given: Any) -> Response:
        setattr(http_request.state, SINCE, Place.end_of(http_request.app.state.site.live.height))
        with speaking(look_of(http_request).language):
            try:
                if http_request.method == "POST":
                    http_request.state.call.require_still()  # a form may come slowly
                found = handler(**given)
            except SignatureElsewhere as needed:
                fields = next((each for each in given.values() if isinstance(each, Fields)), None)
                found = signing(to_sign(*needed.messages), fields.after if fields else "")
            return answer(found, http_request)

    endpoint.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=parameters, return_annotation=Response
    )
    endpoint.__name__ = handler.__name__
    return endpoint


def _fields(bytes_max: int, file_bytes: int) -> Callable[..., Any]:
    """The dependency that reads a form of at most so many bytes, and a file of so many."""
    most = bytes_max + file_bytes
    files, fields = (1, BESIDE_MAX) if file_bytes else (0, FIELDS_MAX)

    async def sent(request: Request) -> Fields:
        """The fields of a form that one of this session's pages sent. Raises `ForeignFormError`."""
        length, kind = request.headers.get("content-length", ""), request.headers.get("content-type", "")
        if not length.isdecimal() or int(length) > most:
            raise TooLargeBodyError("that is too large for a form", f"send at most {size(most)} at once")
        if kind.lower().startswith("multipart/") and not _MULTIPART.fullmatch(kind):
            # Of a character set that is named fields would be decoded; some take minutes for a megabyte.
            raise BodyError("this is no form that a browser sends", "send it from the page")
        data = await request.form(max_files=files, max_fields=fields, max_part_size=FIELD_BYTES_MAX)
        found = Fields(data, file_bytes)
        if not is_own(request, found.text(CSRF)):
            raise _foreign()
        return found

    return sent


def _foreign() -> ForeignFormError:
    return ForeignFormError("this form was sent by no page of yours", "open the page again, and send it from there")


def is_own(request: Request, given: str = "") -> bool:
    """Whether a request comes from a page of this session: by its origin, and by what only such pages know."""
    fetched, origin = request.headers.get("sec-fetch-site", "same-origin"), request.headers.get("origin")
    if fetched != "same-origin" or origin not in (None, f"{request.url.scheme}://{request.headers.get('host', '')}"):
        return False
    known = unmasked(csrf_of(request))
    return not known or same_text(unmasked(given or request.headers.get(f"x-{CSRF}", "")), known)


def answer(found: Page | Next | Response, request: Request) -> Response:
    """A page or what comes next, as a response."""
    if isinstance(found, Response):
        return found
    if isinstance(found, Next):
        return say_next(request, found.path, found.said)
    frame = frame_of(request)
    return remember(_sent(render(found, frame).encode(), found.status, request), request, frame.role)


def _sent(page: bytes, status: int, request: Request) -> Response:
    """A page, packed for browsers that read that. How well it packs tells a listener nothing: the one thing in it that
    stays the same and has to stay secret is masked (BREACH), and no other site's page is given what a cookie opens.
    """
    headers = {"Vary": "Accept-Encoding"}
    if len(page) >= _PACKED_MIN and "gzip" in request.headers.get("accept-encoding", ""):
        page, headers["Content-Encoding"] = gzip.compress(page, _PACKING, mtime=0), "gzip"
    return HTMLResponse(page, status, headers)
