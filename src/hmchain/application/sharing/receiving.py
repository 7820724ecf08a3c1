"""Take in what another hospital gave: nothing comes into the vault before all of the manifest holds.

First the manifest is read to its end: the leaves of all pages must give the root that the giver published, so that
what is given is of that version and nothing else. Then page after page is fetched. Every object is held against its
name and opened to its last chunk, and lies durably in this hospital's own store before its key is entered. What was cut
short goes on with the first page that is not in the catalogue; what lies in the store is not fetched again.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from hmchain import decoding, merkle
from hmchain.application.data import provenance
from hmchain.application.data.extraction import require_name
from hmchain.application.data.received import project_of
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.sharing import copying, decoys
from hmchain.application.sharing.manifest import (
    Given,
    ManifestError,
    OpenManifest,
    Terms,
    open_manifest,
    terms_of,
)
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import HospitalFolder, Records, open_records
from hmchain.application.site.keyring import OpeningKeys
from hmchain.clock import now_ms
from hmchain.errors import InputError
from hmchain.keys import SecretKey
from hmchain.ledger.context import STEWARD
from hmchain.ledger.contracts.data import datasets, transfers
from hmchain.ledger.contracts.data.transfers import ReceiveRecords, Status, Transfer
from hmchain.ledger.state import State
from hmchain.plain import Progress, tell
from hmchain.records.catalogue import Dataset, ItemDone, Received, RecordEntry, Version
from hmchain.records.catalogue.descriptions import about, descriptions
from hmchain.records.deidentification.outcome import Action
from hmchain.records.deidentification.profile import Profile
from hmchain.records.envelope import proven_size
from hmchain.records.objects import Buffer, ObjectStore

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
_MEDIA_TYPE = re.compile(r"[a-z]+/[A-Za-z0-9.+-]{1,80}")
_NAMES_FILES = ("resource", "table")
"""Attributes by which exports as bulk data and as OMOP name their files."""
NUMBER = 1
"""The version that a transfer makes: each makes a dataset of its own."""


class NotOfferedError(InputError):
    """Nothing is offered to this hospital under a name, or not any more."""

    code = "nothing_offered"


class OtherDatasetError(InputError):
    """A dataset of that name is here already."""

    code = "dataset_is_here"


@dataclass(frozen=True)
class ReceivedRecords:
    """A transfer whose records lie in the vault now."""

    transfer: str
    giver: str
    version: Version
    """Of the dataset that it became."""
    withheld: int
    """Records of the giver's version that were not given."""
    bytes: int
    """Of ciphertext."""
    fetched: int
    """Of these, what was fetched by this call."""
    until_ms: int


def offered(state: State, organisation: str, name: str, time_ms: int) -> Transfer:
    """A transfer that a hospital may take in now, or has taken in. Raises `NotOfferedError`."""
    entry = transfers.transfer(state, name)
    if entry is None or entry.grantee != organisation:
        raise NotOfferedError(f"no transfer {name} is for {organisation}", "`hmchain share list` shows what there is")
    if not transfers.is_usable(state, entry, time_ms):
        raise NotOfferedError(f"the transfer {name} is over", f"ask {entry.giver} for another")
    return entry


def receive(
    place: HospitalFolder,
    steward: LedgerUser,
    objects: ObjectStore,
    name: str,
    *,
    into: str = "",
    passphrase: str | None = None,
    progress: Progress | None = None,
) -> ReceivedRecords:
    """Take in a transfer as a dataset, `into` or by its own name, and tell the ledger; the same call goes on.

    `progress` is told of bytes. Raises `NotOfferedError`, `OtherDatasetError`, `ManifestError` if something is not what
    the ledger or the root says, `UnwrapError` if it was wrapped to another key or for other terms, what the ledger
    refuses, or an error of a store, an envelope or the vault.
    """
    entry = offered(steward.state, steward.organisation, name, steward.ledger.now_ms())
    dataset = into or name
    require_name(dataset)
    terms = terms_of(steward.ledger.genesis.first_chain, entry)
    opened = open_manifest(objects, terms, entry, OpeningKeys(place.keys, lambda: passphrase))
    withheld = check_root(opened, steward.state, entry)
    decoys.read(opened)
    deed = Deed(What.RECEIVE, role=STEWARD, dataset=dataset, version=NUMBER)
    with open_records(place, passphrase) as records, recorded(place.activity, deed) as recording:
        taking = _Taking(records, steward, opened, entry, dataset, progress)
        version = taking.run()
        recording.add(records=version.records, bytes=version.size)
        _write_provenance(records, version, steward.state, entry)
    if entry.status is Status.OFFERED:
        steward.send(ReceiveRecords(name, entry.manifest))
    return ReceivedRecords(name, entry.giver, version, withheld, opened.head.ciphertext, taking.fetched, entry.until_ms)


def _write_provenance(records: Records, version: Version, state: State, entry: Transfer) -> None:
    by = records.catalogue.received.get(version.dataset)
    published = datasets.version(state, entry.giver, entry.dataset, entry.version)
    if by is not None and published is not None:
        provenance.write_of_received(records, version, by, published.root)


def check_root(opened: OpenManifest, state: State, entry: Transfer) -> int:
    """Hold a manifest to its end against the published root; returns how many records of the version are not given.

    Raises `ManifestError`, or an error of the store or the envelope.
    """
    leaves, given, last = merkle.RunningRoot(), 0, ""
    for number in range(len(opened.head.pages)):
        for each in opened.page(number).places:
            leaves.add(each.leaf)
            if isinstance(each, Given):
                if each.handed.record <= last or not _is_plain(each):
                    raise _unlike(entry)
                given, last = given + 1, each.handed.record
    published = datasets.version(state, entry.giver, entry.dataset, entry.version)
    root = opened.head.root.root(entry.dataset, entry.version, leaves)
    if published is None or not hmac.compare_digest(root, published.root) or given != opened.head.records:
        raise _unlike(entry)
    return leaves.size - given


def _is_plain(each: Given) -> bool:
    """Whether a record's names are such as this program gives: files are named by them where records are exported."""
    handed, said = each.handed, each.said
    files = (value for name, value in said.attributes if name in _NAMES_FILES)
    names = (handed.record, handed.subject or "-", said.kind, *files)
    return all(map(_NAME.fullmatch, names)) and bool(_MEDIA_TYPE.fullmatch(said.media_type))


def _unlike(entry: Transfer) -> ManifestError:
    what = f"the records of {entry.name} are not those of {entry.giver}/{entry.dataset} version {entry.version}"
    hint = f"nothing was taken in; tell {entry.giver}, and the other members"
    return ManifestError(f"{what} by the root that was published", hint)


class _Taking:
    """One run of taking a transfer in."""

    def __init__(
        self,
        records: Records,
        steward: LedgerUser,
        opened: OpenManifest,
        entry: Transfer,
        dataset: str,
        progress: Progress | None,
    ) -> None:
        self._records, self._steward, self._opened = records, steward, opened
        self._entry, self._dataset, self._progress = entry, dataset, progress
        self._terms: Terms = opened.terms
        self._project = project_of(entry.name)
        self._done = self.fetched = 0

    def run(self) -> Version:
        """All of it; what is in already is left as it is."""
        version = self._begun()
        if not version.closed:
            for number in range(len(self._opened.head.pages)):
                self._take_page(number)
            self._close()
        return self._records.catalogue.version(self._dataset, NUMBER)

    def _begun(self) -> Version:
        """The version of the dataset, both made if they are new."""
        catalogue = self._records.catalogue
        if catalogue.dataset(self._dataset) is None:
            catalogue.add_dataset(self._as_dataset(), self._received())
        known = catalogue.received.get(self._dataset)
        if known is None or (known.transfer, known.chain_id) != (self._entry.name, self._terms.chain_id):
            what = f"there is a dataset {self._dataset} already"
            raise OtherDatasetError(what, "take it in under another name: --into NAME")
        if catalogue.received.erased_ms(self._dataset) is not None:
            raise NotOfferedError(f"the transfer {self._entry.name} was erased here", "ask its giver for another")
        if catalogue.versions(self._dataset):
            return catalogue.version(self._dataset, NUMBER)
        source = f"transfer {self._entry.name} of {self._entry.giver}"
        return catalogue.open_version(self._dataset, source, now_ms())

    def _as_dataset(self) -> Dataset:
        origin = self._opened.head.origin
        try:
            profile = decoding.from_json(origin.profile, Profile)
        except msgspec.DecodeError as error:
            raise ManifestError(
                f"{self._entry.giver} names rules of de-identification that this version does not read",
                "both hospitals need the same version of hmchain",
            ) from error
        return Dataset(
            self._dataset, origin.title, self._project, profile, now_ms(), origin.schema, origin.form
        )  # fmt: skip

    def _received(self) -> Received:
        entry = self._entry
        return Received(
            entry.name, self._terms.chain_id, entry.giver, entry.dataset, entry.version, entry.purpose, entry.until_ms,
            entry.is_emergency, now_ms(),
        )  # fmt: skip

    def _take_page(self, number: int) -> None:
        records, catalogue = self._records, self._records.catalogue
        mark = catalogue.projects.item_digest(self._project, f"page {number}")
        page = self._opened.page(number)
        given = [each for each in page.places if isinstance(each, Given)]
        if not catalogue.is_done(self._dataset, NUMBER, mark):
            offered(self._steward.state, self._steward.organisation, self._entry.name, self._steward.ledger.now_ms())
            self._fetch(given)
            records.vault.handing.take(self._dataset, NUMBER, (each.handed for each in given))
            entries = tuple(map(_entry, given))
            actions = tuple(Action(*each) for each in self._opened.head.origin.actions) if number == 0 else ()
            catalogue.add_items(self._dataset, NUMBER, [ItemDone(mark, entries, actions=actions)])
        self._done += sum(each.sealed for each in given)
        tell(self._progress, self._done, self._opened.head.ciphertext)

    def _fetch(self, given: list[Given]) -> None:
        """Bring the objects of records into this hospital's store, and open each to its last chunk."""
        store = self._records.folder.store()
        by_address = {each.handed.ciphertext: each for each in given}

        def check(address: bytes, pieces: Iterable[Buffer]) -> None:
            each = by_address[address]
            if proven_size(pieces, SecretKey(each.handed.key), each.handed.context) != each.said.size:
                raise _unlike(self._entry)

        lacking = copying.lacking(store, {address: each.sealed for address, each in by_address.items()})
        self.fetched += copying.copy(self._opened.store, store, lacking, check)
        there = by_address.keys() - lacking.keys()
        store.settle(there)
        for address in there:
            check(address, store.get_stream(address))

    def _close(self) -> None:
        """Fix the version here, so that it shows if something of it changes; no ledger is told of it.

        One without records, which says that there are none, has nothing to fix.
        """
        if not self._opened.head.records:
            return
        catalogue, place = self._records.catalogue, (self._dataset, NUMBER)
        root = self._records.vault.commit(*place, descriptions(catalogue, *place), about(catalogue, *place)).root
        catalogue.close_version(*place, root, now_ms())


def _entry(each: Given) -> RecordEntry:
    said = each.said
    return RecordEntry(
        each.handed.record, each.handed.subject, said.kind, said.media_type, said.size, said.label,
        dict(said.attributes),
    )  # fmt: skip
