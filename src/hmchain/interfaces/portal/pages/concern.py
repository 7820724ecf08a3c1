"""For whom something waits: a person who is signed in; of a finished run whoever has the role that one looks in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.framing import role_of
from hmchain.ledger.readers.people import people_of

_ROLES = {
    "steward": {"clinician", "code", "ethics", "officer", "protection", "steward"},
    "scientist": {"scientist"},
    "operator": {"officer", "operator", "steward"},
    "auditor": {"auditor"},
}
"""The roles of people whose pages are those of a role."""


def concerns(call: Call) -> Callable[[Sequence[str]], bool]:
    """Whether what waits for these persons of the hospital waits for whoever looks."""
    if not call.site.is_read_only:
        own = call.person.person
        return lambda who: own in who
    roles = _ROLES.get(role_of(call), set())
    with call.ledger() as ledger:
        known = people_of(ledger.verified.state, call.organisation, call.now_ms()).people
    named = {each.person for each in known if roles & set(each.roles)}
    return lambda who: bool(named & set(who))
