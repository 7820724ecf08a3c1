"""One extraction: the items of a source become records of one open version of a dataset.

Every item is written down once it and its records are durable, so a run that was cut short goes on where it stopped:
nothing twice, nothing lost. A record that comes again byte for byte is a duplicate and is counted. One that comes again
with other content takes the place of the first if its source says that it is a later edition, and is passed over if it
is an earlier one; if that cannot be told (two objects under one UID, say) it is held: a person says which to take.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import BinaryIO

from hmchain.plain import Progress, tell
from hmchain.records.catalogue import Catalogue, Dataset, HeldItem, ItemDone, RecordEntry
from hmchain.records.catalogue.accounts import OPTED_OUT as OPTED_OUT_WHY
from hmchain.records.catalogue.accounts import Account, Fate
from hmchain.records.catalogue.entries import PENDING, REJECTED, RELEASED, Decided
from hmchain.records.catalogue.optouts import LeftOut
from hmchain.records.deidentification.outcome import NEVER_TAKEN, Action, Clean, Excerpt, Held, Parted, PassedOver
from hmchain.records.deidentification.report import count_actions
from hmchain.records.pipeline.accounting import Accounting, Told
from hmchain.records.pipeline.decided import CONFLICT as CONFLICT
from hmchain.records.pipeline.decided import held_item, known_decision, quarantine_id
from hmchain.records.pipeline.storing import KnownRecord, PutOutcome, Store, VersionStore, clean_of, read, sha256_of
from hmchain.records.pipeline.storing import quarantine_of as quarantine_of
from hmchain.records.pipeline.tally import ExtractionTally as ExtractionTally
from hmchain.records.pipeline.tally import Gathered
from hmchain.records.pipeline.workers import Deidentifiers, ItemResults, Result, SealedRecord, deidentified, outcomes
from hmchain.records.sources.finds import Finds
from hmchain.records.sources.item import Item, ItemUnavailableError, Source, SourceError
from hmchain.records.vault import Vault

OPTED_OUT = "opted_out"
REJECTED_WHY = "rejected by a reviewer before"

BATCH_ITEMS = 512
CONFLICTS_APART_MAX = 100
_BATCH_BYTES = 64 << 20


@dataclass
class _Batch:
    """Items whose records are not durable yet."""

    items: list[ItemDone] = field(default_factory=list)
    records: set[str] = field(default_factory=set)
    size: int = 0

    def holds(self, name: bytes) -> bool:
        """Tell whether an item of it waits in quarantine by this id."""
        return any(done.held is not None and done.held.item == name for done in self.items)


@dataclass
class _LateLabels:
    """Labels of records that came without one before, and the items that give them: written down at the end at once,
    since to label records takes as long as the version has records."""

    items: list[ItemDone] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)

    def add(self, item: ItemDone, labels: Mapping[str, str]) -> None:
        self.items.append(item)
        self.labels.update(labels)


def is_quarantine(name: str) -> bool:
    """Tell whether a name in the vault is that of a quarantine; a dataset's has no slash."""
    return "/" in name


def name_record(item: bytes) -> str:
    """The vault's record of the name that a quarantined item has at its source."""
    return f"{item.hex()}.name"


class Extraction:
    """Fills one open version of a dataset. One thread at a time."""

    def __init__(
        self,
        catalogue: Catalogue,
        end: Vault | Store,
        dataset: Dataset,
        version: int,
        rules: Deidentifiers,
        *,
        left_out: LeftOut | None = None,
    ) -> None:
        """`end` is where records go: a vault, or another store; `left_out` what is passed over, if not the
        catalogue's own."""
        self._catalogue = catalogue
        self._store: Store = VersionStore(end, dataset.name, version) if isinstance(end, Vault) else end
        self._dataset = dataset
        self._version = version
        self._rules = rules
        self._left_out = left_out or catalogue.left_out(dataset.project)
        self._tally = ExtractionTally()
        self._batch = _Batch()
        self._late = _LateLabels()
        self._accounting = Accounting(catalogue, dataset, version)
        self._replacing = False

    def run(
        self,
        source: Source,
        *,
        workers: int = 1,
        batch: int = BATCH_ITEMS,
        progress: Progress | None = None,
        told: Told | None = None,
    ) -> ExtractionTally:
        """Extract what is not extracted yet.

        At most `batch` items wait to become durable together. With 1, and one worker, an item is durable before the
        next one is asked for: what a source needs that acknowledges its items to a sender. `told` is called with what
        became of every file, by name, those included that an earlier run had done.

        Raises `SourceError` where the source cannot go on, or an error of vault or catalogue; what was done before
        stays, and the same call goes on after it. Raises `AccountError` if what became of the items does not add up.
        """
        accounting = self._begin(getattr(source, "finds", None), told)
        total = source.count()
        given = accounting.given(source, self._is_done)
        with self._store.opened():
            try:
                for handled in deidentified(given, self._rules, workers, self._store.sealer):
                    self._try(handled)
                    tell(progress, self._tally.resumed + self._tally.items, total)
                    if len(self._batch.items) >= batch or self._batch.size >= _BATCH_BYTES:
                        self._flush()
            except SourceError:  # after any other error it is not known which of the queued records the vault has
                self._finish()
                raise
            self._finish()
        accounting.check(self._tally.records)
        return self._tally

    def account(self) -> Account:
        """What became of all files of the version. Raises `AccountError` if it is not what the last run found."""
        return self._accounting.account()

    def release_all(self, items: Iterable[tuple[Item, Decided]], *, replacing: bool = False) -> list[ExtractionTally]:
        """Extract items that a reviewer let through, each with what was decided about it; what became of each.

        They become durable together, with what was decided about those that do not wait again. Only what a reviewer may
        decide is overruled; `replacing` lets their records take the place of others.
        """
        self._begin()
        tallies, self._replacing = [], replacing
        with self._store.opened():
            for item, decided in items:
                self._tally = ExtractionTally()
                self._keep(decided.held.item, item, outcomes(item, self._rules, reviewed=True), release=decided)
                tallies.append(self._tally)
            self._finish()
        return tallies

    def _begin(self, finds: Finds | None = None, told: Told | None = None) -> Accounting:
        self._tally, self._replacing = ExtractionTally(), False
        self._batch, self._late = _Batch(), _LateLabels()
        self._accounting = Accounting(self._catalogue, self._dataset, self._version, finds, told)
        return self._accounting

    def _is_done(self, mark: str) -> bool:
        name = self._digest(mark)
        done = self._catalogue.is_done(self._dataset.name, self._version, name)
        if done:
            self._tally = replace(self._tally, resumed=self._tally.resumed + 1)
            self._accounting.resumed(mark, name)
        return done

    def _digest(self, mark: str) -> bytes:
        return self._catalogue.projects.item_digest(self._dataset.project, mark)

    # -- one item ------------------------------------------------------------------------------------------------------

    def _try(self, handled: ItemResults) -> None:
        self._accounting.handled()
        try:
            self._keep(self._digest(handled.item.known_by), handled.item, handled.results)
        except ItemUnavailableError:
            self._tally = replace(self._tally, unavailable=self._tally.unavailable + 1)
            self._batch.items.append(self._accounting.not_had(handled.item))

    def _keep(self, name: bytes, item: Item, found: Iterable[Result], *, release: Decided | None = None) -> None:
        """Hand the outcomes of one item to the store, and remember what to write into the catalogue.

        `release` is of an item that comes from quarantine, whose name is its id there.
        """
        released = name if release else None
        got = Gathered(written_as=Fate.WRITTEN if released is None else Fate.RELEASED)
        self._gather(item, found, got)
        apart = [] if released else list(self._hold_apart(item, got))
        waiting, decided = self._hold(item, got, released) if got.held else (None, None)
        done = ItemDone(
            name,
            tuple(got.entries.values()),
            got.duplicates,
            waiting or decided,
            tuple(apart),
            tuple(Action(*key, count) for key, count in got.actions.items()),
            held_subjects=tuple(sorted(got.subjects)),
            replaced=tuple(sorted(got.again)),
            patients=tuple(got.patients.values()),
            same=tuple(sorted(got.same)),
        )
        waits = waiting.item.hex() if waiting else ""
        if released is None:
            done = self._accounting.settled(item, done, got, waits)
        else:
            done = replace(self._accounting.released(done, got, waits), decided=None if waiting else release)
        self._note(item, done, got)
        states = [held.state for held in (waiting, decided, *(held for held, _ in apart)) if held]
        self._tally = replace(
            self._tally,
            items=self._tally.items + 1,
            records=self._tally.records + len(got.entries) - len(got.again),
            updated=self._tally.updated + got.updated,
            size=self._tally.size + sum(entry.size for entry in got.entries.values()),
            duplicates=self._tally.duplicates + got.duplicates,
            held=self._tally.held + states.count(PENDING),
            opted_out=self._tally.opted_out + got.opted_out,
            rejected=self._tally.rejected + states.count(REJECTED),
            released=self._tally.released + states.count(RELEASED),
        )

    def _note(self, item: Item, done: ItemDone, got: Gathered) -> None:
        """Remember what to write into the catalogue of an item."""
        if got.labels and not got.entries:
            self._late.add(done, got.labels)
        elif got.entries or got.duplicates or done.held or done.apart or done.is_released or not got.opted_out:
            if got.labels:
                self._catalogue.label(self._dataset.name, self._version, got.labels)
            self._batch.items.append(done)
            self._batch.records.update(got.entries)  # a flush within the item forgot those from before it
        else:  # it comes again after an opt-in
            self._batch.items.append(self._accounting.again(item, got.became))

    def _gather(self, item: Item, found: Iterable[Result], got: Gathered) -> None:
        """Take the outcomes of one item; those of its records that were taken are not taken again."""
        for outcome in found:
            if isinstance(outcome, PassedOver):
                got.of = max(got.of or 0, outcome.of)
                got.add(Fate.PASSED, outcome.reason, outcome.parts)
                continue
            told = outcome if isinstance(outcome, Held) else clean_of(outcome)
            got.of = max(got.of or 0, told.of)
            got.same.update(told.same)
            if self._is_left_out(outcome):
                got.opted_out += 1
                got.add(Fate.PASSED, OPTED_OUT_WHY, told.parts)
            elif isinstance(outcome, Held) and outcome.code in NEVER_TAKEN:
                got.add(Fate.PASSED, f"{outcome.code}: never taken", outcome.parts)
            elif isinstance(outcome, Held):
                got.held.append(outcome)
                got.subjects.update(outcome.subjects or ("",))
            else:
                self._take(item, outcome, got)

    def _decided(self, item: Item, got: Gathered, content: bytes) -> HeldItem | None:
        """Apply what a reviewer decided about the same content before; None if a person is to be asked.

        An item that is still held after a release waits for that.
        """
        known = known_decision(self._catalogue, self._dataset, self._version, item, got.held, content)
        if known is None:
            return None
        held, decision = known
        if decision.state == RELEASED:
            got.held.clear()
            got.only_written()
            taken = dict(got.written)
            again = outcomes(replace(item, blank=decision.regions), self._rules, reviewed=True)
            new = (each for each in again if not isinstance(each, Clean) or each.record not in taken)
            self._gather(item, new, got)
        else:
            got.add(Fate.PASSED, REJECTED_WHY, got.parts_held)
            got.held.clear()
        return None if got.held else held

    def _is_left_out(self, outcome: Held | Clean | SealedRecord) -> bool:
        """Tell whether what became of an item, or its patient, opted out; nothing is kept of it then."""
        if isinstance(outcome, Held):
            return any(self._left_out.patient(subject) for subject in outcome.subjects)
        clean = clean_of(outcome)
        persons = (clean.patient.person, *clean.patient.others) if clean.patient else ()
        left_out = self._left_out.record(clean.record, clean.subject, persons)
        if left_out and isinstance(outcome, SealedRecord):
            self._store.discard(outcome.sealed)
        return left_out

    def _take(self, item: Item, found: Clean | SealedRecord, got: Gathered) -> None:
        """Put one record where it goes, and say what that means for the catalogue."""
        clean = clean_of(found)
        got.subjects.update(filter(None, [clean.subject]))
        if clean.patient:
            got.patients[clean.patient.person] = clean.patient
        known = self._known(clean.record, got.entries)
        if clean.record in self._batch.records:
            self._flush()  # the vault tells of records that it has, not of those that it is about to have
        put = self._store.put(found, known, replacing=self._replacing)
        entry = _entry(clean, put.size, item, known)
        if put.outcome is PutOutcome.REFUSED and known and known.supersedes(clean):
            got.duplicates += 1
            got.into(clean.record, Fate.OLDER, clean.parts)
        elif put.outcome is PutOutcome.REFUSED:
            what = "another object of this identifier has other content"
            whose = tuple(filter(None, [clean.subject]))
            got.held.append(Held(CONFLICT, what, True, whose, parts=clean.parts, record=clean.record))
        elif put.outcome is PutOutcome.SAME and known and known.entry.subject != clean.subject:
            what = "the same content is another patient's already"
            got.held.append(Held(CONFLICT, what, releasable=False, parts=clean.parts))
        elif put.outcome is PutOutcome.SAME and known and not known.is_superseded_by(clean):
            got.duplicates += 1
            got.into(clean.record, Fate.TWICE, clean.parts)
            if known.is_catalogued and entry.label and not known.entry.label:
                got.labels[entry.record] = entry.label
        else:
            got.updated += put.outcome is PutOutcome.REPLACED and known is not None
            fate = Fate.UPDATED if known and got.written_as is Fate.WRITTEN else got.written_as
            got.into(clean.record, fate, clean.parts)
            got.written[entry.record] = (fate, clean.parts)
            if known and known.is_catalogued:
                got.again.add(entry.record)
            got.entries[entry.record] = entry
            self._batch.records.add(entry.record)
            self._batch.size += entry.size
            count_actions(got.actions, clean.actions)

    def _known(self, record: str, entries: Mapping[str, RecordEntry]) -> KnownRecord | None:
        """Find what an item before, or this one so far, listed under a record's id; the vault alone may have more
        after a crash."""
        if record in entries:
            return KnownRecord(entries[record], entries[record].edition, is_catalogued=False)
        if record in self._batch.records:
            self._flush()
        entry = self._catalogue.record(self._dataset.name, self._version, record)
        if entry is None:
            return None
        return KnownRecord(
            entry, self._catalogue.edition(self._dataset.name, self._version, record), is_catalogued=True
        )

    # -- quarantine ----------------------------------------------------------------------------------------------------

    def _hold_apart(self, item: Item, got: Gathered) -> Iterator[tuple[HeldItem, tuple[str, ...]]]:
        """Hold back each part that can be decided about by itself; what is left of the item is held as a whole.

        Of whom a part is that does not say so may be who opted out: it stays with the rest.
        """
        got.held = list(self._conflicts_apart(item, got))
        apart = [held for held in got.held if held.excerpt and (held.subjects or not got.opted_out)]
        got.held = [held for held in got.held if held not in apart]
        for held in apart:
            part, one = _excerpt(item, held), got.apart(held)
            waiting, decided = self._hold(part, one, None)
            one.settle(waiting.item.hex() if waiting else "")
            got.join(one)
            if found := waiting or decided:
                yield found, tuple(sorted(one.subjects))

    def _conflicts_apart(self, item: Item, got: Gathered) -> Iterator[Held]:
        """What is held, and if few of many parts are in the place of others, those by themselves."""
        records = {held.record for held in got.held if held.record}
        rules = self._rules.get(item.kind)
        is_few = 0 < len(records) <= CONFLICTS_APART_MAX and (got.of or 0) > 1
        known: dict[str, Excerpt] = dict(rules.excerpts(item, records)) if is_few and isinstance(rules, Parted) else {}
        for held in got.held:
            yield replace(held, excerpt=known[held.record]) if held.record in known else held

    def _hold(self, item: Item, got: Gathered, released: bytes | None) -> tuple[HeldItem | None, HeldItem | None]:
        """Hold an item back, unless somebody decided about it before: as it waits from now on, and as it was decided.

        It is opened once, since a server is asked for it each time.
        """
        decided = waiting = None
        with item.open() as file:
            content = sha256_of(read(file))
            if got.opted_out:
                reason = "it is also about somebody who opted out: split it at its source"
                held = Held(OPTED_OUT, reason, releasable=False, origin=got.held[0].origin)
                got.held = [replace(held, parts=got.parts_held)]
            elif released is None:
                decided = self._decided(item, got, content)
            if got.held:
                waiting = self._quarantine(item, got, file, content, released)
                got.duplicates += waiting is None
        return waiting, decided

    def _quarantine(
        self, item: Item, got: Gathered, file: BinaryIO, content: bytes, released: bytes | None
    ) -> HeldItem | None:
        """Keep an item, encrypted, until a reviewer decides; its name alone if it holds what must not be kept.

        None if it waits already, or somebody has decided.
        """
        whose = next(iter(got.subjects)) if len(got.subjects) == 1 else ""
        place, number = self._dataset, self._version
        name = released or quarantine_id(self._catalogue, place, number, item, content)
        if self._batch.holds(name):
            self._flush()  # the catalogue tells of items that it has, not of those that it is about to have
        if released is None and self._catalogue.quarantine.item(place.name, number, name) is not None:
            return None
        if got.held[0].code != OPTED_OUT:
            file.seek(0)
            self._store.put_aside(name.hex(), whose, read(file))
        self._store.put_aside(name_record(name), whose, iter([item.name.encode()]))
        return replace(held_item(self._catalogue, place, number, item, got.held, content), item=name, patient=whose)

    # -- durable ---------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        """Make all durable, and label what was labelled late."""
        self._flush()
        self._accounting.write()
        if self._late.labels:
            self._catalogue.label(self._dataset.name, self._version, self._late.labels)
            self._catalogue.add_items(self._dataset.name, self._version, self._late.items)
            self._late = _LateLabels()

    def _flush(self) -> None:
        """Make everything durable: first the records, then the catalogue's entries for them."""
        self._store.flush()
        if self._batch.items:
            self._catalogue.add_items(self._dataset.name, self._version, self._batch.items)
            self._batch = _Batch()


def _excerpt(item: Item, held: Held) -> Item:
    """A part of an item as an item of its own."""
    assert held.excerpt is not None
    name, open_ = f"{item.file.name}, {held.excerpt.name}", partial(io.BytesIO, held.excerpt.content)
    return Item(name, item.kind, open_, item.label, within=item.file)


def _entry(clean: Clean, size: int, item: Item, known: KnownRecord | None) -> RecordEntry:
    """Describe a record for the catalogue; a label outlives the edition that it was given to."""
    label = clean.attributes.get("label", item.label) or (known.entry.label if known else "")
    return RecordEntry(
        clean.record, clean.subject, item.kind, clean.media_type, size, label, clean.attributes, clean.edition
    )
