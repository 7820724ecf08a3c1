"""End a transfer: at its grantee keys are destroyed and a steward signs the receipt; at its giver the store is cleared.

Destroying comes first and needs no ledger, so an agent does it by itself as soon as a grant is over. The receipt is a
steward's word on the ledger, bound to the manifest.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from hmchain.application.data.derivation import made_of
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.sharing.giving_book import GivingBook
from hmchain.application.sharing.locks import alone, answering
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import HospitalFolder, Records, open_records
from hmchain.application.site.keyring import key_file
from hmchain.canonical import digest
from hmchain.clock import now_ms
from hmchain.errors import InputError
from hmchain.keys import SecretKey, load_key
from hmchain.ledger.contracts.data import transfers
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
    if entry is not None and entry.grantee == steward.organisation:
        return _at_grantee(place, steward, entry, passphrase, is_lost=is_lost)
    local = load_key(SecretKey, key_file(place.keys, "local"), passphrase)
    with alone(place), answering(place), closing(GivingBook(place.giving, local)) as book:
        known = book.entry(name)
        if known is None:
            hint = "`hmchain share list` shows what was given and received"
            raise NothingErasableError(f"nothing of a transfer {name} is here", hint)
        if entry is not None and not transfers.is_over(steward.state, entry, steward.ledger.now_ms()):
            hint = f"revoke it first: `hmchain share revoke {name} --reason CODE`"
            raise NothingErasableError(f"{name} is in force: its grantee may still fetch it", hint)
        return _clear(place, book, objects, name)


def _at_grantee(
    place: HospitalFolder, steward: LedgerUser, entry: Transfer, passphrase: str | None, *, is_lost: bool
) -> ErasedTransfer:
    with open_records(place, passphrase) as records:
        done = destroy(records, entry.name, steward.ledger.genesis.first_chain)
        was_here = bool(done.datasets)
    if entry.status is Status.ERASED:
        return done
    if entry.received_ms and not was_here and not is_lost:
        what = f"{entry.name} was received, and is not in this vault: an older copy may lie in its place"
        hint = f"put the vault back that has it; if it is lost: `hmchain share erase {entry.name} --vault-lost`"
        raise NotInVaultError(what, hint)
    statement = KEYS_DESTROYED if was_here else VAULT_LOST if is_lost else NEVER_OPENED
    evidence = digest("hmchain erasure", entry.manifest, *(each.encode() for each in done.datasets))
    steward.send(ConfirmErasure(entry.name, entry.manifest, statement, evidence))
    return ErasedTransfer(entry.name, done.datasets, done.records, 0, statement)


def clear_over(
    place: HospitalFolder, local: SecretKey, objects: ObjectStore, state: State, time_ms: int
) -> list[ErasedTransfer]:
    """Agent of a giver: clear what lies in the members' store for transfers of it that are over.

    Raises `GivingError` while somebody gives, or an error of the store.
    """
    if not place.giving.exists():
        return []
    with closing(GivingBook(place.giving, local)) as book:
        found = (transfers.transfer(state, entry.name) for entry in book.entries())
        over = [each.name for each in found if each is not None and transfers.is_over(state, each, time_ms)]
        if not over:
            return []
        with alone(place), answering(place):
            return [_clear(place, book, objects, name) for name in over]


def _clear(place: HospitalFolder, book: GivingBook, objects: ObjectStore, name: str) -> ErasedTransfer:
    """Delete from the members' store what this hospital put there for a transfer, and for no other one."""
    with recorded(place.activity, Deed(What.ERASE, kind="offer", where="members")):
        spare = book.spare(name)
        objects.delete_many(spare)
        book.forget(name)
    return ErasedTransfer(name, (), 0, len(spare))
