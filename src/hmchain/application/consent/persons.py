"""Whose records a use has, as keyed digests that name nobody, and by what else each person may be met.

A person is kept as known when the records were used: by the number under which they came. Who turned out to be whom is
asked when cohorts are compared, so what a hospital learns later, and what it takes back, counts for earlier ones too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from hmchain.application.consent.usable import Usable, pseudonyms_of
from hmchain.application.site.hospital import HospitalFolder, Records
from hmchain.application.site.keyring import local_key
from hmchain.canonical import digest
from hmchain.records.catalogue import Catalogue
from hmchain.records.deidentification.patients import read_rule
from hmchain.records.sources.item import IMAGE

Pairs = frozenset[tuple[bytes, bytes]]
"""Digests that stand for one person."""
Whom = Callable[[Iterable[bytes]], frozenset[bytes]]
"""The persons that some digests stand for, each once."""


_SHARED_MAX = 3
"""So many persons may have a number beside their own for it to be one person's: a family's, or that of whoever has no
number, is many."""


@dataclass(frozen=True)
class Known:
    """What a hospital knows today of who is one person."""

    merged: Pairs = frozenset()
    """Numbers that turned out to be one patient's."""
    shared: Pairs = frozenset()
    """Numbers, and the other numbers that items gave beside them."""

    def readings(self, names: Pairs) -> tuple[Whom, Whom]:
        """Both ways to read who is one: by merges alone, and by all that two may have in common.

        A number or a picture may be two people's, and a merge may not have been seen: neither reading is always right.
        """
        return whom(self.merged), whom(self.merged | self.shared | names)


def known(place: HospitalFolder, passphrase: str | None = None) -> Known:
    """What a hospital's catalogue says of who is one person. Raises `CatalogueError`, and what keys complain of."""
    if not place.catalogue.exists():
        return Known()
    local = local_key(place.keys, passphrase)
    with Catalogue(place.catalogue, local, read_rule(place.path)) as catalogue:
        few = ((other, each) for other, each in catalogue.patients.others().items() if len(each) <= _SHARED_MAX)
        shared = frozenset((other, person) for other, persons in few for person in persons)
        return Known(catalogue.patients.people().merged, shared)


def whom(pairs: Iterable[tuple[bytes, bytes]]) -> Whom:
    """Read digests as the persons that they stand for, by which of them are one."""
    over: dict[bytes, bytes] = {}

    def top(one: bytes) -> bytes:
        while (above := over.get(one, one)) != one:
            over[one] = over.get(above, above)
            one = above
        return one

    for pair in pairs:
        least, greatest = sorted(map(top, pair))
        over[greatest] = least
    return lambda digests: frozenset(map(top, digests))


def persons_of(records: Records, found: Usable) -> dict[bytes, frozenset[bytes]]:
    """Whose the usable records are, each with the other digests by which the same person may be met.

    A patient is known by the number, alike in all projects; one whose number is not kept by the pseudonym, and what is
    nobody's by the record's id. Other names are the pseudonym, and pictures: other contents are never alike in two
    projects, since pseudonyms are in them. What several patients of a version have names none of them.
    """
    opt_outs, numbers = records.catalogue.opt_outs, _numbers(records, found)
    owners = records.vault.owners(found.dataset, found.version)
    persons = {subject: numbers.get(subject) or opt_outs.of_subject(subject).digest for subject in found.subjects}
    names = {person: {opt_outs.of_subject(subject).digest} for subject, person in persons.items()}
    pictures: defaultdict[bytes, set[bytes]] = defaultdict(set)
    shared: set[bytes] = set()
    contents = list(_pictures(records, found))
    for record, subject in owners.items():
        if (subject and subject not in persons) or (not subject and record not in found.records):
            continue
        person = persons[subject] if subject else opt_outs.of_record(record).digest
        names.setdefault(person, set())
        for name in (each[record] for each in contents if record in each):
            if subject and pictures[name] - {person}:
                shared.add(name)
            pictures[name] |= {person} if subject else set()
            names[person].add(name)
    return {person: frozenset(each - shared - {person}) for person, each in names.items()}


def _numbers(records: Records, found: Usable) -> dict[str, bytes]:
    """The patients whose numbers are known, by all pseudonyms that they have or had."""
    patients, made = records.catalogue.patients, pseudonyms_of(records, found.dataset).values()
    merged = (one for pair in patients.people().merged for one in pair)
    return {each.alone(person): person for person in (*merged, *patients.persons()) for each in made}


def _pictures(records: Records, found: Usable) -> Iterable[Mapping[str, bytes]]:
    """Digests of a version's contents, and of those that it was made of, by record; of what are pictures alone."""
    catalogue, place = records.catalogue, (found.dataset, found.version)
    versions = catalogue.versions(found.dataset)
    made_of = next((each.made_of for each in versions if each.number == found.version), None)
    for at in (place, made_of):
        if at is not None and IMAGE in ({kind for kind, _ in catalogue.media(*at)} or {IMAGE}):
            contents = records.vault.contents(*at)
            yield {record: digest("hmchain picture", content) for record, content in contents.items()}
