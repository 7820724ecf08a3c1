"""Findings of checks: one finding a kind, with the records that show it."""

from __future__ import annotations

from dataclasses import dataclass, field

INFO, WARNING, ERROR = "info", "warning", "error"
"""Good to know; look at it before training; the data are wrong."""

NAMED_MAX = 20


@dataclass(frozen=True)
class Finding:
    """Something about a dataset that a person should know. It says nothing of what is in a record."""

    severity: str
    """`INFO`, `WARNING` or `ERROR`."""
    code: str
    what: str
    hint: str
    count: int = 0
    """How many records show it."""
    records: tuple[str, ...] = ()
    """The ids (pseudonyms) of the first of them."""


@dataclass
class Tally:
    """Counts records, and keeps the ids of the first."""

    count: int = 0
    records: list[str] = field(default_factory=list)

    def add(self, record: str) -> None:
        """Count one."""
        self.count += 1
        if len(self.records) < NAMED_MAX:
            self.records.append(record)

    def finding(self, severity: str, code: str, what: str, hint: str) -> list[Finding]:
        """One finding, in which `{}` stands for the count; none if nothing was counted."""
        if not self.count:
            return []
        return [Finding(severity, code, what.format(self.count), hint, self.count, tuple(self.records))]
