"""What a study may take of this hospital's machine: asked for in its request, counted in the agent's own file."""

from __future__ import annotations

from hmchain.application.agent.store import AgentStore
from hmchain.application.learning.trainers.allowance import NOTHING, Allowance, Used
from hmchain.ledger.contracts.data import requests
from hmchain.ledger.contracts.data.requests import Resources
from hmchain.ledger.contracts.learning import permitted
from hmchain.ledger.contracts.learning.studies import StudySpec
from hmchain.ledger.state import State


def asked_for(state: State, spec: StudySpec) -> Resources | None:
    """What was asked for of each machine; None for a study from before requests."""
    found = permitted.under(state, spec.digest)
    request = None if found is None else requests.request(state, found.request)
    content = None if request is None else requests.content(state, request.name, request.version)
    return None if content is None else content.resources


def opened(store: AgentStore, state: State, spec: StudySpec) -> Allowance:
    """A study's allowance, with what was counted by agents before this one."""
    name = f"{spec.name}/used"

    def keep(used: Used) -> None:
        """An end is on the disk at once: an agent that memory ran out for must not begin again."""
        (store.put if used.over else store.note)(name, used)

    return Allowance(asked_for(state, spec), store.get(name, Used) or NOTHING, keep)
