"""One run of a source, accounted for: what it came upon, what was given and handled, and that both add up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from hmchain.records.catalogue import Catalogue, Dataset, ItemDone
from hmchain.records.catalogue.accounts import Account, Fate
from hmchain.records.pipeline.tally import AccountError, Gathered, Line, known, listed
from hmchain.records.sources.finds import Finds
from hmchain.records.sources.item import FoundFile, Item, Source
from hmchain.records.sources.marks import mark

Told = Callable[[Line], None]
"""Called with what became of parts of a file, by name."""

_BATCH = 512


class Accounting:
    """The account of one run, kept in the catalogue beside the items."""

    def __init__(
        self, catalogue: Catalogue, dataset: Dataset, version: int, finds: Finds | None = None, told: Told | None = None
    ) -> None:
        self._catalogue, self._dataset, self._version = catalogue, dataset, version
        self._finds, self._told = finds, told
        self._records_before, self._is_first = 0, False
        self._given = self._handled = self._unsettled = 0
        self._passed: list[ItemDone] = []

    def given(self, source: Source, done: Callable[[str], bool]) -> Iterator[Item]:
        """The source's items, counted as they are given; what the version has now was there before them."""
        self._records_before = self._records()
        self._is_first = not self._catalogue.has_items(self._dataset.name, self._version)
        if self._finds is not None:
            self._finds.tell(self._pass)
        return self._counted(source, done)

    def _counted(self, source: Source, done: Callable[[str], bool]) -> Iterator[Item]:
        for item in source.items(done):
            self._given += 1
            yield item
        if self._finds is not None:
            self._finds.end()

    def resumed(self, mark: str, name: bytes) -> None:
        """Note an item that an earlier run had done; `name` is the digest of its mark."""
        if self._told is not None:
            file = self._finds.current.name if self._finds else mark
            place = (self._dataset.name, self._version, name)
            for line in known(file, "", self._catalogue.became(*place), self._catalogue.records_of(*place)):
                self._told(line)

    def handled(self) -> None:
        """Note that an item came back."""
        self._handled += 1

    def settled(self, item: Item, done: ItemDone, got: Gathered, waits: str) -> ItemDone:
        """Note what became of an item, and add it to what is written down of it."""
        self._unsettled += not got.settle(waits)
        self._tell(item, got)
        names = [self._digest("again", item.known_by)]
        if not item.part:
            names.append(self._digest("passed", item.file.known_by))
            names.append(self._digest("passed", mark(item.file.name)))  # it could not be read before
        became = dict(got.became)
        return replace(done, file=self._file(item.file), became=became, made=dict(got.made), clears=tuple(names))

    def released(self, done: ItemDone, got: Gathered, waits: str) -> ItemDone:
        """Add what became of an item from quarantine to what is written down of it."""
        got.settle(waits)
        return replace(done, became=dict(got.became), made=dict(got.made), is_released=True)

    def again(self, item: Item, became: Mapping[tuple[Fate, str], int]) -> ItemDone:
        """Account for an item that the next run is to ask for again: it is not done."""
        return ItemDone(self._digest("again", item.known_by), file=self._file(item.file), became=dict(became))

    def not_had(self, item: Item) -> ItemDone:
        """Account for an item that the source could not give."""
        got = Gathered()
        got.add(Fate.NOT_HAD)
        self._tell(item, got)
        return self.again(item, got.became)

    def write(self) -> None:
        """Write down what was passed over at the source."""
        self._catalogue.add_items(self._dataset.name, self._version, self._passed)
        self._passed.clear()

    def check(self, new: int) -> None:
        """Raise `AccountError` if what was given is not what was handled, or the `new` records are not there."""
        if self._given != self._handled:
            raise _does_not_add_up(f"{self._given} items were given, and {self._handled} came back")
        if self._unsettled:
            raise _does_not_add_up(f"of {self._unsettled} items the parts are not all accounted for")
        there = self._records() - self._records_before
        if there != new:
            raise _does_not_add_up(f"{new} records were written, and {there} are there")

    def account(self) -> Account:
        """What became of all files of the version. Raises `AccountError` if this run found more of them, or fewer."""
        account = self._catalogue.account(self._dataset.name, self._version)
        finds = self._finds
        if finds and not finds.answers and self._is_first and account.found.files != finds.files:
            raise _does_not_add_up(f"{finds.files} files were found, and {account.found.files} are accounted for")
        return account

    def _pass(self, file: FoundFile, reasons: Mapping[str, int]) -> None:
        """Write down that a file, or parts of it, are passed over at the source."""
        became = {(Fate.PASSED, reason): parts for reason, parts in reasons.items()}
        name = self._digest("passed", file.known_by)
        self._passed.append(ItemDone(name, file=self._file(file), became=became))
        if len(self._passed) >= _BATCH:
            self.write()
        if self._told is not None:
            for line in listed(file.name, "", became):
                self._told(line)

    def _tell(self, item: Item, got: Gathered) -> None:
        if self._told is not None:
            for line in got.lines(item.file.name, item.part):
                self._told(line)

    def _records(self) -> int:
        return self._catalogue.count(self._dataset.name, self._version)

    def _file(self, file: FoundFile) -> bytes:
        return self._digest("file", file.known_by)

    def _digest(self, of: str, mark: str) -> bytes:
        return self._catalogue.projects.item_digest(self._dataset.project, f"\0{of}\0{mark}")


def _does_not_add_up(what: str) -> AccountError:
    hint = "nothing is lost, and what was written stays; do not use it before this is understood: please report it"
    return AccountError(what, hint)
