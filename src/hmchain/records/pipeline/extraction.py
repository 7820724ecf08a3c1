"""One extraction: the items of a source become records of one open version of a dataset.

Every item is written down once it and its records are durable, so a run that was cut short goes on where it stopped:
nothing twice, nothing lost. A record that comes again byte for byte is a duplicate and is counted. One that comes again
with other content takes the place of the first if its source says that it is a later edition, and is passed over if it
is an earlier one; if that cannot be told (two objects under one UID, say) it is held: a person says which to take.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from hmchain.records.catalogue import Catalogue, Dataset, HeldItem, ItemDone, RecordEntry
from hmchain.records.deidentification.outcome import Action, Clean, Held
from hmchain.records.deidentification.report import count_actions
from hmchain.records.envelope import Buffer
from hmchain.records.pipeline.editions import Known, Place, make_place
from hmchain.records.pipeline.workers import Deidentifiers, Handled, Result, SealedRecord, deidentified, outcomes
from hmchain.records.sources.item import Item, ItemUnavailableError, Source, SourceError
from hmchain.records.vault import Vault, Writer

Progress = Callable[[int, int | None], None]
"""Called with the items done and all items, if their number is known."""

CONFLICT = "conflicting_identifier"
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
    updated: int = 0
    """Records that took the place of an earlier edition of themselves."""
    unavailable: int = 0
    """Items that the source has and could not give; the next run asks for them again."""


@dataclass
class _Batch:
    """Items whose records are not durable yet."""

    items: list[ItemDone] = field(default_factory=list)
    records: set[str] = field(default_factory=set)
    size: int = 0


def quarantine_of(dataset: str) -> str:
    """The vault's name for the items of a dataset that wait for a reviewer."""
    return f"{dataset}/quarantine"


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
        self._tally = Tally()
        self._batch = _Batch()
        self._replacing = False

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

    def release(self, item: Item, name: bytes, *, replacing: bool = False) -> Tally:
        """Extract an item that a reviewer let through; only what a reviewer may decide is overruled.

        `name` is the keyed digest under which it is known; `replacing` lets its records take the place of others.
        """
        self._tally = Tally()
        self._replacing = replacing
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
        duplicates = updated = 0
        again: set[str] = set()
        for outcome in found:
            if isinstance(outcome, Held):
                held.append(outcome)
                continue
            clean = outcome.clean if isinstance(outcome, SealedRecord) else outcome
            known = self._known(writer, clean.record, entries)
            place, size = self._put(writer, outcome, known)
            if place is Place.REFUSED and known and known.supersedes(clean):
                duplicates += 1
            elif place is Place.REFUSED:
                held.append(Held(CONFLICT, "another object of this identifier has other content", releasable=True))
            elif place is Place.SAME and known and not known.is_superseded_by(clean):
                duplicates += 1
            else:
                entry = _entry(clean, size, item, known)
                updated += place is Place.REPLACING and known is not None
                if known and known.is_catalogued:
                    again.add(entry.record)
                entries[entry.record] = entry
                self._batch.records.add(entry.record)
                self._batch.size += entry.size
                count_actions(actions, clean.actions)
        waiting = self._quarantine(name, item, held) if held else None
        what = tuple(Action(*key, count) for key, count in actions.items())
        kept, replaced = tuple(entries.values()), tuple(sorted(again))
        self._batch.items.append(ItemDone(name, kept, duplicates, waiting, what, replaced=replaced))
        self._tally = replace(
            self._tally,
            items=self._tally.items + 1,
            records=self._tally.records + len(entries) - len(again),
            updated=self._tally.updated + updated,
            size=self._tally.size + sum(entry.size for entry in entries.values()),
            duplicates=self._tally.duplicates + duplicates,
            held=self._tally.held + bool(held),
        )

    def _known(self, writer: Writer, record: str, entries: Mapping[str, RecordEntry]) -> Known | None:
        """What is listed under a record's id: by an item before, or by this one so far."""
        if record in entries:
            return Known(entries[record].edition, entries[record].label, is_catalogued=False)
        if record in self._batch.records:
            self._flush(writer)
        listed = self._catalogue.record(self._dataset.name, self._version, record)
        if listed is None:
            return None
        edition = self._catalogue.edition(self._dataset.name, self._version, record)
        return Known(edition, listed.label, is_catalogued=True)

    def _put(self, writer: Writer, found: Clean | SealedRecord, known: Known | None) -> tuple[Place, int]:
        """Hand a record to the vault, if there is a place for it; also says how large it is."""
        clean = found.clean if isinstance(found, SealedRecord) else found
        if clean.record in self._batch.records:
            self._flush(writer)  # the vault tells of records that it has, not of those that it is about to have
        at = (self._dataset.name, self._version)
        content = _Measured(found.pieces() if isinstance(found, Clean) else ())
        place = make_place(self._vault, *at, found, content, known, replacing=self._replacing)
        if isinstance(found, Clean):
            if place.is_free:
                content = _Measured(found.pieces())
                _write(writer, found, content)
            return place, content.size
        if place.is_free:
            writer.put_sealed(clean.record, clean.subject, found.sealed)
        else:
            self._vault.discard(found.sealed)
        return place, found.sealed.size

    def _quarantine(self, name: bytes, item: Item, held: Sequence[Held]) -> HeldItem:
        """Keep an item, encrypted, until a reviewer decides."""
        place = quarantine_of(self._dataset.name)
        for record, pieces in ((name.hex(), _read(item)), (name_record(name), iter([item.name.encode()]))):
            if not self._vault.has(place, self._version, record):
                self._vault.put_stream(place, self._version, record, "", pieces)
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


def _entry(clean: Clean, size: int, item: Item, known: Known | None) -> RecordEntry:
    label = clean.attributes.get("label", item.label) or (known.label if known else "")
    return RecordEntry(
        clean.record, clean.subject, item.kind, clean.media_type, size, label, clean.attributes, clean.edition
    )


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
