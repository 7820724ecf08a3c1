"""A hospital's agent answers when a count is to leave, where its policy says so: by the evidence and the guard alone.

What it cannot measure it leaves to the hospital's people. It measures in a thread of its own: studies go on meanwhile.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field

from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.hospital.node_hospital import NodeHospital
from hmchain.application.models import export
from hmchain.application.node.agent_log import AgentLog
from hmchain.application.node.reading import open_ledger
from hmchain.application.releases import deciding
from hmchain.application.releases.deciding import DISCLOSURE, Case, DisclosureError
from hmchain.application.site.hospital import HospitalFolder
from hmchain.errors import HMChainError
from hmchain.keys import Redacted, SigningKey
from hmchain.ledger.contracts.learning import releases
from hmchain.ledger.contracts.members import upgrades
from hmchain.ledger.engines.ledger import Ledger
from hmchain.ledger.readers.releases import waiting_for
from hmchain.ledger.state import State
from hmchain.plain import Say


@dataclass(repr=False)
class ReleaseAnswers(Redacted):
    """What an agent says of releases; it is called with the state again and again."""

    place: HospitalFolder
    key: SigningKey
    """The agent's."""
    ledger: Ledger
    passphrase: str | None
    say: Say
    _measured: tuple[str, Future[Case]] | None = None
    """The release that is being measured."""
    _left: set[str] = field(default_factory=set)
    """Those that are left to people."""
    _height: int = -1

    def __call__(self, state: State) -> None:
        """Answer what was measured, or begin to measure what waits."""
        if self._measured is not None:
            if self._measured[1].done():
                self._answer(*self._measured)
                self._measured = None
            return
        if state.height == self._height or not upgrades.has_sharing(state):
            return
        self._height = state.height
        if (name := self._next(state)) is not None:
            self._measured = (name, Future())
            threading.Thread(target=self._measure, args=self._measured, name="release", daemon=True).start()

    def _next(self, state: State) -> str | None:
        own = self.place.organisation
        for entry in waiting_for(state, own):
            if entry.name not in self._left and releases.agent_may_answer(state, entry, own):
                return entry.name
        return None

    def _measure(self, name: str, measured: Future[Case]) -> None:
        try:
            directory = self.place.node.path if self.place.node else self.place.path
            with open_ledger(export.locate(directory).ledger) as ledger:
                measured.set_result(deciding.case(self.place, ledger, name, self.passphrase))
        except BaseException as error:
            measured.set_exception(error)

    def _answer(self, name: str, measured: Future[Case]) -> None:
        user = LedgerUser(self.place.organisation, self.key, self.ledger)
        try:
            found = measured.result()
            if found.is_clear and not found.differences:
                deciding.grant(user, self.place, found, self.passphrase)
                self.say(f"release {name}: this hospital's policy and checks let it leave")
                return
            deciding.refuse(user, found.view, DISCLOSURE, found.evidence)
            self.say(
                f"release {name}: this hospital's checks keep it inside; `hmchain release evidence {name}` says why"
            )
        except DisclosureError:  # another release was let leave meanwhile
            self._height = -1
        except (HMChainError, OSError) as error:
            self._left.add(name)
            self.say(f"release {name} is left to this hospital's people: {error}")


def on_duty(at_node: NodeHospital, log: AgentLog, passphrase: str | None) -> ReleaseAnswers:
    """What the agent of a running node says of releases."""
    hospital = at_node.hospital
    return ReleaseAnswers(hospital.folder, hospital.keys.agent, at_node.ledger, passphrase, log.tell)
