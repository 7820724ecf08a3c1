"""The frame of a page for one request: who looks, in which role and language, as of which block."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hmchain.application.access.permissions import Rule, allowed
from hmchain.errors import HMChainError
from hmchain.interfaces.api.call import HOSPITAL, Call, UnknownHospitalError
from hmchain.interfaces.api.one_origin import masked
from hmchain.interfaces.api.site import Site
from hmchain.interfaces.portal.layout import ROLES
from hmchain.interfaces.portal.page import SYSTEM, THEMES, AsOf, Entry, Frame, Look, local
from hmchain.interfaces.portal.texts import ENGLISH, wanted

SINCE = "since"
"""The end of the ledger before a page was made."""
LANGUAGE, THEME, ROLE, SAID = "language", "theme", "role", "said"
"""Cookies: how somebody wants pages to be, and what the next page says once."""
_SAID_LETTERS_MAX = 300
_YEAR_SECONDS = 365 * 24 * 60 * 60


@dataclass(frozen=True)
class Shown:
    """A page of the portal, for the navigation and for the tests that hold it to its rule."""

    method: str
    path: str
    rule: Rule
    name: str
    entry: Entry | None = None
    """Where it stands in the navigation."""
    count: Callable[[Call], int] | None = None
    """How much waits there."""


def frame_of(request: Request) -> Frame:
    """The frame for a request, whose rule was seen to; one of nobody where it was not."""
    site: Site = request.app.state.site
    look, here = look_of(request), _here(request)
    said = unquote(request.cookies.get(_said_cookie(request), ""))[:_SAID_LETTERS_MAX]
    call: Call | None = getattr(request.state, "call", None)
    if call is None or (call.who is None and not site.is_read_only):
        return Frame(
            here, site.hospitals[0], look=look, signs_here=site.signs_here, csrf=csrf_of(request),
            read_only=site.is_read_only, said=(said,) if said else (),
        )  # fmt: skip
    shown = list(_open_to(call, request.app.state.pages))
    role = _role(call, shown)
    return Frame(
        here,
        _organisation(call),
        person="" if site.is_read_only or call.who is None else call.who.name,
        role=role,
        roles=tuple(name for name in ROLES if any(each.entry and each.entry.role == name for each in shown)),
        hospitals=site.hospitals if site.is_read_only else (),
        entries=tuple(each.entry for each in shown if each.entry),
        counts=_counts(call, shown, role),
        as_of=_as_of(call),
        trouble="" if site.is_read_only else site.live.words,
        since=str(getattr(request.state, SINCE, "")),
        look=look,
        csrf=csrf_of(request),
        signs_here=site.signs_here,
        read_only=site.is_read_only,
        said=(said,) if said else (),
    )


def role_of(call: Call) -> str:
    """The role whose pages whoever asks sees; empty for somebody who has none with pages."""
    return _role(call, list(_open_to(call, call.request.app.state.pages)))


def look_of(request: Request) -> Look:
    """The language and theme that somebody chose, or that the browser asks for."""
    cookies, setting = request.cookies, getattr(request.app.state, LANGUAGE, ENGLISH)
    theme = cookies.get(THEME, SYSTEM)
    accepted = request.headers.get("accept-language", "")
    return Look(wanted(cookies.get(LANGUAGE, ""), accepted, setting), theme if theme in THEMES else SYSTEM)


def csrf_of(request: Request) -> str:
    """What only pages of this session know, as this page says it; empty where nobody is signed in."""
    known = str(getattr(request.state, "csrf", "") or "")
    said: tuple[str, str] = getattr(request.state, "said_csrf", ("", ""))
    if said[0] != known:
        request.state.said_csrf = said = known, masked(known)
    return said[1]


def say_next(request: Request, path: str, said: str = "") -> Response:
    """Have the browser ask for another page, which says so once."""
    response = RedirectResponse(local(path), 303)
    if said:
        name, value, secure = _said_cookie(request), quote(said[:_SAID_LETTERS_MAX]), _is_secure(request)
        response.set_cookie(name, value, max_age=30, httponly=True, samesite="strict", secure=secure)
    return response


def _said_cookie(request: Request) -> str:
    """No neighbour at a name above or beside this one puts words into our pages, where HTTPS keeps them apart."""
    return f"__Host-{SAID}" if _is_secure(request) else SAID


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"


def remember(response: Response, request: Request, role: str) -> Response:
    """Have the browser remember in which role somebody looks, and forget what this page said once."""
    if role and request.cookies.get(ROLE) != role:
        keep(response, request, ROLE, role)
    if (name := _said_cookie(request)) in request.cookies and "hx-request" not in request.headers:
        response.delete_cookie(name, httponly=True, samesite="strict", secure=_is_secure(request))
    return response


def keep(response: Response, request: Request, name: str, value: str) -> None:
    """Have the browser remember how somebody wants pages to be."""
    response.set_cookie(
        name, value, max_age=_YEAR_SECONDS, httponly=True, samesite="lax", secure=_is_secure(request)
    )  # fmt: skip


def choices(site: Site) -> dict[str, Callable[[str], bool]]:
    """What somebody may have remembered, by the names of cookies, and which values are any."""
    return {
        LANGUAGE: lambda value: wanted(value, "", "") == value,
        THEME: lambda value: value in THEMES,
        HOSPITAL: lambda value: site.is_read_only and value in site.hospitals,
    }


def _organisation(call: Call) -> str:
    """Whose portal the frame says it is; the page itself says that there is no such hospital."""
    try:
        return call.organisation
    except UnknownHospitalError:
        return call.site.hospitals[0]


def _here(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _open_to(call: Call, pages: Iterable[Shown]) -> Iterable[Shown]:
    organisation = call.who.organisation if call.site.is_read_only and call.who else call.site.hospitals[0]
    return (each for each in pages if each.entry and allowed(each.rule, call.who, organisation))


def _role(call: Call, shown: Sequence[Shown]) -> str:
    """The role of the page that is asked for, else the one of the page before, else one that whoever looks has."""
    path, there = call.request.url.path, {each.entry.role for each in shown if each.entry}
    first = path.strip("/").partition("/")[0]
    own = [
        each.entry for each in shown if each.entry and each.entry.role and f"{path}/".startswith(f"{each.entry.path}/")
    ]
    closest = max(own, key=lambda entry: len(entry.path)).role if own else ""
    held = [name for name in ROLES if call.who and name in call.who.roles]
    asked = (first if first in ROLES else "", closest, call.request.cookies.get(ROLE, ""), *held, *ROLES)
    return next((name for name in asked if name in there and name), "")


def _counts(call: Call, shown: Iterable[Shown], role: str) -> dict[str, int]:
    found = {}
    for each in shown:
        if each.entry and each.count and each.entry.role in ("", role):
            try:
                found[each.entry.path] = each.count(call)
            except HMChainError:
                continue  # the page itself says what is wrong
    return found


def _as_of(call: Call) -> AsOf | None:
    try:
        with call.ledger() as ledger:
            known = ledger.verified
            return AsOf(known.state.height, known.words)
    except HMChainError as error:
        return AsOf(call.site.live.height, error.what)
