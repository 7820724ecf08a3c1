"""One extraction: the items of a source become records of one open version of a dataset.

Every item is written down once it and its records are durable, so a run that was cut short goes on where it stopped:
nothing twice, nothing lost. A record that comes again byte for byte is a duplicate and is counted; one that comes again
with other content (two objects under one UID, say) is held for a person, since one of the two is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import chain

from hmchain.records.catalogue import Catalogue, Dataset, HeldItem, ItemDone, RecordEntry
from hmchain.records.deidentification.outcome import Action, Clean, Held
from hmchain.records.deidentification.report import count_actions
from hmchain.records.envelope import Buffer
from hmchain.records.pipeline.workers import Deidentifiers, Handled, Result, SealedRecord, deidentified, outcomes
from hmchain.records.sources.item import Item, ItemUnavailableError, Source, SourceError
from hmchain.records.vault import Vault, Writer

Progress = Callable[[int, int | None], None]
"""Called with the items done and all items, if their number is known."""

CONFLICT = "conflicting_identifier"
OPTED_OUT = "opted_out"
BATCH_ITEMS = 512
_BATCH_BYTES = 64 << 20
_QUEUED_BYTES_MAX = 4 << 20
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Tally:
    """What one run of an extraction did."""

    items: int = 0
    records: int = 0
    size: int = 0
    """Bytes of the new records, before encryption."""
    duplicates: int = 0
    held: int = 0
    resumed: int = 0
    """Items that an earlier run had done."""
    unavailable: int = 0
    """Items that the source has and could not give; the next run asks for them again."""
    opted_out: int = 0
    """Records and held items that were passed over: they or their patients opted out."""


@dataclass
class _Batch:
    """Items whose records are not durable yet."""

    items: list[ItemDone] = field(default_factory=list)
    records: set[str] = field(default_factory=set)
    size: int = 0


def quarantine_of(dataset: str) -> str:
    """The vault's name for the items of a dataset that wait for a reviewer."""
    return f"{dataset}/quarantine"


def is_quarantine(name: str) -> bool:
    """Whether a name in the vault is that of a quarantine; a dataset's has no slash."""
    return "/" in name


def name_record(item: bytes) -> str:
    """The vault's record of the name that a quarantined item has at its source."""
    return f"{item.hex()}.name"


class Extraction:
    """Fills one open version of a dataset. One thread at a time."""

    def __init__(
        self, catalogue: Catalogue, vault: Vault, dataset: Dataset, version: int, rules: Deidentifiers
    ) -> None:
        self._catalogue = catalogue
        self._vault = vault
        self._dataset = dataset
        self._version = version
        self._rules = rules
        self._left_out = catalogue.left_out(dataset.project)
        self._tally = Tally()
        self._batch = _Batch()

    def run(
        self, source: Source, *, workers: int = 1, batch: int = BATCH_ITEMS, progress: Progress | None = None
    ) -> Tally:
        """Extract what is not extracted yet.

        At most `batch` items wait to become durable together. With 1, and one worker, an item is durable before the
        next one is asked for: what a source needs that acknowledges its items to a sender.

        Raises `SourceError` where the source cannot go on, or an error of vault or catalogue; what was done before
        stays, and the same call goes on after it.
        """
        self._tally = Tally()
        total = source.count()
        with self._writer() as writer:
            try:
                for handled in deidentified(source.items(self._is_done), self._rules, workers, self._vault.sealer()):
                    self._try(writer, handled)
                    if progress is not None:
                        progress(self._tally.resumed + self._tally.items, total)
                    if len(self._batch.items) >= batch or self._batch.size >= _BATCH_BYTES:
                        self._flush(writer)
            except SourceError:  # after any other error it is not known which of the queued records the vault has
                self._flush(writer)
                raise
            self._flush(writer)
        return self._tally

    def _try(self, writer: Writer, handled: Handled) -> None:
        try:
            self._keep(writer, self._digest(handled.item.name), handled.item, handled.results)
        except ItemUnavailableError:
            self._tally = replace(self._tally, unavailable=self._tally.unavailable + 1)

    def release(self, item: Item, name: bytes) -> Tally:
        """Extract an item that a reviewer let through; only what a reviewer may decide is overruled.

        `name` is the keyed digest under which it is known.
        """
        self._tally = Tally()
        with self._writer() as writer:
            self._keep(writer, name, item, outcomes(item, self._rules, reviewed=True))
            self._flush(writer)
        return self._tally

    def _is_done(self, name: str) -> bool:
        done = self._catalogue.is_done(self._dataset.name, self._version, self._digest(name))
        if done:
            self._tally = replace(self._tally, resumed=self._tally.resumed + 1)
        return done

    def _digest(self, name: str) -> bytes:
        return self._catalogue.item_digest(self._dataset.project, name)

    def _writer(self) -> Writer:
        self._batch = _Batch()
        return self._vault.writer(self._dataset.name, self._version)

    def _keep(self, writer: Writer, name: bytes, item: Item, found: Iterable[Result]) -> None:
        """Hand the outcomes of one item to the vault, and remember what to write into the catalogue."""
        entries: dict[str, RecordEntry] = {}
        actions: Counter[tuple[str, str]] = Counter()
        held: list[Held] = []
        subjects: set[str] = set()
        duplicates = opted_out = 0
        for outcome in found:
            if self._is_left_out(outcome):
                opted_out += 1
                continue
            if isinstance(outcome, Held):
                held.append(outcome)
                subjects.update(outcome.subjects or ("",))
                continue
            clean = outcome.clean if isinstance(outcome, SealedRecord) else outcome
            subjects.add(clean.subject)
            entry = self._put(writer, outcome, item)
            if entry is None:
                held.append(Held(CONFLICT, "another object of this identifier has other content", releasable=False))
            elif entry.record in entries or self._is_listed(entry.record):
                duplicates += 1
            else:
                entries[entry.record] = entry
                self._batch.records.add(entry.record)
                self._batch.size += entry.size
                count_actions(actions, clean.actions)
        whose = tuple(sorted(subjects))
        if held and opted_out:
            held = [
                Held(OPTED_OUT, "it is also about somebody who opted out: split it at its source", releasable=False)
            ]
        waiting = self._quarantine(name, item, held, whose) if held else None
        done = tuple(Action(*key, count) for key, count in actions.items())
        if entries or duplicates or waiting or not opted_out:  # else it comes again once the opt-out is lifted
            self._batch.items.append(ItemDone(name, tuple(entries.values()), duplicates, waiting, done, whose))
        self._tally = replace(
            self._tally,
            items=self._tally.items + 1,
            records=self._tally.records + len(entries),
            size=self._tally.size + sum(entry.size for entry in entries.values()),
            duplicates=self._tally.duplicates + duplicates,
            held=self._tally.held + bool(held),
            opted_out=self._tally.opted_out + opted_out,
        )

    def _is_left_out(self, outcome: Result) -> bool:
        """Whether what became of an item, or its patient, opted out; nothing is kept of it then."""
        if isinstance(outcome, Held):
            return any(self._left_out.patient(subject) for subject in outcome.subjects)
        clean = outcome.clean if isinstance(outcome, SealedRecord) else outcome
        left_out = self._left_out.record(clean.record, clean.subject)
        if left_out and isinstance(outcome, SealedRecord):
            self._vault.discard(outcome.sealed)
        return left_out

    def _put(self, writer: Writer, found: Clean | SealedRecord, item: Item) -> RecordEntry | None:
        """The catalogue's entry of a record that the vault has now; None if it had another one of this id."""
        clean = found.clean if isinstance(found, SealedRecord) else found
        if clean.record in self._batch.records:
            self._flush(writer)  # the vault tells of records that it has, not of those that it is about to have
        size = self._put_sealed(writer, found) if isinstance(found, SealedRecord) else self._put_pieces(writer, found)
        if size is None:
            return None
        label = clean.attributes.get("label", item.label)
        return RecordEntry(clean.record, clean.subject, item.kind, clean.media_type, size, label, clean.attributes)

    def _put_pieces(self, writer: Writer, clean: Clean) -> int | None:
        """The record's size; None if the vault has another content under its id."""
        pieces = _Measured(clean.pieces())
        if self._vault.has(self._dataset.name, self._version, clean.record):
            known = self._vault.get_stream(self._dataset.name, self._version, clean.record)
            if _sha256(known) != _sha256(pieces):
                return None
        else:
            _write(writer, clean, pieces)
        return pieces.size

    def _put_sealed(self, writer: Writer, found: SealedRecord) -> int | None:
        """As `_put_pieces`."""
        clean, sealed = found.clean, found.sealed
        if not self._vault.has(self._dataset.name, self._version, clean.record):
            writer.put_sealed(clean.record, clean.subject, sealed)
        else:
            self._vault.discard(sealed)
            if not self._vault.holds(self._dataset.name, self._version, clean.record, sealed):
                return None
        return sealed.size

    def _is_listed(self, record: str) -> bool:
        """Whether the catalogue has a record; the vault alone may have it after a crash."""
        return self._catalogue.record(self._dataset.name, self._version, record) is not None

    def _quarantine(self, name: bytes, item: Item, held: Sequence[Held], subjects: Sequence[str]) -> HeldItem:
        """Keep an item, encrypted, until a reviewer decides; its name alone if it holds what must not be kept."""
        place = quarantine_of(self._dataset.name)
        kept = {name_record(name): iter([item.name.encode()])}
        if held[0].code != OPTED_OUT:
            kept[name.hex()] = _read(item)
        for record, pieces in kept.items():
            if not self._vault.has(place, self._version, record):
                whose = subjects[0] if len(subjects) == 1 else ""
                self._vault.put_stream(place, self._version, record, whose, pieces)
        reasons = "; ".join(dict.fromkeys(entry.reason for entry in held))
        releasable = all(entry.releasable for entry in held)
        return HeldItem(
            name, self._dataset.name, self._version, item.kind, item.label, held[0].code, reasons, releasable
        )

    def _flush(self, writer: Writer) -> None:
        """Make everything durable: first the records, then the catalogue's entries for them."""
        writer.flush()
        if self._batch.items:
            self._catalogue.add_items(self._dataset.name, self._version, self._batch.items)
            self._batch = _Batch()


def _write(writer: Writer, clean: Clean, pieces: Iterable[Buffer]) -> None:
    """Queue a small record with others, which is fast; stream a large one, which takes no memory."""
    incoming = iter(pieces)
    held = bytearray()
    for piece in incoming:
        held += piece
        if len(held) > _QUEUED_BYTES_MAX:
            writer.put_stream(clean.record, clean.subject, chain([bytes(held)], incoming))
            return
    writer.put(clean.record, bytes(held), clean.subject)


class _Measured:
    """Pieces that are counted as they pass."""

    def __init__(self, pieces: Iterable[Buffer]) -> None:
        self._pieces = pieces
        self.size = 0

    def __iter__(self) -> Iterator[Buffer]:
        for piece in self._pieces:
            self.size += memoryview(piece).nbytes
            yield piece


def _read(item: Item) -> Iterator[bytes]:
    with item.open() as file:
        while piece := file.read(_READ_BYTES):
            yield piece


def _sha256(pieces: Iterable[Buffer]) -> bytes:
    hasher = sha256()
    for piece in pieces:
        hasher.update(piece)
    return hasher.digest()
