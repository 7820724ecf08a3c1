"""Check that a hospital trains on what was published, less only by erasures that the ledger knows of."""

from __future__ import annotations

from hmchain.application.agent.store import AgentStore
from hmchain.canonical import Record
from hmchain.errors import DataError
from hmchain.ledger.contracts.data import datasets
from hmchain.ledger.contracts.data.datasets import Version
from hmchain.ledger.state import State
from hmchain.records.vault import MissingRecordError, Vault, VersionClosedError


class UnpublishedDataError(DataError):
    """A version's records are not those that were published on the ledger."""

    code = "unpublished_data"


class CheckedVersion(Record, frozen=True):
    """A version that was found whole. After an erasure its root can no more be checked, but what is left of it can."""

    root: bytes
    leaves: tuple[bytes, ...]
    """Salted, one a record: they say nothing of those that were erased."""


def require_published(
    vault: Vault, store: AgentStore, state: State, organisation: str, dataset: str, version: int
) -> None:
    """Raise `UnpublishedDataError` unless a version's records are those whose root is on the ledger.

    Where some were erased since, every one that is left must be among those that this agent once found whole, and the
    ledger must say that the version was withdrawn.
    """
    published = datasets.version(state, organisation, dataset, version)
    if published is None:
        raise _unpublished(
            dataset, version, "is not on the ledger", f"publish it first: `hmchain data register {dataset}`"
        )
    name = f"published/{dataset}/{version:08d}"
    try:
        found = vault.commitment(dataset, version)
    except VersionClosedError:
        _require_remainder(vault, store.get(name, CheckedVersion), published, dataset, version)
        return
    except MissingRecordError:
        raise _unpublished(dataset, version, "has no root in the vault", "restore the vault from its backup") from None
    if found.root != published.root:
        raise _unpublished(
            dataset, version, "has other records than were published", "restore the vault from its backup"
        )
    if (checked := CheckedVersion(found.root, found.leaves)) != store.get(name, CheckedVersion):
        store.put(name, checked)


def _require_remainder(
    vault: Vault, checked: CheckedVersion | None, published: Version, dataset: str, version: int
) -> None:
    if checked is None or checked.root != published.root:
        how = "lost records before this agent had found it whole"
        raise _unpublished(dataset, version, how, "publish the next version, and have the study proposed on that")
    if not published.withdrawn:
        how = "lost records, and the ledger does not say that it was withdrawn"
        raise _unpublished(dataset, version, how, "withdraw it: `hmchain data withdraw`; or restore the vault")
    if not set(vault.leaves(dataset, version)) <= set(checked.leaves):
        raise _unpublished(
            dataset, version, "has other records than were published", "restore the vault from its backup"
        )


def _unpublished(dataset: str, version: int, how: str, hint: str) -> UnpublishedDataError:
    return UnpublishedDataError(f"version {version} of dataset {dataset} {how}", hint)
