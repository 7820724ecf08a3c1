"""What a hospital's data were used for, as the ledger beside its records says: a node's, or that of a run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

from hmchain.application.models.machine import MachineUse, used_here
from hmchain.application.node.reading import open_ledger
from hmchain.application.site.hospital import HospitalFolder
from hmchain.clock import now_ms
from hmchain.errors import HMChainError, InputError
from hmchain.ledger.readers.explanations import Explanation
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.notices import DutyView, Notice
from hmchain.ledger.readers.uses import UseView


class UnknownDatasetError(InputError):
    """The ledger holds no such dataset."""

    code = "unknown_dataset"


ALL = slice(None)


@dataclass(frozen=True)
class VersionUses:
    """All that the ledger says of some versions; nothing if there is none beside the records."""

    uses: tuple[UseView, ...]
    """How it stands with each is said in it."""
    unknown: str = ""
    """The reason why the ledger could not be asked; empty if it was, or if there is none."""


@dataclass(frozen=True)
class UsesReport:
    """All uses that were asked for, as they stand at a time."""

    as_of_ms: int
    vouched: str
    """Whose signatures it rests on, or what is not signed yet."""
    uses: tuple[UseView, ...]
    machine: tuple[MachineUse, ...] = ()
    """At a node: what their studies took of the hospital's own machine."""
    more: bool = False
    """Whether others follow on these."""


@dataclass(frozen=True)
class DutiesReport:
    """What is owed for the use of data, and what an organisation should see to now."""

    as_of_ms: int
    duties: tuple[DutyView, ...]
    notices: tuple[Notice, ...]
    """Of the node's own organisation: its own duties to others too; nothing of a ledger by itself."""


def report(directory: Path, organisation: str = "", dataset: str = "", since_ms: int = 0) -> UsesReport:
    """What was asked of a hospital's datasets on the ledger in `directory`, or of all hospitals'.

    `dataset` is a name of the hospital's, or ORGANISATION/NAME; with `since_ms` only what was asked for, decided or in
    force since then. Raises `UnknownDatasetError`, and what opening a ledger raises.
    """
    with open_ledger(directory) as ledger:
        return reported(ledger, organisation, dataset, since_ms)


def reported(
    ledger: LedgerReader, organisation: str = "", dataset: str = "", since_ms: int = 0, part: slice = ALL
) -> UsesReport:
    """The same of a ledger that is open, or a part of them. Raises `UnknownDatasetError`."""
    owner, _, name = dataset.rpartition("/")
    at_ms, names = now_ms(), _owners(ledger, owner or organisation, name)
    listed: Iterable[Sequence[UseView]] = (ledger.uses(at_ms, each, name) for each in names)
    if since_ms:
        listed = [[use for uses in listed for use in uses if _touches(use, since_ms)]]
    # A use is a place in a list until it is looked at, and no further list is made than it takes.
    places = chain.from_iterable(((uses, number) for number in range(len(uses))) for uses in listed)
    found = tuple(uses[number] for uses, number in islice(places, part.start, part.stop))
    return UsesReport(at_ms, ledger.verified.words, found, more=next(places, None) is not None)


def with_machine(found: UsesReport, place: HospitalFolder) -> UsesReport:
    """A report with what was measured at the hospital itself."""
    names = dict.fromkeys(
        each.study for use in found.uses if use.organisation == place.organisation for each in use.made
    )
    return replace(found, machine=tuple(used for name in names if (used := used_here(place, name)) is not None))


def why(directory: Path, request: str) -> tuple[Explanation, ...]:
    """Why hospitals' policies said what they said of each version of a request, each asked again.

    Raises `UnknownRequestError`, and what opening a ledger raises.
    """
    with open_ledger(directory) as ledger:
        return tuple(ledger.explanations(request))


def duties(directory: Path, organisation: str = "") -> DutiesReport:
    """What is and was owed to a hospital, or to all, for the use of their data. Raises what opening a ledger raises."""
    with open_ledger(directory) as ledger:
        return owed(ledger, organisation)


def owed(ledger: LedgerReader, organisation: str = "") -> DutiesReport:
    """The same of a ledger that is open."""
    at_ms = now_ms()
    names = [organisation] if organisation else sorted({each.organisation for each in ledger.datasets()})
    found = tuple(duty for each in names for duty in ledger.duties(at_ms, each))
    seen = tuple(ledger.notices(at_ms, organisation)) if organisation else ()
    return DutiesReport(at_ms, found, seen)


def _owners(ledger: LedgerReader, organisation: str, dataset: str) -> list[str]:
    """The hospitals whose uses are meant, in order. Raises `UnknownDatasetError`."""
    known = [(each.organisation, each.name) for each in ledger.datasets()]
    found = [each for each in known if organisation in ("", each[0]) and dataset in ("", each[1])]
    if dataset and not found:
        named = ", ".join(f"{owner}/{name}" for owner, name in known) or "none yet"
        raise UnknownDatasetError(f"there is no dataset {dataset} of {organisation or 'anybody'}", f"known: {named}")
    return sorted({owner for owner, _ in found})


def _touches(use: UseView, since_ms: int) -> bool:
    """Whether something of a use is as late as a time; of what has no time that cannot be said, and it is shown."""
    last = use.ended_ms or max(use.asked_ms, use.from_ms, use.until_ms)
    return not last or last >= since_ms


def uses_of(place: HospitalFolder, versions: Collection[tuple[str, int]], *, refused: bool = False) -> VersionUses:
    """All that was allowed to happen with any of these datasets and versions; with `refused` all that was asked for."""
    directory = ledger_beside(place)
    if directory is None or not versions:
        return VersionUses(())
    try:
        with open_ledger(directory) as ledger:
            found = ledger.uses(now_ms(), place.organisation)
    except HMChainError as error:
        return VersionUses((), error.what)
    wanted = (use for use in found if refused or use.was_allowed)
    return VersionUses(tuple(use for use in wanted if (use.dataset, use.version) in versions))


def ledger_beside(place: HospitalFolder) -> Path | None:
    """The directory of the ledger that a hospital's records are published on; None for a hospital by itself."""
    is_alone = place.node is not None and not place.node.network.exists()
    return None if is_alone else place.ledger
