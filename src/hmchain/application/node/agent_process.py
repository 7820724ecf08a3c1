"""The agent of a running node, as a process of its own: it takes part in studies until it is told to stop."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hmchain.application.hospital.hospital import Learn
from hmchain.application.hospital.learner import cnn_learner
from hmchain.application.hospital.node_hospital import NodeHospital
from hmchain.application.models.leaving import Leaver
from hmchain.application.node.agent_log import AgentLog
from hmchain.application.node.anchoring import Anchoring
from hmchain.application.node.key_watch import KeyWatch
from hmchain.application.node.link import catches_up, connected
from hmchain.application.node.node_watch import NodeWatch
from hmchain.application.node.opening import open_hospital
from hmchain.application.node.stopping import stopping
from hmchain.application.node.store_watch import StoreWatch
from hmchain.application.node.study_news import StudyNews
from hmchain.application.security.events import Event, Kind
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.recording import note, running
from hmchain.clock import Backoff
from hmchain.errors import HMChainError, LedgerError
from hmchain.ledger.context import AGENT
from hmchain.ledger.engines.block_store import BlockStoreError
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError
from hmchain.ledger.readers.follower import UnsignedError
from hmchain.ledger.readers.logs import DamagedBlockError
from hmchain.ledger.readers.states import DamagedStateError, NoStateError, StaleStateError
from hmchain.ledger.state import State, StateError
from hmchain.plain import Say

_IDLE_SECONDS = 0.25
_AWAY_SECONDS = (1.0, 5.0)
"""Between two attempts to reach a node that is away, the first pause and the longest: asking costs next to nothing."""
_PASSING_SECONDS = 3.0
"""An object that comes within this time held nobody up."""
NODE, KEYS, BLOCKS = "the node", "the agent's keys", "the node's blocks"
"""What the log is told of beside studies."""


@dataclass(frozen=True)
class AgentRun:
    """The end of an agent's run."""

    organisation: str
    held_up: dict[str, str]
    """Studies that wait for something, or in which the agent takes no part, with the reason."""


Duty = Callable[[NodeHospital, AgentLog, str | None], Callable[[State], None]]
"""Makes, with the passphrase of the keys, what an agent does beside studies each time that it has looked at a state."""


def run_agent(
    folder: NodeFolder, passphrase: str | None, say: Say, learn: Learn = cnn_learner, duties: Sequence[Duty] = ()
) -> AgentRun:
    """Act for a hospital until SIGTERM or SIGINT; a step that has begun is finished first.

    A node that is away, at the start or later, is waited for. What happens is told, and logged into `agent.log`. Raises
    what else `open_hospital` raises, and `DamagedStateError` or `DamagedBlockError` if the node shows something else
    than its members decided.
    """
    log = AgentLog(folder.agent_log, say)
    name, told = folder.settings().organisation, dict[str, str]()
    with running(folder, Kind.AGENT_STARTED, Kind.AGENT_STOPPED), stopping() as stop:
        while (opened := _opened(folder, passphrase, learn, log, stop)) is not None:
            with opened:
                log.tell(f"the agent of {name} acts in {opened.ledger.chain_id} (process {os.getpid()})")
                beside = [duty(opened, log, passphrase) for duty in duties]
                acting = _Acting(opened, folder, passphrase, log, told, beside)
                try:
                    acting.until(stop)
                except HMChainError as error:
                    log.tell(f"the agent of {name} ends: {error}")
                    raise
        log.tell(f"the agent of {name} has stopped")
        return AgentRun(name, told)


_NOT_YET = (
    NoEndpointError, StateError, NoStateError, DamagedStateError, StaleStateError, BlockStoreError, UnsignedError
)  # fmt: skip
"""The node is away, has no block yet, or makes its state anew."""


def _opened(
    folder: NodeFolder, passphrase: str | None, learn: Learn, log: AgentLog, stop: threading.Event
) -> NodeHospital | None:
    """The hospital, once its node answers; None if that is no longer wanted."""
    away = Backoff(*_AWAY_SECONDS)
    while not stop.is_set():
        try:
            found = open_hospital(folder, passphrase=passphrase, learn=learn, patience_seconds=0)
        except _NOT_YET as error:
            log.lasts(NODE, f"waiting for the node: {error}")
            stop.wait(away.pause())
        else:
            log.ended(NODE, "the node answers")
            return found
    return None


class _Acting:
    """One hospital, acting as long as its keys are the ledger's."""

    def __init__(
        self,
        at_node: NodeHospital,
        folder: NodeFolder,
        passphrase: str | None,
        log: AgentLog,
        told: dict[str, str],
        beside: Sequence[Callable[[State], None]],
    ) -> None:
        """`told` keeps what holds studies up."""
        self._beside = beside
        self._at_node, self._folder, self._log, self._told = at_node, folder, log, told
        self._node, self._keys = NodeWatch(folder), KeyWatch(folder, at_node.hospital.keys, passphrase)
        self._news = StudyNews(at_node.hospital.organisation, log, at_node.ledger.now_ms)
        hospital, genesis = at_node.hospital, at_node.ledger.genesis
        self._leaver = Leaver(hospital.folder, hospital.agent, genesis, log.tell)
        self._store = StoreWatch(folder, hospital.agent.objects, genesis.chain_id, log)
        self._anchoring = Anchoring(hospital.folder.activity, hospital.organisation, at_node.ledger.now_ms, log)
        self._away = Backoff(*_AWAY_SECONDS)
        self._is_current = False

    def until(self, stop: threading.Event) -> None:
        """Act until `stop`, or until new keys are to be read. Raises `DamagedStateError` or `DamagedBlockError`."""
        while not stop.is_set():
            if not self._node.is_running():
                self._log.lasts(NODE, "the node does not run: start it with `hmchain node start`")
                stop.wait(self._away.pause())
                continue
            try:
                may_act = self._may_act()
                if may_act is None:
                    return
                busy = may_act and self._at_node.step()
                self._log.ended(NODE, "the node is back")
                self._news.look(self._at_node.ledger.state)
                self._leaver.leave(self._at_node.ledger.state)
                for duty in self._beside if may_act else ():
                    duty(self._at_node.ledger.state)
                self._at_node.send(self._anchoring.due(self._at_node.ledger.state))
                self._store.look(self._at_node.ledger.state, is_missed=bool(self._at_node.hospital.agent.troubles))
            except (DamagedStateError, DamagedBlockError):
                raise  # waiting mends neither
            except LedgerError as error:  # the node is away, starting, rebuilding its state, or was put back
                self._is_current = False
                self._log.lasts(NODE, str(error))
                stop.wait(self._away.pause())
                continue
            self._away.succeeded()
            self._tell_troubles()
            if not busy:
                stop.wait(_IDLE_SECONDS)

    def _may_act(self) -> bool | None:
        """True with the keys that the ledger knows and a shared store; None once the right ones are to be read."""
        ledger = self._at_node.ledger
        if NODE in self._log.subjects():
            connected(self._folder, patience_seconds=0).close()
        if NODE in self._log.subjects() or KEYS in self._log.subjects():
            ledger.produce_block()  # first see whether the node is whole, and what came meanwhile
        if not (trouble := self._keys.trouble(ledger.state)):
            self._log.ended(KEYS, "the agent's keys are the ledger's again")
            if self._store.was_named():
                return None
            return self._store.is_shared(ledger.state) and self._has_caught_up()
        if self._keys.has_new_keys(ledger.state):
            self._log.ended(KEYS)
            self._log.tell("the hospital's keys were replaced: the agent takes up the new ones")
            return None
        if KEYS not in self._log.subjects():
            note(self._folder, Event(Kind.ALARM, "keys", role=AGENT))
        self._log.lasts(KEYS, trouble)
        return False

    def _has_caught_up(self) -> bool:
        """Whether the node has what the others decided while it did not run: what was allowed then may be over."""
        if not self._is_current:
            self._is_current = not catches_up(self._folder)
            if self._is_current:
                self._log.ended(BLOCKS, "the node has the others' blocks")
            else:
                self._log.lasts(
                    BLOCKS, "the node fetches blocks that the others have: the agent waits", _PASSING_SECONDS
                )
                self._at_node.catch_up()
        return self._is_current

    def _tell_troubles(self) -> None:
        """Say what happened, what holds studies up, and what holds them up no more."""
        hospital = self._at_node.hospital
        agent = hospital.agent
        while agent.news:
            self._log.tell(agent.news.pop(0))
        for study, reason in agent.refusals.items():
            if self._told.get(study) != reason:
                self._log.tell(f"study {study}: this hospital takes no part: {reason}")
                note(hospital.folder, Event(Kind.ACCESS_DENIED, "study", study, role=AGENT, outcome="refused"))
        for study, reason in agent.troubles.items():
            self._log.lasts(f"trouble of {study}", f"study {study}: {reason}", _PASSING_SECONDS)
        for study in self._told.keys() - agent.troubles.keys() - agent.refusals.keys():
            self._log.ended(f"trouble of {study}", f"study {study}: it goes on")
        self._told.clear()
        self._told.update(agent.troubles | agent.refusals)
