"""End a transfer: at its grantee keys are destroyed and a steward signs the receipt; at its giver the store is cleared.

Destroying comes first and needs no ledger, so an agent does it by itself as soon as a grant is over. The receipt is a
steward's word on the ledger, bound to the manifest.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from hmchain.application.data.derivation import made_of
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.sharing.giving_book import Entry, GivingBook
from hmchain.application.sharing.locks import alone, answering
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import HospitalFolder, Records, open_records
from hmchain.application.site.keyring import local_key
from hmchain.canonical import digest
from hmchain.clock import now_ms
from hmchain.errors import InputError
from hmchain.keys import SecretKey
from hmchain.ledger.contracts.data import break_glass, transfers
from hmchain.ledger.contracts.data.transfers import (
    KEYS_DESTROYED,
    NEVER_OPENED,
    VAULT_LOST,
    ConfirmErasure,
    Status,
    Transfer,
)
from hmchain.ledger.state import State
from hmchain.records.objects import ObjectStore


class NothingErasableError(InputError):
    """A transfer of that name has nothing here that could be erased."""

    code = "no_such_transfer_here"


class NotInVaultError(InputError):
    """What the ledger says was received is not in this vault, so that none of its keys can be destroyed here."""

    code = "not_in_this_vault"


@dataclass(frozen=True)
class ErasedTransfer:
    """What was destroyed of a transfer at this hospital."""

    transfer: str
    datasets: tuple[str, ...]
    """Those that came by it, and what was made of them."""
    records: int
    objects: int
    """At its giver: objects that were deleted from the members' store."""
    receipt: str = ""
    """The statement that a steward signed; empty where none is owed, or none was signed yet."""


def datasets_of(records: Records, name: str, chain_id: str) -> list[str]:
    """The dataset that came by a transfer, and all that was made of it, what was made last first."""
    received = records.catalogue.received.all()
    reached = [each for each, by in received.items() if (by.transfer, by.chain_id) == (name, chain_id)]
    entries = records.catalogue.datasets()
    for source in reached:  # grows
        made = (each.name for each in entries
                if any(made_of(version) == source for version in records.catalogue.versions(each.name)))  # fmt: skip
        reached += [each for each in made if each not in reached]
    return reached[::-1]


def has_keys(records: Records, name: str, chain_id: str) -> bool:
    """Whether a record can be opened here that came by a transfer, or was made of one."""
    handing, versions = records.vault.handing, records.catalogue.versions
    return any(
        handing.ids(dataset, version.number, "", 1)
        for dataset in datasets_of(records, name, chain_id)
        for version in versions(dataset)
    )


def destroy(records: Records, name: str, chain_id: str) -> ErasedTransfer:
    """Destroy the keys of all that came by a transfer and of what was made of it, then its ciphertext; once is enough.

    Raises an error of the vault or its store: keys are gone by then, and the same call does the rest.
    """
    found = datasets_of(records, name, chain_id)
    if not found:
        return ErasedTransfer(name, (), 0, 0)
    with recorded(records.folder.activity, Deed(What.ERASE, dataset=found[-1], kind="transfer")) as deed:
        records.vault.handing.erase(found)
        count = records.catalogue.forget_datasets(found, now_ms())
        for dataset in found:
            _drop_pages(records, dataset)
        deed.add(records=count)
    return ErasedTransfer(name, tuple(sorted(found)), count, 0)


def _drop_pages(records: Records, dataset: str) -> None:
    """Delete the cards of a dataset: they show labels and counts. Its Provenance stays, and names no record."""
    for version in records.catalogue.versions(dataset):
        records.folder.card_data(dataset, version.number).unlink(missing_ok=True)
        records.folder.card(dataset, version.number).unlink(missing_ok=True)


def erase(
    place: HospitalFolder,
    steward: LedgerUser,
    objects: ObjectStore,
    name: str,
    passphrase: str | None = None,
    *,
    is_lost: bool = False,
) -> ErasedTransfer:
    """End a transfer at this hospital; of its grantee's steward the receipt goes on the ledger, unless it is there.

    Where nothing of it is here, though it was received, the steward says that the vault which had it `is_lost`.
    Raises `NothingErasableError`, `NotInVaultError`, what `destroy` raises, or what the ledger refuses.
    """
    entry = transfers.transfer(steward.state, name)
    local = local_key(place.keys, passphrase)
    if entry is None or entry.grantee != steward.organisation:
        return _at_giver(place, steward, objects, name, local)
    done = _at_grantee(place, steward, entry, passphrase, is_lost=is_lost)
    if _is_begun(place, local, name):  # here, before its giver gave it this name
        _at_giver(place, steward, objects, name, local)
    return done


def _is_begun(place: HospitalFolder, local: SecretKey, name: str) -> bool:
    if not place.giving.exists():
        return False
    with closing(GivingBook(place.giving, local)) as book:
        return book.entry(name) is not None


def _at_giver(
    place: HospitalFolder, steward: LedgerUser, objects: ObjectStore, name: str, local: SecretKey
) -> ErasedTransfer:
    with alone(place), answering(place), closing(GivingBook(place.giving, local)) as book:
        if book.entry(name) is None:
            hint = "`hmchain share list` shows what was given and received"
            raise NothingErasableError(f"nothing of a transfer {name} is here", hint)
        entry = transfers.transfer(steward.state, name)
        is_own = entry is not None and entry.giver == steward.organisation
        if entry is not None and is_own and not transfers.is_over(steward.state, entry, steward.ledger.now_ms()):
            hint = f"revoke it first: `hmchain share revoke {name} --reason CODE`"
            raise NothingErasableError(f"{name} is in force: its grantee may still fetch it", hint)
        return _clear(place, book, objects, name)


def _at_grantee(
    place: HospitalFolder, steward: LedgerUser, entry: Transfer, passphrase: str | None, *, is_lost: bool
) -> ErasedTransfer:
    with open_records(place, passphrase) as records:
        chain_id = steward.ledger.genesis.first_chain
        was_here = _is_here(records, entry, chain_id)
        if entry.received_ms and entry.status is not Status.ERASED and not (was_here or is_lost):
            what = f"{entry.name} was received, and not all of it is in this vault: an older copy may lie in its place"
            hint = f"put the vault back that has it; if it is lost: `hmchain share erase {entry.name} --vault-lost`"
            raise NotInVaultError(what, hint)
        done = destroy(records, entry.name, chain_id)
    if entry.status is Status.ERASED:
        return done
    statement = KEYS_DESTROYED if was_here else VAULT_LOST if is_lost else NEVER_OPENED
    evidence = digest("hmchain erasure", entry.manifest, *(each.encode() for each in done.datasets))
    steward.send(ConfirmErasure(entry.name, entry.manifest, statement, evidence))
    return ErasedTransfer(entry.name, done.datasets, done.records, 0, statement)


def _is_here(records: Records, entry: Transfer, chain_id: str) -> bool:
    """Whether a transfer came into this vault, erased since or not; all of it, if it was received.

    What was received whole is fixed. In an emergency nothing may have come.
    """
    if not entry.received_ms:
        return bool(datasets_of(records, entry.name, chain_id))
    catalogue = records.catalogue
    for dataset, by in catalogue.received.all().items():
        if (by.transfer, by.chain_id) == (entry.name, chain_id):
            versions = catalogue.versions(dataset)
            is_whole = all(each.closed or (by.emergency and not each.records) for each in versions)
            if catalogue.received.erased_ms(dataset) is not None or (versions and is_whole):
                return True
    return False


def clear_over(
    place: HospitalFolder, local: SecretKey, objects: ObjectStore, state: State, time_ms: int
) -> list[ErasedTransfer]:
    """Agent of a giver: clear what lies in the members' store for transfers of it that are over.

    Raises `GivingError` while somebody gives, or an error of the store.
    """
    if not place.giving.exists():
        return []
    with closing(GivingBook(place.giving, local)) as book:
        over = [entry.name for entry in book.entries() if _is_over(state, place.organisation, entry, time_ms)]
        if not over:
            return []
        with alone(place), answering(place):
            return [_clear(place, book, objects, name) for name in over]


def _is_over(state: State, giver: str, begun: Entry, time_ms: int) -> bool:
    """Whether nobody fetches what lies there for a transfer: its grant is over, or its emergency is never answered."""
    found, asked = transfers.transfer(state, begun.name), break_glass.emergency(state, begun.name)
    if found is not None and found.giver == giver:
        return transfers.is_over(state, found, time_ms)
    if asked is None or asked.giver != giver or begun.request != asked.name:
        return False
    return not break_glass.is_waiting(asked, time_ms)


def _clear(place: HospitalFolder, book: GivingBook, objects: ObjectStore, name: str) -> ErasedTransfer:
    """Delete from the members' store what this hospital put there for a transfer, and for no other one."""
    with recorded(place.activity, Deed(What.ERASE, kind="offer", where="members")):
        spare = book.spare(name)
        objects.delete_many(spare)
        book.forget(name)
    return ErasedTransfer(name, (), 0, len(spare))
