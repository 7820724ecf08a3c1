"""Lists of requests, and of what waits for a hospital's people, with titles where those can be read here."""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.application.governance import transfers
from hmchain.application.governance.confirmations import to_confirm
from hmchain.application.governance.delegate import NoSuchPersonError
from hmchain.application.governance.requests.documents import Documents
from hmchain.application.governance.requests.reading import titled
from hmchain.ledger.contracts.members import people
from hmchain.ledger.contracts.members.people import OFFICES
from hmchain.ledger.readers import incidents, request_steps
from hmchain.ledger.readers import requests as reader
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.request_steps import Todo
from hmchain.ledger.readers.requests import RequestView
from hmchain.ledger.readers.views import Views
from hmchain.ledger.state import State


@dataclass(frozen=True)
class ListedRequest:
    """A request in a list."""

    view: RequestView
    title: str


@dataclass(frozen=True)
class Waiting:
    """A thing to do."""

    todo: Todo
    title: str
    """Of the request; empty where it is about none."""


def listed(
    ledger: LedgerReader, organisation: str, papers: Documents | None, *, over: bool = True
) -> Views[ListedRequest]:
    """The requests that an organisation's people ask or are asked; of a ledger alone all of them."""
    found = reader.requests_of(ledger.verified.state, organisation, over=over)
    return Views(found, lambda view: ListedRequest(view, titled(papers, ledger.genesis.chain_id, view)))


def todos(state: State, organisation: str) -> tuple[Todo, ...]:
    """What waits for anybody of an organisation, each thing once with all who can do it: what is overdue first."""
    return state.made(("what waits", organisation), (), lambda: _todos(state, organisation))


def _todos(state: State, organisation: str) -> tuple[Todo, ...]:
    everything = (
        *request_steps.inbox_of(state, organisation),
        *transfers.to_do(state, organisation),
        *to_confirm(state, organisation),
        *incidents.todos(state, organisation),
    )
    return request_steps.in_order(everything)


def inbox(ledger: LedgerReader, organisation: str, papers: Documents | None, person: str = "") -> list[Waiting]:
    """What waits for anybody of an organisation, or for one person: what is overdue first.

    Beside requests, records that travel, incidents, and the policies and changes of its people that another person
    confirms.
    Raises `NoSuchPersonError`.
    """
    state, chain_id = ledger.verified.state, ledger.genesis.chain_id
    if person and person not in OFFICES and people.person(state, organisation, person) is None:
        raise NoSuchPersonError(f"{organisation} has no person {person!r}", "`hmchain people list` shows them")
    found = [each for each in todos(state, organisation) if not person or person in each.who]
    names = {todo.request for todo in found if todo.request}
    titles = {name: titled(papers, chain_id, reader.request(state, name)) for name in names}
    return [Waiting(todo, titles.get(todo.request, "")) for todo in found]
