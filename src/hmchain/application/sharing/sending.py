"""Send records of a dataset version to another hospital, under whatever warrants it.

Ciphertext goes as it is, under its own name, into the store that members share; then the manifest; then the ledger is
told; and last of all the envelope, without which nothing of it opens. Before each page of keys, and again before the
envelope, the warrant is asked of the hospital's own verified state. What was cut short goes on: a page that lies there
with all that it gives is not made again, and an object that lies there is not sent again.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass, replace

import msgspec

from hmchain.application.data.received import Act, require_own
from hmchain.application.data.registered import require_as_registered, require_whole
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.sharing import copying, decoys
from hmchain.application.sharing.giving_book import Entry, GivenPage, GivingBook
from hmchain.application.sharing.locks import alone, answering
from hmchain.application.sharing.manifest import (
    EMERGENCY_UNIT,
    PAGE_PLACES,
    Described,
    Given,
    Head,
    ManifestError,
    Origin,
    Page,
    Sealed,
    Terms,
    Withheld,
    is_wrapped_to,
    seal_head,
    seal_page,
    wrap,
)
from hmchain.application.sharing.warrant import NotPermittedError, Warrant
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import HospitalFolder, Records, read_records
from hmchain.application.site.keyring import local_key
from hmchain.canonical import PADDED_BYTES, digest
from hmchain.errors import InputError
from hmchain.keys import SecretKey, WrappingPublicKey
from hmchain.ledger.context import is_name
from hmchain.ledger.contracts.data import datasets, transfers
from hmchain.ledger.contracts.members import membership
from hmchain.plain import Progress, tell
from hmchain.records.catalogue import RecordEntry, Version
from hmchain.records.objects import ObjectStore, address_of
from hmchain.records.vault import Seat

_NAME_MAX = 48


class NothingToGiveError(InputError):
    """A version has no record that may be given under a request."""

    code = "nothing_to_give"


class TransferNameError(InputError):
    """A transfer cannot have this name."""

    code = "transfer_name"


@dataclass(frozen=True)
class GivenRecords:
    """A transfer that its grantee can open."""

    transfer: str
    grantee: str
    dataset: str
    version: int
    records: int
    withheld: int
    """Records of the version that are not among them."""
    bytes: int
    """Of ciphertext."""
    sent: int
    """Of these, what went into the store by this call: the rest lay there."""
    until_ms: int


def send(
    place: HospitalFolder,
    sender: LedgerUser,
    objects: ObjectStore,
    warrant: Warrant,
    role: str,
    *,
    name: str = "",
    passphrase: str | None = None,
    progress: Progress | None = None,
) -> GivenRecords:
    """Send what a warrant lets go; the same call goes on where one was cut short. `role` is the sender's.

    `progress` is told of bytes. Raises `NotPermittedError` as soon as the warrant does not hold any more,
    `NothingToGiveError`, `GivingError` while another process gives, `ChangedDatasetError`, `ErasedVersionError`, what
    the ledger refuses, or an error of a store or the vault.
    """
    local = local_key(place.keys, passphrase)
    what = What.BREAK_GLASS if warrant.in_emergency else What.GRANT
    deed = Deed(what, role=role, dataset=warrant.dataset, version=warrant.version, where="members")
    with (
        answering(place) if warrant.in_emergency else alone(place),
        read_records(place, passphrase) as records,
        closing(GivingBook(place.giving, local)) as book,
        recorded(place.activity, deed) as recording,
    ):
        given = _Sending(records, book, sender, objects, warrant, name, progress).run()
        recording.add(records=given.records, bytes=given.bytes)
    return given


class _Sending:
    """One run of a transfer."""

    def __init__(
        self,
        records: Records,
        book: GivingBook,
        sender: LedgerUser,
        objects: ObjectStore,
        warrant: Warrant,
        name: str,
        progress: Progress | None,
    ) -> None:
        self._records, self._book, self._sender, self._objects = records, book, sender, objects
        self._warrant, self._progress = warrant, progress
        self._version = _version(records, sender, warrant)
        self._terms = self._begun(name)
        self._sent = self._done = 0

    def run(self) -> GivenRecords:
        """Do all that is left of it; of one that is done, mend what the store has lost of its records."""
        if self._entry.done:
            self._mend()
        elif transfers.transfer(self._sender.state, self._terms.name) is None:
            self._seal()
        if not self._entry.done:
            self._tell_ledger()
            self._release()
        pages, warrant = self._book.pages(self._terms.name), self._warrant
        records, given = sum(page.records for page in pages), sum(page.bytes for page in pages)
        withheld = self._version.records - records
        return GivenRecords(
            self._terms.name, warrant.grantee, warrant.dataset, warrant.version, records, withheld, given, self._sent,
            self._terms.until_ms,
        )  # fmt: skip

    @property
    def _entry(self) -> Entry:
        found = self._book.entry(self._terms.name)
        assert found is not None, "it was begun"
        return found

    @property
    def _unit(self) -> int:
        return EMERGENCY_UNIT if self._warrant.in_emergency else PADDED_BYTES

    def _begun(self, name: str) -> Terms:
        """The terms of the transfer that was cut short, or of a new one."""
        warrant, user = self._warrant, self._sender
        terms = Terms(
            user.ledger.genesis.first_chain, name, user.organisation, warrant.grantee, warrant.dataset, warrant.version,
            warrant.purpose, warrant.until_ms, warrant.permit,
        )  # fmt: skip
        before = self._book.begun(terms, warrant.cause, name)
        if before is not None and not self._is_known(before.name):
            self._require_unclaimed(before.name)
        if before is not None and self._has_lapsed(before):
            terms = replace(terms, name=before.name)
            self._book.renew(terms)
            return terms
        if before is not None:
            return replace(terms, name=before.name, until_ms=before.until_ms)
        if name and (not is_name(name) or not self._is_free(name)):
            hint = "give another one of up to 48 letters a-z, digits, '.', '_' and '-': --transfer NAME"
            raise TransferNameError(f"{name!r} cannot name a new transfer, or names one already", hint)
        terms = replace(terms, name=name or self._free_name())
        self._book.begin(terms, warrant.cause)
        return terms

    def _has_lapsed(self, before: Entry) -> bool:
        """Whether a transfer was cut short for so long that its days are over before anybody was told of it."""
        return not (before.done or self._is_known(before.name)) and before.until_ms <= self._sender.ledger.now_ms()

    def _is_known(self, name: str) -> bool:
        """Whether the ledger has a transfer of this hospital by a name."""
        found = transfers.transfer(self._sender.state, name)
        return found is not None and found.giver == self._sender.organisation

    def _require_unclaimed(self, name: str) -> None:
        """Raise `TransferNameError` if somebody else took the name on the ledger since this transfer was begun."""
        if not (self._warrant.in_emergency or transfers.is_free(self._sender.state, name)):
            what = f"{name} names something else on the ledger since it was begun here"
            raise TransferNameError(what, f"clear the store: `hmchain share erase {name}`, and give it anew")

    def _free_name(self) -> str:
        """A name after request and giver that no transfer has."""
        base = f"{self._warrant.cause}-{self._sender.organisation}"[: _NAME_MAX - 4].rstrip(".-_")
        number, found = 1, base
        while not self._is_free(found):
            number += 1
            found = f"{base}-{number}"
        return found

    def _is_free(self, name: str) -> bool:
        """Of an emergency it is kept for its answer."""
        if self._book.entry(name) is not None:
            return False
        return self._warrant.in_emergency or transfers.is_free(self._sender.state, name)

    def _require_permit(self) -> None:
        """Raise `NotPermittedError` unless the hospital's own state allows it now."""
        warrant, user = self._warrant, self._sender
        if not warrant.holds(user.state, user.ledger.now_ms()):
            what = f"{warrant.cause} does not allow this transfer any more: no further key leaves"
            raise NotPermittedError(what, f"what is left of it in the store: `hmchain share erase {self._terms.name}`")

    # Pages, head and envelope

    def _seal(self) -> None:
        """Send all that is given, the manifest with it; make the envelope and keep it here."""
        key = self._book.key(self._terms)
        while self._send_pages(key):  # until nobody took a record back meanwhile
            pass
        pages = self._book.pages(self._terms.name)
        given = sum(page.records for page in pages)
        warrant = self._warrant
        if not given and not warrant.in_emergency:
            what = f"no record of {warrant.dataset} version {warrant.version} may be given"
            hint = "see which kinds of records are asked for, and who consents"
            raise NothingToGiveError(what, hint)
        root = self._records.vault.handing.root_key(warrant.dataset, warrant.version)
        self._require_permit()
        likened = self._send_decoys() if not given else ()
        head = Head(
            self._terms.digest, self._origin(), root, given, sum(page.bytes for page in pages),
            tuple(page.ref for page in pages), likened,
        )  # fmt: skip
        sealed = seal_head(head, self._terms, key, self._unit)
        self._put(sealed)
        if self._entry.manifest == sealed.address and self._is_for_the_grantee_s_key():
            return  # its envelope may be on its way to a block
        envelope = wrap(sealed, self._terms, key, self._grantee_s_key())
        self._book.keep_envelope(self._terms.name, sealed, envelope)

    def _send_decoys(self) -> decoys.Refs:
        sought = self._warrant.sought
        return decoys.send(self._records, self._version, self._objects, self._book, self._terms.name, sought)

    def _grantee_s_key(self) -> WrappingPublicKey:
        grantee = membership.membership(self._sender.state, self._terms.grantee)
        assert grantee is not None, "a permit names a member"
        return grantee.member.wrapping

    def _is_for_the_grantee_s_key(self) -> bool:
        """Whether the envelope is for the key that the grantee has now: another one may have been stolen."""
        return is_wrapped_to(self._entry.envelope, self._grantee_s_key())

    def _send_pages(self, key: SecretKey) -> bool:
        """Send what is not there; tells whether anything was to be done."""
        warrant, handing = self._warrant, self._records.vault.handing
        chosen, before = warrant.chosen(self._records, self._version), self._book.pages(self._terms.name)
        after, number, busy, self._done = "", 0, False, 0
        while ids := handing.ids(warrant.dataset, warrant.version, after, PAGE_PLACES):
            which = _which(ids, chosen)
            if number < len(before) and (before[number].last, before[number].chosen) == (ids[-1], which):
                self._tell(before[number].bytes)
            else:
                self._require_permit()
                seats = handing.page(warrant.dataset, warrant.version, after, PAGE_PLACES, chosen)
                self._send_page(number, seats, which, key)
                busy = True
            after, number = ids[-1], number + 1
        self._book.cut(self._terms.name, number)
        return busy

    def _send_page(self, number: int, seats: list[Seat], chosen: bytes, key: SecretKey) -> None:
        store, name = self._records.folder.store(), self._terms.name
        addresses = [seat.handed.ciphertext for seat in seats if seat.handed is not None]
        sizes = dict(zip(addresses, map(store.size, addresses), strict=True))
        lacking = copying.lacking(self._objects, sizes)
        self._book.send(name, sizes, lacking)
        self._objects.settle(sizes.keys() - lacking.keys())
        self._sent += copying.copy(store, self._objects, lacking)
        places = tuple(self._place(seat, sizes) for seat in seats)
        sealed = seal_page(Page(places), number, self._terms, key, self._unit)
        self._put(sealed)
        given = sum(sizes[address] for address in addresses)
        self._book.keep_page(name, GivenPage(number, seats[-1].record, chosen, sealed.ref, len(addresses), given))
        self._tell(given)

    def _mend(self) -> None:
        """Put back ciphertext that the store lost or altered; who reads it told so."""
        self._require_permit()
        self._require_usable()
        store, sent = self._records.folder.store(), self._book.sent(self._terms.name)
        own = dict(zip(sent, copying.sizes(store, sent), strict=True))
        broken = {address: size for address, size in own.items()
                  if size is not None and not copying.is_whole(self._objects, address)}  # fmt: skip
        self._sent += copying.copy(store, self._objects, broken)

    def _require_as_sealed(self) -> None:
        """Raise `NotPermittedError` if a record was taken back since its key was sealed: the envelope stays here."""
        handing, place, after = self._records.vault.handing, (self._warrant.dataset, self._warrant.version), ""
        chosen = self._warrant.chosen(self._records, self._version)
        for page in self._book.pages(self._terms.name):
            ids = handing.ids(*place, after, PAGE_PLACES)
            if not ids or (ids[-1], _which(ids, chosen)) != (page.last, page.chosen):
                what = f"a record of {self._terms.name} may not be given any more: its key does not leave"
                raise NotPermittedError(what, _anew(self._terms.name, "consent"))
            after = page.last

    def _place(self, seat: Seat, sizes: dict[bytes, int]) -> Given | Withheld:
        if seat.handed is None:
            return Withheld(seat.leaf)
        said = self._records.catalogue.record(self._warrant.dataset, self._warrant.version, seat.record)
        assert said is not None, "what is chosen is in the catalogue"
        return Given(seat.handed, sizes[seat.handed.ciphertext], _described(said))

    def _put(self, sealed: Sealed) -> None:
        self._book.send(self._terms.name, [sealed.address], [sealed.address])
        if copying.lacking(self._objects, {sealed.address: len(sealed.data)}):
            self._objects.put(sealed.data, address=sealed.address)
        else:
            self._objects.settle((sealed.address,))

    def _origin(self) -> Origin:
        catalogue, warrant = self._records.catalogue, self._warrant
        dataset = catalogue.dataset(warrant.dataset)
        assert dataset is not None, "a version belongs to a dataset"
        profile = msgspec.json.encode(dataset.profile, order="deterministic").decode()
        actions = (
            (each.element, each.done, each.count) for each in catalogue.actions(warrant.dataset, warrant.version)
        )
        return Origin(dataset.title, profile, dataset.schema, dataset.form, self._version.source, tuple(actions))

    def _tell(self, count: int) -> None:
        self._done += count
        tell(self._progress, self._done, max(self._version.size, self._done))

    # Ledger, then key

    def _tell_ledger(self) -> None:
        """Have the ledger say what is given, unless it does."""
        entry, terms = self._entry, self._terms
        known = transfers.transfer(self._sender.state, terms.name)
        if known is None:
            self._require_permit()
            self._sender.send(self._warrant.announce(terms, entry.manifest, _address(entry)))
        elif (known.manifest, known.envelope) != (entry.manifest, _address(entry)):
            what = f"the ledger names something else as {terms.name} than what lies ready here"
            raise ManifestError(what, "give it anew under another name: --transfer NAME")

    def _release(self) -> None:
        """Put the envelope where the grantee finds it, if the grant is in force."""
        entry = self._entry
        self._require_as_sealed()
        self._require_permit()
        if not self._is_for_the_grantee_s_key():
            what = f"{self._terms.grantee} has another key since {entry.name} was sealed: its key does not leave"
            raise NotPermittedError(what, _anew(entry.name, "security"))
        self._require_usable()
        self._objects.put(entry.envelope)
        self._book.finish(entry.name)

    def _require_usable(self) -> None:
        user, name = self._sender, self._terms.name
        said = transfers.require_transfer(user.state, name)
        if not transfers.is_usable(user.state, said, user.ledger.now_ms()):
            hint = f"clear the store: `hmchain share erase {name}`, and give it anew"
            raise NotPermittedError(f"{name} is over: nothing more of it leaves", hint)


def _version(records: Records, sender: LedgerUser, warrant: Warrant) -> Version:
    """The version that is asked for, as it was published."""
    require_own(records, warrant.dataset, Act.FORWARD)
    version = records.catalogue.version(warrant.dataset, warrant.version)
    require_as_registered(records, version)
    require_whole(version)
    published = datasets.version(sender.state, sender.organisation, warrant.dataset, warrant.version)
    if published is None or published.root != version.root:
        what = f"{warrant.dataset} version {warrant.version} is not what the ledger has under this name"
        raise ManifestError(what, "restore vault and catalogue from a backup, or publish a new version")
    return version


def _anew(name: str, reason: str) -> str:
    revoke, erase = f"`hmchain share revoke {name} --reason {reason}`", f"`hmchain share erase {name}`"
    return f"take it back: {revoke}, clear the store: {erase}, and give it anew"


def _which(ids: list[str], chosen: Collection[str]) -> bytes:
    """Which of a page's records are given, as a digest."""
    marked = (f"{'+' if each in chosen else '-'}{each}".encode() for each in ids)
    return digest("hmchain chosen records", *marked)


def _described(entry: RecordEntry) -> Described:
    pairs = tuple(sorted(entry.attributes.items()))
    return Described(entry.kind, entry.media_type, entry.size, entry.label, pairs)


def _address(entry: Entry) -> bytes:
    return address_of(entry.envelope)
