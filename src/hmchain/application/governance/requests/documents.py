"""Documents of requests: what people write and attach, sealed to those who may read it, and gone with its key.

A document is two objects in the store that members share: its ciphertext under a random key, and a small *key object*
that wraps this key to each reader. The ledger has the address of the key object alone. That binds the document, since
an envelope commits to its key and no ciphertext opens to two texts; and whoever guesses a text learns nothing from it,
since what it is the digest of is random to all but the readers. Once the key object is destroyed, the ciphertext opens
for nobody, and what the ledger keeps is the digest of nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from hmchain import files
from hmchain.application.site.hospital import HospitalFolder
from hmchain.application.site.keyring import OpeningKeys
from hmchain.application.site.node import NodeFolder, exchanged_objects
from hmchain.canonical import NotCanonicalError, Record, decode, encode, padded
from hmchain.canonical import digest as digest_of
from hmchain.errors import InputError, StorageError
from hmchain.keys import Opener, Redacted, SecretKey, WrappedFor, wrap_for, wrapped_to
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.contracts.members.membership import Member
from hmchain.ledger.state import State
from hmchain.plain import readable
from hmchain.records.envelope import open_envelope, seal
from hmchain.records.objects import (
    MissingObjectError,
    ObjectStore,
    TamperedObjectError,
    WrongSizeError,
    address_of,
)

T = TypeVar("T")

FILE_BYTES_MAX = 8 << 20
TEXT_CHARACTERS_MAX = 8_000
NAME_CHARACTERS_MAX = 120
_KEYS_BYTES_MAX = 4 << 20
"""A thousand readers are about a third of it."""
_SEALED_BYTES_MAX = FILE_BYTES_MAX + (1 << 20)
_LABEL = "hmchain request document"
_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
"""Letters that programs and archives have, and no text."""


class Media(StrEnum):
    """What a document may be: nothing that a program runs, and told by what it holds, whatever its name says."""

    TEXT = "text/plain"
    PDF = "application/pdf"
    PNG = "image/png"
    JPEG = "image/jpeg"
    FORM = "application/x-hmchain-form"
    """The applicant's answers (`form.Form`)."""


SUFFIXES: dict[str, str] = {Media.TEXT: ".txt", Media.PDF: ".pdf", Media.PNG: ".png", Media.JPEG: ".jpg"}
"""What the name of a file ends with that holds it."""
_BEGINS = {b"%PDF-": Media.PDF, b"\x89PNG\r\n\x1a\n": Media.PNG, b"\xff\xd8\xff": Media.JPEG}


class DocumentError(InputError):
    """A file or text cannot be a document of a request."""

    code = "document"


class DocumentFileError(InputError):
    """A document cannot be written where it is wanted."""

    code = "document_file"


class NoReaderError(StorageError):
    """A document is not sealed to this hospital."""

    code = "document_not_for_you"


class RedactedDocumentError(StorageError):
    """A document's key was destroyed: nobody can read it any more."""

    code = "document_redacted"


class OtherDocumentError(StorageError):
    """What was found as a document is not what the ledger names."""

    code = "document_other"


class Document(Redacted, Record, frozen=True):
    """What somebody wrote or attached, in clear."""

    media: str
    name: str
    """Of the file that it came from; empty of a text."""
    data: bytes

    @property
    def text(self) -> str:
        """What it says, harmless on a terminal; empty of what is no text."""
        return readable(self.data.decode("utf-8", "replace"), lines=True) if self.media == Media.TEXT else ""

    @property
    def title(self) -> str:
        """The name of its file, harmless on a terminal."""
        return readable(self.name, lines=False)[:NAME_CHARACTERS_MAX]


class _Sealed(Redacted, Record, frozen=True):
    document: Document
    padding: bytes = b""
    """So that the object's size tells nearly nothing of a text."""


class _Keys(Record, frozen=True, tag="document keys"):
    place: bytes
    """Network and request that the document stands with (`_context`)."""
    object: bytes
    """The address of the ciphertext."""
    size: int
    readers: tuple[WrappedFor, ...]


def text_document(text: str) -> Document:
    """What somebody typed. Raises `DocumentError` if it is empty or too long."""
    kept = readable(text, lines=True)
    if not kept:
        raise DocumentError("the text is empty", "say something, or leave it out")
    if len(kept) > TEXT_CHARACTERS_MAX:
        what = f"the text has {len(kept)} characters"
        raise DocumentError(what, f"at most {TEXT_CHARACTERS_MAX}: attach a file instead")
    return Document(Media.TEXT, "", kept.encode())


def file_document(path: Path) -> Document:
    """A file of a person's. Raises `DocumentError` for what cannot be read, is too large, or of another kind."""
    try:
        data = files.read(path, limit=FILE_BYTES_MAX)
    except files.TooLargeError as error:
        raise DocumentError(f"{path} is too large", f"at most {FILE_BYTES_MAX >> 20} MiB: {_SMALLER}") from error
    except OSError as error:
        raise DocumentError(f"{path} cannot be read: {error.strerror}", "check the path and its owner") from error
    return data_document(str(path), path.name, data)


def data_document(file: str, name: str, data: bytes) -> Document:
    """What was read of a file, which is called `file` where it cannot be used; its readers see `name`."""
    if not data:
        raise DocumentError(f"{file} is empty", "attach another file")
    if len(data) > FILE_BYTES_MAX:
        raise DocumentError(f"{file} is too large", f"at most {FILE_BYTES_MAX >> 20} MiB: {_SMALLER}")
    if (media := media_of(data)) is None:
        raise DocumentError(f"{file} is of no kind that can be attached", "attach a PDF, a text (UTF-8), a PNG or JPEG")
    return Document(media, readable(name, lines=False)[:NAME_CHARACTERS_MAX], data)


_SMALLER = "save it with smaller pictures, or attach what matters of it"


def media_of(data: bytes) -> Media | None:
    """What a file holds; None for nothing that can be attached."""
    for begin, media in _BEGINS.items():
        if data.startswith(begin):
            return media
    try:
        return Media.TEXT if _NO_TEXT.search(data.decode()) is None else None
    except UnicodeDecodeError:
        return None


def readers_of(state: State, organisations: Iterable[str]) -> list[Member]:
    """Those of the organisations that are members now: whoever was removed gets no key of anything new."""
    wanted = set(organisations)
    return [member for member in membership.active_members(state) if member.organisation in wanted]


@dataclass(frozen=True, repr=False)
class Documents(Redacted):
    """The documents that one hospital makes and reads. The store is not opened before it is needed."""

    folder: HospitalFolder
    objects: Callable[[], ObjectStore]
    key: Opener

    def put(self, chain_id: str, request: str, document: Document, readers: Iterable[Member]) -> bytes:
        """Seal a document of a request to readers and return its digest for the ledger.

        The same document for the same readers is the same again, as long as it can be read: whoever repeats a command
        asks for no other. Raises `StorageError`, or `KeyMaterialError` of a reader's key.
        """
        listed, store = sorted(readers, key=lambda member: member.organisation), self.objects()
        chain_id = self.folder.first_chain(chain_id)
        remembered = self._place(chain_id, request, document, listed)
        if (known := _remembered(remembered)) is not None and self._stands(store, chain_id, request, known):
            return known
        key = SecretKey.generate()
        sealed = seal(encode(padded(_Sealed(document))), key, _context(chain_id, request))
        wrapped = wrap_for(
            key.raw,
            ((member.organisation, member.wrapping) for member in listed),
            lambda name: _context(chain_id, request, name),
        )
        keys = encode(_Keys(_context(chain_id, request), address_of(sealed), len(sealed), wrapped))
        digest = address_of(keys)
        # First, or whoever is cut short leaves a key in the store that no ledger names, and that nobody can redact.
        files.make_folder(self.folder.documents, mode=0o700)
        files.write_whole(remembered, digest, durable=False, mode=files.PRIVATE)
        store.put_many((sealed, keys))
        return digest

    def read(self, chain_id: str, request: str, digest: bytes) -> Document:
        """A document of a request, by what the ledger has of it.

        Raises `NoReaderError`, `OtherDocumentError`, `MissingObjectError` or another `StorageError`, or what keys
        complain of.
        """
        store, chain_id = self.objects(), self.folder.first_chain(chain_id)
        keys = self._keys(store, chain_id, request, digest)
        if not 0 < keys.size <= _SEALED_BYTES_MAX or len(keys.object) != len(digest):
            raise _other()
        mine = wrapped_to(self.folder.organisation, keys.readers)
        if mine is None:
            what = f"a document of {request} is not sealed to {self.folder.organisation}"
            raise NoReaderError(what, "its author chose its readers: ask for it, and it is attached anew for you")
        key = SecretKey(self.key.unwrap(mine, _context(chain_id, request, self.folder.organisation)))
        sealed = store.get(keys.object, size=keys.size)
        opened = _decoded(open_envelope(sealed, key, _context(chain_id, request)), _Sealed)
        _require_sound(opened.document)
        return opened.document

    def destroy(self, chain_id: str, request: str, digest: bytes) -> None:
        """Destroy the key object of a document of a request: nobody who has not read it can read it any more.

        What a ledger calls a document may be any object: nothing goes that is no key object of this request, but for
        what is damaged, which nobody can read, and which its store could mend.
        """
        store, chain_id = self.objects(), self.folder.first_chain(chain_id)
        with suppress(MissingObjectError, OtherDocumentError):
            with suppress(TamperedObjectError, WrongSizeError):
                self._keys(store, chain_id, request, digest)
            store.delete(digest)
        for path in self.folder.documents.glob("*"):
            if _remembered(path) == digest:
                path.unlink(missing_ok=True)

    def _stands(self, store: ObjectStore, chain_id: str, request: str, digest: bytes) -> bool:
        """Whether both objects of a document are there."""
        try:
            keys = self._keys(store, chain_id, request, digest)
            return store.size(keys.object) == keys.size
        except (MissingObjectError, TamperedObjectError, WrongSizeError, OtherDocumentError):
            return False

    def _keys(self, store: ObjectStore, chain_id: str, request: str, digest: bytes) -> _Keys:
        keys = _decoded(self._sized(store, digest, _KEYS_BYTES_MAX), _Keys)
        if keys.place != _context(chain_id, request):
            raise _other()
        return keys

    @staticmethod
    def _sized(store: ObjectStore, digest: bytes, size_max: int) -> bytes:
        if len(digest) != 32:
            raise _other()
        if (size := store.size(digest)) > size_max:
            raise _other()
        return store.get(digest, size=size)

    def _place(self, chain_id: str, request: str, document: Document, readers: Iterable[Member]) -> Path:
        """Where it is remembered that this very document was sealed to these very keys."""
        keys = encode([(member.organisation, member.wrapping) for member in readers])
        name = digest_of(f"{_LABEL} kept", chain_id.encode(), request.encode(), encode(document), keys)
        return self.folder.document(name.hex())


def documents_at(folder: NodeFolder, passphrase: Callable[[], str | None]) -> Documents:
    """The documents of a node's hospital; the passphrase is asked for where one has to be opened."""
    organisation = folder.settings().organisation
    return Documents(
        HospitalFolder(organisation, folder.hospital(organisation), folder),
        lambda: exchanged_objects(folder),
        OpeningKeys(folder.keys, passphrase),
    )


def _remembered(path: Path) -> bytes | None:
    try:
        found = files.read(path)
    except files.UNREADABLE:
        return None
    return found if len(found) == 32 else None


def _decoded(data: bytes, kind: type[T]) -> T:
    try:
        return decode(data, kind)
    except NotCanonicalError as error:
        raise _other() from error


def _require_sound(document: Document) -> None:
    """Refuse what another program sealed under a false name, a program as a PDF; a text is harmless as it is shown."""
    is_shown = document.media in (Media.FORM, Media.TEXT)
    if not (is_shown or media_of(document.data) == document.media) or len(document.data) > FILE_BYTES_MAX:
        raise _other()


def require_file(document: Document) -> None:
    """Refuse what must not become a file: a text's bytes are harmless as they are shown, not as they are.

    Raises `OtherDocumentError`.
    """
    if document.media != Media.FORM and media_of(document.data) != document.media:
        raise _other()


def _other() -> OtherDocumentError:
    return OtherDocumentError("what was found as a document is not what the ledger names", "ask whoever attached it")


def _context(chain_id: str, request: str, *more: str) -> bytes:
    return digest_of(_LABEL, *(part.encode() for part in (chain_id, request, *more)))
