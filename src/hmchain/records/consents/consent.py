"""A patient's consent as far as it is decided on: the part of a FHIR R4 Consent that says which uses of which data.

Who signed it, on which paper and in whose presence is left to the hospital's own system: nothing of that is kept here.
Names of elements are those of FHIR R4 6.2; `exceptions` are its `provision.provision`.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

import msgspec


class Status(Enum):
    """Where a consent stands (FHIR `consent-state-codes`)."""

    DRAFT = "draft"
    PROPOSED = "proposed"
    ACTIVE = "active"
    REJECTED = "rejected"
    """The patient did not agree to what was proposed."""
    INACTIVE = "inactive"
    """Withdrawn, or another one came in its place."""
    ENTERED_IN_ERROR = "entered-in-error"


class Coding(msgspec.Struct, frozen=True, order=True):
    """A code of a system."""

    system: str
    code: str


class Span(msgspec.Struct, frozen=True):
    """A time from its first to its last millisecond; None is without an end on that side."""

    first_ms: int | None = None
    last_ms: int | None = None


class Actor(msgspec.Struct, frozen=True):
    """Whom a rule is about: `Organization/north`, and the value of an identifier where it has one."""

    name: str = ""
    identifier: str = ""
    role: Coding | None = None


class DataRef(msgspec.Struct, frozen=True):
    """Data that a rule names: one resource, those related to one, or those that somebody authored."""

    meaning: str
    name: str


class Provision(msgspec.Struct, frozen=True, omit_defaults=True):
    """One rule and its exceptions. A list that is empty restricts nothing; of one that is not, any item will do."""

    permits: bool | None = None
    """None where the rule does not say; only the first may leave that to its policy."""
    period: Span | None = None
    actors: tuple[Actor, ...] = ()
    actions: tuple[Coding, ...] = ()
    labels: tuple[Coding, ...] = ()
    purposes: tuple[Coding, ...] = ()
    classes: tuple[Coding, ...] = ()
    codes: tuple[Coding, ...] = ()
    data_period: Span | None = None
    data: tuple[DataRef, ...] = ()
    exceptions: tuple[Provision, ...] = ()

    @property
    def names_data(self) -> bool:
        """Whether it is about some data of the patient, and not about all."""
        return bool(self.labels or self.classes or self.codes or self.data_period or self.data)

    @property
    def names_use(self) -> bool:
        """Whether it speaks of data and their use in words that a treatment has none for; a code may be either's."""
        return bool(self.purposes or self.actions or self.labels or self.classes or self.data_period or self.data)

    def every(self) -> Iterator[Provision]:
        """This rule, then all exceptions, of whatever depth."""
        yield self
        for each in self.exceptions:
            yield from each.every()


class Consent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One consent of one patient."""

    name: str
    """`Consent/ID` where it has an id, else a digest of its content."""
    status: Status
    rule: Provision | None = None
    at_ms: int | None = None
    """When it was given, the first moment that its date may mean; None if it does not say."""
    policies: tuple[str, ...] = ()
    """Addresses and codes of the policies that it agrees or objects to, in order."""
    is_of_data: bool = True
    """False for what is about a treatment or an advance directive, and permits no use of data."""
    doubts: tuple[str, ...] = ()
    """Why it cannot be decided as a whole: elements that change its meaning and are not understood here."""
    edition_ms: int | None = None
    """When the server that has it changed it last."""
    withdrawn_ms: int | None = None
    """When the hospital was told here that it is withdrawn."""
    at_last_ms: int | None = None
    """The last moment that `at_ms` may mean."""

    @property
    def speaks_of_data(self) -> bool:
        """Whether it may decide a use of data; of what is about a treatment only what denies such a use."""
        if self.is_of_data or self.rule is None:
            return self.is_of_data
        rules = list(self.rule.every())
        denies = any(rule.permits is not True for rule in rules)
        return denies and (bool(self.doubts) or any(rule.names_use for rule in rules))

    @property
    def names_data(self) -> bool:
        """Whether some records of the patient may be judged otherwise than others."""
        return self.rule is not None and any(rule.names_data for rule in self.rule.every())
