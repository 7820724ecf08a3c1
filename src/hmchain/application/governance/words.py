"""A study's description as a hospital's people read it: held against what the study pins, or said to be missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from hmchain.application.learning.description import Description, OtherDescriptionError, require_sound
from hmchain.application.learning.pinned import read_training
from hmchain.application.models.machine import MachineUse
from hmchain.application.site.hospital import HospitalFolder
from hmchain.application.site.keyring import OpeningKeys
from hmchain.application.site.node import NodeFolder, exchanged_objects
from hmchain.application.site.run import RunFolder
from hmchain.application.site.texts import Texts
from hmchain.errors import HMChainError, InputError
from hmchain.ledger.contracts.learning.studies import StudySpec
from hmchain.ledger.readers.studies import StudyProposal
from hmchain.records.objects import ObjectStore


class Reading(StrEnum):
    """How it stands with a description."""

    NONE = "none"
    """The study has none."""
    MEMBERS = "members"
    """The members have it, and no ledger does: this is a ledger alone."""
    UNREAD = "unread"
    """This hospital has not read it yet."""
    READ = "read"
    MISSING = "missing"
    """It cannot be had."""
    DIFFERS = "differs"
    """What is there in its place is not what the study pins."""


@dataclass(frozen=True)
class StudyWords:
    """A study's description, as far as this hospital has it."""

    reading: Reading
    description: Description | None = None
    reason: str = ""
    """Why it cannot be shown."""

    @property
    def is_lost(self) -> bool:
        """True if the study has a description that cannot be shown."""
        return self.reading in (Reading.MISSING, Reading.DIFFERS)

    @property
    def title(self) -> str:
        """The title, or what is to be said in its place; one line."""
        if self.description is not None:
            return self.description.title
        return _SAID.get(self.reading, "CANNOT BE READ")


_SAID = {Reading.NONE: "no description", Reading.MEMBERS: "with the members", Reading.UNREAD: "not read yet"}


@dataclass(frozen=True)
class StudyInWords:
    """A study as somebody reads it before deciding: all that it pins, and its description."""

    proposal: StudyProposal
    words: StudyWords
    machine: MachineUse | None = None
    """What it has taken of this hospital's machine."""


class UnreadDescriptionError(InputError):
    """A study's description cannot be shown to whoever is to decide on it."""

    code = "description_unread"


def texts_at(folder: NodeFolder, passphrase: Callable[[], str | None]) -> Texts:
    """The descriptions at a node; the passphrase is asked for where one has to be opened."""
    organisation = folder.settings().organisation
    return Texts(
        HospitalFolder(organisation, folder.hospital(organisation), folder),
        lambda: exchanged_objects(folder),
        OpeningKeys(folder.keys, passphrase),
    )


def texts_in(run: RunFolder, organisation: str, passphrase: Callable[[], str | None]) -> Texts:
    """The descriptions that one of a run's hospitals has."""
    folder = HospitalFolder(organisation, run.hospital(organisation))
    return Texts(
        folder,
        lambda: ObjectStore.directory(run.objects),
        OpeningKeys(folder.keys, passphrase),
    )


def kept_words(texts: Texts | None, spec: StudySpec) -> StudyWords:
    """What this hospital has read of a study's description: no store is asked. `texts` is None of a ledger alone."""
    pin = read_training(spec.training).words
    if pin is None:
        return StudyWords(Reading.NONE)
    try:
        require_sound(pin, spec.name)
    except OtherDescriptionError as error:
        return StudyWords(Reading.DIFFERS, reason=str(error))
    if texts is None:
        return StudyWords(Reading.MEMBERS)
    known = texts.kept(spec.name, pin)
    return StudyWords(Reading.UNREAD if known is None else Reading.READ, known)


def read_words(texts: Texts, chain_id: str, spec: StudySpec) -> StudyWords:
    """A study's description, from the store that members share if it was not read before."""
    pin = read_training(spec.training).words
    if pin is None:
        return StudyWords(Reading.NONE)
    try:
        return StudyWords(Reading.READ, texts.read(chain_id, spec.name, pin))
    except OtherDescriptionError as error:
        return StudyWords(Reading.DIFFERS, reason=str(error))
    except HMChainError as error:
        return StudyWords(Reading.MISSING, reason=str(error))
    except Exception as error:  # a stranger wrote what is read here: nothing of it keeps a steward from saying no
        return StudyWords(Reading.DIFFERS, reason=f"it cannot be read ({type(error).__name__})")


def require_read(words: StudyWords, study: str) -> None:
    """Refuse to go on with a description that nobody could be shown. Raises `UnreadDescriptionError`."""
    if words.is_lost:
        what = f"the description of {study} cannot be read: {words.reason}"
        raise UnreadDescriptionError(what, "add --unread to decide without it")
