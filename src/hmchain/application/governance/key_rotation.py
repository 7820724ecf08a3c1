"""Replace one of a hospital's keys: on the ledger, and then on disk.

Whatever is cut short goes on when the same is asked for again. The new key's file is on disk before the ledger hears of
it, the old one is given up only once nothing needs it any more: a validator's after the last block that it signs. A
wrapping key is kept, once the vault is in the new one's hands, to open what others sealed to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass

from hmchain.application.governance.delegate import LedgerUser, open_steward
from hmchain.application.node import home
from hmchain.application.node.link import connected
from hmchain.application.site.hospital import HospitalFolder, alone, locate
from hmchain.application.site.keyring import ROTATED_ROLES, keep_earlier, key_file, next_key_file
from hmchain.application.site.node import NodeFolder
from hmchain.errors import InputError, LedgerError
from hmchain.files import rename
from hmchain.keys import SigningKey, WrappingKey, load_key, save_key
from hmchain.ledger.contracts.members import membership, standings
from hmchain.ledger.contracts.members.membership import Member
from hmchain.ledger.contracts.members.rotation import RotateKey, RotateWrappingKey, rotation_bytes
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError
from hmchain.ledger.proposer import address
from hmchain.ledger.state import State
from hmchain.records.vault import Vault, VaultKeyError

VALIDATOR, WRAPPING = "validator", "wrapping"
_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 60.0

Key = SigningKey | WrappingKey


class BadRoleError(InputError):
    """There is no key of such a role."""

    code = "bad_key_role"


class HandoverPendingError(LedgerError):
    """A validator's old key is needed still."""

    code = "handover_pending"


@dataclass(frozen=True)
class KeyRotation:
    """One of a hospital's keys, replaced."""

    organisation: str
    role: str
    key: bytes
    """The new public key; of a wrapping key its X25519 half."""
    resumed: bool
    """Whether an earlier rotation was finished rather than a new one begun."""


def rotate(folder: NodeFolder, role: str, passphrase: str | None, say: Callable[[str], None]) -> KeyRotation:
    """Replace the key of `role`. The node must run.

    A validator's is replaced once CometBFT runs with the new one; the wrapping key while nobody else changes the
    records. Raises `BadRoleError`, `HandoverPendingError`, `RecordsInUseError`, `RefusedTransactionError`, and what
    opening ledger, keys and vault raises.
    """
    require_role(role)
    with alone(locate(folder.path)) if role == WRAPPING else nullcontext():
        return _rotate(folder, role, passphrase, say)


def require_role(role: str) -> None:
    """Raise `BadRoleError` unless a key of this role can be replaced."""
    if role not in ROTATED_ROLES:
        raise BadRoleError(f"there is no key of the {role}", f"name one of {', '.join(ROTATED_ROLES)}")


def _rotate(folder: NodeFolder, role: str, passphrase: str | None, say: Callable[[str], None]) -> KeyRotation:
    with open_steward(folder, passphrase) as steward:
        resumed = next_key_file(folder.keys, role).exists()
        fresh = next_key(folder, role, passphrase)
        if not _on_ledger(_member(steward), role, fresh):
            say(f"the new key of the {role} is in {next_key_file(folder.keys, role)}; the ledger is told")
            steward.send(_transaction(steward, role, fresh))
    if role == VALIDATOR:
        _wait_for_power(folder, steward.organisation, fresh)
    adopt(folder, role, fresh, passphrase)
    if role == VALIDATOR:
        say("the node starts CometBFT again with the new key")
        _wait_for_signer(folder, fresh)
    public = fresh.public.x25519 if isinstance(fresh, WrappingKey) else fresh.public.raw
    return KeyRotation(steward.organisation, role, public, resumed)


def next_key(folder: NodeFolder, role: str, passphrase: str | None) -> Key:
    """The next key, on disk under its name before the ledger hears of it: that of a rotation cut short, or a new one.

    It is never deleted: once the ledger knows a steward's key, nothing but that key can act for the organisation.
    """
    path, kind = next_key_file(folder.keys, role), _kind(role)
    if not path.exists():
        save_key(kind.generate(), path, passphrase)
    fresh: Key = load_key(kind, path, passphrase)
    if isinstance(fresh, WrappingKey):
        # The state machine cannot ask a key that only opens for a proof: it is tried here, and `UnwrapError` if not.
        fresh.unwrap(fresh.public.wrap(b"possession", b"rotation"), b"rotation")
    return fresh


def _kind(role: str) -> type[SigningKey] | type[WrappingKey]:
    return WrappingKey if role == WRAPPING else SigningKey


def _member(steward: LedgerUser) -> Member:
    entry = membership.membership(steward.state, steward.organisation)
    if entry is None:
        raise LedgerError(f"{steward.organisation} is no member of the network", "have it admitted first")
    return entry.member


def _on_ledger(member: Member, role: str, key: Key) -> bool:
    known = getattr(member, role)
    return bool(known == (key.public if isinstance(key, WrappingKey) else key.public.raw))


def _transaction(steward: LedgerUser, role: str, fresh: Key) -> RotateKey | RotateWrappingKey:
    if isinstance(fresh, WrappingKey):
        return RotateWrappingKey(fresh.public)
    former = getattr(_member(steward), role)
    chain, public = steward.ledger.chain_id, fresh.public.raw
    return RotateKey(role, public, fresh.sign(rotation_bytes(chain, steward.organisation, role, former, public)))


def _wait_for_power(folder: NodeFolder, organisation: str, fresh: Key) -> None:
    """Until the next block is the new key's to sign: the old one signs two more after the rotation's."""
    assert isinstance(fresh, SigningKey)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        state = State.open_read_only(folder.state)
        try:
            keys = standings.voting_keys(state, state.height + 1)
        finally:
            state.close()
        if keys.get(organisation) in (fresh.public.raw, None):
            return
        time.sleep(_POLL_SECONDS)
    raise HandoverPendingError(
        "the old key still signs blocks, and no new block comes", "give the same command again once blocks are decided"
    )


def _wait_for_signer(folder: NodeFolder, fresh: Key) -> None:
    """Until CometBFT, which the node starts again for it, answers as the new key's."""
    assert isinstance(fresh, SigningKey)
    signer = address(fresh.public.raw).hex().upper()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with connected(folder) as client:
        while time.monotonic() < deadline:
            with suppress(NoEndpointError):
                if client.status().validator_info.address == signer:
                    return
            time.sleep(_POLL_SECONDS)
    raise HandoverPendingError(
        "the new key is in place, and CometBFT does not run with it yet",
        f"nothing is to be repeated: it takes the key up when it starts; {folder.log} says what keeps it",
    )


def adopt(folder: NodeFolder, role: str, fresh: Key, passphrase: str | None) -> None:
    """Let everything use the new key, and give up the old one last, in one step."""
    if isinstance(fresh, WrappingKey):
        old = load_key(WrappingKey, key_file(folder.keys, role), passphrase)
        _hand_over_vault(locate(folder.path), fresh, old)
        keep_earlier(folder.keys, old)
    elif role == VALIDATOR:
        home.make_home(folder, passphrase, validator=fresh)
    rename(next_key_file(folder.keys, role), key_file(folder.keys, role))


def _hand_over_vault(place: HospitalFolder, fresh: WrappingKey, old: WrappingKey) -> None:
    if not place.vault.exists():
        return
    ciphertext = place.store()
    try:
        opened = Vault.open(place.vault, ciphertext, old)
    except VaultKeyError:  # the new key has it already
        opened = Vault.open(place.vault, ciphertext, fresh)
    with opened:
        opened.rotate(fresh)
