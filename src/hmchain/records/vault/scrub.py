"""Looking after ciphertext: reading all of it, mending it from a replica, keeping a replica, sweeping up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import random
from typing import Literal, TypeAlias

from hmchain.errors import KeyMaterialError
from hmchain.keys import Redacted, SecretKey, UnwrapError
from hmchain.plain import Progress, tell
from hmchain.records.envelope import EnvelopeError, open_stream
from hmchain.records.objects import MissingObjectError, ObjectStore, TamperedObjectError
from hmchain.records.vault.database import Database
from hmchain.records.vault.hierarchy import Hierarchy, record_context
from hmchain.records.vault.roots import Roots

CHECKED_BYTES_MIN = 256 << 20
CHECKED_SHARE_MIN = 0.02
"""How much of a replica a mirroring reads, whichever is more; all of it if it is asked to."""
_PAGE = 500
_UNNAMED_SECONDS = 24 * 3600.0  # younger ciphertext without a record may belong to a put that is under way

Problem: TypeAlias = Literal["missing", "altered", "key"]


@dataclass(frozen=True)
class Damage:
    """A record that cannot be read, or whose row was altered."""

    dataset: str
    version: int
    record: str
    problem: Problem
    """The ciphertext is missing or altered, which a replica mends; or the wrapped key does not open it: since it is
    damaged, or since it belongs to another place, patient or salt than its row says."""


@dataclass(frozen=True)
class Scrub:
    """The findings of a scrub."""

    records: int
    blobs: int
    bytes: int
    """Of ciphertext that is as it should be."""
    damaged: tuple[Damage, ...]
    unnamed: int
    """Objects that belong to no record: left by a crash, or another's."""
    changed: tuple[tuple[str, int], ...] = ()
    """Dataset and number of the versions that are not what they were committed to as: rows are gone, or others."""

    @property
    def sound(self) -> bool:
        """Tell whether every record can be read, and every version is what it was committed to as."""
        return not (self.damaged or self.changed)


@dataclass(frozen=True)
class Repair:
    """The result of a repair."""

    restored: int
    """Objects."""
    lost: tuple[Damage, ...]
    """Records that the replica does not help."""


@dataclass(frozen=True)
class Mirror:
    """The changes to a replica."""

    copied: int
    """Objects that it lacked."""
    checked: int
    """Objects of it that were read and compared with their digests."""
    repaired: int
    """Objects of it that were not what they should be, and were replaced."""
    removed: int
    """Objects that were erased here."""
    damaged: tuple[Damage, ...]
    """Records that could not be copied, since their ciphertext is missing or altered here."""


@dataclass(frozen=True, repr=False)
class _Reference(Redacted):
    dataset: str
    version: int
    record: str
    subject: str
    salt: bytes
    kek: int
    wrapped: bytes

    def damage(self, problem: Problem) -> Damage:
        return Damage(self.dataset, self.version, self.record, problem)


@dataclass(frozen=True)
class _Blob:
    digest: bytes
    context: bytes
    references: tuple[_Reference, ...]


class Scrubber:
    """Looks after one vault's ciphertext."""

    def __init__(self, database: Database, store: ObjectStore, hierarchy: Hierarchy, roots: Roots) -> None:
        self._database = database
        self._store = store
        self._hierarchy = hierarchy
        self._roots = roots

    def verify(self, progress: Progress | None, *, ciphertext_only: bool) -> Scrub:
        """Read every object and compare it with its digest; open it too with every record's key, unless told not to.

        Versions are compared with what they were committed to as.
        """
        self._database.check()
        records = sound = 0
        damaged: list[Damage] = []
        blobs = self._count()
        for done, blob in enumerate(self._blobs(), 1):
            found, size = self._read(blob, ciphertext_only=ciphertext_only)
            if self._named(blob.digest):  # else it was erased meanwhile
                records += len(blob.references)
                sound += size
                damaged += found
            tell(progress, done, blobs)
        unnamed = sum(not self._named(digest) for digest in self._store.list())
        return Scrub(records, blobs, sound, tuple(damaged), unnamed, tuple(self._roots.changed()))

    def repair(self, replica: ObjectStore, progress: Progress | None) -> Repair:
        """Put missing and altered objects back from a replica."""
        restored, lost, blobs = 0, [], self._count()
        for done, blob in enumerate(self._blobs(), 1):
            if (problem := _problem(self._store, blob.digest)) is not None:
                try:
                    self._store.put_stream(_owned(replica.get_stream(blob.digest)))
                    restored += 1
                except (MissingObjectError, TamperedObjectError):
                    lost += [reference.damage(problem) for reference in blob.references]
            tell(progress, done, blobs)
        return Repair(restored, tuple(lost))

    def mirror(self, replica: ObjectStore, progress: Progress | None, *, deep: bool) -> Mirror:
        """Copy what a replica lacks, replace what has rotten there, and remove what was erased here.

        All sizes are compared. Contents are read too: all if `deep`, else 256 MiB or a fiftieth, drawn anew each time.
        The replica gets ciphertext alone.
        """
        here, there, damaged = self._store.sizes(), replica.sizes(), list[Damage]()
        copied = checked = repaired = 0
        blobs, share = self._count(), 1.0 if deep else share_read(sum(there.values()))
        for done, blob in enumerate(self._blobs(), 1):
            problem: Problem | None = None
            if (size := there.get(blob.digest)) is None:
                problem = self._copy(blob, replica)
                copied += problem is None
            elif size != here.get(blob.digest, size) or random() < share:
                checked += 1
                if _problem(replica, blob.digest) is not None:
                    problem = self._copy(blob, replica)
                    repaired += problem is None
            if problem is not None:
                damaged += [reference.damage(problem) for reference in blob.references]
            tell(progress, done, blobs)
        erased = [digest for (digest,) in self._database.query("SELECT digest FROM erased") if digest in there]
        replica.delete_many(erased)
        return Mirror(copied, checked, repaired, len(erased), tuple(damaged))

    def _copy(self, blob: _Blob, replica: ObjectStore) -> Problem | None:
        """Copy one object to a replica; what is wrong with it here if it cannot be."""
        try:
            replica.put_stream(_owned(self._store.get_stream(blob.digest)))
        except MissingObjectError:
            return "missing"
        except TamperedObjectError:
            return "altered"
        return None

    def sweep(self) -> int:
        """Delete objects older than a day that belong to no record; returns how many."""
        unnamed = [digest for digest in self._store.list(older_than_s=_UNNAMED_SECONDS) if not self._named(digest)]
        self._store.delete_many(unnamed)
        return len(unnamed)

    def _read(self, blob: _Blob, *, ciphertext_only: bool) -> tuple[list[Damage], int]:
        """Read a blob: what is wrong with its records, and the size of its ciphertext if that is right."""
        size = 0

        def counted() -> Iterator[memoryview]:
            nonlocal size
            for piece in self._store.get_stream(blob.digest):
                size += len(piece)
                yield memoryview(piece)

        keys = {} if ciphertext_only else {reference: self._key(blob, reference) for reference in blob.references}
        key = next((each for each in keys.values() if each is not None), None)
        try:
            for _ in counted() if key is None else open_stream(counted(), key, blob.context):
                pass
        except MissingObjectError:
            return [reference.damage("missing") for reference in blob.references], 0
        except (TamperedObjectError, EnvelopeError, KeyMaterialError):
            # The envelope complains first, of altered bytes as of a wrong key. The digest tells which it was.
            problem = _problem(self._store, blob.digest) or "key"
            return [reference.damage(problem) for reference in blob.references], 0
        return [reference.damage("key") for reference, each in keys.items() if each is None or each != key], size

    def _key(self, blob: _Blob, reference: _Reference) -> SecretKey | None:
        row = reference
        context = record_context(row.dataset, row.version, row.record, blob.context, row.subject, row.salt)
        try:
            return SecretKey(self._hierarchy.unwrap(row.kek, row.wrapped, context))
        except UnwrapError:
            return None

    def _blobs(self) -> Iterator[_Blob]:
        """All blobs with the records that refer to them, page by page, so that none is held for long."""
        last = 0
        while rows := self._database.query(
            "SELECT id, digest, context FROM blobs WHERE id > ? ORDER BY id LIMIT ?", (last, _PAGE)
        ):
            for last, digest, context in rows:
                found = self._database.query(
                    "SELECT dataset, version, record, subject, salt, kek, wrapped FROM records WHERE blob = ?", (last,)
                )
                if found:  # else it was erased meanwhile
                    yield _Blob(digest, context, tuple(_Reference(*reference) for reference in found))

    def _count(self) -> int:
        return int(self._database.query("SELECT count(*) FROM blobs")[0][0])

    def _named(self, digest: bytes) -> bool:
        return bool(self._database.query("SELECT 1 FROM blobs WHERE digest = ?", (digest,)))


def share_read(size: int) -> float:
    """Return the share of a replica of so many bytes that is read at a mirroring."""
    return min(1.0, max(CHECKED_BYTES_MIN / max(size, 1), CHECKED_SHARE_MIN))


def _problem(store: ObjectStore, digest: bytes) -> Problem | None:
    """Read an object, and say what is wrong with it."""
    try:
        for _ in store.get_stream(digest):
            pass
    except MissingObjectError:
        return "missing"
    except TamperedObjectError:
        return "altered"
    return None


def _owned(pieces: Iterable[bytes | bytearray | memoryview]) -> Iterator[bytes]:
    """Pieces that stay what they are: a store reads into one buffer again and again."""
    for piece in pieces:
        yield bytes(piece)
