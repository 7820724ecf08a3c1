"""A study's description: what people read before they decide, sealed to the members, its digest in the specification.

Free text on a ledger can never be taken back, so none stands there. The text is an object in the store that members
share, sealed under a key of its own that is wrapped to each of them; the specification pins the object's address and a
digest of the text. The digest is salted: who guesses a text learns from the ledger nothing about whether it is right.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from msgspec.structs import asdict, replace

from hmchain.application.learning.pinned import WordsPin
from hmchain.canonical import NotCanonicalError, Record, decode, encode, padded
from hmchain.canonical import digest as digest_of
from hmchain.errors import InputError, StudyError
from hmchain.keys import Opener, Redacted, SecretKey, WrappedFor, WrappingPublicKey, wrap_for, wrapped_to
from hmchain.plain import readable
from hmchain.records.envelope import open_envelope, seal
from hmchain.records.objects import address_of

TITLE_CHARACTERS_MAX, LINE_CHARACTERS_MAX, TEXT_CHARACTERS_MAX = 120, 300, 8_000
OBJECT_BYTES_MAX = 4 << 20
"""A thousand members' wrapped keys, and the longest text, are about a third of it."""
_SALT_BYTES, _DIGEST_BYTES = 32, 32
_LABEL = "hmchain study description"


class DescriptionError(InputError):
    """A study's description is not one that people can be asked to read."""

    code = "study_description"


class OtherDescriptionError(StudyError):
    """What was found as a study's description is not what the study pins."""

    code = "description_differs"


class Description(Record, frozen=True, kw_only=True):
    """A study in the words of its scientists. Raises `DescriptionError` where it is made of what is no text."""

    title: str
    text: str
    """What is asked and why, for people who know nothing of it yet; several lines."""
    contact: str
    """A person who answers questions."""
    ethics_number: str = ""
    ethics_committee: str = ""
    code: str = ""
    """Where the training code that the study pins can be read."""
    funding: str = ""
    ends: str = ""
    """When the project ends, and what becomes of the model."""


class Words(Redacted, Record, frozen=True):
    """A description as it is sealed and kept."""

    salt: bytes
    description: Description
    padding: bytes = b""
    """So that the object's size tells nearly nothing."""

    @property
    def digest(self) -> bytes:
        """The digest that a specification pins."""
        return digest_of(_LABEL, self.salt, encode(self.description))


class _Sealed(Record, frozen=True):
    readers: tuple[WrappedFor, ...]
    envelope: bytes


@dataclass(frozen=True)
class SealedWords:
    """A description ready to be put into the store."""

    pin: WordsPin
    words: Words
    data: bytes


def describe(table: dict[str, str]) -> Description:
    """A description from its table in a file. Raises `DescriptionError`, which names the key."""
    known = Description.__struct_fields__
    if unknown := sorted(table.keys() - set(known)):
        raise DescriptionError(f"a description has no {unknown[0]!r}", f"it has {', '.join(known)}")
    filled = {name: readable(value, lines=name == "text") for name, value in table.items()}
    description = Description(**({"title": "", "text": "", "contact": ""} | filled))
    require_readable(description)
    return description


def require_readable(description: Description) -> None:
    """Refuse what is empty or too long. Raises `DescriptionError`."""
    for name, value in asdict(description).items():
        most = {"title": TITLE_CHARACTERS_MAX, "text": TEXT_CHARACTERS_MAX}.get(name, LINE_CHARACTERS_MAX)
        if name in ("title", "text", "contact") and not value.strip():
            raise DescriptionError(f"description.{name} is empty", "title, text and contact are what people ask first")
        if len(value) > most:
            raise DescriptionError(f"description.{name} has {len(value)} characters", f"at most {most}; give a link")


def seal_description(
    chain_id: str,
    study: str,
    description: Description,
    members: Iterable[tuple[str, WrappingPublicKey]],
    salt: bytes | None = None,
) -> SealedWords:
    """Seal a description to members, by name and public key; with its earlier `salt` its digest stays.

    Raises `DescriptionError` or `KeyMaterialError`.
    """
    require_readable(description)
    salt = salt or secrets.token_bytes(_SALT_BYTES)
    words = padded(Words(salt, description))
    key = SecretKey.generate()
    readers = wrap_for(key.raw, members, lambda name: _context(chain_id, study, name))
    data = encode(_Sealed(readers, seal(encode(words), key, _context(chain_id, study))))
    return SealedWords(WordsPin(words.digest, address_of(data), len(data)), words, data)


def open_description(data: bytes, chain_id: str, study: str, organisation: str, key: Opener, pin: WordsPin) -> Words:
    """The description in an object, with what opens for a member, held against what the study pins.

    Raises `OtherDescriptionError`, or `KeyMaterialError` if it was not sealed to this key.
    """
    try:
        sealed = decode(data, _Sealed)
    except NotCanonicalError as error:
        raise _differs(study) from error
    mine = wrapped_to(organisation, sealed.readers)
    if mine is None:
        what = f"the description of {study} is not sealed to {organisation}"
        raise OtherDescriptionError(what, "it was no member yet when the study was proposed: ask its contact")
    opened = SecretKey(key.unwrap(mine, _context(chain_id, study, organisation)))
    return checked_words(open_envelope(sealed.envelope, opened, _context(chain_id, study)), study, pin)


def checked_words(data: bytes, study: str, pin: WordsPin) -> Words:
    """The words in these bytes, if they are those that the study pins. Raises `OtherDescriptionError`."""
    try:
        words = decode(data, Words)
        require_readable(words.description)
    except (NotCanonicalError, DescriptionError) as error:
        raise _differs(study) from error
    if words.digest != pin.digest:
        raise _differs(study)
    return words


def require_sound(pin: WordsPin, study: str) -> None:
    """Refuse a pin that no description can have: the ledger does not look. Raises `OtherDescriptionError`."""
    if {len(pin.digest), len(pin.object)} != {_DIGEST_BYTES} or not 0 < pin.size <= OBJECT_BYTES_MAX:
        raise OtherDescriptionError(f"what {study} pins as its description cannot be one", "do not decide on it")


def shown(description: Description) -> Description:
    """The description as a terminal may show it, every field but the text in one line, whoever made it."""
    fields = asdict(description).items()
    return replace(description, **{name: readable(value, lines=name == "text") for name, value in fields})


def _differs(study: str) -> OtherDescriptionError:
    what = f"what was found as the description of {study} is not what the study pins"
    return OtherDescriptionError(what, "do not decide on it; ask who proposed the study")


def _context(*parts: str) -> bytes:
    return digest_of(_LABEL, *(part.encode() for part in parts))
