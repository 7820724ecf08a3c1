"""The descriptions of studies that a hospital has read: copies in its folder, and the shared store they came from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from hmchain import files
from hmchain.application.learning.description import (
    Description,
    OtherDescriptionError,
    Words,
    checked_words,
    open_description,
    require_sound,
    seal_description,
    shown,
)
from hmchain.application.learning.pinned import WordsPin
from hmchain.application.site.hospital import HospitalFolder
from hmchain.canonical import NotCanonicalError, decode, encode
from hmchain.files import PRIVATE, make_folder, write_whole
from hmchain.keys import Opener, Redacted
from hmchain.ledger.contracts.members.membership import Member
from hmchain.records.objects import ObjectStore


@dataclass(frozen=True, repr=False)
class Texts(Redacted):
    """One hospital's descriptions. No store is opened for what was read before."""

    folder: HospitalFolder
    objects: Callable[[], ObjectStore]
    key: Opener

    def kept(self, study: str, pin: WordsPin) -> Description | None:
        """The copy that was kept, if there is one and it is what the study pins."""
        path = self.folder.text(study)
        try:
            return shown(checked_words(files.read(path), study, pin).description)
        except (*files.UNREADABLE, OtherDescriptionError):
            return None

    def read(self, chain_id: str, study: str, pin: WordsPin) -> Description:
        """The description, from the copy or else from the store, and kept then.

        Raises `OtherDescriptionError`, `StorageError`, or what keys complain of.
        """
        require_sound(pin, study)
        if (known := self.kept(study, pin)) is not None:
            return known
        data = self.objects().get(pin.object, size=pin.size)
        chain_id = self.folder.first_chain(chain_id)
        words = open_description(data, chain_id, study, self.folder.organisation, self.key, pin)
        self._keep(study, words)
        return shown(words.description)

    def put(self, chain_id: str, study: str, description: Description, members: Iterable[Member]) -> WordsPin:
        """Seal a description to members, put it where they find it, and return what the study is to pin of it.

        The digest of the same words for the same study is the same again: whoever repeats a proposal asks for no other.
        """
        keys = ((member.organisation, member.wrapping) for member in members)
        chain_id = self.folder.first_chain(chain_id)
        sealed = seal_description(chain_id, study, description, keys, self._salt(study, description))
        self.objects().put(sealed.data, address=sealed.pin.object)
        self._keep(study, sealed.words)
        return sealed.pin

    def _salt(self, study: str, description: Description) -> bytes | None:
        """The salt of the copy that was kept, if there is one and it has just these words."""
        with suppress(*files.UNREADABLE, NotCanonicalError):
            known = decode(files.read(self.folder.text(study)), Words)
            return known.salt if known.description == description else None
        return None

    def _keep(self, study: str, words: Words) -> None:
        make_folder(self.folder.texts, mode=0o700)
        write_whole(self.folder.text(study), encode(words), durable=False, mode=PRIVATE)
