"""A steward's key that is lost: the hospital makes another, the members vote for it, and it is confirmed at home."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hmchain.application.governance import members
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.key_rotation import adopt, next_key
from hmchain.application.governance.members import Motion
from hmchain.application.node.reading import open_ledger
from hmchain.application.site import exchanged
from hmchain.application.site.exchanged import RecoveryCard
from hmchain.application.site.keyring import key_file, next_key_file
from hmchain.application.site.node import NodeFolder
from hmchain.clock import DAY_MS
from hmchain.errors import InputError, LedgerError
from hmchain.keys import SigningKey, load_key
from hmchain.ledger.context import STEWARD
from hmchain.ledger.contracts.members import membership, recovery
from hmchain.ledger.contracts.members.office_keys import CompleteRecovery, ObjectRecovery
from hmchain.ledger.contracts.members.recovery import Recover, recovery_bytes


class NothingToTrustError(InputError):
    """No key was given to this hospital by others."""

    code = "nothing_to_trust"


@dataclass(frozen=True)
class Card:
    """The file by which a hospital asks the others for a new key, and what people compare by telephone."""

    file: Path
    organisation: str
    key: bytes


@dataclass(frozen=True)
class Given:
    """A steward's key that the others gave this hospital, and whether its own key file holds it."""

    organisation: str
    key: bytes
    height: int
    is_ours: bool
    """Whether the private key lies in this node's folder: the hospital asked for it."""
    confirmed: bool


def request(folder: NodeFolder, card: Path, passphrase: str | None) -> Card:
    """Make another steward's key, and the file that asks the others to vote for it.

    Raises `LedgerError` where this hospital is no member, and what reading keys and ledger raises.
    """
    organisation = folder.settings().organisation
    with open_ledger(folder.ledger) as ledger:
        entry, chain_id = membership.membership(ledger.verified.state, organisation), ledger.genesis.chain_id
    if entry is None or not entry.active:
        raise LedgerError(f"{organisation} is no member of the network", "have it admitted first")
    fresh, former = next_key(folder, STEWARD, passphrase), entry.member.steward
    assert isinstance(fresh, SigningKey)
    raw = fresh.public.raw
    proof = fresh.sign(recovery_bytes(chain_id, organisation, former, raw))
    exchanged.save(RecoveryCard(chain_id, organisation, former, raw, proof), card)
    return Card(card, organisation, raw)


def motion(steward: LedgerUser, path: Path, days: int) -> Motion:
    """The motion that a hospital has the key of its file. Raises `NetworkFileError` or `UselessProposalError`."""
    card = exchanged.load_recovery(path)
    exchanged.require_chain(path, card.chain_id, steward.ledger.chain_id)
    return motion_of(steward, card, days)


def motion_of(steward: LedgerUser, card: RecoveryCard, days: int) -> Motion:
    """The motion that a hospital has the key of a card that was read. Raises `UselessProposalError`."""
    wait_ms = max(days * DAY_MS, recovery.wait_ms_min(steward.state)) if days else recovery.wait_ms_min(steward.state)
    return members.motion(steward, Recover(card.organisation, card.former, card.key, wait_ms, card.proof))


def object_to(user: LedgerUser) -> None:
    """Object, as an officer of the hospital whose key is said to be lost. Raises as `LedgerUser.send`."""
    user.send(ObjectRecovery())


def complete(steward: LedgerUser, organisation: str) -> None:
    """Have a hospital take up the key that was voted, once its time to object is over. Raises as `LedgerUser.send`."""
    steward.send(CompleteRecovery(organisation))


def given(folder: NodeFolder, passphrase: str | None) -> Given:
    """The key that others gave this hospital last. Raises `NothingToTrustError`, and what reading the ledger raises."""
    settings = folder.settings()
    with open_ledger(folder.ledger) as ledger:
        found = recovery.recovered(ledger.verified.state, settings.organisation)
    if found is None:
        what = f"nobody gave {settings.organisation} another steward's key"
        raise NothingToTrustError(what, "`hmchain people list` shows what waits")
    ours, confirmed = _is_ours(folder, found.key, passphrase), found.key in settings.confirmed
    return Given(settings.organisation, found.key, found.height, ours, confirmed)


def _is_ours(folder: NodeFolder, key: bytes, passphrase: str | None) -> bool:
    places = (next_key_file(folder.keys, STEWARD), key_file(folder.keys, STEWARD))
    return any(path.exists() and load_key(SigningKey, path, passphrase).public.raw == key for path in places)


def trust(folder: NodeFolder, found: Given, passphrase: str | None) -> Given:
    """Have this hospital's agent obey a key that others gave, and take it into use where it lies here.

    Raises `NodeSettingsError`, and what keys complain of.
    """
    keys = sorted({*folder.settings().confirmed_keys, found.key.hex()})
    folder.change_setting("confirmed_keys", keys)
    if next_key_file(folder.keys, STEWARD).exists():
        fresh = next_key(folder, STEWARD, passphrase)
        if isinstance(fresh, SigningKey) and fresh.public.raw == found.key:
            adopt(folder, STEWARD, fresh, passphrase)
    return given(folder, passphrase)
