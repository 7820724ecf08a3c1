"""Quarantine: list what was held back, look at it, and decide about it, one by one or many at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from pathlib import Path

from hmchain.application.data.extraction import rules_of
from hmchain.application.site import persons
from hmchain.application.site.activity import Deed, Recording, What, recorded
from hmchain.application.site.hospital import HospitalFolder, Records
from hmchain.clock import now_ms
from hmchain.errors import InputError
from hmchain.plain import Progress, tell
from hmchain.records.catalogue import Dataset, HeldItem
from hmchain.records.catalogue.decisions import Vote
from hmchain.records.catalogue.entries import PENDING, REJECTED, RELEASED
from hmchain.records.catalogue.held_filter import ANYTHING, WAITING, HeldFilter
from hmchain.records.deidentification.outcome import Finding
from hmchain.records.pipeline import review
from hmchain.records.pipeline.decided import persons_of
from hmchain.records.pipeline.extraction import Extraction
from hmchain.records.pipeline.review import Needs, NotReleasableError, Reviewer
from hmchain.records.sources.item import Rectangles
from hmchain.records.vault import VersionClosedError

NOTHING_FOUND = "no_writing_found"
"""Why an item is not released that is to be blanked where writing was found."""
REGISTERED = VersionClosedError.code
"""Why an item is not released whose version was registered without it."""
BATCH_ITEMS = 64
"""So many become durable together."""
_COUNTED = 20
SHOWN = 40
"""Of more than so many, how many there are of each sort says more than a list."""


class NoReviewerError(InputError):
    """Nobody is named who decides, or nobody's key is given where two people must."""

    code = "no_reviewer"


class NothingChosenError(InputError):
    """Neither an item nor what it has in common with others is named."""

    code = "nothing_chosen"


@dataclass(frozen=True)
class QuarantineEntry:
    """An item that was held back."""

    item: HeldItem
    name: str | None = None
    """As its source calls it, which may tell who it is; None if nobody asked."""
    votes: tuple[Vote, ...] = ()
    """What people said of it who alone are not enough."""

    @property
    def decided(self) -> bool:
        """True once somebody decided about it."""
        return self.item.state != PENDING


@dataclass(frozen=True)
class QuarantinePage:
    """Some of the items that are in quarantine, and how many there are."""

    entries: tuple[QuarantineEntry, ...]
    total: int
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Of all of them: how many there are of each reason, modality, kind and so on, the most first; of all that wait if
    none fits."""
    others: int = 0
    """Items that wait and do not fit, if none does."""


@dataclass(frozen=True)
class Choice:
    """Items that wait and are meant: by the first letters of their ids, by what is known of them, or both."""

    ids: tuple[str, ...] = ()
    wanted: HeldFilter = ANYTHING
    everything: bool = False
    """Said where nothing narrows it down."""


Blanking = Callable[[HeldItem], Rectangles | None]
"""Says what of an item is set to 0 when it is let through; None lets it wait."""


@dataclass(frozen=True)
class ReviewOutcome:
    """The results of a decision about some items."""

    state: str
    items: int = 0
    """Items that it decided."""
    records: int = 0
    updated: int = 0
    held_again: int = 0
    """Items that are still held, now for another reason."""
    seconded: int = 0
    """Items that another person must release too."""
    refused: Mapping[str, int] = field(default_factory=dict)
    """Items that nobody can release, by why."""
    item: HeldItem | None = None
    """If it was about a single one."""


def reviewers(
    place: HospitalFolder, name: str, keys: Sequence[Path] = (), passphrase: str | None = None
) -> tuple[Reviewer, ...]:
    """Make out who decide: those whose keys are given, or the one who is named.

    Raises `NoReviewerError` unless somebody is named: the name is all that tells later who looked; `UnknownPersonError`
    for a key of nobody's, or what `load_key` raises.
    """
    if keys:
        people = persons.of_keys(place, keys, passphrase)
        return tuple(Reviewer(person.name, key) for person, key in people)
    if not any(map(str.isalpha, name)) or not name.isprintable():
        raise NoReviewerError("nobody is named who decides", "--reviewer NAME, in printable letters")
    return (Reviewer(name.strip()),)


def waiting(
    records: Records,
    wanted: HeldFilter = WAITING,
    *,
    limit: int = 100,
    after: HeldItem | None = None,
    names: bool = False,
) -> QuarantinePage:
    """A page of the items that a filter leaves, with `names` as their sources call them.

    Raises `UnknownVersionError` if it names a dataset that there is not.
    """
    require_dataset(records, wanted)
    known = records.catalogue.quarantine
    total = known.count(wanted)
    if not total:
        return QuarantinePage((), 0, known.counts(WAITING, _COUNTED), others=known.count(WAITING))
    entries = tuple(_entry(records, held, names) for held in known.page(wanted, limit, after))
    counts = known.counts(wanted, _COUNTED) if total > SHOWN else {}
    return QuarantinePage(entries, total, counts)


def require_dataset(records: Records, wanted: HeldFilter) -> None:
    """Raise `UnknownVersionError` if a filter names a dataset that there is not."""
    if wanted.dataset:
        records.catalogue.require_dataset(wanted.dataset)


def _entry(records: Records, held: HeldItem, names: bool) -> QuarantineEntry:
    is_pending = held.state == PENDING
    name = review.original_name(records.vault, held) if names and is_pending else None
    votes = tuple(records.catalogue.quarantine.decisions.votes(held)) if is_pending else ()
    return QuarantineEntry(held, name, votes)


def preview(records: Records, choice: Choice) -> QuarantinePage:
    """The waiting items that are meant, some of them with how many there are of each sort. Raises as `chosen`."""
    if not choice.ids:
        return waiting(records, _pending(choice))
    entries = tuple(_entry(records, held, names=False) for held in chosen(records, choice))
    return QuarantinePage(entries, len(entries))


def count(records: Records, choice: Choice) -> int:
    """Count the waiting items that are meant. Raises `NothingChosenError` or `NotHeldError`."""
    if not choice.ids:
        return records.catalogue.quarantine.count(_pending(choice))
    return sum(1 for _ in chosen(records, choice))


def chosen(records: Records, choice: Choice) -> Iterator[HeldItem]:
    """The waiting items that are meant, in order. Raises `NothingChosenError` or `NotHeldError`."""
    wanted = _pending(choice)
    require_dataset(records, wanted)
    if not choice.ids:
        yield from records.catalogue.quarantine.chosen(wanted)
        return
    found = {held.item: held for held in (review.find_held(records.catalogue, each) for each in choice.ids)}
    yield from sorted((held for held in found.values() if wanted.fits(held)), key=lambda held: held.place)


def _pending(choice: Choice) -> HeldFilter:
    wanted = replace(choice.wanted, state=PENDING)
    if wanted.is_empty and not choice.ids and not choice.everything:
        hint = "name items, or what they have in common (--reason, --series, --device ...), or say --all"
        raise NothingChosenError("no item is named", hint)
    return wanted


def release(
    records: Records,
    choice: Choice,
    who: Sequence[Reviewer],
    *,
    replacing: bool = False,
    blank: Blanking = lambda held: (),
    keep: frozenset[str] = frozenset(),
    progress: Progress | None = None,
) -> ReviewOutcome:
    """Let items through that wait, `replacing` what has their identifiers, without what `blank` says of each.

    An item of which `blank` says None is not let through.

    What tells who they are about (`findings`) is removed but at the places to `keep`.

    Of several, those that nobody can release are counted and stay. Raises `NothingChosenError`, `NotHeldError`,
    `NoReviewerError` where two people must sign, or for a single item `NotReleasableError`, or `VersionClosedError` if
    its version was registered without it.
    """
    people = frozenset(person.key.raw for person in persons.known(records.folder))
    batch = _Batch(records, ReviewOutcome(RELEASED), len(choice.ids) == 1, progress, count(records, choice))
    for (name, version), items in groupby(chosen(records, choice), key=lambda held: (held.dataset, held.version)):
        dataset = _dataset(records, name)
        needed = persons_of(dataset)
        if needed > 1 and not all(each.public for each in who):
            what = f"the profile of {name} wants {needed} people, each with a key of their own"
            hint = "--person FILE; `hmchain data person add NAME FILE` makes one; in a portal the quarantine's page"
            raise NoReviewerError(what, hint)
        batch.begin(name, version)
        is_closed = records.catalogue.version(name, version).closed
        runs: dict[str, Extraction] = {}
        with recorded(records.folder.activity, _deed(What.RELEASE, name, version, named(who))) as deed:
            for held in _batches(items):
                able = [each for each in held if batch.is_able(each, is_closed, replacing, blank)]
                for kind, some in groupby(sorted(able, key=lambda each: each.kind), key=lambda each: each.kind):
                    if kind not in runs:
                        rules = rules_of(records, dataset, kind)
                        runs[kind] = Extraction(records.catalogue, records.vault, dataset, version, rules)
                    pairs = [(each, blank(each) or ()) for each in some]
                    done = review.release_all(
                        runs[kind], records.catalogue, records.vault, pairs, who, now_ms(),
                        needs=Needs(needed, people), replacing=replacing, keep=keep,
                    )  # fmt: skip
                    batch.add(done)
                batch.tell(deed, len(held))
    return batch.outcome


def reject(
    records: Records, choice: Choice, who: Sequence[Reviewer], *, progress: Progress | None = None
) -> ReviewOutcome:
    """Keep items out for good: one person is enough. Raises `NothingChosenError` or `NotHeldError`."""
    batch = _Batch(records, ReviewOutcome(REJECTED), len(choice.ids) == 1, progress, count(records, choice))
    for (name, version), items in groupby(chosen(records, choice), key=lambda held: (held.dataset, held.version)):
        batch.begin(name, version)
        with recorded(records.folder.activity, _deed(What.REJECT, name, version, named(who))) as deed:
            for held in _batches(items):
                review.reject_all(records.catalogue, records.vault, held, who, now_ms())
                batch.outcome = replace(batch.outcome, items=batch.outcome.items + len(held), item=held[0])
                batch.tell(deed, len(held))
    return batch.outcome if batch.is_single else replace(batch.outcome, item=None)


def ask_again(records: Records, wanted: HeldFilter) -> int:
    """Have decided items wait for a person when they come again in a later version; returns how many."""
    decided = (held for held in records.catalogue.quarantine.chosen(wanted) if held.state != PENDING and held.content)
    with recorded(records.folder.activity, Deed(What.TAKE_BACK, dataset=wanted.dataset)) as deed:
        count = records.catalogue.quarantine.decisions.forget({held.content for held in decided})
        deed.add(items=count)
    return count


def findings(records: Records, held: HeldItem) -> tuple[Finding, ...]:
    """What would stay of an item and tells who it is about: for the reviewer's eyes, and written down nowhere."""
    return review.findings(rules_of(records, _dataset(records, held.dataset), held.kind), records.vault, held)


def look(records: Records, choice: Choice, output: Path) -> tuple[HeldItem, ...]:
    """Write held items as they came, mode 0600, for a reviewer's eyes: one to the file `output`, more into a folder.

    Raises `NothingChosenError` or `NotHeldError`.
    """
    several = len(choice.ids) != 1
    if several:
        output.mkdir(mode=0o700, exist_ok=True)
    written = []
    for held in chosen(records, choice):
        target = output / f"{held.item.hex()[:12]}{_SUFFIXES.get(held.kind, '')}" if several else output
        deed = Deed(What.LOOK, dataset=held.dataset, version=held.version, kind=held.kind, where="file")
        with recorded(records.folder.activity, deed) as done:
            review.write_content(records.vault, held, target)
            done.add(bytes=target.stat().st_size)
        written.append(held)
    return tuple(written)


_SUFFIXES = {"dicom": ".dcm", "fhir": ".json", "hl7": ".hl7"}


class _Batch:
    """What has been done so far of a decision about many."""

    def __init__(
        self, records: Records, outcome: ReviewOutcome, is_single: bool, progress: Progress | None, total: int
    ) -> None:
        self.outcome, self.is_single = outcome, is_single
        self._records, self._progress, self._total = records, progress, total
        self._seen = 0
        self._refused: Counter[str] = Counter()

    def begin(self, dataset: str, version: int) -> None:
        """Erase what an earlier decision, which was killed, left of a version's items."""
        review.erase_decided(self._records.catalogue, self._records.vault, dataset, version)

    def is_able(self, held: HeldItem, is_closed: bool, replacing: bool, blank: Blanking) -> bool:
        """Tell whether an item can be released; raises why not if it is the only one."""
        if self.is_single:
            self.outcome = replace(self.outcome, item=held)
        why = held.code
        try:
            review.require_releasable(held, replacing=replacing)
            if blank(held) is None:
                why = NOTHING_FOUND
                what = f"item {held.item.hex()[:12]} has no place to blank: no writing was found in it"
                hint = "look at it, `hmchain data quarantine review`; release it without --blank-found if it has none"
                raise NotReleasableError(what, hint)
            if is_closed:
                why = REGISTERED
                hint = "extract the next version and decide about it there, before that one is registered; reject this"
                raise VersionClosedError(f"version {held.version} of {held.dataset} was registered without it", hint)
        except (NotReleasableError, VersionClosedError):
            if self.is_single:
                raise
            self._refused[why] += 1
            self.outcome = replace(self.outcome, refused=dict(self._refused))
            return False
        return True

    def add(self, done: review.Released) -> None:
        """Add what became of some items."""
        passed = [tally for tally in done.tallies if not tally.held]
        self.outcome = replace(
            self.outcome,
            items=self.outcome.items + len(passed),
            records=self.outcome.records + sum(tally.records for tally in passed),
            updated=self.outcome.updated + sum(tally.updated for tally in passed),
            held_again=self.outcome.held_again + len(done.tallies) - len(passed),
            seconded=self.outcome.seconded + len(done.seconded),
        )

    def tell(self, deed: Recording, seen: int) -> None:
        """Say how far it is, in the log too."""
        self._seen += seen
        found = self.outcome
        deed.add(items=found.items, records=found.records + found.updated, held=found.held_again)
        tell(self._progress, self._seen, self._total)


def _batches(items: Iterator[HeldItem]) -> Iterator[list[HeldItem]]:
    while some := list(islice(items, BATCH_ITEMS)):
        yield some


def _deed(what: What, dataset: str, version: int, person: str) -> Deed:
    return Deed(what, person=person, dataset=dataset, version=version)


def named(who: Sequence[Reviewer]) -> str:
    """Name all who decide."""
    return " and ".join(each.name for each in who)


def _dataset(records: Records, name: str) -> Dataset:
    found = records.catalogue.dataset(name)
    assert found is not None, "items are held for datasets of the catalogue"
    return found
