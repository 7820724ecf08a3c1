"""The private keys of one hospital: files of mode 0600 in one folder, a role each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hmchain.keys import SecretKey, SigningKey, StoredKey, WrappingKey, load_key, save_key
from hmchain.ledger.contracts.members.membership import Member


@dataclass(frozen=True)
class Keyring:
    """One hospital's keys."""

    steward: SigningKey
    scientist: SigningKey
    agent: SigningKey
    validator: SigningKey
    wrapping: WrappingKey
    """Opens what is wrapped to the organisation, its own records among it."""
    local: SecretKey
    """Seals what the agent keeps on its own disk."""

    @classmethod
    def generate(cls) -> Keyring:
        """New keys."""
        signing = [SigningKey.generate() for _ in range(4)]
        return cls(signing[0], signing[1], signing[2], signing[3], WrappingKey.generate(), SecretKey.generate())

    @classmethod
    def load(cls, folder: Path, passphrase: str | None = None) -> Keyring:
        """Read the keys from their folder. Raises `KeyFileError` or `WrongPassphraseError`."""
        signing = [load_key(SigningKey, key_file(folder, role), passphrase) for role in _SIGNING_ROLES]
        wrapping = load_key(WrappingKey, key_file(folder, "wrapping"), passphrase)
        local = load_key(SecretKey, key_file(folder, "local"), passphrase)
        return cls(signing[0], signing[1], signing[2], signing[3], wrapping, local)

    def save(self, folder: Path, passphrase: str | None = None) -> None:
        """Write each key to a file of its own. Raises `KeyFileError` rather than overwrite one."""
        for role in (*_SIGNING_ROLES, "wrapping", "local"):
            key: StoredKey = getattr(self, role)
            save_key(key, key_file(folder, role), passphrase)

    def member(self, organisation: str, title: str) -> Member:
        """The public halves, as the ledger knows them."""
        return Member(
            organisation,
            title,
            self.steward.public.raw,
            self.scientist.public.raw,
            self.agent.public.raw,
            self.validator.public.raw,
            self.wrapping.public,
        )


_SIGNING_ROLES = ("steward", "scientist", "agent", "validator")
ROTATED_ROLES = (*_SIGNING_ROLES, "wrapping")
"""The keys that the ledger knows, and that can be replaced there."""


def key_file(folder: Path, role: str) -> Path:
    """Where the key of a role lies."""
    return folder / f"{role}.key"


def person_key_file(folder: Path, handle: str) -> Path:
    """Where a person's own key lies, if it lies with the hospital's."""
    return key_file(folder / "people", handle)


def next_key_file(folder: Path, role: str) -> Path:
    """Where a role's next key lies until the ledger has taken it up."""
    return folder / f"{role}.key.next"


def replaced_key_file(folder: Path, role: str) -> Path:
    """Where a role's key lies that another one has replaced."""
    return folder / f"{role}.key.replaced"
