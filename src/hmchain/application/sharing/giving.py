"""Give the records of a dataset version to the applicant of a request, under its permit.

Ciphertext goes as it is, under its own name, into the store that members share; then the manifest; then the ledger is
told; and last of all the envelope, without which nothing of it opens. Before each page of keys, and again before the
envelope, the permit is asked of the hospital's own verified state. What was cut short goes on: a page that lies there
with all that it gives is not made again, and an object that lies there is not sent again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import msgspec

from hmchain import files
from hmchain.application.consent.usable import Use, UseKind, usable
from hmchain.application.data.received import Act, require_own
from hmchain.application.data.registered import require_as_registered, require_whole
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.sharing import copying
from hmchain.application.sharing.giving_book import Entry, GivenPage, GivingBook
from hmchain.application.sharing.manifest import (
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
    seal_head,
    seal_page,
    wrap,
)
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import HospitalFolder, Records, read_records
from hmchain.application.site.keyring import key_file
from hmchain.canonical import digest
from hmchain.clock import now_ms
from hmchain.errors import InputError
from hmchain.keys import SecretKey, load_key
from hmchain.ledger.context import STEWARD, is_name
from hmchain.ledger.contracts.data import datasets, permits, requests, transfers
from hmchain.ledger.contracts.data.requests import Content, Kind
from hmchain.ledger.contracts.data.transfers import GrantRecords, TransferPlan
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.purposes import is_use
from hmchain.ledger.reputation import DAY_MS
from hmchain.ledger.state import State
from hmchain.plain import Progress, tell
from hmchain.records.catalogue import RecordEntry, Version
from hmchain.records.consents.purposes import of_request
from hmchain.records.objects import ObjectStore, address_of
from hmchain.records.vault import Seat

_NAME_MAX = 48


class NotPermittedError(InputError):
    """No permit in force lets these records go."""

    code = "no_permit"


class NothingToGiveError(InputError):
    """A version has no record that may be given under a request."""

    code = "nothing_to_give"


class GivingError(InputError):
    """Another process gives records of this hospital."""

    code = "giving"


@dataclass(frozen=True)
class Asked:
    """What a request asks of one of a hospital's datasets, under a permit in force."""

    request: str
    content: Content
    plan: TransferPlan
    grantee: str
    dataset: str
    version: int
    purpose: str
    until_ms: int
    """So long it may be given, if it is given now."""


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


@dataclass(frozen=True)
class _Chosen:
    """Which records of a version are given."""

    records: Collection[str]

    def of(self, ids: list[str]) -> bytes:
        """Which of these are, as a digest."""
        marked = (f"{'+' if each in self.records else '-'}{each}".encode() for each in ids)
        return digest("hmchain chosen records", *marked)


def asked(state: State, giver: str, request: str, time_ms: int, dataset: str = "", purpose: str = "") -> Asked:
    """What a request asks of a hospital, if a permit for that is in force at this block time.

    `dataset` and `purpose` are needed where it asks for several. Raises `NotPermittedError`.
    """
    entry = requests.request(state, request)
    content = requests.latest(state, entry) if entry is not None else None
    submitted = requests.submission(state, request, entry.version) if entry is not None else None
    if entry is None or content is None or submitted is None or content.kind is not Kind.TRANSFER:
        hint = "`hmchain request list` shows what is asked"
        raise NotPermittedError(f"there is no request {request} for a transfer of records", hint)
    uses = [each for each in content.of(giver) if dataset in ("", each.dataset)]
    if len(uses) != 1:
        named = ", ".join(each.dataset for each in content.of(giver)) or "nothing"
        raise NotPermittedError(f"{request} asks {giver} for {named}", "name one dataset with --dataset")
    purposes = [code for code in content.purposes if is_use(code) and purpose in ("", code)]
    if len(purposes) != 1:
        named = ", ".join(filter(is_use, content.purposes))
        raise NotPermittedError(f"{request} asks for the purposes {named}", "name one with --use")
    (use,), (code,) = uses, purposes
    word = requests.handling(state, entry, giver, use.dataset)
    if word is None or not _holds(state, giver, request, content, use.dataset, use.version, code, time_ms):
        what = f"no permit in force lets {use.dataset} version {use.version} go under {request}"
        raise NotPermittedError(what, f"see what is missing: `hmchain request show {request}`")
    plan = transfers.plan_of(content.plan)
    until_ms = min(word.until_ms, time_ms + plan.days * DAY_MS)
    return Asked(
        request, content, plan, submitted.applicant.organisation, use.dataset, use.version, code, until_ms
    )  # fmt: skip


def _holds(
    state: State, giver: str, request: str, content: Content, dataset: str, version: int, purpose: str, time_ms: int
) -> bool:
    return permits.authorised(
        state, giver, request, time_ms,
        kind=Kind.TRANSFER, plan=content.plan, dataset=dataset, version=version, purpose=purpose,
    )  # fmt: skip


def give(
    place: HospitalFolder,
    steward: LedgerUser,
    objects: ObjectStore,
    wanted: Asked,
    *,
    name: str = "",
    passphrase: str | None = None,
    progress: Progress | None = None,
) -> GivenRecords:
    """Give what is asked for; the same call goes on where one was cut short.

    `progress` is told of bytes. Raises `NotPermittedError` as soon as the permit does not hold any more,
    `NothingToGiveError`, `GivingError` while another process gives, `ChangedDatasetError`, `ErasedVersionError`, what
    the ledger refuses, or an error of a store or the vault.
    """
    local = load_key(SecretKey, key_file(place.keys, "local"), passphrase)
    deed = Deed(What.GRANT, role=STEWARD, dataset=wanted.dataset, version=wanted.version, where="members")
    with (
        _alone(place),
        read_records(place, passphrase) as records,
        closing(GivingBook(place.giving, local)) as book,
        recorded(place.activity, deed) as recording,
    ):
        given = _Giving(records, book, steward, objects, wanted, name, progress).run()
        recording.add(records=given.records, bytes=given.bytes)
    return given


@contextmanager
def _alone(place: HospitalFolder) -> Iterator[None]:
    def refused(holder: str) -> GivingError:
        what = f"{holder} gives records of {place.organisation}"
        return GivingError(what, "wait for it to end, or stop it: the same command goes on where it stopped")

    with files.hold(place.giving_lock, refused):
        yield


class _Giving:
    """One run of a transfer."""

    def __init__(
        self,
        records: Records,
        book: GivingBook,
        steward: LedgerUser,
        objects: ObjectStore,
        wanted: Asked,
        name: str,
        progress: Progress | None,
    ) -> None:
        self._records, self._book, self._steward, self._objects = records, book, steward, objects
        self._wanted, self._progress = wanted, progress
        self._version = _version(records, steward, wanted)
        self._terms = self._begun(name)
        self._sent = self._done = 0

    def run(self) -> GivenRecords:
        """Do all that is left of it."""
        entry = self._entry
        if not entry.envelope:
            self._seal()
        self._tell_ledger()
        self._release()
        pages = self._book.pages(self._terms.name)
        records = sum(page.records for page in pages)
        wanted, given = self._wanted, sum(page.bytes for page in pages)
        return GivenRecords(
            self._terms.name, wanted.grantee, wanted.dataset, wanted.version, records, self._version.records - records,
            given, self._sent, self._terms.until_ms,
        )  # fmt: skip

    @property
    def _entry(self) -> Entry:
        found = self._book.entry(self._terms.name)
        assert found is not None, "it was begun"
        return found

    def _begun(self, name: str) -> Terms:
        """The terms of the transfer that was cut short, or of a new one."""
        wanted, user = self._wanted, self._steward
        terms = Terms(
            user.ledger.chain_id, name, user.organisation, wanted.grantee, wanted.dataset, wanted.version,
            wanted.purpose, wanted.until_ms, wanted.content.digest,
        )  # fmt: skip
        before = self._book.unfinished(terms, wanted.request)
        if before is not None and name in ("", before.name):
            return Terms(**{**vars(terms), "name": before.name, "until_ms": before.until_ms})
        terms = Terms(**{**vars(terms), "name": name or self._free_name()})
        self._book.begin(terms, wanted.request)
        return terms

    def _free_name(self) -> str:
        """A name after request and giver that no transfer has."""
        base = f"{self._wanted.request}-{self._steward.organisation}"[: _NAME_MAX - 4].rstrip(".-_")
        number, found = 1, base
        while self._book.entry(found) or transfers.transfer(self._steward.state, found):
            number += 1
            found = f"{base}-{number}"
        assert is_name(found)
        return found

    def _require_permit(self) -> None:
        """Raise `NotPermittedError` unless the hospital's own state allows it now."""
        wanted, user = self._wanted, self._steward
        place = (user.organisation, wanted.request, wanted.content, wanted.dataset, wanted.version, wanted.purpose)
        if not _holds(user.state, *place, user.ledger.now_ms()):
            what = f"{wanted.request} does not allow this transfer any more: no further key leaves"
            raise NotPermittedError(what, f"what is left of it in the store: `hmchain share erase {self._terms.name}`")

    # Pages, head and envelope

    def _seal(self) -> None:
        """Send all that is given, the manifest with it; make the envelope and keep it here."""
        key = self._book.key(self._terms)
        while self._send_pages(key):  # until nobody took a record back meanwhile
            pass
        pages = self._book.pages(self._terms.name)
        given = sum(page.records for page in pages)
        if not given:
            what = f"no record of {self._wanted.dataset} version {self._wanted.version} may be given"
            hint = "see which kinds of records are asked for, and who consents"
            raise NothingToGiveError(what, hint)
        root = self._records.vault.handing.root_key(self._wanted.dataset, self._wanted.version)
        head = Head(
            self._terms.digest, self._origin(), root, given, sum(page.bytes for page in pages),
            tuple(page.ref for page in pages),
        )  # fmt: skip
        self._require_permit()
        sealed = seal_head(head, self._terms, key)
        self._put(sealed)
        grantee = membership.membership(self._steward.state, self._terms.grantee)
        assert grantee is not None, "a permit names a member"
        self._book.keep_envelope(
            self._terms.name, sealed, wrap(sealed, self._terms, key, grantee.member.wrapping)
        )  # fmt: skip

    def _send_pages(self, key: SecretKey) -> bool:
        """Send what is not there; tells whether anything was to be done."""
        wanted, handing = self._wanted, self._records.vault.handing
        chosen, before = _chosen(self._records, self._version, wanted), self._book.pages(self._terms.name)
        after, number, busy = "", 0, False
        while ids := handing.ids(wanted.dataset, wanted.version, after, PAGE_PLACES):
            which = chosen.of(ids)
            if number < len(before) and (before[number].last, before[number].chosen) == (ids[-1], which):
                self._tell(before[number].bytes)
            else:
                self._require_permit()
                seats = handing.page(wanted.dataset, wanted.version, after, PAGE_PLACES, chosen.records)
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
        self._sent += copying.copy(store, self._objects, lacking)
        places = tuple(self._place(seat, sizes) for seat in seats)
        sealed = seal_page(Page(places), number, self._terms, key)
        self._put(sealed)
        given = sum(sizes[address] for address in addresses)
        self._book.keep_page(name, GivenPage(number, seats[-1].record, chosen, sealed.ref, len(addresses), given))
        self._tell(given)

    def _place(self, seat: Seat, sizes: dict[bytes, int]) -> Given | Withheld:
        if seat.handed is None:
            return Withheld(seat.leaf)
        said = self._records.catalogue.record(self._wanted.dataset, self._wanted.version, seat.record)
        assert said is not None, "what is chosen is in the catalogue"
        return Given(seat.handed, sizes[seat.handed.ciphertext], _described(said))

    def _put(self, sealed: Sealed) -> None:
        self._book.send(self._terms.name, [sealed.address], [sealed.address])
        self._objects.put(sealed.data, address=sealed.address)

    def _origin(self) -> Origin:
        catalogue, wanted = self._records.catalogue, self._wanted
        dataset = catalogue.dataset(wanted.dataset)
        assert dataset is not None, "a version belongs to a dataset"
        profile = msgspec.json.encode(dataset.profile, order="deterministic").decode()
        actions = ((each.element, each.done, each.count) for each in catalogue.actions(wanted.dataset, wanted.version))
        return Origin(dataset.title, profile, dataset.schema, dataset.form, self._version.source, tuple(actions))

    def _tell(self, count: int) -> None:
        self._done += count
        tell(self._progress, self._done, max(self._version.size, self._done))

    # Ledger, then key

    def _tell_ledger(self) -> None:
        """Have the ledger say what is given, unless it does."""
        entry, terms = self._entry, self._terms
        known = transfers.transfer(self._steward.state, terms.name)
        if known is None:
            self._require_permit()
            self._steward.send(
                GrantRecords(
                    terms.name, entry.request, terms.dataset, terms.version, terms.grantee, terms.purpose,
                    entry.manifest, _address(entry), terms.until_ms,
                )
            )  # fmt: skip
        elif (known.manifest, known.envelope) != (entry.manifest, _address(entry)):
            what = f"the ledger names something else as {terms.name} than what lies ready here"
            raise ManifestError(what, "give it anew under another name: --transfer NAME")

    def _release(self) -> None:
        """Put the envelope where the grantee finds it, if the grant is in force."""
        user, entry = self._steward, self._entry
        said = transfers.require_transfer(user.state, entry.name)
        self._require_permit()
        if not transfers.is_usable(user.state, said, user.ledger.now_ms()):
            raise NotPermittedError(f"{entry.name} is over: its key does not leave", "give it anew")
        self._objects.put(entry.envelope)
        self._book.finish(entry.name)


def _version(records: Records, steward: LedgerUser, wanted: Asked) -> Version:
    """The version that is asked for, as it was published."""
    require_own(records, wanted.dataset, Act.FORWARD)
    version = records.catalogue.version(wanted.dataset, wanted.version)
    require_as_registered(records, version)
    require_whole(version)
    published = datasets.version(steward.state, steward.organisation, wanted.dataset, wanted.version)
    if published is None or published.root != version.root:
        what = f"{wanted.dataset} version {wanted.version} is not what the ledger has under this name"
        raise ManifestError(what, "restore vault and catalogue from a backup, or publish a new version")
    return version


def _chosen(records: Records, version: Version, wanted: Asked) -> _Chosen:
    """The records that may be given now: of the kinds that are asked for, and of nobody who does not permit it."""
    use = Use(UseKind.TRANSFER, of_request([wanted.purpose]), (wanted.grantee,))
    permitted = usable(records, version.dataset, version.number, use, now_ms()).records
    if not (kinds := wanted.plan.kinds):
        return _Chosen(permitted)
    entries = records.catalogue.records(version.dataset, version.number)
    return _Chosen({entry.record for entry in entries if entry.kind in kinds and entry.record in permitted})


def _described(entry: RecordEntry) -> Described:
    pairs = tuple(sorted(entry.attributes.items()))
    return Described(entry.kind, entry.media_type, entry.size, entry.label, pairs)


def _address(entry: Entry) -> bytes:
    return address_of(entry.envelope)
