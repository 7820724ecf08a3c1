"""Terms that hospitals ask to be accepted: files that lie in clear in the members' store, and their digests.

Terms are no secret: whoever is to accept them reads them first. What the ledger has is the address of the file in the
store, so nobody can show one text and have another one accepted, whoever put it there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hmchain import files
from hmchain.application.governance.requests.documents import (
    FILE_BYTES_MAX,
    SUFFIXES,
    TEXT_CHARACTERS_MAX,
    Document,
    DocumentError,
    DocumentFileError,
    Media,
    file_document,
    media_of,
)
from hmchain.errors import StorageError
from hmchain.plain import readable
from hmchain.records.objects import MissingObjectError, ObjectStore, TamperedObjectError, WrongSizeError, address_of


class OtherTermsError(StorageError):
    """What lies in the members' store in the place of terms is not what the ledger names."""

    code = "terms_other"


class Found(StrEnum):
    """How it stands with the file of terms."""

    READ = "read"
    MISSING = "missing"
    """The members' store does not have it, or cannot be asked."""
    CHANGED = "changed"
    """What lies there is not what the ledger names."""


@dataclass(frozen=True)
class Licence:
    """Terms that somebody names: by their file, or by the digest of a file that others have."""

    digest: bytes
    data: bytes = b""
    """The file; empty where only its digest is known."""


@dataclass(frozen=True)
class Wording:
    """What terms say, as far as they can be had."""

    digest: bytes
    found: Found
    media: str = ""
    size: int = 0
    text: str = ""
    """Of terms that are a text, harmless on a terminal: what fits on one."""
    more: int = 0
    """Characters that do not."""
    reason: str = ""
    """Why they cannot be read."""


def named(given: str, folder: Path = Path()) -> Licence:
    """Terms by the path of their file, from a folder, or by 64 hex digits. Raises `DocumentError`."""
    if re.fullmatch(r"[0-9a-f]{64}", given) is not None:
        return Licence(bytes.fromhex(given))
    if not given.isprintable():
        raise DocumentError(f"{given!r} is neither a file nor a digest", "name the file of the terms")
    data = file_document(folder / given).data
    return Licence(address_of(data), data)


def put(objects: ObjectStore, licences: Iterable[Licence]) -> tuple[bytes, ...]:
    """Put the files of terms where the members read them, in the place of what is there and is not they.

    Returns the digests of terms that nobody can read there. Raises `StorageError`.
    """
    held = tuple(licences)
    for each in held:
        if each.data and not objects.holds(each.digest, each.data):
            objects.delete(each.digest)
            objects.put(each.data, address=each.digest)
    return tuple(each.digest for each in held if not each.data and not objects.exists(each.digest))


@dataclass(frozen=True)
class PutTerms:
    """A file of terms that all members can read."""

    digest: bytes
    media: str
    size: int


def put_file(objects: ObjectStore, document: Document) -> PutTerms:
    """Put a file of terms where the members read it. Raises `StorageError`."""
    held = Licence(address_of(document.data), document.data)
    put(objects, (held,))
    return PutTerms(held.digest, document.media, len(document.data))


def read(objects: ObjectStore, digest: bytes) -> bytes:
    """The file of terms, held against its digest.

    Raises `OtherTermsError`, `MissingObjectError` or another `StorageError`.
    """
    try:
        if (size := objects.size(digest)) > FILE_BYTES_MAX:
            raise _other(digest)
        return objects.get(digest, size=size)
    except (TamperedObjectError, WrongSizeError) as error:
        raise _other(digest) from error


def read_shown(objects: ObjectStore, digest: bytes) -> tuple[bytes, Media]:
    """The same of what terms can be: what else lies in the members' store is no terms. Raises as `read`."""
    data = read(objects, digest)
    if (media := media_of(data)) is None:
        raise _other(digest)
    return data, media


def wording(objects: ObjectStore, digest: bytes, own: Licence | None = None) -> Wording:
    """What terms say: of a person's own file, which is these very terms, or else from the members' store."""
    try:
        data = own.data if own is not None and own.data else read(objects, digest)
    except OtherTermsError as error:
        return Wording(digest, Found.CHANGED, reason=str(error))
    except MissingObjectError:
        return Wording(digest, Found.MISSING, reason="the members' store does not have their file")
    except StorageError as error:
        return Wording(digest, Found.MISSING, reason=str(error))
    media = media_of(data)
    text = readable(data.decode(), lines=True) if media is Media.TEXT else ""
    return Wording(
        digest, Found.READ, media or "", len(data), text[:TEXT_CHARACTERS_MAX], max(len(text) - TEXT_CHARACTERS_MAX, 0)
    )


def save(objects: ObjectStore, wordings: Iterable[Wording], folder: Path) -> tuple[Path, ...]:
    """Write the files of terms that can be read into a folder, each named by its digest.

    Raises `StorageError`, or `DocumentFileError` where a file cannot be written.
    """
    saved = []
    for each in (wording for wording in wordings if wording.found is Found.READ):
        path = folder / f"terms-{each.digest.hex()[:12]}{SUFFIXES.get(each.media, '')}"
        data = read(objects, each.digest)
        try:
            files.make_folder(folder)
            files.write_whole(path, data, durable=False)
        except OSError as error:
            raise DocumentFileError(f"{path} cannot be written", "choose another place with --output") from error
        saved.append(path)
    return tuple(saved)


def _other(digest: bytes) -> OtherTermsError:
    what = f"what the members' store has as the terms {digest.hex()[:12]} is not what the ledger names"
    return OtherTermsError(what, "do not accept it; ask the hospital for its file")
