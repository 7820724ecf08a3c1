"""The door of a's portal on a ledger in memory, with clocks that are moved by hand, and people who sign in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hmchain.application.access.sessions import Opened, Visitor
from hmchain.application.access.settings import PortalSettings
from hmchain.application.access.sign_in import Access
from hmchain.application.security import log
from hmchain.application.security.events import Event
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.recording import log_of
from hmchain.application.site.settings import NodeSettings
from hmchain.keys import SigningKey
from hmchain.ledger.contracts.members.people import OFFICES, PersonRef
from hmchain.ledger.engines.ledger import Ledger
from hmchain.ledger.readers.ledger import LedgerReader
from support.ledger_network import START_MS, signing_key
from support.one_machine import OneMachine, person_key

ADDRESS = "192.0.2.7"


@dataclass
class LiveMachine:
    """A machine in memory as a live ledger; counts how often it is read."""

    machine: OneMachine
    readings: int = 0
    words: str = ""
    """It is followed."""

    @property
    def height(self) -> int:
        return self.machine.state.height

    @property
    def ledger(self) -> Ledger:
        return cast(Ledger, None)  # nothing is sent here

    @contextmanager
    def reader(self) -> Iterator[LedgerReader]:
        self.readings += 1
        verified = SimpleNamespace(state=self.machine.state, words="in memory")
        yield cast(LedgerReader, SimpleNamespace(verified=verified, genesis=self.machine.founding, height=self.height))

    def now_ms(self) -> int:
        return self.machine.now_ms


@dataclass
class Door:
    """A's portal: `s1` is a steward there, `x1` a scientist; so is `p1`, of b."""

    place: Path
    settings: PortalSettings
    machine: OneMachine = field(default_factory=OneMachine)
    now_ms: int = START_MS
    access: Access = field(init=False)

    def __post_init__(self) -> None:
        for organisation, person, role in (("a", "s1", "steward"), ("a", "x1", "scientist"), ("b", "p1", "scientist")):
            self.machine.enrol(organisation, person, role)
        folder = NodeFolder(self.place)
        if not folder.toml.exists():
            folder.write_settings(NodeSettings(organisation="a", title="A", address="a.example:1"))
        self.live = LiveMachine(self.machine)
        self.open()

    def open(self) -> None:
        """As a process that starts."""
        self.access = Access(
            NodeFolder(self.place), self.settings, self.live,
            clock_ms=lambda: self.now_ms, seconds=lambda: self.now_ms / 1000,
        )  # fmt: skip

    def key(self, ref: PersonRef, number: int = 0) -> SigningKey:
        is_office = ref.person in OFFICES
        return signing_key(*self._of(ref)) if is_office else person_key(*self._of(ref), number)

    @staticmethod
    def _of(ref: PersonRef) -> tuple[str, str]:
        return ref.organisation, ref.person

    def enter(
        self, person: str, organisation: str = "a", number: int = 0, before: Visitor | None = None,
        address: str = ADDRESS,
    ) -> Opened:  # fmt: skip
        """A person's sign-in with the key."""
        ref = PersonRef(organisation, person)
        asked = self.access.challenge(ref, address)
        signature = self.key(ref, number).sign(asked.message)
        return self.access.by_key(ref, asked.challenge, signature, address, before)

    def visitor(self, opened: Opened) -> Visitor:
        found = self.access.of_bearer(opened.secret)
        assert found is not None
        return found

    def is_in(self, opened: Opened) -> bool:
        return self.access.of_bearer(opened.secret) is not None

    def later(self, **units: int) -> None:
        """Move the clock."""
        self.now_ms += 60_000 * (units.get("minutes", 0) + 60 * units.get("hours", 0) + 1440 * units.get("days", 0))

    def events(self) -> list[Event]:
        return [line.typed for line in log.read(log_of(NodeFolder(self.place)))]

    def close(self) -> None:
        self.access.close()


@contextmanager
def opened_door(place: Path, **settings: Any) -> Iterator[Door]:
    """A door with settings, closed in the end."""
    door = Door(place, PortalSettings(**settings))
    try:
        yield door
    finally:
        door.close()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with opened_door(tmp_path / "node") as found:
        yield found
