"""A hospital that signs here signs for its own people, with the key that the ledger has, and for nobody else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.requests import Request

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.access.principal import Principal
from hmchain.application.site.keyring import key_file, person_key_file
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.signing import KeyElsewhere
from hmchain.interfaces.api.site import Site
from hmchain.keys import SigningKey, save_key
from hmchain.ledger.contracts.members.people import PersonRef
from support.door import Door, door

__all__ = ["door"]


@pytest.fixture
def signing(door: Door) -> Iterator[Door]:
    """The keys of a's steward's office and of `s1` lie with the hospital's."""
    keys = NodeFolder(door.place).keys
    save_key(door.key(PersonRef("a", "steward")), key_file(keys, "steward"))
    save_key(door.key(PersonRef("a", "s1")), person_key_file(keys, "s1"))
    yield door


def signs(door: Door, organisation: str, person: str, *, signs_here: bool = True, number: int = 0) -> bool:
    """Whether this process signs for somebody."""
    who = Principal(organisation, person, frozenset(), door.key(PersonRef(organisation, person), number).public.raw)
    site = Site(door.place, door.live, ("a",), lambda request: who, signs_here=signs_here)
    with Call(site, Request({"type": "http", "headers": []}), who, Rule(Operation.ASK, Scope.NETWORK)).user() as user:
        assert user.signer.public.raw == who.public
        assert isinstance(user.signer, SigningKey | KeyElsewhere)
        return isinstance(user.signer, SigningKey)


def test_it_signs_for_its_own_people_whose_keys_lie_here(signing: Door) -> None:
    assert signs(signing, "a", "s1") and signs(signing, "a", "steward")
    assert not signs(signing, "a", "x1"), "whose key is elsewhere"
    assert not signs(signing, "a", "s1", number=1), "whose key was replaced"


def test_it_signs_for_nobody_of_another_member_by_the_same_name(signing: Door) -> None:
    assert not signs(signing, "b", "steward")
    assert not signs(signing, "b", "s1")


def test_it_signs_for_nobody_unless_the_hospital_chose_that(signing: Door) -> None:
    assert not signs(signing, "a", "s1", signs_here=False)
