"""Counting people in a version of a dataset: one after the other, so that memory holds one person's records."""

from __future__ import annotations

from collections.abc import Iterator

from hmchain.application.cohort.fhir_facts import fhir_facts
from hmchain.application.cohort.omop_facts import omop_facts
from hmchain.application.cohort.persons import About, Fact, Person, is_true
from hmchain.application.consent.usable import Usable
from hmchain.errors import DataError
from hmchain.ledger.contracts.data.queries import Clause
from hmchain.plain import Progress, tell
from hmchain.records.vault import Vault

_PARQUET = b"PAR1"


class NotCountableError(DataError):
    """Records of another form than those that people can be counted in."""

    code = "not_countable"


def count_people(
    vault: Vault, usable: Usable, query: Clause, progress: Progress | None = None, counted: set[str] | None = None
) -> int:
    """The number of people of whom a query is true, by the records of a version that may be used for it.

    Each pseudonym counts once, however many records it has; those that count are put into `counted`. Records that are
    neither FHIR resources nor tables, such as the images beside them, say nothing. Raises `NotCountableError` where
    there are no others, or an error of the vault.
    """
    subjects = sorted(usable.subjects)
    found = 0
    says_something = not subjects
    for done, subject in enumerate(subjects, 1):
        person = Person()
        for data in vault.read_subject(usable.dataset, usable.version, subject, usable.records):
            if (facts := _facts(data)) is not None:
                person.learn(facts)
                says_something = True
        if is_true(query, person):
            found += 1
            if counted is not None:
                counted.add(subject)
        tell(progress, done, len(subjects))
    if not says_something:
        what = f"{usable.dataset} has only records in which people cannot be counted"
        raise NotCountableError(what, "count in datasets of FHIR resources or of OMOP tables")
    return found


def _facts(data: bytes) -> Iterator[About | Fact] | None:
    if data.startswith(b"{"):
        return fhir_facts(data)
    return omop_facts(data) if data.startswith(_PARQUET) else None
