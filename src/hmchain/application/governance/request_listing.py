"""Requests in a list: as this hospital's people see them, with titles where those can be read here."""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.application.governance.documents import Documents
from hmchain.application.governance.request_reading import RequestInWords, in_words, titled
from hmchain.ledger.readers import requests as reader
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.requests import RequestView


@dataclass(frozen=True)
class ListedRequest:
    """A request in a list."""

    view: RequestView
    title: str


def listed(
    ledger: LedgerReader, organisation: str, papers: Documents | None, *, over: bool = True
) -> list[ListedRequest]:
    """The requests that an organisation's people ask or are asked; of a ledger alone all of them."""
    found = reader.requests_of(ledger.verified.state, organisation, over=over)
    return [ListedRequest(view, titled(papers, ledger.genesis.chain_id, view)) for view in found]


def shown(ledger: LedgerReader, name: str, papers: Documents | None) -> RequestInWords:
    """One request, with all that this hospital may read. Raises `UnknownRequestError`."""
    state = ledger.verified.state
    return in_words(papers, ledger.genesis.chain_id, state, reader.request(state, name))
