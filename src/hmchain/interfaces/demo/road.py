"""The road of a hospital's pictures, as of every hospital's: extracted, de-identified, reviewed, prepared, registered.

The same services as behind `hmchain data`. What is told of it is read from the hospital's catalogue, so that a run that
was resumed tells the same.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

from hmchain.application.agent.kept import RoundingSecret
from hmchain.application.agent.store import AgentStore
from hmchain.application.data import cards, extraction, preparation, provenance, publication, quarantine
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.site.hospital import Records, locate, open_records, read_records
from hmchain.canonical import digest
from hmchain.interfaces.demo.preparation import DATASET, Prepared
from hmchain.keys import SecretKey
from hmchain.plain import Progress
from hmchain.records.catalogue import Catalogue, HeldItem, Version
from hmchain.records.catalogue.entries import PENDING
from hmchain.records.deidentification.outcome import REMOVED
from hmchain.records.pictures.prepared import TRAIN, VALIDATION
from hmchain.records.pipeline.review import Reviewer
from hmchain.records.quality import Finding
from hmchain.records.sources.item import IMAGE
from hmchain.records.sources.open_source import OpenSource
from hmchain.records.sources.pictures.listed import ListedPictures

SCANS = "scans"
"""What a hospital extracts; `DATASET` is made of it for learning."""
PUBLISHED = "published"
"""The profile for images that are in everybody's hands already."""
_STEPS = 2
"""With a picture: it is extracted, and prepared; and looked at in both forms."""


@dataclass(frozen=True)
class Arrival:
    """What became of one hospital's pictures."""

    hospital: str
    files: int
    scans: Version
    images: Version
    duplicates: int
    """Files that were given twice, byte for byte."""
    held: tuple[HeldItem, ...]
    """What waited in quarantine, and who decided what."""
    removed: Counter[str]
    """Metadata that went, by kind."""
    train: Counter[str]
    """Images to train with, by class."""
    validation: int


def travel(prepared: Prepared, consortium: Consortium, passphrase: str | None, progress: Progress) -> list[Arrival]:
    """Take every hospital's pictures along the road, side by side, and put what came of them on the ledger.

    What an earlier run did is not done again.
    """
    report = _joined_over_pictures(prepared, progress)

    def take(step: Callable[[Records, Prepared, str, Progress], None], name: str) -> None:
        with open_records(locate(prepared.folder.hospitals / name), passphrase) as records:
            step(records, prepared, name, report(f"{step.__name__} {name}"))

    def prepare(name: str, extracted: Future[None]) -> None:
        extracted.result()
        take(_prepare, name)

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # the largest first, so that the cores end together
        names = sorted(prepared.names, key=lambda name: -len(prepared.pictures(name)))
        extracted = {name: pool.submit(take, _extract, name) for name in names}
        list(pool.map(prepare, names, extracted.values()))
    arrivals = [_arrival(prepared, name, passphrase) for name in prepared.names]
    for arrival in arrivals:
        hospital = consortium.hospitals[arrival.hospital]
        seed_chance(hospital.store, prepared.settings.seed, arrival.hospital)
        steward = LedgerUser(arrival.hospital, hospital.keys.steward, consortium.ledger)
        publication.publish(steward, arrival.images, prepared.schema)
    return arrivals


def _extract(records: Records, prepared: Prepared, name: str, progress: Progress) -> None:
    """From files to a registered version of de-identified, encrypted and catalogued records."""
    if _is_registered(records, SCANS):
        return
    title, described = f"{prepared.images.name} at {name}", f"image: part of {prepared.images.name}"
    pictures = OpenSource(ListedPictures(prepared.pictures(name), prepared.patients), IMAGE, described)
    extraction.extract(
        records, extraction.begin(records, SCANS, title=title, profile=PUBLISHED), pictures, progress=progress
    )
    _review(records, name)
    _fix(records, SCANS)


def _prepare(records: Records, prepared: Prepared, name: str, progress: Progress) -> None:
    """From records to a registered version of what the study trains on."""
    if _is_registered(records, DATASET):
        return
    height, _, channels = prepared.images.shape
    preparation.prepare(
        records,
        records.catalogue.version(SCANS, 1),
        DATASET,
        size=height,
        channels=channels,
        classes=prepared.images.classes,
        seed=prepared.settings.seed,
        every_class=False,
        progress=progress,
    )
    _fix(records, DATASET)


def _review(records: Records, name: str) -> None:
    """Pictures are held for damage alone, which nobody may let through: the steward rejects them."""
    held = [each for each in records.catalogue.quarantine.items(SCANS) if each.state == PENDING]
    if damaged := tuple(each.item.hex() for each in held if not each.releasable):
        quarantine.reject(records, quarantine.Choice(damaged), [Reviewer(steward_of(name))])


def _fix(records: Records, dataset: str) -> None:
    provenance.write_of_version(records, publication.fix(records, dataset, 1))


def assess(prepared: Prepared, passphrase: str | None, progress: Progress) -> dict[str, tuple[Finding, ...]]:
    """Write every hospital's dataset cards, which it keeps to itself; what was found in its scans, by hospital.

    Of no use to the study, whose rounds need not wait for it.
    """
    report = _joined_over_pictures(prepared, progress)

    def look(name: str) -> tuple[Finding, ...]:
        with read_records(locate(prepared.folder.hospitals / name), passphrase) as records:
            cards.write_card(records, records.catalogue.version(DATASET, 1), report(f"{name} images"))
            return cards.write_card(records, records.catalogue.version(SCANS, 1), report(f"{name} scans"))[1].findings

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(prepared.names, pool.map(look, prepared.names), strict=True))


def _is_registered(records: Records, dataset: str) -> bool:
    return any(version.closed for version in records.catalogue.versions(dataset))


def _arrival(prepared: Prepared, name: str, passphrase: str | None) -> Arrival:
    with read_records(locate(prepared.folder.hospitals / name), passphrase) as records:
        return _told(records.catalogue, prepared, name)


def _told(catalogue: Catalogue, prepared: Prepared, name: str) -> Arrival:
    scans, images = catalogue.version(SCANS, 1), catalogue.version(DATASET, 1)
    held, duplicates = tuple(catalogue.quarantine.items(SCANS)), catalogue.duplicates(SCANS, 1)
    made = Counter((each.attributes["split"], each.label) for each in catalogue.records(DATASET, 1))
    return Arrival(
        hospital=name,
        files=len(prepared.pictures(name)),
        scans=scans,
        images=images,
        duplicates=duplicates,
        held=held,
        removed=Counter({each.element: each.count for each in catalogue.actions(SCANS, 1) if each.done == REMOVED}),
        train=Counter({label: count for (split, label), count in made.items() if split == TRAIN}),
        validation=sum(count for (split, _), count in made.items() if split == VALIDATION),
    )


def steward_of(name: str) -> str:
    """Who decides about what a hospital's quarantine holds."""
    return f"steward of {name} (simulated)"


def seed_chance(hospital_store: AgentStore, seed: int, organisation: str) -> None:
    """Draw batches, rounding and the noise of counts from the run's seed, so that a run can be repeated bit by bit."""
    raw = digest("hmchain demo rounding", seed.to_bytes(8, "big"), organisation.encode())
    if hospital_store.get("rounding", RoundingSecret) is None:
        hospital_store.put("rounding", RoundingSecret(raw))
    hospital_store.lasting = SecretKey(raw).derive("hmchain demo noise")


def _joined_over_pictures(prepared: Prepared, progress: Progress) -> Callable[[str], Progress]:
    return joined(progress, _STEPS * sum(map(len, map(prepared.pictures, prepared.names))))


def joined(report: Progress, total: int) -> Callable[[str], Progress]:
    """One bar for what runs side by side, each part under a name of its own."""
    done: dict[str, int] = {}
    lock = Lock()

    def part(name: str) -> Progress:
        def progress(number: int, _of: int | None) -> None:
            with lock:
                done[name] = number
                report(min(sum(done.values()), total), total)

        return progress

    return part
