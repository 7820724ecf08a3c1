"""Who asks: the person whose cookie or token came with a request, and the cookies that answers set."""

from __future__ import annotations

from starlette.requests import Request

from hmchain.application.access.permissions import NotSignedInError
from hmchain.application.access.principal import Principal
from hmchain.application.access.sessions import Visitor
from hmchain.application.access.sign_in import Access
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.one_origin import SAFE, cookie, cookie_name, csrf_of
from hmchain.interfaces.api.site import Authenticate, ReadOnlyError

BACKGROUND = "x-background"
"""The header of what a page asks for by itself while nobody is there: a session left alone ends all the same."""
_BEARER = "bearer "


def by_session_or_token(access: Access) -> Authenticate:
    """Says of a request who sent it. Raises `TooManyError` for somebody who asks too often."""

    def asked_by(request: Request) -> Principal | None:
        given = request.headers.get("authorization")
        if given is not None:
            found = access.of_bearer(given[len(_BEARER) :].strip()) if given.lower().startswith(_BEARER) else None
        else:
            secret, is_background = getattr(request.state, "session", ""), BACKGROUND in request.headers
            found = access.of_cookie(secret, renews=not is_background) if secret else None
        request.state.visitor = found
        if found is None:
            return None
        access.require_rate(found, writes=request.method not in SAFE)
        return found.principal

    return asked_by


def access_of(call: Call) -> Access:
    """The door of a portal. Raises `ReadOnlyError` where nobody signs in."""
    if call.site.access is None:
        raise ReadOnlyError("nobody signs in here: a finished run is open to all", "sign in at a hospital's own portal")
    return call.site.access


def visitor(call: Call) -> Visitor:
    """Whoever asks, with the session or token. Raises `NotSignedInError`."""
    found: Visitor | None = visitor_if_any(call)
    if found is None:
        raise NotSignedInError
    return found


def visitor_if_any(call: Call) -> Visitor | None:
    """Whoever asks, if somebody is signed in."""
    return getattr(call.request.state, "visitor", None)


def address_of(call: Call) -> str:
    """Where a request comes from."""
    return call.request.client.host if call.request.client else ""


def keep(call: Call, secret: str) -> None:
    """Have the browser bring a session's secret from now on."""
    access = access_of(call)
    _set(call, cookie(access.settings, cookie_name(access.settings, access.organisation), secret))
    call.request.state.csrf = csrf_of(secret)


def forget(call: Call) -> None:
    """Have the browser forget the session."""
    access = access_of(call)
    _set(call, cookie(access.settings, cookie_name(access.settings, access.organisation), "", seconds=0))


def keep_flow(call: Call, sealed: str, seconds: int) -> None:
    """Have the browser bring a sign-in that began back, once the organisation's own sign-in sends it here."""
    settings = access_of(call).settings
    _set(call, cookie(settings, flow_cookie(call), sealed, seconds=seconds, lax=True))


def flow_cookie(call: Call) -> str:
    """The name of that cookie."""
    access = access_of(call)
    return f"{cookie_name(access.settings, access.organisation)}-oidc"


def _set(call: Call, line: str) -> None:
    call.request.state.set_cookies.append(line)
