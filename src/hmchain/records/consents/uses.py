"""A use of records, as consents speak of it: what is done, for what, and who receives what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hmchain.records.consents.purposes import BREAK_GLASS, RESEARCH, is_kind_of

ACTIONS = ("collect", "access", "use", "disclose", "correct")
"""The codes of FHIR's `consentaction`."""


class UseKind(Enum):
    """Everything that the program does with records of patients."""

    TRAIN = "train"
    COUNT = "count"
    PREPARE = "prepare"
    """Something to learn from is made of them."""
    REGISTER = "register"
    """They become part of a new version, to be used by studies."""
    EXPORT = "export"
    TRANSFER = "transfer"
    """Another hospital receives them."""
    EVIDENCE = "evidence"
    """What a model tells of them is measured, before it is released."""

    @property
    def is_open(self) -> bool:
        """Whether nobody uses anything yet: each use of what is made is asked about again."""
        return self in (UseKind.PREPARE, UseKind.REGISTER)

    @property
    def is_way_out(self) -> bool:
        """Whether records leave the hospital's vault by it."""
        return self in (UseKind.EXPORT, UseKind.TRANSFER)

    @property
    def denied_by(self) -> frozenset[str]:
        """Actions of FHIR's `consentaction` that it takes: who denies one of them denies it."""
        stored = {"collect"} if self.is_open or self.is_way_out else set()
        return frozenset({"access", "use"} | stored | ({"disclose"} if self.is_way_out else set()))

    @property
    def permitted_by(self) -> frozenset[str]:
        """Those of which a permission names one; what is only made ready is permitted by any."""
        if self.is_open:
            return frozenset(ACTIONS)
        return frozenset({"disclose" if self.is_way_out else "use"})


@dataclass(frozen=True)
class Use:
    """One use, as it is asked about."""

    kind: UseKind
    purposes: tuple[str, ...] = (RESEARCH,)
    """Codes of v3 ActReason, or `SYSTEM|CODE` of another system: every one of them must be permitted."""
    recipients: tuple[str, ...] = ()
    """Organisations that asked for it, or receive the records; nobody in particular if it is empty."""

    @property
    def is_emergency(self) -> bool:
        """Whether it is for nothing but the patient's own treatment in an emergency."""
        return bool(self.purposes) and all(is_kind_of(each, BREAK_GLASS) for each in self.purposes)
