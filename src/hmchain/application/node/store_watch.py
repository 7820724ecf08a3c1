"""What an agent can see of the store through which members exchange updates: that it serves, and whom it reaches.

Each agent leaves a mark there, an object that says whose it is. One agent cannot look into another's store, but whose
mark is missing in a study that runs has another one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from hmchain.application.node.agent_log import AgentLog
from hmchain.application.site.node import NodeFolder
from hmchain.errors import HMChainError
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.learning.studies import Status, Study
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.state import State
from hmchain.records.objects import ObjectStore, address_of

STORE = "the object store"
AGAIN_SECONDS = 5.0
"""Between two questions to a store that does not serve, or that studies miss something of."""
OWN = (
    "objects in node.toml names this node's own folder, which the others cannot reach: set objects = "
    '"s3://BUCKET/PREFIX", or a directory that all members share; until then the agent takes part in no study'
)


class StoreWatch:
    """Looks at the store for one agent, and tells its log."""

    def __init__(
        self,
        folder: NodeFolder,
        objects: ObjectStore,
        chain_id: str,
        log: AgentLog,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._objects, self._chain_id, self._log, self._seconds = folder, objects, chain_id, log, seconds
        self._organisation = folder.settings().organisation
        self._is_own = not folder.settings().objects
        self._seen: set[str] = set()
        """Studies of whose participants all marks were seen."""
        self._next = seconds()
        self._is_fresh = True

    def is_shared(self, state: State) -> bool:
        """True unless the store is this node's own folder while there are other members; tells that it is."""
        if self._is_own and len(membership.active_members(state)) > 1:
            self._log.lasts(STORE, OWN)
            return False
        return True

    def was_named(self) -> bool:
        """True once `node.toml` names a store in place of the node's own folder."""
        return self._is_own and bool(self._folder.settings().objects)

    def look(self, state: State, *, is_missed: bool) -> None:
        """See that the store can be written and read, at first and while it cannot or `is_missed`, and whom it reaches.

        Of a study that runs everybody's agent has been at work, and has left its mark.
        """
        if self._seconds() < self._next:
            return
        found = (studies.study(state, name) for name in studies.open_studies(state, self._organisation))
        running = [study for study in found if study is not None and study.status is Status.RUNNING]
        unseen = [study for study in running if study.spec.name not in self._seen]
        if not (self._is_fresh or is_missed or unseen):
            return
        self._next = self._seconds() + AGAIN_SECONDS
        try:
            self._serve()
            for study in unseen:
                self._tell_strangers(study)
        except HMChainError as error:
            self._log.lasts(STORE, f"the object store cannot be used: {error}")
            self._is_fresh = True
        else:
            self._log.ended(STORE, "the object store answers again")
            self._is_fresh = False

    def _serve(self) -> None:
        """Write the own mark and read it. Raises what the store raises."""
        mark = _mark(self._organisation, self._chain_id)
        self._objects.get(self._objects.put(mark), size=len(mark))

    def _tell_strangers(self, study: Study) -> None:
        """Tell of whose agent the store shows nothing."""
        subject = f"marks of {study.spec.name}"
        strangers = self._without_mark(study.spec.participants)
        if strangers:
            what = f"the object store shows nothing of the agents of {', '.join(strangers)}"
            hint = "every member's node.toml must name the same store: compare objects and objects_endpoint"
            self._log.lasts(subject, f"study {study.spec.name}: {what} ({hint})")
        else:
            self._seen.add(study.spec.name)
            self._log.ended(subject, f"study {study.spec.name}: all of its agents use this store,")

    def _without_mark(self, organisations: Sequence[str]) -> list[str]:
        addresses = {name: address_of(_mark(name, self._chain_id)) for name in organisations}
        return [name for name, address in addresses.items() if not self._objects.exists(address)]


def _mark(organisation: str, chain_id: str) -> bytes:
    return f"hmchain: the agent of {organisation} in {chain_id} writes here\n".encode()
