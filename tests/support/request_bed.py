"""A consortium whose people ask for data: published datasets, persons with keys of their own, one store."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.requests import applying, decisions
from hmchain.application.governance.requests.documents import Documents
from hmchain.application.governance.requests.file import RequestFile, load_request
from hmchain.keys import SigningKey
from hmchain.ledger.contracts.data.datasets import PublishVersion, RegisterDataset
from hmchain.ledger.contracts.members.enrolment import AcceptInvitation, InvitePerson, possession_bytes
from hmchain.ledger.readers.requests import RequestView
from support.study_bed import SCHEMA, Bed

NAME = "relapse"
FILE = f"""
name = "{NAME}"
kind = "transfer"
diseases = ["MONDO:0005072"]
regions = ["DE"]
until = 2024-06-30
[datasets]
east = "brain"
north = "brain"
[transfer]
days = 90
[form]
title = "Relapse after surgery"
use = "Do early changes in MRI tell who will relapse?"
contact = "Dr West, +49 1"
"""
"""Of West's scientist, to East and North."""


@dataclass
class RequestBed:
    """A bed with datasets, under the newest protocol, and the people of its hospitals."""

    bed: Bed
    place: Path
    keys: dict[str, SigningKey] = field(default_factory=dict)
    """Of named persons, `east/eve`."""

    @classmethod
    def found(cls, place: Path) -> RequestBed:
        bed = Bed.found(place / "run")
        stewards = [hospital.as_steward for hospital in bed.consortium.hospitals.values()]
        bed.consortium.require(*(sign(RegisterDataset("brain", SCHEMA)) for sign in stewards))
        bed.consortium.require(*(sign(PublishVersion("brain", 1, bytes(32), 512)) for sign in stewards))
        return cls(bed, place)

    def user(self, who: str) -> LedgerUser:
        """A person by name, `east/steward`."""
        organisation, person = who.split("/")
        keys = self.bed.consortium.hospitals[organisation].keys
        signer = self.keys[who] if who in self.keys else getattr(keys, person)
        return LedgerUser(organisation, signer, self.bed.consortium.ledger)

    def papers(self, who: str) -> Documents:
        """The documents of a person's hospital."""
        hospital = self.bed.consortium.hospitals[who.split("/")[0]]
        return Documents(hospital.folder, lambda: self.bed.consortium.objects, hospital.keys.opening)

    def enrol(self, who: str, *roles: str) -> None:
        """Let somebody act for a hospital, with a key of their own."""
        organisation, person = who.split("/")
        key = SigningKey(random.Random(who).randbytes(32))
        chain, public = self.bed.consortium.ledger.chain_id, key.public.raw
        proof = key.sign(possession_bytes(chain, organisation, person, public))
        self.user(f"{organisation}/steward").send(InvitePerson(person, tuple(sorted(roles)), public, proof))
        self.keys[who] = key
        self.user(who).send(AcceptInvitation(tuple(sorted(roles))))

    def file(self, text: str = FILE) -> RequestFile:
        """A request's file, as it is read."""
        path = self.place / "request.toml"
        path.write_text(text)
        return load_request(path)

    def submit(self, text: str = FILE, who: str = "west/scientist") -> RequestView:
        """Ask for data."""
        return applying.submit(self.user(who), self.file(text), self.papers(who))

    def seen(self, name: str = NAME) -> RequestView:
        """The request as all see it."""
        return applying.view(self.user("east/steward"), name)

    def approve(self, who: str, name: str = NAME) -> RequestView:
        """Say yes, as long as can be."""
        return decisions.approve(self.user(who), self.seen(name))

    def close(self) -> None:
        self.bed.close()
