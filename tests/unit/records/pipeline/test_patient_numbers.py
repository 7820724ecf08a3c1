"""Whose numbers are the hospital's own, as a source that sends says it."""

from __future__ import annotations

from hmchain.records.pipeline.patient_numbers import Acquainted
from support.health_records import admission_message
from support.letters import Letters


def test_no_message_is_read_for_its_issuer_once_that_is_known() -> None:
    source = Letters({name: admission_message(1, number).encode() for number, name in enumerate("abc")})
    told: list[str] = []

    def learn(issuer: str) -> bool:
        told.append(issuer)
        return len(told) == 2

    given = [item.name for item in Acquainted(source, learn).items(lambda mark: False)]
    assert given == ["a", "b", "c"]
    assert source.opened == ["a", "b"] and len(told) == 2
