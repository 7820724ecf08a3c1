"""The private keys of one hospital: files of mode 0600 in one folder, a role each."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hmchain import files
from hmchain.canonical import digest
from hmchain.errors import KeyMaterialError
from hmchain.keys import (
    Opener,
    Redacted,
    SecretKey,
    SigningKey,
    StoredKey,
    UnwrapError,
    WrappedKey,
    WrappingKey,
    load_key,
    save_key,
)
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
    opening: Opener = field(compare=False)
    """Opens what others sealed to the organisation, also to a wrapping key that it has replaced."""

    @classmethod
    def generate(cls) -> Keyring:
        """New keys."""
        signing = [SigningKey.generate() for _ in range(4)]
        wrapping = WrappingKey.generate()
        return cls(signing[0], signing[1], signing[2], signing[3], wrapping, SecretKey.generate(), wrapping)

    @classmethod
    def load(cls, folder: Path, passphrase: str | None = None) -> Keyring:
        """Read the keys from their folder. Raises `KeyFileError` or `WrongPassphraseError`."""
        signing = [load_key(SigningKey, key_file(folder, role), passphrase) for role in _SIGNING_ROLES]
        wrapping = load_key(WrappingKey, key_file(folder, "wrapping"), passphrase)
        local = local_key(folder, passphrase)
        opening = OpeningKeys(folder, lambda: passphrase)
        return cls(signing[0], signing[1], signing[2], signing[3], wrapping, local, opening)

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


class OpeningKeys(Redacted):
    """What opens what others sealed to a hospital: its wrapping key, then those before it, which do nothing else.

    Documents are sealed once, to the key that a reader has then. A key file is read once, and not before it is needed.
    """

    def __init__(self, folder: Path, passphrase: Callable[[], str | None]) -> None:
        self._folder, self._passphrase = folder, passphrase
        self._read: dict[Path, WrappingKey] = {}

    def unwrap(self, wrapped: WrappedKey, info: bytes) -> bytes:
        """Open a wrapped secret with whichever key does.

        Raises `UnwrapError` if none does; `KeyFileError` or `WrongPassphraseError` if the present key cannot be read,
        or a former one that may have been it.
        """
        present, *former = (key_file(self._folder, "wrapping"), *earlier_key_files(self._folder))
        with suppress(UnwrapError):
            return self._key(present).unwrap(wrapped, info)
        unread: KeyMaterialError | None = None
        for path in former:
            try:
                return self._key(path).unwrap(wrapped, info)
            except UnwrapError:
                continue
            except KeyMaterialError as error:  # another one may still open it
                unread = unread or error
        if unread is not None:
            raise unread
        raise UnwrapError(
            "a wrapped key opens with no wrapping key of this hospital",
            f"put the one of that time into {self._folder}, from its backup: `{_EARLIER}*` are tried too",
        )

    def _key(self, path: Path) -> WrappingKey:
        if path not in self._read:
            self._read[path] = load_key(WrappingKey, path, self._passphrase())
        return self._read[path]


_SIGNING_ROLES = ("steward", "scientist", "agent", "validator")
ROTATED_ROLES = (*_SIGNING_ROLES, "wrapping")
"""The keys that the ledger knows, and that can be replaced there."""


def key_file(folder: Path, role: str) -> Path:
    """Where the key of a role lies."""
    return folder / f"{role}.key"


def local_key(folder: Path, passphrase: str | None = None) -> SecretKey:
    """The key for what a hospital keeps to itself, from its folder of keys. Raises as `Keyring.load`."""
    return load_key(SecretKey, key_file(folder, "local"), passphrase)


def person_key_file(folder: Path, handle: str) -> Path:
    """Where a person's own key lies, if it lies with the hospital's."""
    return key_file(folder / "people", handle)


def next_key_file(folder: Path, role: str) -> Path:
    """Where a role's next key lies until the ledger has taken it up."""
    return folder / f"{role}.key.next"


_EARLIER = "wrapping.key.earlier-"
_EARLIER_DIGITS = 16


def earlier_key_file(folder: Path, key: WrappingKey) -> Path:
    """Where a wrapping key lies that another one has replaced on the ledger; its name follows from the key."""
    public = key.public
    return folder / f"{_EARLIER}{digest('hmchain wrapping key', public.mlkem, public.x25519).hex()[:_EARLIER_DIGITS]}"


def earlier_key_files(folder: Path) -> list[Path]:
    """The wrapping keys that a hospital had before: they open what was sealed to them, and nothing new is."""
    put_aside = replaced_key_file(folder, "wrapping")
    kept = sorted(path for path in folder.glob(f"{_EARLIER}*") if is_earlier_key(path.name))
    return [*kept, put_aside] if put_aside.exists() else kept


def is_earlier_key(name: str) -> bool:
    """Whether a file of this name holds a wrapping key that was replaced."""
    return re.fullmatch(rf"{re.escape(_EARLIER)}[0-9a-f]{{{_EARLIER_DIGITS}}}", name) is not None


def keep_earlier(folder: Path, key: WrappingKey) -> None:
    """Keep the wrapping key that is about to be replaced, sealed as its file is; on disk when this returns."""
    current = files.read(key_file(folder, "wrapping"))
    files.write_whole(earlier_key_file(folder, key), current, durable=True, mode=files.PRIVATE)


def replaced_key_file(folder: Path, role: str) -> Path:
    """Where a role's key lies that another one has replaced."""
    return folder / f"{role}.key.replaced"
