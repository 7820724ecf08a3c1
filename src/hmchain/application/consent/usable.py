"""The one question before every use: which records of a version may be used for this, now.

A version stays what was published. What is used of it is less by the records of patients who opted out, are on a list
of those who did, or whose consents do not permit this use; that is known at the hospital alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING

from hmchain.application.site.hospital import Records
from hmchain.canonical import digest
from hmchain.clock import now_ms
from hmchain.records.catalogue.optouts import RECORD
from hmchain.records.consents import deciding
from hmchain.records.consents.consent import Consent
from hmchain.records.consents.deciding import Answer, Asked, Ruling, Why
from hmchain.records.consents.purposes import RESEARCH
from hmchain.records.consents.register import Basis, DatasetBasis
from hmchain.records.consents.settings import read_organisations
from hmchain.records.consents.uses import Use, UseKind
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.sources.item import FHIR, TABLE

if TYPE_CHECKING:
    from hmchain.application.consent.facts import FactsOf

__all__ = ["LeftOutBy", "Usable", "Use", "UseKind", "usable", "usable_now"]


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
    whole: frozenset[str]
    """Those of whom all records may be used."""
    of: int
    """All records of the version."""
    left_out: Mapping[LeftOutBy, int] = field(default_factory=dict)
    """Numbers of records by reason; they stay at the hospital."""

    @property
    def reasons(self) -> Counter[str]:
        """The same in words."""
        return Counter({why.value: count for why, count in self.left_out.items()})

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is left out and why, for people."""
        return tuple(
            f"Not among them: {count:,} record{'' if count == 1 else 's'}: {reason}."
            for reason, count in self.reasons.items()
        )

    @property
    def stamp(self) -> bytes:
        """32 bytes that are the same as long as the same records may be used."""
        records, subjects = sorted(self.records), sorted(self.subjects)
        return digest("hmchain usable records", *map(str.encode, records), b"", *map(str.encode, subjects))

    def alone(self, subjects: Iterable[str]) -> Usable:
        """Some of the patients, without a record: whom a count counted."""
        return replace(self, records=frozenset(), subjects=frozenset(subjects), whole=frozenset(), left_out={})


def usable(records: Records, dataset: str, version: int, use: Use, at_ms: int) -> Usable:
    """Which records of a version a use may have at a time. Raises as vault and catalogue.

    With no basis said of its dataset all may be used but those of patients who object; a dataset that goes by consent
    is used as far as patients permit it. For a patient's own treatment in an emergency neither what was opted out of,
    which is research, nor the basis counts: a consent that denies it does.
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
    whole = subjects - {subject for record, subject in asking.owners.items() if record not in kept}
    return Usable(dataset, version, asking.basis, frozenset(kept), subjects, whole, len(asking.owners), left_out)


def usable_now(records: Records, dataset: str, version: int, kind: UseKind) -> Usable:
    """Which records the hospital itself may use, for what the dataset is kept for. Raises as `usable`.

    What is made of them for uses to come asks for nobody in particular.
    """
    kept_for = basis_of(records, dataset).purposes or (RESEARCH,)
    recipients = () if kind.is_open else (records.folder.organisation,)
    return usable(records, dataset, version, Use(kind, kept_for, recipients), now_ms())


def denied(records: Records, project: str, use: Use, at_ms: int) -> frozenset[str]:
    """The patients of a project, by pseudonym, whose consents deny a use of any of their records.

    For what is not in a version yet: of a record of which nothing is known, a rule about data may be meant.
    """
    asked = Asked(use, at_ms, organisations=read_organisations(records.folder.path))
    found = consents_by_subject(records, [records.catalogue.projects.pseudonyms(project)])
    return frozenset(subject for subject, given in found.items() if deciding.decide(given, asked).answer is Answer.DENY)


def basis_of(records: Records, dataset: str) -> DatasetBasis:
    """By what a dataset is used: what was said of it, and of what it was made of. Where any goes by consent, it does.

    What it is kept for is what was said of it itself, or else of the nearest that it was made of.
    """
    said = [records.catalogue.consents.basis(name) for name in _origins(records, dataset)]
    by_consent = any(each.basis is Basis.CONSENT for each in said)
    purposes = next((each.purposes for each in said if each.purposes), ())
    return DatasetBasis(Basis.CONSENT if by_consent else Basis.OPT_OUT, purposes)


def pseudonyms_of(records: Records, dataset: str) -> dict[str, Pseudonyms]:
    """Those of a dataset's project; of one that the catalogue does not know, of all projects, or of none."""
    projects, entry = records.catalogue.projects, records.catalogue.dataset(dataset)
    if entry is not None:
        return {entry.project: projects.pseudonyms(entry.project)}
    return projects.all_pseudonyms() or {"": records.catalogue.patients.pseudonyms()}


def _is_received(records: Records, dataset: str) -> bool:
    """Whether a dataset, or what it was made of, is another hospital's, which asked its own patients before it gave."""
    return any(records.catalogue.received.get(name) is not None for name in _origins(records, dataset))


def _origins(records: Records, dataset: str) -> list[str]:
    """A dataset, then all that it was made of, the nearest first."""
    found = [dataset]
    for name in found:  # grows
        made_of = (each.made_of[0] for each in records.catalogue.versions(name) if each.made_of)
        found += [each for each in dict.fromkeys(made_of) if each not in found]
    return found


class _Asking:
    """One question over all records of a version: what does not depend on the record is looked up once."""

    def __init__(self, records: Records, dataset: str, version: int, use: Use, at_ms: int) -> None:
        catalogue = records.catalogue
        self.owners = records.vault.owners(dataset, version)
        self._records, self._dataset, self._version = records, dataset, version
        self._asked = Asked(use, at_ms, organisations=read_organisations(records.folder.path))
        self.basis = Basis.OPT_OUT if use.is_emergency else basis_of(records, dataset).basis
        self._pseudonyms = pseudonyms_of(records, dataset)
        has_opt_outs = not use.is_emergency
        self._left_out = [
            catalogue.opt_outs.left_out(each, catalogue.optout_lists)
            for each in self._pseudonyms.values()
            if has_opt_outs
        ]
        is_others = _is_received(records, dataset)
        self._consents = {} if is_others else consents_by_subject(records, self._pseudonyms.values())
        self._known = self._known_subjects() if has_opt_outs and catalogue.optout_lists and not is_others else None
        self._of_subject: dict[str, LeftOutBy | None] = {}

    def why_not(self, record: str, subject: str) -> LeftOutBy | None:
        """Why a record may not be used; None if it may."""
        if any(each.record(record, subject) for each in self._left_out):
            return LeftOutBy.OPT_OUT
        if subject in self._made_of_left_out:
            return LeftOutBy.OPT_OUT
        if not subject:
            return None if self.basis is Basis.OPT_OUT or self._is_of_nobody(record) else LeftOutBy.NOT_KNOWN
        if self._known is not None and subject not in self._known:
            return LeftOutBy.NOT_KNOWN
        consents = self._consents.get(subject, ())
        if any(each.names_data for each in consents):
            if self._origin is not None:
                is_usable = subject in self._origin.whole if self._are_rows else record in self._origin.records
                return None if is_usable else LeftOutBy.BEYOND
            return self._why(deciding.decide(consents, self._asked_of(record, subject)))
        if subject not in self._of_subject:
            self._of_subject[subject] = self._why(deciding.decide(consents, self._asked))
        return self._of_subject[subject]

    @cached_property
    def _facts(self) -> FactsOf:
        """What records say of themselves; only where a consent names data are they, and what reads them, needed."""
        from hmchain.application.consent.facts import FactsOf

        return FactsOf(self._records, self._dataset, self._version, tuple(self._pseudonyms.values()))

    @cached_property
    def _origin(self) -> Usable | None:
        """Of what was made to learn from: the records that it was made of, which rules about data are asked of."""
        made_of = self._made_of
        return usable(self._records, *made_of, self._asked.use, self._asked.at_ms) if made_of else None

    @cached_property
    def _made_of(self) -> tuple[str, int] | None:
        known = self._records.catalogue.versions(self._dataset)
        return next((each.made_of for each in known if each.number == self._version), None)

    @cached_property
    def _made_of_left_out(self) -> frozenset[str]:
        """The patients whose rows were made of a record, too, that was opted out by itself."""
        has_any = any(entry.kind == RECORD for entry in self._records.catalogue.opt_outs.entries())
        if not has_any or not self._are_rows or self._made_of is None:
            return frozenset()
        owners = self._records.vault.owners(*self._made_of)
        return frozenset(
            subject
            for record, subject in owners.items()
            if any(each.record(record, subject) for each in self._left_out)
        )

    @cached_property
    def _are_rows(self) -> bool:
        return any(kind == TABLE for kind, _ in self._records.catalogue.media(self._dataset, self._version))

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
