"""The agent of a running node, as a process of its own: it takes part in studies until it is told to stop."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from hmchain.application.hospital.hospital import Hospital, Learn
from hmchain.application.hospital.learner import cnn_learner
from hmchain.application.hospital.node_hospital import NodeHospital
from hmchain.application.models.leaving import Leaver
from hmchain.application.node.opening import open_hospital
from hmchain.application.node.stopping import stopping
from hmchain.application.site.node import NodeFolder
from hmchain.clock import Backoff
from hmchain.errors import LedgerError
from hmchain.ledger.engines.block_store import BlockStoreError
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError
from hmchain.ledger.readers.follower import UnsignedError
from hmchain.ledger.readers.logs import DamagedBlockError
from hmchain.ledger.readers.states import DamagedStateError, NoStateError, StaleStateError
from hmchain.ledger.state import StateError
from hmchain.plain import Say

_IDLE_SECONDS = 0.25
_AWAY_SECONDS = (1.0, 30.0)
"""Between two attempts to reach a node that is away, the first pause and the longest."""


@dataclass(frozen=True)
class AgentRun:
    """The end of an agent's run."""

    organisation: str
    held_up: dict[str, str]
    """Studies that wait for something, or in which the agent takes no part, with the reason."""


def run_agent(folder: NodeFolder, passphrase: str | None, say: Say, learn: Learn = cnn_learner) -> AgentRun:
    """Act for a hospital until SIGTERM or SIGINT; a step that has begun is finished first.

    A node that is away, at the start or later, is waited for. Raises what else `open_hospital` raises, and
    `DamagedStateError` or `DamagedBlockError` if the node shows something else than its members decided.
    """
    with stopping() as stop:
        opened = _opened(folder, passphrase, learn, say, stop)
        return AgentRun(folder.settings().organisation, {}) if opened is None else _act(opened, say, stop)


_NOT_YET = (
    NoEndpointError, StateError, NoStateError, DamagedStateError, StaleStateError, BlockStoreError, UnsignedError
)  # fmt: skip
"""The node is away, has no block yet, or makes its state anew."""


def _opened(
    folder: NodeFolder, passphrase: str | None, learn: Learn, say: Say, stop: threading.Event
) -> NodeHospital | None:
    """The hospital, once its node answers; None if that is no longer wanted."""
    away = Backoff(*_AWAY_SECONDS)
    while not stop.is_set():
        try:
            return open_hospital(folder, passphrase=passphrase, learn=learn, patience_seconds=0)
        except _NOT_YET as error:
            say(f"waiting for the node: {error}")
            stop.wait(away.pause())
    return None


def _act(at_node: NodeHospital, say: Say, stop: threading.Event) -> AgentRun:
    with at_node:
        name = at_node.hospital.organisation
        say(f"the agent of {name} acts in {at_node.ledger.chain_id}")
        leaver = Leaver(at_node.hospital.folder, at_node.hospital.agent, at_node.ledger.genesis, say)
        away = Backoff(*_AWAY_SECONDS)
        told: dict[str, str] = {}
        while not stop.is_set():
            try:
                busy = at_node.step()
                leaver.leave(at_node.ledger.state)
            except (DamagedStateError, DamagedBlockError):
                raise  # waiting mends neither
            except LedgerError as error:  # the node is away, starting, or rebuilding its state
                say(str(error))
                stop.wait(away.pause())
                continue
            away.succeeded()
            told = _tell_news(at_node.hospital, told, say)
            if not busy:
                stop.wait(_IDLE_SECONDS)
        say(f"the agent of {name} has stopped")
        return AgentRun(name, told)


def _tell_news(hospital: Hospital, told: dict[str, str], say: Say) -> dict[str, str]:
    """Say what holds studies up, once each."""
    news = {**hospital.agent.troubles, **hospital.agent.refusals}
    for study, reason in news.items():
        if told.get(study) != reason:
            say(f"study {study}: {reason}")
    return news
