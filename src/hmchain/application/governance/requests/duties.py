"""What is owed for the use of data: shown to be done by who used it, confirmed by the hospital that gave it."""

from __future__ import annotations

from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.requests.applying import circle, view
from hmchain.application.governance.requests.decisions import remark
from hmchain.application.governance.requests.documents import Document, Documents, readers_of
from hmchain.errors import StudyError
from hmchain.ledger.contracts.data import obligations, requests
from hmchain.ledger.contracts.data.obligations import (
    ConfirmDuty,
    ContestDuty,
    Obligation,
    ShowDuty,
    Status,
    WaiveDuty,
)
from hmchain.ledger.readers.requests import RequestView, require_request


class NoSuchDutyError(StudyError):
    """Nothing of this kind is owed for a request, or not so far."""

    code = "no_duty"


def fulfil(user: LedgerUser, papers: Documents, name: str, duty: str, evidence: Document) -> RequestView:
    """Show all hospitals to which it is owed that a duty was done, also those that the last version asks no more.

    Raises `NoSuchDutyError`.
    """
    entry = require_request(user.state, name)
    content = requests.latest(user.state, entry)
    hospitals = requests.ever_asked(user.state, name)
    owed = [each for hospital in hospitals for each in _owed(user, hospital, name, duty) if each.status is Status.OPEN]
    _require(owed, name, duty, "is open")
    organisations = circle(user.state, entry, content) | {each.organisation for each in owed}
    digest = papers.put(user.ledger.chain_id, name, evidence, readers_of(user.state, organisations))
    user.send(*(ShowDuty(name, each.organisation, each.dataset, duty, digest) for each in owed))
    return view(user, name)


def confirm(user: LedgerUser, name: str, duty: str, dataset: str = "") -> RequestView:
    """Steward: what was shown does."""
    shown = _shown(user, name, duty, dataset)
    user.send(*(ConfirmDuty(name, each.dataset, duty, each.evidence) for each in shown))
    return view(user, name)


def contest(
    user: LedgerUser, papers: Documents, name: str, duty: str, letter: str = "", dataset: str = ""
) -> RequestView:
    """Steward: what was shown does not do; it is owed as before. A letter says why, beside the request."""
    contested = [ContestDuty(name, each.dataset, duty, each.evidence) for each in _shown(user, name, duty, dataset)]
    user.send(*contested, *remark(user, papers, name, letter))
    return view(user, name)


def waive(user: LedgerUser, name: str, duty: str, dataset: str = "") -> RequestView:
    """Steward: it is not asked for any more."""
    owed = _require(_owed(user, user.organisation, name, duty, dataset), name, duty, "is owed here")
    user.send(*(WaiveDuty(name, each.dataset, duty) for each in owed))
    return view(user, name)


def _shown(user: LedgerUser, name: str, duty: str, dataset: str) -> list[Obligation]:
    found = _owed(user, user.organisation, name, duty, dataset)
    return _require([each for each in found if each.status is Status.SHOWN], name, duty, "was shown here")


def _owed(user: LedgerUser, hospital: str, name: str, duty: str, dataset: str = "") -> list[Obligation]:
    require_request(user.state, name)
    found = obligations.obligations(user.state, hospital, name)
    return [
        each
        for each in found
        if each.kind == duty and each.dataset == (dataset or each.dataset) and each.is_owed(user.ledger.now_ms())
    ]


def _require(found: list[Obligation], name: str, duty: str, what: str) -> list[Obligation]:
    if not found:
        raise NoSuchDutyError(f"no {duty} of {name} {what}", f"`hmchain request show {name}` has what is owed")
    return found
