"""One's ways in: sessions on other machines, tokens for programs, passkeys; and the way out."""

from __future__ import annotations

from typing import Annotated

import htpy as h
from fastapi import Path

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.access.store import SESSION, TOKEN, Credential
from hmchain.application.pages.markup import table
from hmchain.interfaces.api import signed_in
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.signed_in import access_of, visitor
from hmchain.interfaces.portal.components import (
    badge,
    check_field,
    choice_field,
    empty,
    form,
    script_field,
    section,
    text_field,
)
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.layout import token_field
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import Later, day, later, moment, of_later, say
from hmchain.interfaces.portal.wording import words

OWN = Rule(Operation.VIEW, Scope.OWN)
CHANGE_OWN = Rule(Operation.CHANGE, Scope.OWN)
HERE = "/sessions"
_OPERATIONS: dict[str, Later] = {
    Operation.VIEW: later("look"),
    Operation.ASK: later("ask, and answer"),
    Operation.DECIDE: later("decide for the hospital"),
    Operation.CHANGE: later("change what the hospital keeps"),
    Operation.OPERATE: later("run the node"),
}
_DAYS = ("7", "30", "90", "365")

pages = Pages()

Id = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]


@pages.show(HERE, OWN)
def sessions(call: Call) -> Page:
    """All one's ways in, and what ends them."""
    me, access = visitor(call), access_of(call)
    ref, csrf = me.credential.ref, csrf_of(call.request)
    own, tokens = access.sessions.all_of(SESSION, ref), access.sessions.all_of(TOKEN, ref)
    return Page(
        say("Sessions and tokens"),
        [
            section(say("Sessions"), _sessions(call, own, me.credential.id), anchor="own"),
            section(say("Tokens"), _tokens(call, tokens), _new_token(csrf), anchor="tokens"),
            section(say("Passkeys"), _passkeys(call), _new_passkey(), anchor="passkeys"),
            words(),
        ],
        lead=say("Who comes in as you: end what you do not know."),
    )


def _sessions(call: Call, found: list[Credential], this: str) -> h.Element:
    rows = [
        (
            [moment(each.made_ms), " ", badge(say("this one")) if each.id == this else None],
            moment(each.used_ms or each.made_ms), ", ".join(sorted(each.factors)), moment(each.until_ms),
            _button(call, f"{HERE}/{each.id}/end", say("End")),
        )
        for each in found
    ]  # fmt: skip
    heads = [say("Since"), say("Last used"), say("Shown by"), say("Until"), say("To do")]
    return table(heads, rows, caption=say("Sessions"), folds=True)


def _tokens(call: Call, found: list[Credential]) -> h.Element:
    if not found:
        return empty(say("You have no token."))
    rows = [
        (
            each.name, ", ".join(of_later(_OPERATIONS[scope]) for scope in _OPERATIONS if scope in each.scopes),
            day(each.used_ms) if each.used_ms else say("never"), day(each.until_ms),
            _button(call, f"/tokens/{each.id}/revoke", say("Revoke")),
        )
        for each in found
    ]  # fmt: skip
    heads = [say("For"), say("It may"), say("Last used"), say("Until"), say("To do")]
    return table(heads, rows, caption=say("Tokens"), folds=True)


def _passkeys(call: Call) -> h.Element:
    found = access_of(call).passkeys.all_of(visitor(call).credential.ref)
    if not found:
        return empty(say("You have no passkey."))
    rows = [
        (
            each.name, day(each.made_ms), day(each.used_ms) if each.used_ms else say("never"),
            _button(call, f"/passkeys/{each.id}/remove", say("Remove")),
        )
        for each in found
    ]  # fmt: skip
    heads = [say("Name"), say("Since"), say("Last used"), say("To do")]
    return table(heads, rows, caption=say("Passkeys"), folds=True)


def _button(call: Call, action: str, title: str) -> h.Element:
    return h.form(method="post", action=action)[token_field(csrf_of(call.request)), h.button[title]]


def _new_token(csrf: str) -> h.Element:
    scopes = [
        check_field(f"may-{scope}", of_later(title), checked=scope == Operation.VIEW)
        for scope, title in _OPERATIONS.items()
    ]
    return h.details[
        h.summary[say("Make a token for a program")],
        form(
            "/tokens", csrf,
            text_field("name", say("What it is for"), required=True, maxlength="60"),
            h.fieldset[h.legend[say("It may")], scopes],
            choice_field("days", say("For how many days"), {each: each for each in _DAYS}, "30"),
            sends=say("Make the token"),
        ),
    ]  # fmt: skip


def _new_passkey() -> h.Element:
    return h.div(data_passkeys=True)[
        h.details[
            h.summary[say("Add a passkey")],
            h.form("#add-passkey.entry")[
                script_field("passkey-name", say("What you call it"), maxlength="60"),
                h.p(".send")[h.button(".main", type="submit", disabled=True)[say("Add it")]],
                h.div(data_told=True, role="status"),
            ],
        ]
    ]


@pages.do("/tokens", CHANGE_OWN)
def make_token(call: Call, fields: Fields) -> Page:
    """A new token, whose secret is shown this once."""
    scopes = [scope for scope in _OPERATIONS if fields.text(f"may-{scope}")]
    days = fields.text("days")
    made = access_of(call).make_token(
        visitor(call), fields.text("name")[:60], scopes, int(days) if days in _DAYS else 30
    )
    return Page(
        say("Your token"),
        [
            h.p[say("This is shown once. A program sends it as: Authorization: Bearer and the token.")],
            h.pre(".raw")[made.secret],
            h.p[h.a(href=HERE)[say("I have it")]],
        ],
    )


@pages.do("/tokens/{id}/revoke", OWN)
def revoke_token(call: Call, id: Id, fields: Fields) -> Next:
    """Revoke one of one's tokens."""
    return Next(HERE, say("Revoked: {name}.", name=access_of(call).revoke_token(visitor(call), id).name))


@pages.do("/sessions/{id}/end", OWN)
def end_session(call: Call, id: Id, fields: Fields) -> Next:
    """End one of one's sessions."""
    ended = access_of(call).end_session(visitor(call), id)
    return Next("/sign-in" if ended.id == visitor(call).credential.id else HERE, say("The session is over."))


@pages.do("/passkeys/{id}/remove", CHANGE_OWN)
def remove_passkey(call: Call, id: Id, fields: Fields) -> Next:
    """Remove one of one's passkeys."""
    return Next(HERE, say("Removed: {name}.", name=access_of(call).remove_passkey(visitor(call), id).name))


@pages.do("/sign-out", OWN)
def sign_out(call: Call, fields: Fields) -> Next:
    """End this session."""
    access_of(call).sign_out(visitor(call))
    signed_in.forget(call)
    words = say(
        "You are signed out. A key that this browser keeps still signs in, and signs, without a passphrase: where "
        "others use this browser, forget it under Your keys."
    )
    return Next("/sign-in", words)
