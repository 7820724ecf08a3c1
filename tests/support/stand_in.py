"""A request and what hospitals said to it, written as it is: until there are transactions for that."""

from __future__ import annotations

from hmchain.canonical import Record
from hmchain.ledger import contracts, protocols
from hmchain.ledger.context import Context
from hmchain.ledger.contracts.data import requests
from hmchain.ledger.contracts.data.requests import Content, Handling, Request, Submission
from hmchain.ledger.protocols import Rules


class StandIn(Record, frozen=True, tag="stand_in"):
    request: Request
    content: Content | None
    submission: Submission | None
    handlings: tuple[Handling, ...]


def _apply(context: Context, body: StandIn) -> None:
    entry, state = body.request, context.state
    requests.REQUESTS.put(state, entry, entry.name)
    if body.content is not None:
        requests.CONTENTS.put(state, body.content, entry.name, entry.version)
    if body.submission is not None:
        requests.SUBMISSIONS.put(state, body.submission, entry.name, entry.version)
    for word in body.handlings:
        requests.HANDLINGS.put(state, word, entry.name, entry.version, word.organisation, word.dataset)


protocols.KNOWN[3] = Rules(3, {**contracts.HANDLERS, StandIn: _apply})
