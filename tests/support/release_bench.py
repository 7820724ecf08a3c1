"""Releases on the state that a study left: whoever acts on it, and all of it taken back after each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hmchain.canonical import Record
from hmchain.ledger.context import AGENT, Acting, Credential
from hmchain.ledger.contracts.learning import releases
from hmchain.ledger.contracts.learning.releases import AskRelease, Audience, DecideRelease, Decision, Release, Word
from hmchain.ledger.contracts.learning.studies import Status
from hmchain.ledger.contracts.members.people import PersonRef
from support.ledger_texts import places_taken
from support.request_bench import RequestBench, ref
from support.study_bed import STUDY, Bed

NAME = "first"
EVIDENCE = bytes([7]) * 32


class ReleaseBench(RequestBench):
    """The state of a bed's ledger after its study, and whoever acts on it. East's scientist asked for the study."""

    def __init__(self, bed: Bed) -> None:
        self.state, self.height, self.ms, self.events = bed.state, bed.state.height, bed.now_ms, []

    @classmethod
    @contextmanager
    def on(cls, bed: Bed) -> Iterator[ReleaseBench]:
        """A bench of which nothing stays."""
        mark = bed.state.savepoint()
        yield cls(bed)
        bed.state.rollback(mark)

    def sender(self, person: PersonRef) -> Credential | Acting:
        return Credential(person.organisation, AGENT) if person.person == AGENT else super().sender(person)

    def texts_taken(self, who: str, body: Record) -> set[tuple[str, tuple[int, ...]]]:
        """The places of a body that is taken in which a text would be taken as well."""
        return places_taken(self.state, self.sender(ref(who)), body, self.height + 1, self.ms + 1)

    def asked(self, study: str = STUDY, name: str = NAME, **changes: object) -> AskRelease:
        """What is asked for, by the digest that the ledger gives of it."""
        made = releases.artefact_of(self.state, study) or bytes(32)
        fields = {"audience": Audience.MEMBERS, "regions": (), "table": None, "artefact": made} | changes
        return AskRelease(name=name, study=study, **fields)  # type: ignore[arg-type]

    def ask(self, by: str = "east/scientist", study: str = STUDY, name: str = NAME, **changes: object) -> AskRelease:
        asked = self.asked(study, name, **changes)
        self.must(by, asked)
        return asked

    def yes(self, name: str = NAME, **changes: object) -> DecideRelease:
        found = releases.require_release(self.state, name)
        fields = {"decision": Decision.GRANTED, "reason": "", "evidence": EVIDENCE, "asked": found.asked.digest}
        return DecideRelease(release=name, **(fields | changes))  # type: ignore[arg-type]

    def no(self, name: str = NAME, reason: str = "disclosure", **changes: object) -> DecideRelease:
        return self.yes(name, decision=Decision.REFUSED, reason=reason, **changes)

    def release(self, name: str = NAME) -> Release:
        return releases.require_release(self.state, name)

    def said(self, organisation: str, name: str = NAME) -> Word:
        found = releases.word(self.state, name, organisation)
        assert found is not None
        return found


def finished(bed: Bed) -> Bed:
    """The bed, once its study is over."""
    bed.prepare()
    bed.approve()
    bed.run()
    assert bed.study.status is Status.FINISHED
    return bed
