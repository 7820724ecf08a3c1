"""Refusals of what protocol 4 brought, for the table of all of them: see `refusals`."""

from __future__ import annotations

REFUSALS: dict[str, tuple[str, str]] = {
    "bad_incident": (
        "a kind, severity or measure that there is none of, no affected member, a list not in order, more than 32 "
        "stolen keys, noticed more than a year before, or a note of nothing",
        "`docs/how-to/incidents.md` says what may stand there",
    ),
    "too_many_incidents": ("8 incidents of the organisation are open", "close one first: `hmchain incident list`"),
    "no_such_incident": ("there is no incident of that name", "`hmchain incident list`"),
    "incident_closed": ("the incident is over", "open another one"),
    "no_such_key": ("the key belongs to no member that is affected", "name its member as affected, too"),
    "already_told": ("the organisation has said so of the incident already", "once is enough; more goes with a note"),
    "too_many_notes": ("64 notes of the organisation on the incident", "say more in one document"),
    "not_the_opener": (
        "what only the organisation may do that opened the incident",
        "ask it: `hmchain incident show INCIDENT`",
    ),
    "not_affected": (
        "the incident does not affect the organisation",
        "add it first: `hmchain incident note INCIDENT --affects NAME`",
    ),
    "key_still_signs": (
        "a stolen key of the organisation is neither suspended nor replaced",
        "cut it off first: `hmchain people suspend NAME`, or `hmchain node rotate-key ROLE`; or another person says "
        "`not-affected`",
    ),
    "not_contained": (
        "an affected member has not contained it, or a stolen key signs",
        "`hmchain incident show INCIDENT` says where",
    ),
    "not_acknowledged": (
        "a member has not said yet that it knows of it, and its time is not over",
        "wait for it, or for the time: `hmchain incident show INCIDENT`",
    ),
    "emergencies_barred": (
        "4 emergencies of the organisation at this hospital were found not to be justified within a year",
        "call the hospital; stewards of both look into it: `hmchain share lift-bar HOSPITAL`",
    ),
    "not_barred": ("the organisation is not barred there", "nothing to do: `hmchain share emergencies`"),
    "not_giver_or_grantee": ("a bar between two other hospitals", "their own stewards lift it"),
    "already_lifted": ("the organisation has said so", "the other hospital's steward says so too"),
    "own_word": (
        "who contained the incident closes it, and the organisation has others who could",
        "another person closes it, by `--as NAME`",
    ),
}
"""Code to meaning and way out."""
