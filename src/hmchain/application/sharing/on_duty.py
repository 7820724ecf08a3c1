"""What an agent does by itself of what hospitals share: it answers emergencies, and erases what a grant was over for.

People are told of both: of an emergency at once, at the hospital that gives and at the one whose clinician asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.hospital.node_hospital import NodeHospital
from hmchain.application.node.agent_log import AgentLog
from hmchain.application.security.events import Event, Kind
from hmchain.application.sharing import emergencies, erasing
from hmchain.application.site.hospital import open_records, read_records
from hmchain.application.site.recording import note
from hmchain.errors import HMChainError
from hmchain.keys import Redacted
from hmchain.ledger.contracts.data import break_glass, transfers
from hmchain.ledger.contracts.data.break_glass import Emergency
from hmchain.ledger.contracts.data.transfers import Transfer
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.state import State

T = TypeVar("T")

_AGAIN_SECONDS = 10.0
"""Until what failed is tried again."""


@dataclass(repr=False)
class OnDuty(Redacted):
    """One hospital's agent, beside its studies."""

    at_node: NodeHospital
    log: AgentLog
    passphrase: str | None = None
    _told: set[str] = field(default_factory=set)
    """Emergencies of which people were told by this process."""
    _erased: set[str] = field(default_factory=set)
    _forgotten: set[str] = field(default_factory=set)
    """Emergencies of which nobody needs the patient's number any more."""
    _looked_back: bool = False
    _height: int = -1
    _again: float = 0.0
    """When what failed is tried again; 0 where nothing did."""

    def __call__(self, state: State) -> None:
        """Do what is new since the last time; what cannot be done now is said, and tried again later."""
        if state.height == self._height and not (self._again and time.monotonic() >= self._again):
            return
        self._height, self._again = state.height, 0.0
        organisation, now_ms = self.at_node.hospital.organisation, self.at_node.ledger.now_ms()
        asked = break_glass.emergencies(state, organisation)
        for entry in asked:
            self._alert(entry, organisation)
        cut_short = self._found("what was given before", lambda: self._cut_short(state))
        for entry in (*break_glass.to_answer(state, organisation, now_ms), *cut_short):
            self._try(f"emergency {entry.name}", entry)
        back = self._found("what was received before", lambda: self._brought_back(state, organisation))
        for grant in (*self._over(state, organisation), *back):
            self._try(f"the erasure of {grant.name}", grant)
        self._clear(state)
        self._forget_sought(state, [entry for entry in asked if entry.grantee == organisation])

    @contextmanager
    def _trying(self, what: str, failed: str, done: str) -> Iterator[None]:
        """Say that something could not be done now, which is tried again later, and when it is done after all."""
        try:
            yield
        except (HMChainError, OSError) as error:
            self._again = time.monotonic() + _AGAIN_SECONDS
            self.log.lasts(what, f"{what} {failed}: {error}")
        else:
            self.log.ended(what, f"{what} {done}")

    def _found(self, what: str, look: Callable[[], list[T]]) -> list[T]:
        """What is found in this hospital's files; nothing while they cannot be read."""
        with self._trying(what, "cannot be looked through", "is looked through"):
            return look()
        return []

    def _cut_short(self, state: State) -> list[Emergency]:
        hospital = self.at_node.hospital
        return emergencies.cut_short(hospital.folder, hospital.keys.local, state)

    def _over(self, state: State, organisation: str) -> list[Transfer]:
        """What is to be erased here; by the time of blocks, since a machine's clock may be ahead."""
        time_ms = standings.time_ms(state)
        given = (each for each in transfers.not_erased(state, organisation) if each.grantee == organisation)
        return [each for each in given if each.name not in self._erased and transfers.is_over(state, each, time_ms)]

    def _brought_back(self, state: State, organisation: str) -> list[Transfer]:
        """What was erased here and is here again, by a backup; looked for once, when an agent begins."""
        if self._looked_back:
            return []
        chain_id = self.at_node.ledger.genesis.first_chain
        given = (each for each in transfers.transfers(state, organisation) if each.grantee == organisation)
        erased = [each for each in given if each.status is transfers.Status.ERASED]
        found: list[Transfer] = []
        if erased:
            with read_records(self.at_node.hospital.folder, self.passphrase) as records:
                found = [each for each in erased if erasing.has_keys(records, each.name, chain_id)]
        self._looked_back = True
        return found

    def _alert(self, entry: Emergency, organisation: str) -> None:
        if entry.is_reviewed or entry.name in self._told:
            return
        self._told.add(entry.name)
        if entry.giver == organisation:
            judge = f"judge it: `hmchain share review {entry.name} VERDICT`"
            what = f"{entry.person} asks for a patient of {entry.dataset} ({entry.reason}); {judge}"
        else:
            what = f"{entry.person} asks {entry.giver} for a patient of {entry.dataset} ({entry.reason})"
        self.log.tell(f"EMERGENCY {entry.name}: {what}")
        person, reason = str(entry.person), entry.reason
        alarm = Event(Kind.ALARM, what="emergency", about=entry.name, person=person, other=entry.giver, reason=reason)
        note(self.at_node.hospital.folder, alarm)

    def _try(self, what: str, entry: Emergency | Transfer) -> None:
        with self._trying(what, "waits", "is done"):
            self._answer(entry) if isinstance(entry, Emergency) else self._erase(entry)

    def _clear(self, state: State) -> None:
        """Take from the members' store what this hospital gave and is over, once nobody gives."""
        hospital, time_ms = self.at_node.hospital, standings.time_ms(state)
        place, local, objects = hospital.folder, hospital.keys.local, hospital.agent.objects
        with self._trying("the members' store", "keeps what is over", "is cleared"):
            for done in erasing.clear_over(place, local, objects, state, time_ms):
                self.log.tell(f"{done.transfer} is over: what lay in the members' store for it is gone")

    def _forget_sought(self, state: State, asked: list[Emergency]) -> None:
        """Take the numbers of patients from the members' store that this hospital's people sealed, once they served."""
        time_ms, objects = standings.time_ms(state), self.at_node.hospital.agent.objects
        for entry in asked:
            if entry.name not in self._forgotten:
                with suppress(HMChainError, OSError):  # it is looked at again
                    if emergencies.forget_sought(objects, state, entry, time_ms):
                        self._forgotten.add(entry.name)

    def _answer(self, entry: Emergency) -> None:
        hospital = self.at_node.hospital
        agent = LedgerUser(hospital.organisation, hospital.keys.agent, self.at_node.ledger)
        emergencies.answer(
            hospital.folder, agent, hospital.agent.objects, entry, hospital.keys.opening, self.passphrase
        )
        self.log.tell(f"EMERGENCY {entry.name} is answered: {entry.grantee} has what there is")

    def _erase(self, grant: Transfer) -> None:
        with open_records(self.at_node.hospital.folder, self.passphrase) as records:
            chain_id = self.at_node.ledger.genesis.first_chain
            done = erasing.destroy(records, grant.name, chain_id)
        self._erased.add(grant.name)
        if done.datasets:
            sign = f"a steward signs that it is gone: `hmchain share erase {grant.name}`"
            self.log.tell(f"{grant.name} of {grant.giver} is over, and what came by it is erased; {sign}")
