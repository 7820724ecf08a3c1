"""What one person of a hospital asked for and another one confirms: policies, and changes of its people."""

from __future__ import annotations

from collections.abc import Iterator

from hmchain.application.node import people_words
from hmchain.ledger.context import STEWARD
from hmchain.ledger.contracts.data import policies
from hmchain.ledger.contracts.data.policies import Pending
from hmchain.ledger.contracts.members import enrolment, people, standings
from hmchain.ledger.contracts.members.people import OFFICER, PersonRef
from hmchain.ledger.readers.request_steps import Todo
from hmchain.ledger.state import State


def to_confirm(state: State, organisation: str) -> Iterator[Todo]:
    """Each thing once, with all who can confirm it; what lapsed is left out."""
    for policy in policies.all_pending(state, organisation):
        yield _policy(state, policy)
    officers = _officers(state, organisation)
    for name, entry in enrolment.pending(state, organisation):
        if not enrolment.has_lapsed(state, organisation, entry, standings.time_ms(state)):
            words = f"{entry.officer} asks to {people_words.words(entry.change)}: confirm it, or drop it"
            who = tuple(each for each in officers if each != entry.officer)
            yield Todo("", OFFICER, words, f"people confirm {name.hex()[:12]}", entry.until_ms, who=who)


def _policy(state: State, waiting: Pending) -> Todo:
    behind = [each for each in waiting.persons if people.stands(state, each, waiting.time_ms)]
    stewards = people.with_role(state, waiting.organisation, STEWARD)
    needed = policies.current(state, waiting.organisation, waiting.dataset).approvers
    words = f"stand behind another policy of {waiting.dataset}, or withdraw it: {len(behind)} of {needed} persons do"
    who = tuple(each.person for each in stewards if each not in behind)
    return Todo("", STEWARD, words, f"policy confirm {waiting.dataset}", who=who)


def _officers(state: State, organisation: str) -> list[str]:
    """The officers whose word counts now."""
    found = people.officers(state, organisation)
    return [each for each in found if people.is_active(state, PersonRef(organisation, each))]
