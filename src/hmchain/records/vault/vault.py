"""One organisation's vault: the face of this package."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self

from hmchain.files import PRIVATE, make_folder
from hmchain.keys import SecretKey, WrappingKey
from hmchain.plain import Progress, tell
from hmchain.records.envelope import Buffer, open_envelope, open_stream
from hmchain.records.objects import ObjectStore
from hmchain.records.vault import erasure, migration
from hmchain.records.vault.commitment import Commitment, RecordProof
from hmchain.records.vault.database import FILE, SCHEMA, VERSION, Database
from hmchain.records.vault.erasure import Erasure
from hmchain.records.vault.errors import MissingRecordError, VaultError, VersionClosedError
from hmchain.records.vault.handing import Handing
from hmchain.records.vault.hierarchy import Hierarchy, record_context
from hmchain.records.vault.intake import DEDUPLICATION, Intake, NewRecord, PendingRecord, batches
from hmchain.records.vault.migration import Conversion
from hmchain.records.vault.providers import KeyProvider, provider_of
from hmchain.records.vault.roots import Roots
from hmchain.records.vault.scrub import Mirror, Repair, Scrub, Scrubber
from hmchain.records.vault.sealing import SealedContent, Sealer
from hmchain.records.vault.writer import OnKept, Writer

_CHOSEN = """SELECT r.record, b.digest, b.context, r.subject, r.salt, r.kek, r.wrapped
    FROM records r JOIN blobs b ON b.id = r.blob WHERE r.dataset = ? AND r.version = ?"""


class Vault:
    """One organisation's records. One thread at a time; close it, or use it as a context manager.

    Several processes may have it open: writers take turns, and readers do not wait.
    """

    def __init__(self, database: Database, store: ObjectStore, hierarchy: Hierarchy) -> None:
        """Use `create` or `open`."""
        self._database = database
        self._store = store
        self._hierarchy = hierarchy
        self._intake = Intake(database, store, hierarchy)
        self._roots = Roots(database, hierarchy)
        self._scrubber = Scrubber(database, store, hierarchy, self._roots)
        self.handing = Handing(database, store, hierarchy, self._roots)
        """The way of records to another vault, and from one."""

    @classmethod
    def create(cls, directory: Path, store: ObjectStore, keys: WrappingKey | KeyProvider) -> Vault:
        """Make a new vault in `directory`. The store should be the vault's alone.

        Raises `VaultError` if there is one already.
        """
        path = directory / FILE
        try:
            make_folder(directory, mode=0o700)
            path.touch(mode=PRIVATE)
        except OSError as error:
            raise VaultError(f"{path} cannot be made", "check the path and its owner") from error
        database = Database(path)
        hierarchy = Hierarchy(database, provider_of(keys))
        try:
            with database.transaction() as connection:
                if database.format:  # 0 in a file that a crash left half made
                    raise VaultError(f"{path} exists", "open it, or choose another directory")
                for statement in SCHEMA:
                    connection.execute(statement)
                hierarchy.add_secret(connection, hierarchy.add(connection), DEDUPLICATION)
            return cls(database, store, hierarchy)
        except BaseException:
            database.close()
            raise

    @staticmethod
    def is_half_made(directory: Path) -> bool:
        """Whether `directory` is one in which a crash cut `create` short, or a vault's file was lost or emptied."""
        if not (directory / FILE).exists():
            return directory.exists()
        with closing(Database(directory / FILE)) as database:
            return database.format == 0

    @classmethod
    def open(
        cls,
        directory: Path,
        store: ObjectStore,
        keys: WrappingKey | KeyProvider,
    ) -> Vault:
        """Open the vault in `directory`, and finish an erasure that was cut short.

        Raises `VaultError` if there is none, it is damaged or of an earlier format (`convert` brings it to this one),
        `VaultKeyError` if it belongs to another key, or what its provider raises.
        """
        return cls._opened(directory, store, keys, finish=True)

    @classmethod
    def look(cls, directory: Path, store: ObjectStore, keys: WrappingKey | KeyProvider) -> Vault:
        """As `open`, to look at records beside a process that changes them: an erasure is left to that one."""
        return cls._opened(directory, store, keys, finish=False)

    @classmethod
    def convert(
        cls,
        directory: Path,
        store: ObjectStore,
        keys: WrappingKey | KeyProvider,
        replica: ObjectStore | None = None,
        progress: Progress | None = None,
    ) -> Conversion:
        """Bring a vault of an earlier format to this one: keys are wrapped anew, and objects get their names.

        Ciphertext and roots stay what they are. Objects that the store lacks are taken from a `replica`. What was cut
        short goes on when it is asked for again. Raises as `open`, or an error of the store.
        """
        path = directory / FILE
        if not path.is_file():
            raise VaultError(f"{path} does not exist", "create the vault first, or restore the file")
        with closing(Database(path)) as database:
            return migration.convert(database, store, provider_of(keys), replica, progress)

    @classmethod
    def _opened(
        cls,
        directory: Path,
        store: ObjectStore,
        keys: WrappingKey | KeyProvider,
        *,
        finish: bool,
    ) -> Vault:
        path = directory / FILE
        if not path.is_file():
            raise VaultError(f"{path} does not exist", "create the vault first, or restore the file")
        database = Database(path)
        hierarchy = Hierarchy(database, provider_of(keys))
        try:
            if 0 < database.format < VERSION:
                hint = "once: `hmchain data vault convert`; it can be interrupted"
                raise VaultError(f"{path} is a vault of an earlier format", hint)
            if database.format != VERSION:
                raise VaultError(f"{path} is not a vault that this version reads", "create it, or restore the file")
            hierarchy.load()
            if finish:
                erasure.finish_erasures(database, store)
            return cls(database, store, hierarchy)
        except BaseException:
            database.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Putting

    def put(self, dataset: str, version: int, record: str, plaintext: Buffer, subject: str = "") -> bytes:
        """Seal and keep one record; returns the digest of its ciphertext. As `put_many`."""
        return self.put_many(dataset, version, {record: plaintext}, subjects={record: subject})[0]

    def put_many(
        self,
        dataset: str,
        version: int,
        records: Mapping[str, Buffer],
        progress: Progress | None = None,
        subjects: Mapping[str, str] | None = None,
    ) -> list[bytes]:
        """Seal and keep records by id, all or none; returns the digests of their ciphertexts, in order.

        `progress` is called with records done and all records; `subjects` are patients' pseudonyms by record id. Raises
        `RecordExistsError` if the version has one of them, `VersionClosedError` if it is committed to, or an error of
        the object store.
        """
        self._intake.check(dataset, version, records)
        known = subjects or {}
        pending: list[PendingRecord] = []
        for batch in batches(NewRecord(record, known.get(record, ""), data) for record, data in records.items()):
            pending += self._intake.seal(batch)
            tell(progress, len(pending), len(records))
        return [kept.digest for kept in self._intake.enter(dataset, version, pending)]

    def put_stream(self, dataset: str, version: int, record: str, subject: str, pieces: Iterable[Buffer]) -> bytes:
        """Seal and keep one record that comes in pieces, in constant memory; returns the digest of its ciphertext.

        A piece may be used again once the next is asked for. Nothing is kept if making them raises. Raises as
        `put_many`.
        """
        self._intake.check(dataset, version, [record])
        sealed = self._intake.seal_stream(record, subject, pieces)
        return self._intake.enter(dataset, version, [sealed])[0].digest

    def writer(self, dataset: str, version: int, kept: OnKept | None = None) -> Writer:
        """A context manager that puts many records fast, batch by batch; `kept` is told of each batch kept."""
        return Writer(self._intake, dataset, version, kept)

    # Getting

    def sealer(self) -> Sealer:
        """The sealer of contents for this vault, also in other processes; for `Writer.put_sealed`."""
        return self._intake.sealer

    def holds(self, dataset: str, version: int, record: str, sealed: SealedContent) -> bool:
        """Tell whether a record has the very content that was sealed."""
        return self._intake.holds(dataset, version, record, sealed.content)

    def discard(self, sealed: SealedContent) -> None:
        """Delete what was sealed and shall not be put."""
        self._intake.discard(sealed)

    def get(self, dataset: str, version: int, record: str) -> bytes:
        """Decrypt one record.

        Raises `MissingRecordError` if it was never put or is erased, or an error of the object store or the envelope.
        """
        return self._open(dataset, version, self._row(dataset, version, record))

    def get_stream(self, dataset: str, version: int, record: str) -> Iterator[bytes]:
        """Decrypt one record in pieces, in constant memory.

        Every piece is authentic and in its place; only the end of the iteration proves that none is missing. Raises as
        `get`, but altered ciphertext is an `EnvelopeError`.
        """
        row = self._row(dataset, version, record)
        key, context, address = self._key(dataset, version, row)
        # The envelope proves every piece as it comes, so the digest over all of them would be hashed for nothing.
        return open_stream(self._store.get_stream(address, verify=False), key, context)

    def read(self, dataset: str, version: int, among: Container[str] | None = None) -> Iterator[tuple[str, bytes]]:
        """Decrypt the records of a version one by one, in order of record id: all, or those among some ids.

        Raises as `get`.
        """
        for row in self._database.query(f"{_CHOSEN} ORDER BY r.record", (dataset, version)):
            if among is None or row[0] in among:
                yield row[0], self._open(dataset, version, row)

    def read_subject(
        self, dataset: str, version: int, subject: str, among: Container[str] | None = None
    ) -> Iterator[bytes]:
        """Decrypt the records of one patient in a version, as `read`. Raises as `get`."""
        chosen = f"{_CHOSEN} AND r.subject = ? AND r.subject <> '' ORDER BY r.record"  # so that the index of it is used
        for row in self._database.query(chosen, (dataset, version, subject)):
            if among is None or row[0] in among:
                yield self._open(dataset, version, row)

    def records(self, dataset: str, version: int) -> list[str]:
        """The ids of a version's records, in order."""
        chosen = "SELECT record FROM records WHERE dataset = ? AND version = ? ORDER BY record"
        return [record for (record,) in self._database.query(chosen, (dataset, version))]

    def owners(self, dataset: str, version: int) -> dict[str, str]:
        """The pseudonym of each record's patient, by record id in order; an empty one for what is nobody's."""
        chosen = "SELECT record, subject FROM records WHERE dataset = ? AND version = ? ORDER BY record"
        return dict(self._database.query(chosen, (dataset, version)))

    def contents(self, dataset: str, version: int) -> dict[str, bytes]:
        """A keyed digest of each record's content, by record id: equal contents of this vault have equal ones.

        Of what an earlier format left there may be none.
        """
        chosen = """SELECT r.record, b.content FROM records r JOIN blobs b ON b.id = r.blob
            WHERE r.dataset = ? AND r.version = ? AND b.content IS NOT NULL"""
        return dict(self._database.query(chosen, (dataset, version)))

    def has(self, dataset: str, version: int, record: str) -> bool:
        """Tell whether a version has a record; its ciphertext is not looked at."""
        chosen = "SELECT 1 FROM records WHERE dataset = ? AND version = ? AND record = ?"
        return bool(self._database.query(chosen, (dataset, version, record)))

    def subjects(self, dataset: str, version: int) -> list[str]:
        """The pseudonyms of a version's patients, in order."""
        chosen = "SELECT DISTINCT subject FROM records WHERE dataset = ? AND version = ? AND subject <> '' ORDER BY 1"
        return [subject for (subject,) in self._database.query(chosen, (dataset, version))]

    def holds_subject(self, subject: str) -> bool:
        """Tell whether any record is of the patient with this pseudonym."""
        return bool(subject and self._database.query("SELECT 1 FROM records WHERE subject = ? LIMIT 1", (subject,)))

    def versions(self) -> list[tuple[str, int]]:
        """Dataset and number of every version that has a record, in order."""
        rows = self._database.query("SELECT DISTINCT dataset, version FROM records ORDER BY dataset, version")
        return [(dataset, version) for dataset, version in rows]

    # Binding

    def commit(
        self, dataset: str, version: int, descriptions: Mapping[str, bytes] | None = None, about: bytes = b""
    ) -> Commitment:
        """Close a version and return what binds it; the same each time.

        It binds what is said of its records (`descriptions`, by record id) and of itself (`about`) too, of which keyed
        digests are kept. Raises `MissingRecordError` if it has no records, `VersionClosedError` if one of them was
        erased since.
        """
        return self._roots.commit(dataset, version, descriptions or {}, about)

    def commitment(self, dataset: str, version: int) -> Commitment:
        """Compute what binds a closed version, computed from what the vault holds of it now.

        Raises `MissingRecordError` if it is not committed to, `VersionClosedError` if a record of it was erased.
        """
        return self._roots.commitment(dataset, version)

    def leaves(self, dataset: str, version: int) -> tuple[bytes, ...]:
        """The leaves of a version's records, in order of record id; of those that are left where some were erased."""
        return self._roots.leaves(dataset, version)

    def is_closed(self, dataset: str, version: int) -> bool:
        """Tell whether a version was committed to, with or without records that were erased since."""
        return self._roots.is_fixed(dataset, version)

    def unlike(self, dataset: str, version: int, descriptions: Mapping[str, bytes], about: bytes) -> list[str]:
        """Records of which something else was said when a version was closed, or that only one side has.

        An empty name stands for the version itself; records that were erased are not missed. Raises
        `MissingRecordError` if it is not committed to.
        """
        return self._roots.unlike(dataset, version, descriptions, about)

    def prove(self, dataset: str, version: int, record: str) -> RecordProof:
        """A proof for an auditor that a committed version has a record; see `RecordProof` for what it reveals.

        Raises `MissingRecordError` if it has none of that id, or is not committed to; `VersionClosedError` if a record
        of it was erased.
        """
        return self._roots.prove(dataset, version, record)

    # Erasing, and changing keys

    def erase(self, dataset: str, record: str) -> int:
        """Destroy a record's keys in every version, then its ciphertext; returns the number of versions that had it.

        Ciphertext that a record with the same content needs is kept for that one. Those versions that have a root lose
        its key too: publish a new version. Raises an error of the object store if ciphertext cannot be deleted now;
        its key is gone by then, and `open` tries again. Raises `VaultError` if another process keeps SQLite's log.
        """
        return erasure.erase(self._database, self._store, "dataset = ? AND record = ?", (dataset, record)).records

    def erase_many(self, dataset: str, version: int, records: Sequence[str]) -> int:
        """Erase records of one version at once, which is much faster; returns how many there were. As `erase`."""
        chosen = f"dataset = ? AND version = ? AND record IN ({', '.join('?' * len(records))})"
        return erasure.erase(self._database, self._store, chosen, (dataset, version, *records)).records

    def withdraw(self, dataset: str, version: int, record: str) -> None:
        """Erase a record from one version that nobody has committed to yet, so that another can take its place.

        Raises `VersionClosedError` if the version is committed to, or as `erase`.
        """
        if self._database.query("SELECT 1 FROM versions WHERE dataset = ? AND version = ?", (dataset, version)):
            raise VersionClosedError(f"{dataset} version {version} is closed", "put the record in a new version")
        chosen = "dataset = ? AND version = ? AND record = ?"
        erasure.erase(self._database, self._store, chosen, (dataset, version, record))

    def erase_subject(self, subject: str) -> Erasure:
        """Erase all records of a patient, in all datasets and versions. As `erase`."""
        if not subject:
            raise MissingRecordError("no patient is named", "give the pseudonym that the records were put under")
        return erasure.erase(self._database, self._store, "subject = ?", (subject,))

    def rotate(self, keys: WrappingKey | KeyProvider | None = None, progress: Progress | None = None) -> int:
        """Replace the key-encryption key, and the provider that wraps it if one is given; ciphertext is not touched.

        Returns the number of records whose keys were wrapped again. The old key is destroyed. The vault can be used
        meanwhile, and a rotation that was cut short goes on when it is asked for again. If it hands over to another
        provider, only that one opens the vault from the start of the rotation.
        """
        return self._hierarchy.rotate(None if keys is None else provider_of(keys), progress)

    # Looking after

    def verify(self, progress: Progress | None = None, *, ciphertext_only: bool = False) -> Scrub:
        """Read every object, compare it with its digest, and open it with the key of every record (unless told not to).

        `progress` is over objects. Raises `VaultError` if the vault's own file is damaged.
        """
        return self._scrubber.verify(progress, ciphertext_only=ciphertext_only)

    def repair(self, replica: ObjectStore, progress: Progress | None = None) -> Repair:
        """Put missing and altered objects back from a replica, which need not be trusted: digests tell good bytes."""
        return self._scrubber.repair(replica, progress)

    def mirror(self, replica: ObjectStore, progress: Progress | None = None, *, deep: bool = False) -> Mirror:
        """Copy to a replica what it lacks or has damaged, and remove what was erased here. It gets ciphertext alone.

        All sizes are compared. Contents are read too: all if `deep`, else 256 MiB or a fiftieth, drawn anew each time.
        """
        return self._scrubber.mirror(replica, progress, deep=deep)

    def backup(self, path: Path) -> None:
        """Copy the vault's file, with all wrapped keys, to a new file of mode 0600.

        An erased record comes back with a backup that is older than its erasure: destroy those. Raises `VaultError`.
        """
        self._database.backup(path)

    def sweep(self) -> int:
        """Delete objects older than a day that belong to no record; returns how many.

        A put that was cut short leaves such ciphertext, which nobody can open. The store must be this vault's alone.
        """
        return self._scrubber.sweep()

    def _row(self, dataset: str, version: int, record: str) -> tuple[Any, ...]:
        rows = self._database.query(f"{_CHOSEN} AND r.record = ?", (dataset, version, record))
        if not rows:
            raise MissingRecordError(f"{dataset} version {version} does not have this record")
        return rows[0]

    def _key(self, dataset: str, version: int, row: tuple[Any, ...]) -> tuple[SecretKey, bytes, bytes]:
        """A record's key, the context of its envelope, and its address."""
        record, address, context, subject, salt, kek, wrapped = row
        bound = record_context(dataset, version, record, context, subject, salt)
        return SecretKey(self._hierarchy.unwrap(kek, wrapped, bound)), context, address

    def _open(self, dataset: str, version: int, row: tuple[Any, ...]) -> bytes:
        key, context, address = self._key(dataset, version, row)
        return open_envelope(self._store.get(address), key, context)
