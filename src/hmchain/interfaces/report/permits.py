"""What hospitals said to a study, or to the request for one: who asked, who decided, until when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hmchain.clock import utc
from hmchain.interfaces.report.parts import Approval, Decision, Returned
from hmchain.ledger.contracts.data import requests
from hmchain.ledger.readers import permissions
from hmchain.ledger.state import State

_DECISIONS: dict[str, Decision] = {"approved": "approved", "refused": "refused", "revoked": "revoked"}


def decisions(state: State, study: str, told: Mapping[tuple[str, str], tuple[int, bytes]]) -> list[Approval]:
    """What has been decided; `told` is the block and the transaction of each, by study and hospital."""
    found = []
    for word in permissions.words_on(state, study):
        if word.decision not in _DECISIONS:
            continue
        height, transaction = told.get((study, word.organisation), (None, b""))
        entry = requests.request(state, word.request) if word.request else None
        found.append(
            Approval(
                hospital=word.organisation,
                study=study,
                decision=_DECISIONS[word.decision],
                reason=word.reason,
                persons=word.persons,
                until=utc(word.until_ms)[:10] if word.is_given else "",
                asked_by=str(entry.applicant) if entry is not None else "",
                height=height,
                transaction=transaction.hex(),
            )
        )
    return found


def returned(state: State, study: str, told: Iterable[Returned]) -> list[Returned]:
    """When the request for a study was given back, and by whom; `told` is of all requests."""
    asked = {word.request for word in permissions.words_on(state, study)}
    return [each for each in told if each.request in asked]
