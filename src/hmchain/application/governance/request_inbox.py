"""One list of what waits for a hospital's people, with the titles of the requests."""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.application.governance.documents import Documents
from hmchain.application.governance.request_reading import titled
from hmchain.ledger.readers import request_steps
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.request_steps import Todo
from hmchain.ledger.readers.requests import request


@dataclass(frozen=True)
class Waiting:
    """A thing to do."""

    todo: Todo
    title: str
    """Of the request."""


def inbox(ledger: LedgerReader, organisation: str, papers: Documents, person: str = "") -> list[Waiting]:
    """What waits for anybody of an organisation, or for one person: what is overdue first."""
    state, chain_id = ledger.verified.state, ledger.genesis.chain_id
    found = [each for each in request_steps.inbox_of(state, organisation) if not person or person in each.who]
    titles = {name: titled(papers, chain_id, request(state, name)) for name in {todo.request for todo in found}}
    return [Waiting(todo, titles[todo.request]) for todo in found]
