"""Codes in words: every code that a page can meet has some, and what services say is found by its form."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hmchain.application.governance.reasons import reason_words
from hmchain.application.security.events import Kind
from hmchain.application.watching.findings import Subject
from hmchain.interfaces.portal.pages.codes import choices, word, worded
from hmchain.interfaces.portal.pages.codes.events import EVENTS
from hmchain.interfaces.portal.pages.codes.people import INCIDENT_DEEDS, INCIDENTS, MEASURES, ROLES, SEVERITIES
from hmchain.interfaces.portal.pages.codes.requests import DUTIES, KINDS, KINDS_EXPLAINED, REASONS, STAGES
from hmchain.interfaces.portal.pages.codes.security import SECURITY
from hmchain.interfaces.portal.pages.codes.transactions import TRANSACTIONS
from hmchain.interfaces.portal.pages.words import words_first
from hmchain.interfaces.portal.texts import speaking, theirs
from hmchain.ledger.contracts import HANDLERS
from hmchain.ledger.contracts.data import applying, break_glass, deciding, policies, requests, transfers
from hmchain.ledger.contracts.learning import releases
from hmchain.ledger.contracts.members import incident_codes, people
from hmchain.ledger.events import LedgerEvent


def kinds_of_events(kind: type[LedgerEvent] = LedgerEvent) -> Iterator[str]:
    for each in kind.__subclasses__():
        yield from kinds_of_events(each)
        if not each.__subclasses__():
            yield str(each.__struct_config__.tag)


@pytest.mark.parametrize(
    ("table", "codes"),
    [
        (TRANSACTIONS, {each.__struct_config__.tag for each in HANDLERS} | {"malformed"}),
        (EVENTS, set(kinds_of_events())),
        (SECURITY, {each.value for each in Kind}),
        (INCIDENTS, set(incident_codes.Kind)),
        (SEVERITIES, set(incident_codes.Severity)),
        (INCIDENT_DEEDS, set(incident_codes.Deed)),
        (MEASURES, set(incident_codes.Measure)),
        (DUTIES, set(policies.DUTIES)),
        (STAGES, set(deciding.PROCESSING) - {""}),
        (KINDS, set(requests.Kind)),
        (KINDS_EXPLAINED, set(requests.Kind)),
    ],
)
def test_every_code_of_a_family_has_words(table: dict[str, object], codes: set[str]) -> None:
    assert set(table) == codes


def test_every_reason_and_role_has_words() -> None:
    reasons = (applying.CLOSE_REASONS, deciding.REASONS, deciding.REVOKE_REASONS, transfers.REVOKE_REASONS,
               break_glass.REASONS, releases.REASONS)  # fmt: skip
    assert set().union(*reasons) <= set(REASONS)
    assert set(people.ROLES_OF_4) <= set(ROLES)


def test_a_code_that_nobody_knows_stands_for_itself() -> None:
    assert word(KINDS, "dance") == "dance" and str(worded(KINDS, "dance")) == "<code>dance</code>"
    assert choices(KINDS, ("train", "dance")) == {"train": "train a model", "dance": "dance"}
    assert words_first("DUO:0000042, general; MONDO:1, glioma") == "general (DUO:0000042); glioma (MONDO:1)"


@pytest.mark.parametrize(
    ("said", "german"),
    [
        ("signed by 4 of 5 founders", "unterschrieben von 4 der 5 Gründungsmitglieder"),
        ("Decide on the use of scans", "Über die Nutzung von scans entscheiden"),
        ("decide on the use of scans, after 1 who said yes", "über die Nutzung von scans entscheiden, nach 1 Ja"),
        ("Close study tiny.", "Die Studie tiny beenden."),
        ("east: scans version 1, north: b version 2", "east: scans Version 1, north: b Version 2"),
        ("every member is connected; 1 other may fail", "alle Mitglieder sind verbunden; ein anderes darf ausfallen"),
        ("64 to 127", "64 bis 127"),
        ("from here to there", '<span lang="en">from here to there</span>'),
        ("the members vote: dance on a table", '<span lang="en">the members vote: dance on a table</span>'),
        ("close study ", '<span lang="en">close study </span>'),
        ("scans", "scans"),
        ("2026-11-29 19:50 UTC", "2026-11-29 19:50 UTC"),
    ],
)
def test_what_services_say_is_found_by_its_form(said: str, german: str) -> None:
    assert theirs(said) == said
    with speaking("de"):
        assert str(theirs(said)) == german


def test_names_of_checks_and_reasons_of_policies_are_translated() -> None:
    with speaking("de"):
        for each in (*map(reason_words, policies.REASONS), reason_words(policies.PERSON_LOOKS), *Subject):
            assert "lang=" not in str(theirs(str(each))), each
