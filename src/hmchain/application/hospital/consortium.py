"""The hospitals that one process runs: folders of their own, a ledger, one object store.

Their agents step side by side in threads and meet only on the ledger and in the store. On the embedded engine that is a
whole consortium on one machine; on CometBFT it is a trial, whose nodes run in the same hands.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hmchain.application.hospital.founding import founding, hospital_folder, load_keys, make_keys, validator_keys
from hmchain.application.hospital.hospital import Hospital, Learn
from hmchain.application.hospital.learner import cnn_learner
from hmchain.application.hospital.study_end import is_finished
from hmchain.application.site.keyring import Keyring
from hmchain.application.site.run import RunFolder
from hmchain.clock import now_ms
from hmchain.errors import StudyError
from hmchain.keys import SecretKey
from hmchain.ledger.blocks import BlockResult
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.engines.embedded import EmbeddedLedger
from hmchain.ledger.engines.ledger import Ledger, OnBlock, OwnNode, offer, require, submit
from hmchain.records.objects import ObjectStore

_IDLE_SECONDS = 0.02
_PATIENCE_SECONDS = 5.0


class Consortium:
    """Hospitals in one folder, their ledger and the object store that they share."""

    def __init__(
        self,
        directory: Path,
        ledger: Ledger,
        keys: Mapping[str, Keyring],
        learn: Learn = cnn_learner,
    ) -> None:
        self.directory = directory
        self.ledger = ledger
        run = RunFolder(directory)
        self.objects = ObjectStore.directory(run.objects)
        relay = ObjectStore.directory(run.objects, durable=False)  # for what need not survive a power cut
        self.hospitals = {
            name: Hospital(hospital_folder(directory, name), keyring, self.objects, OwnNode(ledger, name), learn, relay)
            for name, keyring in sorted(keys.items())
        }
        self.asleep: set[str] = set()
        """Hospitals whose machines are down: their agents do nothing."""
        self.on_block: OnBlock = lambda block, result: None
        self.before_step: Callable[[], None] = lambda: None
        self._pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="agent")

    @classmethod
    def create(
        cls,
        directory: Path,
        name: str,
        titles: Mapping[str, str],
        *,
        passphrase: str | None = None,
        parameters: Parameters | None = None,
        salt: bytes | None = None,
        clock_ms: Callable[[], int] = now_ms,
        learn: Learn = cnn_learner,
    ) -> Consortium:
        """Found a consortium of the organisations in `titles` (name to title).

        `learn` makes the hospitals' learners (see `hospital.Learn`); tests and simulations pass their own, as they do
        with `clock_ms`.
        """
        keys = make_keys(directory, titles, passphrase)
        genesis = founding(name, titles, keys, clock_ms(), parameters, salt)
        place = RunFolder(directory).own_ledger
        ledger = EmbeddedLedger.create(place, genesis, validator_keys(keys), clock_ms=clock_ms)
        return cls(directory, ledger, keys, learn)

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        passphrase: str | None = None,
        clock_ms: Callable[[], int] = now_ms,
        learn: Learn = cnn_learner,
    ) -> Consortium:
        """Open a consortium again. Raises `LedgerError` or `KeyMaterialError` if its folder is not whole."""
        keys = load_keys(directory, passphrase)
        ledger = EmbeddedLedger(RunFolder(directory).own_ledger, validator_keys(keys), clock_ms=clock_ms)
        return cls(directory, ledger, keys, learn)

    def study_key(self, study: str) -> SecretKey:
        """The key of a study's objects, as any participant holds it. Raises `StudyError` before pairs are agreed."""
        keys = (hospital.agent.study_key(study) for hospital in self.hospitals.values())
        found = next((key for key in keys if key is not None), None)
        if found is None:
            raise StudyError(f"study {study} has no key yet", "it has one once all participants have joined")
        return found

    def submit(self, *wires: bytes) -> list[str]:
        """Put transactions into the next block and return their receipt codes, in order."""
        return submit(self.ledger, wires, self.on_block)

    def require(self, *wires: bytes) -> None:
        """As `submit`, and raise `RefusedTransactionError` unless all succeed."""
        require(self.ledger, wires, self.on_block)

    def anchor_logs(self) -> None:
        """Anchor each hospital's log of security events as it is now."""
        self.require(*(wire for hospital in self.hospitals.values() for wire in hospital.log_anchor()))

    def produce_block(self) -> BlockResult | None:
        """Decide a block of what waits and tell `on_block`."""
        decided = self.ledger.produce_block()
        if decided is None:
            return None
        self.on_block(*decided)
        return decided[1]

    def step(self) -> bool:
        """Let every agent act once and decide a block; False if nobody had anything to do.

        What the ledger does not even queue (of a member that was removed, say) is dropped: an agent asks the state anew
        at every step. An agent whose own node is behind waits: it would only do again what is done.
        """
        self.before_step()
        agents = [hospital.agent for name, hospital in self.hospitals.items() if self._is_up_to_date(name)]
        list(self._pool.map(lambda agent: agent.publish(), agents))
        wires = [wire for found in self._pool.map(lambda agent: agent.step(), agents) for wire in found]
        return offer(self.ledger, wires, self.on_block)

    def run(self, study: str) -> None:
        """Step until a study is finished. Raises `StudyPausedError` if it pauses, is refused or is unknown."""
        while not is_finished(self.ledger.state, study):
            if not self.step():
                time.sleep(_IDLE_SECONDS)
        self._wait_for_nodes()
        self.step()  # every agent sees that it is over, and erases the secrets of the last round

    def _is_up_to_date(self, name: str) -> bool:
        """True if a hospital's agent runs, and its own node has the blocks that are known here."""
        return name not in self.asleep and self.ledger.state_of(name).height >= self.ledger.state.height

    def _wait_for_nodes(self) -> None:
        """Give nodes that are a little behind some time."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        awake = [name for name in self.hospitals if name not in self.asleep]
        while not all(map(self._is_up_to_date, awake)) and time.monotonic() < deadline:
            time.sleep(_IDLE_SECONDS)
            self.produce_block()

    def close(self) -> None:
        """Close every file."""
        self._pool.shutdown()
        for hospital in self.hospitals.values():
            hospital.close()
        self.ledger.close()

    def __enter__(self) -> Consortium:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
