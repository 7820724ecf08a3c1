"""One hospital at its own node: what its agent and its people send goes through the node, and so does what they see."""

from __future__ import annotations

import time

from hmchain.application.hospital.hospital import Hospital
from hmchain.application.hospital.study_end import is_finished
from hmchain.ledger.engines.ledger import Ledger, offer, require

_IDLE_SECONDS = 0.02


class NodeHospital:
    """A hospital and the ledger as its node has it."""

    def __init__(self, hospital: Hospital, ledger: Ledger) -> None:
        self.hospital = hospital
        self.ledger = ledger

    def require(self, *wires: bytes) -> None:
        """Send transactions and wait for their block. Raises `RefusedTransactionError` unless all succeed."""
        require(self.ledger, wires)

    def step(self) -> bool:
        """Let the agent act once and wait for its block; False if nothing happened.

        A transaction that the node does not take is dropped: the agent asks the state anew at every step.
        """
        self.hospital.agent.publish()
        return offer(self.ledger, self.hospital.agent.step())

    def run(self, study: str) -> None:
        """Step until a study is finished. Raises `StudyPausedError` if it pauses, is refused or is unknown."""
        while not is_finished(self.ledger.state, study):
            if not self.step():
                time.sleep(_IDLE_SECONDS)
        self.step()  # the agent sees that it is over, and erases the secrets of the last round

    def close(self) -> None:
        """Close every file and connection."""
        self.hospital.close()
        self.ledger.close()

    def __enter__(self) -> NodeHospital:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
