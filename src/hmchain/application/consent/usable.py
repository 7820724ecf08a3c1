"""The one question before every use: which records of a version may be used for this, now.

A version stays what was published. What is used of it is less by the records of patients who opted out, are on a list
of those who did, or whose consents do not permit this use; that is known at the hospital alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from hmchain.application.consent.facts import FactsOf
from hmchain.application.site.hospital import Records
from hmchain.canonical import digest
from hmchain.records.consents import deciding
from hmchain.records.consents.consent import Consent
from hmchain.records.consents.deciding import Answer, Asked, Ruling, Why
from hmchain.records.consents.register import Basis
from hmchain.records.consents.uses import Use, UseKind
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.sources.item import FHIR

__all__ = ["LeftOutBy", "Usable", "Use", "UseKind", "usable"]


class LeftOutBy(Enum):
    """The reason why records are not used."""

    OPT_OUT = "the patient, or the record, was opted out here or by a list"
    DENIED = "a consent denies it"
    BEYOND = "a consent permits other data alone"
    WITHDRAWN = "a consent was withdrawn"
    REJECTED = "the patient did not agree"
    UNDECIDED = "a consent cannot be decided"
    NO_CONSENT = "no consent permits it, and the dataset goes by consent"
    NOT_KNOWN = "whose they are is not known, so no list and no consent can be asked"


_WHYS = {
    Why.RULE: LeftOutBy.DENIED, Why.BEYOND: LeftOutBy.BEYOND, Why.WITHDRAWN: LeftOutBy.WITHDRAWN,
    Why.REJECTED: LeftOutBy.REJECTED, Why.UNDECIDED: LeftOutBy.UNDECIDED, Why.NOTHING: LeftOutBy.NO_CONSENT,
}  # fmt: skip


@dataclass(frozen=True)
class Usable:
    """The records of a version that one use may have, at one time."""

    dataset: str
    version: int
    basis: Basis
    records: frozenset[str]
    subjects: frozenset[str]
    """The patients of these, by pseudonym."""
    of: int
    """All records of the version."""
    left_out: Mapping[LeftOutBy, int] = field(default_factory=dict)
    """Numbers of records by reason; they stay at the hospital."""

    @property
    def stamp(self) -> bytes:
        """32 bytes that are the same as long as the same records may be used."""
        return digest("hmchain usable records", *(record.encode() for record in sorted(self.records)))


def usable(records: Records, dataset: str, version: int, use: Use, at_ms: int) -> Usable:
    """Which records of a version a use may have at a time. Raises as vault and catalogue.

    With no basis said of its dataset all may be used but those of patients who object; a dataset that goes by consent
    is used as far as patients permit it.
    """
    asking = _Asking(records, dataset, version, use, at_ms)
    kept: dict[str, str] = {}
    left_out: Counter[LeftOutBy] = Counter()
    for record, subject in asking.owners.items():
        why = asking.why_not(record, subject)
        if why is None:
            kept[record] = subject
        else:
            left_out[why] += 1
    subjects = frozenset(filter(None, kept.values()))
    return Usable(dataset, version, asking.basis, frozenset(kept), subjects, len(asking.owners), left_out)


class _Asking:
    """One question over all records of a version: what does not depend on the record is looked up once."""

    def __init__(self, records: Records, dataset: str, version: int, use: Use, at_ms: int) -> None:
        catalogue = records.catalogue
        self.owners = records.vault.owners(dataset, version)
        self._records, self._dataset, self._version = records, dataset, version
        self._asked = Asked(use, at_ms, organisations=organisations(records))
        self.basis = catalogue.consents.basis(dataset).basis
        entry = catalogue.dataset(dataset)
        made = {entry.project: catalogue.projects.pseudonyms(entry.project)} if entry else None
        self._pseudonyms = made if made is not None else catalogue.projects.all_pseudonyms()
        self._left_out = [
            catalogue.opt_outs.left_out(each, catalogue.optout_lists) for each in self._pseudonyms.values()
        ]
        self._consents = consents_by_subject(records, self._pseudonyms.values())
        self._known = self._known_subjects() if catalogue.optout_lists else None
        self._facts = FactsOf(records, dataset, version, tuple(self._pseudonyms.values()))
        self._of_subject: dict[str, LeftOutBy | None] = {}

    def why_not(self, record: str, subject: str) -> LeftOutBy | None:
        """Why a record may not be used; None if it may."""
        if any(each.record(record, subject) for each in self._left_out):
            return LeftOutBy.OPT_OUT
        if not subject:
            return None if self.basis is Basis.OPT_OUT or self._is_of_nobody(record) else LeftOutBy.NOT_KNOWN
        if self._known is not None and subject not in self._known:
            return LeftOutBy.NOT_KNOWN
        consents = self._consents.get(subject, ())
        if any(each.names_data for each in consents):
            return self._why(deciding.decide(consents, self._asked_of(record, subject)))
        if subject not in self._of_subject:
            self._of_subject[subject] = self._why(deciding.decide(consents, self._asked))
        return self._of_subject[subject]

    def _why(self, ruling: Ruling) -> LeftOutBy | None:
        is_usable = ruling.answer is Answer.PERMIT or (ruling.answer is Answer.SILENT and self.basis is Basis.OPT_OUT)
        return None if is_usable else _WHYS[ruling.why]

    def _asked_of(self, record: str, subject: str) -> Asked:
        asked = self._asked
        return Asked(asked.use, asked.at_ms, self._facts.of(record, subject), asked.organisations)

    def _is_of_nobody(self, record: str) -> bool:
        """Whether a record is about no patient at all, as a FHIR Medication; of a picture nobody can tell."""
        entry = self._records.catalogue.record(self._dataset, self._version, record)
        return entry is not None and entry.kind == FHIR

    def _known_subjects(self) -> frozenset[str]:
        persons = list(self._records.catalogue.patients.persons())
        return frozenset(made.alone(each) for made in self._pseudonyms.values() for each in persons)


def consents_by_subject(records: Records, made: Iterable[Pseudonyms]) -> dict[str, Sequence[Consent]]:
    """The consents of each patient, by every pseudonym that the patient has or had."""
    found: defaultdict[str, list[Consent]] = defaultdict(list)
    others = records.catalogue.patients.others()
    pseudonyms = list(made)
    for entry in records.catalogue.consents.entries():
        for each in pseudonyms:
            for name in dict.fromkeys(_names(entry.person, others, each)):
                found[name].append(entry.consent)
    return dict(found)


def _names(person: bytes, others: Mapping[bytes, Sequence[bytes]], made: Pseudonyms) -> Iterator[str]:
    for one in (person, *others.get(person, ())):
        for each in made.all_of(one):
            yield made.alone(each)


def organisations(records: Records) -> Mapping[str, str]:
    """Members of the network by the names that the hospital's consents give them."""
    return {}
