"""One hospital at its own node: what its agent and its people send goes through the node, and so does what they see."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing

from hmchain.application.hospital.hospital import Hospital
from hmchain.application.hospital.study_end import is_finished
from hmchain.application.security.transactions import sent
from hmchain.ledger import contracts
from hmchain.ledger.context import AGENT
from hmchain.ledger.contracts.members.anchors import AnchorLog
from hmchain.ledger.engines.ledger import Ledger, offer, require, signed

_IDLE_SECONDS = 0.02


class NodeHospital:
    """A hospital and the ledger as its node has it."""

    def __init__(self, hospital: Hospital, ledger: Ledger, held: ExitStack | None = None) -> None:
        """What is `held` is released at the end."""
        self.hospital = hospital
        self.ledger = ledger
        self._held = held or ExitStack()

    def require(self, *wires: bytes) -> None:
        """Send transactions and wait for their block. Raises `RefusedTransactionError` unless all succeed."""
        require(self.ledger, wires)

    def step(self) -> bool:
        """Let the agent act once and wait for its block; False if nothing happened.

        It acts on all that its node has: while it trained, a permit may have been taken back. A transaction that the
        node does not take is dropped: the agent asks the state anew at every step.
        """
        has_moved = self.catch_up()
        self.hospital.read_descriptions()
        self.hospital.agent.publish()
        return offer(self.ledger, self.hospital.agent.step()) or has_moved

    def send(self, body: contracts.Body | None) -> None:
        """Have the agent send one thing more, if there is any; what the node does not take is dropped."""
        if body is not None:
            agent = self.hospital.agent
            wire = signed(agent.signer, agent.node, body, agent.random)
            if not isinstance(body, AnchorLog):  # an event for each anchor would want one itself
                sent(self.hospital.folder.activity, body, AGENT, wire)
            offer(self.ledger, [wire])

    def catch_up(self) -> bool:
        """Take in every block that the node has; False if there is none that is new."""
        has_moved = False
        while self.ledger.produce_block() is not None:
            has_moved = True
        return has_moved

    def run(self, study: str) -> None:
        """Step until a study is finished. Raises `StudyPausedError` if it pauses, is refused or is unknown."""
        while not is_finished(self.ledger.state, study):
            if not self.step():
                time.sleep(_IDLE_SECONDS)
        self.step()  # the agent sees that it is over, and erases the secrets of the last round

    def close(self) -> None:
        """Close every file and connection."""
        with self._held, closing(self.ledger), closing(self.hospital):
            pass

    def __enter__(self) -> NodeHospital:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
