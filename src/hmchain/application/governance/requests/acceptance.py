"""The terms that a request's people are asked to keep to: who asks, what they say, and who has accepted them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.requests import licences
from hmchain.application.governance.requests.applying import me, view
from hmchain.application.governance.requests.documents import DocumentError
from hmchain.application.governance.requests.licences import Found, Licence, Wording
from hmchain.errors import InputError
from hmchain.ledger.contracts.data.applicants import AcceptLicences
from hmchain.ledger.readers import requests as reader
from hmchain.ledger.readers.requests import AskedTerms, RequestView
from hmchain.ledger.state import State
from hmchain.records.objects import ObjectStore


class UnreadTermsError(InputError):
    """Terms cannot be shown to whoever is to accept them."""

    code = "terms_unread"


@dataclass(frozen=True)
class TermsInWords:
    """Terms that hospitals ask for, as somebody reads them before accepting them."""

    asked: AskedTerms
    wording: Wording

    @property
    def is_lost(self) -> bool:
        """Whether nobody here can read them."""
        return self.wording.found is not Found.READ


def in_words(state: State, objects: ObjectStore, name: str) -> tuple[TermsInWords, ...]:
    """All terms of a request. Raises `UnknownRequestError`."""
    return tuple(TermsInWords(each, licences.wording(objects, each.digest)) for each in reader.terms(state, name))


def left(user: LedgerUser, objects: ObjectStore, name: str, own: Iterable[Path] = ()) -> tuple[TermsInWords, ...]:
    """The terms that this person has yet to accept, from files that the person has, or else the members' store.

    Raises `UnknownRequestError`, or `DocumentError` for a file that is none of them.
    """
    person = str(me(user))
    asked = {each.digest: each for each in reader.terms(user.state, name) if person in each.open_to}
    given = {each.digest: each for each in (_own(path, asked) for path in own)}
    return tuple(
        TermsInWords(each, licences.wording(objects, digest, given.get(digest))) for digest, each in asked.items()
    )


def _own(path: Path, asked: Iterable[bytes]) -> Licence:
    found = licences.named(str(path))
    if found.digest not in asked:
        what = f"{path} is none of the terms that are asked for"
        raise DocumentError(what, "ask the hospital for the very file: one changed letter makes another digest")
    return found


def require_read(terms: Iterable[TermsInWords], request: str) -> None:
    """Refuse to accept what nobody could be shown. Raises `UnreadTermsError`."""
    for each in terms:
        if each.is_lost:
            asked, digest = ", ".join(each.asked.by), each.asked.digest.hex()[:12]
            what = f"the terms {digest} of {asked} cannot be read: {each.wording.reason}"
            hint = f"ask them for the file: `hmchain request accept {request} FILE`; or add --unread"
            raise UnreadTermsError(what, hint)


def accept(user: LedgerUser, name: str, terms: Iterable[TermsInWords]) -> RequestView:
    """Accept these terms; where there are none, nothing is sent."""
    if digests := tuple(sorted(each.asked.digest for each in terms)):
        user.send(AcceptLicences(name, digests))
    return view(user, name)
