"""Signing in and out, and what one has for that: sessions, tokens, passkeys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from typing import Annotated, Any

import msgspec
from fastapi import Path
from starlette.responses import RedirectResponse, Response

from hmchain.application.access.oidc import FLOW_MS
from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.access.sessions import Opened, Visitor
from hmchain.application.access.sign_in import KEY, OIDC, PASSKEY, named
from hmchain.application.access.store import SESSION, TOKEN, Credential, Passkey
from hmchain.interfaces.api import signed_in
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Signature, like
from hmchain.interfaces.api.routing import Routes
from hmchain.interfaces.api.signed_in import access_of, address_of, visitor, visitor_if_any
from hmchain.keys import Redacted

ANYBODY = Rule(Operation.VIEW, Scope.PUBLIC)
OWN = Rule(Operation.VIEW, Scope.OWN)
CHANGE_OWN = Rule(Operation.CHANGE, Scope.OWN)

routes = Routes("access")

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Challenge = Annotated[str, like("[0-9a-f]{80}")]
Id = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="As the list has it.")]


class Who(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who wants to sign in."""

    organisation: Name
    person: Name
    """By the name that the ledger has, or an office: `steward`, `scientist`."""


class SignedChallenge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A challenge, and the signature of its message by the person's key."""

    organisation: Name
    person: Name
    challenge: Challenge
    signature: Signature
    bearer: bool = False
    """True: a program, which gets the session's secret to send as a bearer token, and no cookie."""


class PasskeyAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an authenticator answered (`PublicKeyCredential.toJSON()`)."""

    answer: dict[str, Any]


class NewPasskey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A passkey that an authenticator made, and what its person calls it."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    answer: dict[str, Any]


class NewToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token for a program: what it is for, what it may do, and for how long."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    scopes: Annotated[tuple[Operation, ...], msgspec.Meta(min_length=1, max_length=5)]
    days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 30


@dataclass(frozen=True)
class WaysIn:
    """How one signs in here."""

    origin: str
    """Sign-ins are bound to it."""
    organisation: str
    chain_id: str
    ways: tuple[str, ...]
    second_factor: tuple[str, ...]
    """Operations that take two of these ways."""
    signs_here: bool
    """The hospital chose that keys of its people lie on this machine, and sign here."""


@dataclass(frozen=True)
class ToSignIn:
    """What a person's key signs to sign in; `message` is a digest of all the rest."""

    origin: str
    chain_id: str
    organisation: str
    person: str
    challenge: bytes
    expires_ms: int
    message: bytes
    words: str
    text: str
    """It in a line, for `hmchain sign challenge`."""


@dataclass(frozen=True)
class SessionView:
    """A session, or a token."""

    id: str
    kind: str
    name: str
    """Of a token: what it is for."""
    organisation: str
    person: str
    roles: tuple[str, ...]
    """The person's now, within what the sign-in gave; of a list's entries those that it is narrowed to."""
    scopes: tuple[str, ...]
    factors: tuple[str, ...]
    public: bytes
    """The person's key on the ledger; empty for somebody who only looks."""
    made_ms: int
    used_ms: int
    """0 of a token that was never used."""
    until_ms: int
    is_this: bool
    """By which this was asked."""


@dataclass(frozen=True, repr=False)
class SignedIn(Redacted):
    """A session that is open; its secret is here for programs alone, browsers have it as a cookie."""

    session: SessionView
    bearer: str
    csrf: str
    """What a browser's pages send along."""


@dataclass(frozen=True, repr=False)
class MadeToken(Redacted):
    """A new token, and its secret, which is shown this once."""

    secret: str
    token: SessionView


@dataclass(frozen=True)
class PasskeyView:
    """A passkey."""

    id: str
    name: str
    made_ms: int
    used_ms: int
    """0 of one that was never used."""


@routes.get("/sign-in", ANYBODY)
def show_ways_in(call: Call) -> WaysIn:
    """How one signs in here."""
    access = access_of(call)
    ways = (KEY, PASSKEY, *((OIDC,) if access.has_oidc else ()))
    settings = access.settings
    return WaysIn(
        settings.address, access.organisation, access.chain_id, ways, settings.second_factor, settings.signs_here
    )  # fmt: skip


@routes.post("/sign-in/challenge", ANYBODY, example=Who("north", "anna"))
def make_challenge(call: Call, body: Who) -> ToSignIn:
    """What a person's key signs to sign in, made for whomever one names; good once, for two minutes."""
    asked = access_of(call).challenge(named(body.organisation, body.person), address_of(call))
    return ToSignIn(
        asked.origin, asked.chain_id, asked.organisation, asked.person, asked.challenge, asked.expires_ms,
        asked.message, asked.words, asked.text,
    )  # fmt: skip


@routes.post("/sign-in/key", ANYBODY, example=SignedChallenge("north", "anna", "0" * 80, "0" * 128))
def sign_in_by_key(call: Call, body: SignedChallenge) -> SignedIn:
    """Open a session for whoever signed a challenge. In a session of the same person it adds a factor."""
    opened = access_of(call).by_key(
        named(body.organisation, body.person), bytes.fromhex(body.challenge), bytes.fromhex(body.signature),
        address_of(call), _before(call),
    )  # fmt: skip
    return _opened(call, opened, bearer=body.bearer)


@routes.post("/sign-in/passkey/options", ANYBODY)
def ask_passkey(call: Call) -> dict[str, Any]:
    """What a browser asks its authenticators (`PublicKeyCredential.parseRequestOptionsFromJSON`)."""
    return access_of(call).passkey_questions(address_of(call))


@routes.post("/sign-in/passkey", ANYBODY, example=PasskeyAnswer({"id": "", "type": "public-key"}))
def sign_in_by_passkey(call: Call, body: PasskeyAnswer) -> SignedIn:
    """Open a session for whoever's passkey answered. In a session of the same person it adds a factor."""
    return _opened(call, access_of(call).by_passkey(body.answer, address_of(call), _before(call)))


@routes.get("/session", OWN)
def show_session(call: Call) -> SessionView:
    """Who is signed in, and by which session or token."""
    return _this(call)


@routes.delete("/session", OWN)
def sign_out(call: Call) -> SessionView:
    """Sign out; of a token: revoke it."""
    ended = _this(call)
    access_of(call).sign_out(visitor(call))
    signed_in.forget(call)
    return ended


@routes.get("/sessions", OWN)
def list_sessions(call: Call) -> tuple[SessionView, ...]:
    """One's own sessions, on all machines, the newest first."""
    return _all(call, SESSION)


@routes.delete("/sessions/{id}", OWN)
def end_session(call: Call, id: Id) -> SessionView:
    """End a session of one's own, perhaps on another machine."""
    return _view(call, access_of(call).end_session(visitor(call), id))


@routes.get("/tokens", OWN)
def list_tokens(call: Call) -> tuple[SessionView, ...]:
    """One's own tokens, the newest first."""
    return _all(call, TOKEN)


@routes.post("/tokens", CHANGE_OWN, example=NewToken("nightly report", (Operation.VIEW,), 30))
def make_token(call: Call, body: NewToken) -> MadeToken:
    """Make a token for a program. It takes a sign-in of the last ten minutes."""
    made = access_of(call).make_token(visitor(call), body.name, body.scopes, body.days)
    return MadeToken(made.secret, _view(call, made.credential))


@routes.delete("/tokens/{id}", OWN)
def revoke_token(call: Call, id: Id) -> SessionView:
    """Revoke a token of one's own."""
    return _view(call, access_of(call).revoke_token(visitor(call), id))


@routes.get("/passkeys", OWN)
def list_passkeys(call: Call) -> tuple[PasskeyView, ...]:
    """One's own passkeys, the oldest first."""
    found = access_of(call).passkeys.all_of(visitor(call).credential.ref)
    return tuple(map(_passkey, found))


@routes.post("/passkeys/options", CHANGE_OWN)
def ask_new_passkey(call: Call) -> dict[str, Any]:
    """What a browser asks an authenticator to make (`parseCreationOptionsFromJSON`)."""
    return access_of(call).passkey_registration(visitor(call))


@routes.post("/passkeys", CHANGE_OWN, example=NewPasskey("my telephone", {"id": "", "type": "public-key"}))
def add_passkey(call: Call, body: NewPasskey) -> PasskeyView:
    """Keep a passkey that an authenticator made. It takes a sign-in of the last ten minutes."""
    return _passkey(access_of(call).add_passkey(visitor(call), body.name, body.answer))


@routes.delete("/passkeys/{id}", CHANGE_OWN)
def remove_passkey(call: Call, id: Id) -> PasskeyView:
    """Remove a passkey of one's own. It takes a sign-in of the last ten minutes."""
    return _passkey(access_of(call).remove_passkey(visitor(call), id))


@routes.get("/oidc/start", ANYBODY, answer="text/html")
def begin_oidc(call: Call, next: str = "/") -> Response:
    """Go to the organisation's own sign-in; `next` is the page of this portal to see afterwards."""
    access = access_of(call)
    with call.waiting():
        begun = access.begin_oidc(next, address_of(call), _before(call))
    signed_in.keep_flow(call, begun.sealed, FLOW_MS // 1000)
    return RedirectResponse(begun.address, 303, {"Cache-Control": "no-store"})


@routes.get("/oidc/callback", ANYBODY, answer="text/html")
def end_oidc(call: Call) -> Response:
    """Come back from the organisation's own sign-in."""
    sealed = call.request.cookies.get(signed_in.flow_cookie(call), "")
    signed_in.keep_flow(call, "", 0)
    with call.waiting():
        opened, page = access_of(call).by_oidc(sealed, dict(call.request.query_params), address_of(call))
    signed_in.keep(call, opened.secret)
    # A redirect would still be the other site's, and bring no cookie that is this site's alone: a page of ours goes on.
    there = escape(page)
    head = f'<meta charset="utf-8"><meta http-equiv="refresh" content="0;url={there}"><title>FL-HMChain</title>'
    return Response(
        f'<!doctype html>{head}<p><a href="{there}">FL-HMChain</a>', headers={"Cache-Control": "no-store"},
        media_type="text/html",
    )  # fmt: skip


def _before(call: Call) -> Visitor | None:
    """The session in which somebody signs in anew."""
    found = visitor_if_any(call)
    return found if found is not None and found.credential.kind == SESSION else None


def _opened(call: Call, opened: Opened, *, bearer: bool = False) -> SignedIn:
    view = _view(call, opened.credential)
    if bearer:
        return SignedIn(view, opened.secret, "")
    signed_in.keep(call, opened.secret)
    return SignedIn(view, "", call.request.state.csrf)


def _this(call: Call) -> SessionView:
    found = visitor(call)
    who = found.principal
    return replace(_view(call, found.credential), roles=tuple(sorted(who.roles)), public=who.public)


def _all(call: Call, kind: str) -> tuple[SessionView, ...]:
    found = access_of(call).sessions.all_of(kind, visitor(call).credential.ref)
    return tuple(_view(call, each) for each in found)


def _view(call: Call, of: Credential) -> SessionView:
    asked_by = visitor_if_any(call)
    return SessionView(
        of.id, of.kind, of.name, of.ref.organisation, of.ref.person, tuple(sorted(of.roles)),
        tuple(sorted(of.scopes)), tuple(sorted(of.factors)), b"", of.made_ms, of.used_ms, of.until_ms,
        is_this=asked_by is not None and asked_by.credential.digest == of.digest,
    )  # fmt: skip


def _passkey(of: Passkey) -> PasskeyView:
    return PasskeyView(of.id, of.name, of.made_ms, of.used_ms)
