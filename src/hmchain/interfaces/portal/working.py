"""Long work as a page shows it: how far it is, what it asks to sign, and how it ended.

Work that comes to a signature ends there, and is begun again once that is in a block: services go on where they
stopped. So the page that somebody comes back to after signing asks for the same again by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

import htpy as h

from hmchain.application.jobs.jobs import OVER, Job, JobState
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.signing import ToSign, to_sign
from hmchain.interfaces.portal.components import GOOD, badge, in_place, problem, progress
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.layout import token_field
from hmchain.interfaces.portal.signing import sign_panel
from hmchain.interfaces.portal.texts import moment, say

ID = "work"


def latest(call: Call, kind: str, about: str) -> Job | None:
    """The newest work of a kind on something, of this portal."""
    return next((job for job in call.site.jobs.all() if (job.kind, job.about) == (kind, about)), None)


def work(
    call: Call, kind: str, about: str, here: str, title: str, again: str, asked: Mapping[str, str] | None = None
) -> h.Element:
    """The newest work of a kind on something; `here` is the page, `again` where a form with `asked` goes on with it.

    The page is asked for with `signed` once what the work came to is signed.
    """
    found = latest(call, kind, about)
    if found is None:
        return h.div(id=ID)
    if found.state not in OVER:
        return h.div(id=ID, hx_get=here, hx_trigger="every 2s", **in_place(ID))[progress(title, found.done, found.of)]
    return h.div(id=ID)[_ended(call, found, here, again, asked or {})]


def _ended(call: Call, found: Job, here: str, again: str, asked: Mapping[str, str]) -> h.Node:
    if found.code:
        return problem(found.code, found.detail, found.hint)
    if found.state is not JobState.DONE:
        return h.p(".caution")[say("It was stopped. The same again goes on where it was.")]
    needed = _needed(found)
    if needed is None:
        return h.p[badge(say("done"), GOOD), " ", moment(found.ended_ms)]
    if call.request.query_params.get("signed") == found.id:
        return _going_on(call, again, asked)
    if found.person != call.person.name or needed.expires_ms <= call.now_ms():
        return None
    return sign_panel(needed, f"{here}?{urlencode({**asked, 'signed': found.id})}")


def _needed(found: Job) -> ToSign | None:
    """What the work came to that is to be signed."""
    said = (found.result or {}).get("to_sign")
    return to_sign(*(bytes.fromhex(each["message"]) for each in (said, *said["more"]))) if said else None


def _going_on(call: Call, again: str, asked: Mapping[str, str]) -> h.Element:
    """A form that the page sends by itself; without scripts somebody does."""
    return h.form(method="post", action=again, hx_post=again, hx_trigger="load", **in_place(ID))[
        token_field(csrf_of(call.request)),
        [h.input(type="hidden", name=name, value=value) for name, value in asked.items()],
        h.p[say("It is signed."), " ", h.button(type="submit")[say("Go on")]],
    ]
