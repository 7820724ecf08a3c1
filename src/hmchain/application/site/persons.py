"""People of the hospital who decide, each with a key file of their own, and what two of them sign together.

The hospital's folder knows their names and the public halves of their keys. What takes two people takes two key files:
it is done once both have signed the same words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hmchain import decoding, files
from hmchain.application.site.activity import Deed, Signature, What, recorded
from hmchain.application.site.hospital import HospitalFolder
from hmchain.canonical import Record, digest
from hmchain.errors import InputError, StorageError
from hmchain.keys import ED25519, PublicKey, SigningKey, load_key, save_key

FILE = "persons.json"
NAME_LETTERS_MAX = 64


class PersonsFileError(StorageError):
    """The list of the hospital's people cannot be read or written."""

    code = "persons_file"


class PersonNameError(InputError):
    """A name is none, or another person's."""

    code = "person_name"


class UnknownPersonError(InputError):
    """A key or a name is that of nobody whom the hospital knows."""

    code = "unknown_person"


class PersonsMissingError(InputError):
    """Fewer people have signed than it takes."""

    code = "persons_missing"


class Person(Record, frozen=True):
    """One of the hospital's people."""

    name: str
    key: PublicKey


@dataclass(frozen=True)
class Approval:
    """The signature of one person under what is to be done."""

    name: str
    key: PublicKey
    statement: bytes
    """32 bytes: the digest of what was signed."""
    signature: bytes

    @property
    def holds(self) -> bool:
        """True if it is the signature of this key under this statement."""
        return self.key.verify(self.signature, self.statement)

    def logged(self) -> Signature:
        """The same as the log keeps it."""
        return Signature(self.name, self.key.raw.hex(), self.signature.hex())


@dataclass(frozen=True)
class MadeElsewhere:
    """Signatures that people made where their keys are, of words that have a time in them."""

    signed_ms: int
    signatures: tuple[tuple[str, bytes], ...]
    """Name and signature of each."""


Signers = Sequence[Path] | MadeElsewhere
"""Key files on this machine, or what was signed elsewhere."""


def holds(signature: Signature, words: Sequence[str]) -> bool:
    """Tell whether a signature of the log is that of its key under what was done, `words`."""
    try:
        key, signed = bytes.fromhex(signature.public), bytes.fromhex(signature.signature)
    except ValueError:
        return False
    return Approval(signature.person, PublicKey(ED25519, key), statement_of(words), signed).holds


def known(place: HospitalFolder) -> tuple[Person, ...]:
    """The hospital's people, in order of name. Raises `PersonsFileError`."""
    path = place.path / FILE
    try:
        return decoding.from_json(files.read(path), tuple[Person, ...]) if path.exists() else ()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PersonsFileError(f"{path} cannot be read", "restore it from a backup") from error


def add(place: HospitalFolder, name: str, key_file: Path, passphrase: str | None = None) -> Person:
    """Let a person decide: with the key in a file, which is made, mode 0600, if there is none.

    Raises `PersonNameError` if the name is none or taken by another key, `KeyFileError`, `WrongPassphraseError` or
    `PersonsFileError`.
    """
    if not any(map(str.isalpha, name)) or not name.isprintable() or len(name) > NAME_LETTERS_MAX:
        raise PersonNameError(f"this is no name of up to {NAME_LETTERS_MAX} letters", "give the person's full name")
    name = " ".join(name.split())
    others = known(place)
    if any(other.name.casefold() == name.casefold() for other in others):
        raise PersonNameError(f"{name} is known already", "`hmchain data person list` shows who is known")
    if not key_file.exists():
        save_key(SigningKey.generate(), key_file, passphrase)
    person = Person(name, load_key(SigningKey, key_file, passphrase).public)
    if taken := [other.name for other in others if other.key == person.key]:
        raise PersonNameError(f"{key_file} is the key of {taken[0]}", "every person has a key of their own")
    with recorded(place.activity, Deed(What.PERSON, person=name, kind="added", public=person.key.raw.hex())):
        _write(place, (*others, person))
    return person


def add_public(place: HospitalFolder, name: str, key: PublicKey) -> Person:
    """Let a person decide whose key is elsewhere. Raises `PersonNameError` where name or key is taken."""
    others = known(place)
    if any(other.name.casefold() == name.casefold() or other.key == key for other in others):
        raise PersonNameError(f"{name}, or the key, is known already", "`hmchain data person list` shows who is known")
    person = Person(name, key)
    with recorded(place.activity, Deed(What.PERSON, person=name, kind="added", public=key.raw.hex())):
        _write(place, (*others, person))
    return person


def remove(place: HospitalFolder, name: str) -> None:
    """Let a person decide no more. Raises `UnknownPersonError` or `PersonsFileError`."""
    others = known(place)
    left = tuple(other for other in others if other.name.casefold() != name.strip().casefold())
    if left == others:
        raise UnknownPersonError(f"nobody is called {name!r} here", "`hmchain data person list` shows who is known")
    with recorded(place.activity, Deed(What.PERSON, person=name, kind="removed")):
        _write(place, left)


def of_keys(
    place: HospitalFolder, key_files: Sequence[Path], passphrase: str | None = None
) -> tuple[tuple[Person, SigningKey], ...]:
    """The people whose keys are in some files, with the keys.

    Raises `UnknownPersonError` for a key of nobody's, `KeyFileError` or `WrongPassphraseError`.
    """
    people, found = {person.key.id: person for person in known(place)}, []
    for path in key_files:
        key = load_key(SigningKey, path, passphrase)
        person = people.get(key.public.id)
        if person is None:
            hint = f"`hmchain data person add NAME {path}` makes it a person's"
            raise UnknownPersonError(f"{path} is the key of nobody who is known here", hint)
        found.append((person, key))
    return tuple(found)


def approve(
    place: HospitalFolder, signers: Signers, words: Sequence[str], *, needed: int, passphrase: str | None = None
) -> tuple[Approval, ...]:
    """Have what is to be done, `words`, signed by so many people; returns the approvals, one a person.

    Raises `UnknownPersonError` for a key or a name of nobody's, `PersonsMissingError` if fewer people than are `needed`
    signed these words, `KeyFileError` or `WrongPassphraseError`.
    """
    statement = statement_of(words)
    if isinstance(signers, MadeElsewhere):
        found = _made_elsewhere(place, signers, statement)
    else:
        keys = of_keys(place, signers, passphrase)
        found = [Approval(person.name, person.key, statement, key.sign(statement)) for person, key in keys]
    approvals = {each.name: each for each in found}
    if len(approvals) < needed:
        what = f"this takes {needed} people, and {len(approvals)} signed"
        raise PersonsMissingError(what, "give the key file of each: --person FILE --person FILE")
    return tuple(approvals[name] for name in sorted(approvals))


def _made_elsewhere(place: HospitalFolder, signers: MadeElsewhere, statement: bytes) -> list[Approval]:
    people, found = {person.name.casefold(): person for person in known(place)}, []
    for name, signature in signers.signatures:
        if (person := people.get(name.casefold())) is None:
            raise UnknownPersonError(f"nobody is called {name!r} here", "`hmchain data person list` shows who is known")
        if not (made := Approval(person.name, person.key, statement, signature)).holds:
            raise PersonsMissingError(f"{person.name} signed something else, or at another time", "have it signed anew")
        found.append(made)
    return found


def statement_of(words: Sequence[str]) -> bytes:
    """What people sign who approve of something, 32 bytes."""
    return digest("hmchain approval", *(word.encode() for word in words))


def _write(place: HospitalFolder, people: Sequence[Person]) -> None:
    path = place.path / FILE
    ordered = sorted(people, key=lambda person: person.name)
    try:
        files.write_whole(path, msgspec.json.format(msgspec.json.encode(ordered)), durable=True, mode=files.PRIVATE)
    except OSError as error:
        raise PersonsFileError(f"{path} cannot be written", "check its folder and the free space") from error
