"""Releases that take several people, signed by keys that are elsewhere: what is to be signed, and deciding with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hmchain.application.data.quarantine import NoReviewerError
from hmchain.application.data.reviewing import Desk
from hmchain.application.governance.signing import NotItsKeyError
from hmchain.application.site import persons
from hmchain.application.site.hospital import HospitalFolder
from hmchain.keys import ED25519, PublicKey
from hmchain.records.catalogue import HeldItem
from hmchain.records.catalogue.decisions import Vote
from hmchain.records.catalogue.entries import RELEASED
from hmchain.records.pipeline.review import SignedElsewhere


@dataclass(frozen=True)
class ToSign:
    """What one person says of an item, to be signed."""

    held: HeldItem
    vote: Vote

    def signed(self, signature: bytes) -> ToSign:
        """The same with its signature. Raises `NotItsKeyError` unless it is one of these words by this key."""
        if not PublicKey(ED25519, self.vote.public).verify(signature, self.vote.message(self.held)):
            raise NotItsKeyError("a signature is not of these items by the key that is named", "load the page again")
        return ToSign(self.held, replace(self.vote, signature=signature))


def to_sign(desk: Desk, sender: bytes, time_ms: int) -> tuple[ToSign, ...]:
    """What whoever sits at a desk signs with a key: each release that takes several people; nothing where none does."""
    return tuple(
        ToSign(held, Vote(RELEASED, desk.names, time_ms, mark.regions, sender))
        for number, held, mark in desk.releases()
        if desk.persons(number) > 1
    )


def is_known(place: HospitalFolder, sender: bytes) -> bool:
    """Whether a key is one of a person who decides at the hospital."""
    return any(person.key.raw == sender for person in persons.known(place))


def apply(desk: Desk, place: HospitalFolder, sender: bytes, signed: Iterable[ToSign]) -> bool:
    """Make decisions of all marks, with what was signed of them. Raises `NoReviewerError` for nobody's key."""
    if not is_known(place, sender):
        raise NoReviewerError("this key is nobody's who decides here", "have it added on the quarantine's page")
    votes = {each.held.place: each.vote for each in signed}
    return desk.apply((SignedElsewhere(desk.names, None, sender, votes),))
