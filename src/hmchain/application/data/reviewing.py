"""A reviewer's desk: items that wait, shown one by one or by the page, and marks that are applied together.

A decision erases the item as it came, so none is taken by a single key: what a reviewer says of an item is a mark,
which can be taken back, and `apply` makes decisions of all marks at once. Marks that are not applied are there again
when the same people sit down at it the next time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Self

import msgspec

from hmchain.application.data import quarantine
from hmchain.application.data.devices import blank_from_now_on
from hmchain.application.data.kept_marks import KeptMarks
from hmchain.application.data.lasting import Lasting, lasting, take_back, take_device_back
from hmchain.application.data.looking import Looking
from hmchain.application.data.marks import Mark, decided
from hmchain.application.data.quarantine import QuarantinePage
from hmchain.application.site import hospital
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import HospitalFolder, Records
from hmchain.errors import HMChainError, InputError
from hmchain.records.catalogue import HeldItem
from hmchain.records.catalogue.decisions import Vote
from hmchain.records.catalogue.entries import PENDING, REJECTED, RELEASED, Place
from hmchain.records.catalogue.held_filter import HeldFilter
from hmchain.records.deidentification.outcome import Finding
from hmchain.records.deidentification.profile import BlankedDevice
from hmchain.records.pipeline import devices, review
from hmchain.records.pipeline.decided import persons_of
from hmchain.records.pipeline.review import Reviewer
from hmchain.records.pipeline.rivals import Rival
from hmchain.records.pipeline.viewing import View
from hmchain.records.sources.item import Rectangles

PAGE_ITEMS = 60
_RECTANGLES_MAX = 64

SCOPES = ("item", "series", "device", "filter")
"""A mark's reach: items alone, their whole series, all of their device and reason, or all that the filter leaves."""


class RectanglesError(InputError):
    """Rectangles are too many, or blank nothing."""

    code = "rectangles"


@dataclass(frozen=True)
class Entry:
    """An item on the desk, by a number that says nothing outside it."""

    number: int
    item: HeldItem
    mark: Mark | None
    released_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class DeskPage:
    """Some of the items, and how many there are of each sort."""

    entries: tuple[Entry, ...]
    total: int
    counts: Mapping[str, Mapping[str, int]]
    marks: Mapping[str, int]


@dataclass(frozen=True)
class Progress:
    """How far the marks are applied."""

    done: int = 0
    total: int = 0
    running: bool = False
    said: tuple[str, ...] = field(default=())
    """What became of them, in sentences."""


class Desk:
    """One person's (or two people's) review of a hospital's quarantine. Threads may share it."""

    def __init__(
        self, folder: HospitalFolder, passphrase: str | None, who: Sequence[Reviewer], wanted: HeldFilter
    ) -> None:
        """Open the hospital's records, to be looked at: others may go on filling them."""
        self._folder, self._passphrase, self.who = folder, passphrase, tuple(who)
        self.wanted = replace(wanted, state=PENDING)
        self.progress = Progress()
        self._items: list[HeldItem] = []
        self._numbers: dict[Place, int] = {}
        self._marks: dict[int, Mark] = {}
        self._devices: dict[int, BlankedDevice] = {}
        self._seen: set[int] = set()
        self._lock = threading.RLock()
        self._worker: threading.Thread | None = None
        self._stack = ExitStack()
        deed = Deed(What.REVIEW, person=self.names, dataset=wanted.dataset)
        self._deed = self._stack.enter_context(recorded(folder.activity, deed))
        self._records: Records = self._stack.enter_context(hospital.read_records(folder, passphrase))
        self._looking = Looking(self._records)
        self._kept = KeptMarks(folder.marks, self.who)
        self._take_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()
        self._deed.add(items=len(self._seen))
        self._stack.close()

    @property
    def names(self) -> str:
        """Who sits at it."""
        return " and ".join(each.name for each in self.who)

    @property
    def seen(self) -> int:
        """How many items were looked at."""
        return len(self._seen)

    @property
    def organisation(self) -> str:
        """Whose quarantine it is."""
        return self._folder.organisation

    # Looking

    def lasting(self) -> Lasting:
        """What was decided for good, here and elsewhere."""
        with self._lock:
            return lasting(self._records)

    def filter(self, wanted: HeldFilter) -> None:
        """Show other items from now on; marks stay."""
        with self._lock:
            self.wanted = replace(wanted, state=PENDING)

    def page(self, after: int | None = None) -> DeskPage:
        """The next items that the filter leaves, after one of them."""
        with self._lock:
            last = self._items[after] if after is not None and 0 <= after < len(self._items) else None
            found: QuarantinePage = quarantine.waiting(self._records, self.wanted, limit=PAGE_ITEMS, after=last)
            entries = tuple(
                Entry(number := self._number(each.item), each.item, self._marks.get(number), _names(each.votes))
                for each in found.entries
            )
            known = self._records.catalogue.quarantine
            counts = found.counts or known.counts(self.wanted)
            return DeskPage(entries, found.total, counts, self.marks())

    def entry(self, number: int) -> Entry | None:
        """An item by its number; None if there is none, or somebody decided about it meanwhile."""
        with self._lock:
            if not 0 <= number < len(self._items):
                return None
            held = self._records.catalogue.quarantine.item(*self._items[number].place)
            if held is None or held.state != PENDING:
                return None
            self._items[number] = held
            votes = self._records.catalogue.quarantine.decisions.votes(held)
            return Entry(number, held, self._marks.get(number), _names(votes))

    def beside(self, number: int) -> tuple[int | None, int | None]:
        """The items before and after one, in the order of the filter."""
        with self._lock:
            known, held = self._records.catalogue.quarantine, self._items[number]
            later, before = (known.page(self.wanted, 1, held, backwards=back) for back in (False, True))
            return self._number(before[0]) if before else None, self._number(later[0]) if later else None

    def view(self, number: int) -> View:
        """An item as it came, ready to be looked at."""
        with self._lock:
            entry = self.entry(number)
            if entry is None:
                return View(problem="it does not wait any more")
            self._seen.add(number)
            return self._looking.view(entry.item)

    def png(self, number: int, index: int, window: tuple[float, float] | None, side: int) -> bytes | None:
        """A frame of an item as PNG."""
        with self._lock:
            return self.view(number).png(index, window=window, side=side)

    def thumb(self, number: int, side: int) -> bytes | None:
        """An item as a small picture: its middle frame, or how its text begins."""
        with self._lock:
            entry = self.entry(number)
            if entry is None:
                return None
            self._seen.add(number)
            return self._looking.thumb(entry.item, side)

    def findings(self, number: int) -> tuple[Finding, ...]:
        """What would stay of an item and tells who its patient is, for the reviewer's eyes."""
        with self._lock:
            entry = self.entry(number)
            return self._looking.findings(entry.item) if entry else ()

    def rival(self, number: int) -> Rival | None:
        """What is kept in place of an item, if it is held since other content has its identifier."""
        with self._lock:
            entry = self.entry(number)
            return self._looking.rival(entry.item) if entry else None

    def persons(self, number: int) -> int:
        """The number of people whom it takes to release an item."""
        with self._lock:
            dataset = self._records.catalogue.dataset(self._items[number].dataset)
            return persons_of(dataset) if dataset else 1

    def name(self, number: int) -> str:
        """What the source calls an item."""
        with self._lock:
            entry = self.entry(number)
            return review.original_name(self._records.vault, entry.item) if entry else ""

    def count(self, number: int, scope: str) -> int:
        """The number of waiting items that a mark of this reach would be about."""
        with self._lock:
            wanted = self._reach(number, scope)
            return self._records.catalogue.quarantine.count(wanted) if wanted else 1

    # Marking

    def mark(
        self,
        numbers: Iterable[int],
        state: str,
        regions: Rectangles = (),
        scope: str = "item",
        *,
        found: bool = False,
        replacing: bool = False,
        keep: Iterable[str] = (),
    ) -> int:
        """Say of items, or of all like them, what is to become of them; an empty state takes it back.

        `regions` are blanked in all of them, and in each, if `found`, where writing was found in it: those in which
        nothing is to be blanked then get no mark. `replacing` takes those of which another content is kept, and no
        others; words at places to `keep` stay, in items that are named themselves. What nobody can release gets no such
        mark either. Returns how many marks that changed. Raises `RectanglesError`, before any mark, for more rectangles
        than are taken, or one outside of the picture that it was drawn in, which is the first item's.
        """
        numbers, regions = tuple(numbers), tuple(dict.fromkeys(regions))
        with self._lock:
            if regions:
                self._check(numbers, regions)
            changed: dict[int, Mark | None] = {}
            for number in self._reached(numbers, scope):
                held = self._items[number]
                parts = tuple(dict.fromkeys((*regions, *(held.regions if found else ()))))
                if not state:
                    if self._marks.pop(number, None) is not None:
                        changed[number] = None
                    continue
                mark = Mark(state, told=held.reason)
                if state == RELEASED:
                    kept = frozenset(keep) if scope == "item" else frozenset()
                    mark = Mark(state, parts, replacing, kept, held.reason)
                if mark.fits(held) and (parts or not found or state == REJECTED):
                    self._marks[number] = changed[number] = mark
            if changed:
                self._kept.add({self._items[number].place: mark for number, mark in changed.items()})
            return len(changed)

    def from_now_on(self, number: int, regions: Rectangles) -> bool:
        """Have the images of an item's device blanked from now on, once its release went through; False if it has none.

        Raises `RectanglesError` for places that no device writes to.
        """
        with self._lock:
            device = self.view(number).device
            if device is None or not regions or not (device.manufacturer or device.model):
                return False
            self._check([number], regions)
            device = msgspec.structs.replace(device, rectangles=tuple(regions))
            if why := devices.refused(device):
                raise RectanglesError(f"this cannot be where the device writes: {why}", "draw around what it writes")
            self._devices[number] = device
            self._kept.add({}, {self._items[number].place: device})
            return True

    def _check(self, numbers: Sequence[int], regions: Rectangles) -> None:
        if len(regions) > _RECTANGLES_MAX:
            what = f"{len(regions)} rectangles are more than the {_RECTANGLES_MAX} that an item takes"
            raise RectanglesError(what, "draw fewer that are larger")
        shown = self.view(numbers[0]).pictures if numbers else None
        if shown and any(left >= shown.columns or top >= shown.rows for left, top, *_ in regions):
            raise RectanglesError("a rectangle lies outside of the picture", "draw it within")

    def marks(self) -> dict[str, int]:
        """How many marks there are of each sort."""
        with self._lock:
            found = [mark.state for mark in self._marks.values()]
            said = {state: found.count(state) for state in (RELEASED, REJECTED)}
            return {**said, "blanked": sum(bool(mark.regions) for mark in self._marks.values()),
                    "taken": sum(mark.replacing for mark in self._marks.values()),
                    "devices": len(_meant(self._devices, self._marks))}  # fmt: skip

    def states(self, numbers: Iterable[int]) -> dict[int, str]:
        """The marks of some items, in a word."""
        with self._lock:
            return {number: self._marks[number].word for number in numbers if number in self._marks}

    def _take_up(self) -> None:
        """Go on with the marks that were not applied when the desk was left, of what still waits as it did."""
        marks, devices = self._kept.read()
        for place, mark in marks.items():
            held = self._records.catalogue.quarantine.item(*place)
            if held is not None and held.state == PENDING and held.reason == mark.told and mark.fits(held):
                number = self._number(held)
                self._marks[number] = mark
                if place in devices:
                    self._devices[number] = devices[place]
        self._keep()

    def _keep(self) -> None:
        """Write down what is marked, in place of all that was."""
        places = {number: self._items[number].place for number in (*self._marks, *self._devices)}
        devices = {places[number]: device for number, device in self._devices.items()}
        self._kept.replace({places[number]: mark for number, mark in self._marks.items()}, devices)

    def undo_all(self) -> None:
        """Take all marks back."""
        with self._lock:
            self._marks.clear()
            self._devices.clear()
            self._keep()

    # Deciding

    def releases(self) -> list[tuple[int, HeldItem, Mark]]:
        """The items that are marked to be released, with their numbers."""
        with self._lock:
            return [(each, self._items[each], mark) for each, mark in self._marks.items() if mark.state == RELEASED]

    def apply(self, who: Sequence[Reviewer] = ()) -> bool:
        """Make decisions of all marks, in a thread; False if that goes on already. `who` sit here from now on."""
        with self._lock:
            if self.progress.running:
                return False
            self.who = tuple(who) or self.who
            marks, wanted = dict(self._marks), _meant(self._devices, self._marks)
            self.progress = Progress(0, len(marks), running=True)
        self._worker = threading.Thread(target=self._apply, args=(marks, wanted))
        self._worker.start()
        return True

    def take_back(self, content: str = "", device: int = 0, since_ms: int = 0) -> str:
        """Take back a decision that lasts, or the rule for a device; what came of it, in a sentence."""
        try:
            with hospital.open_records(self._folder, self._passphrase) as records:
                if content:
                    take_back(records, [content], self.names)
                    return "The decision is taken back: its content waits when it comes again."
                take_device_back(records, device, self.names, since_ms)
                return "The device is off the list: its images are held again."
        except HMChainError as error:
            return f"{error.what}. {error.hint}"

    def finish(self) -> None:
        """Wait until what is being decided is decided."""
        if self._worker is not None:
            self._worker.join()

    def _apply(self, marks: dict[int, Mark], wanted: Mapping[int, BlankedDevice]) -> None:
        said: list[str] = []
        items = {number: self._items[number] for number in marks}
        try:
            with hospital.open_records(self._folder, self._passphrase) as records:
                said.extend(decided(records, {items[each]: mark for each, mark in marks.items()}, self.who, self._tell))
                passed = [device for each, device in wanted.items() if self._went_through(records, items[each])]
                said += self._blank_from_now_on(records, passed)
            done = set(marks)
        except Exception as error:  # whatever it is, the page must not wait for ever; its words may quote an item
            known = error if isinstance(error, HMChainError) else None
            said.append(f"{known.what}. {known.hint}" if known else f"It stopped: {type(error).__name__}.")
            done = {number for number in marks if self.entry(number) is None}
        with self._lock:
            for number in done:
                self._marks.pop(number, None)
            self._devices = {} if done == set(marks) else self._devices
            self._keep()
            self.progress = Progress(len(marks), len(marks), said=tuple(said))

    def _tell(self, done: int, of: int | None) -> None:
        self.progress = replace(self.progress, done=done, total=of or done)

    def _blank_from_now_on(self, records: Records, passed: Sequence[BlankedDevice]) -> list[str]:
        """Put devices on the list whose item was let through, or waits for another person alone."""
        holding = sum(blank_from_now_on(records, device, self.who) for device in dict.fromkeys(passed))
        waiting = len(set(passed)) - holding
        said = [f"Images of {holding} devices are blanked from now on."] if holding else []
        if waiting:
            said.append(f"{waiting} devices wait for another person, who must want them blanked too, with a key.")
        return said

    def _went_through(self, records: Records, held: HeldItem) -> bool:
        now = records.catalogue.quarantine.item(*held.place)
        dataset = records.catalogue.dataset(held.dataset)
        if now is None or dataset is None or now.state != PENDING:
            return now is not None and now.state == RELEASED
        keys = {each.public for each in self.who if each.public}
        said = records.catalogue.quarantine.decisions.votes(now)
        return persons_of(dataset) > 1 and now.reason == held.reason and any(vote.public in keys for vote in said)

    def _reached(self, numbers: Iterable[int], scope: str) -> Iterable[int]:
        for number in numbers:
            if not 0 <= number < len(self._items):
                continue
            wanted = self._reach(number, scope)
            if wanted is None:
                yield number
            else:
                yield from [self._number(held) for held in self._records.catalogue.quarantine.chosen(wanted)]

    def _reach(self, number: int, scope: str) -> HeldFilter | None:
        """The filter that leaves all that a mark is about; None for the item alone."""
        held = self._items[number]
        if scope == "series" and held.series:
            return HeldFilter(dataset=held.dataset, series=held.series, state=PENDING)
        if scope == "device" and held.device:
            return HeldFilter(dataset=held.dataset, device=held.device, code=held.code, state=PENDING)
        return self.wanted if scope == "filter" else None

    def _number(self, held: HeldItem) -> int:
        if held.place not in self._numbers:
            self._numbers[held.place] = len(self._items)
            self._items.append(held)
        self._items[self._numbers[held.place]] = held  # it may be held for another reason by now
        return self._numbers[held.place]


def _meant(devices: Mapping[int, BlankedDevice], marks: Mapping[int, Mark]) -> dict[int, BlankedDevice]:
    """The devices of items that are still to be released with parts blanked."""
    return {number: device for number, device in devices.items() if number in marks and marks[number].regions}


def _names(votes: Iterable[Vote]) -> tuple[str, ...]:
    return tuple(vote.reviewer for vote in votes if vote.state == RELEASED)
