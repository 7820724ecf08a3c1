"""Scenarios as text: what the ledger tells of a study, block by block, regenerated and compared.

`HMCHAIN_REWRITE=1 pytest tests/scenarios` writes the files anew; review the difference like code.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import pytest

from hmchain.application.agent.faults import AgentBehaviour
from hmchain.application.agent.phases import reveal
from hmchain.ledger.contracts.learning.closing import CloseStudy
from hmchain.ledger.contracts.learning.opening import ConfirmPairs, ResumeStudy
from hmchain.ledger.contracts.learning.rounds import Phase
from hmchain.ledger.contracts.learning.studies import Status
from hmchain.ledger.events import decode_all
from support.study_bed import STUDY, Bed

FOLDER = Path(__file__).parent


def honest(bed: Bed) -> None:
    """Four honest hospitals, two rounds."""
    bed.run()


def forged_sum(bed: Bed) -> None:
    """The master of round 1 forges the sum: one chunk proves it, and the next in rank sums the same updates."""
    bed.until(1, Phase.AGGREGATE)
    bed.behave(bed.round.master, AgentBehaviour.FORGE_SUM)
    bed.run()


def silent_master(bed: Bed) -> None:
    """The master of round 1 posts nothing: after the deadline the next in rank takes over."""
    bed.until(1, Phase.AGGREGATE)
    master = bed.round.master
    bed.behave(master, AgentBehaviour.SILENT_MASTER)
    bed.run(lambda: bed.round.number == 2)
    bed.behave(master, AgentBehaviour.HONEST)
    bed.run()


def dropout(bed: Bed) -> None:
    """One hospital is away in round 1: it is left out, and its pair seeds are revealed."""
    bed.until(1, Phase.COMMIT)
    with bed.asleep("south"):
        bed.run(lambda: bed.round.number == 2)
    bed.run()


def withheld_seed(bed: Bed) -> None:
    """One hospital withholds its seed: the attempt is void, the next one succeeds."""
    bed.until(1, Phase.COMMIT)
    bed.behave("west", AgentBehaviour.WITHHOLD_SEED)
    bed.run(lambda: bed.round.attempt == 1)
    bed.behave("west", AgentBehaviour.HONEST)
    bed.run()


def lasting_dropout(bed: Bed) -> None:
    """One hospital dies in round 2 between freeze and reveal: no other set may be summed, and the study ends."""
    bed.until(2, Phase.REVEAL)
    with bed.asleep("west"):
        bed.run()
        bed.require(bed.names[0], "scientist", ResumeStudy(STUDY))
        bed.run()


def rejected_round(bed: Bed) -> None:
    """Two of four vote against the model of round 1: round 2 starts from the model of before."""
    bed.until(1, Phase.COMMIT)
    for name in bed.names[:2]:
        bed.behave(name, AgentBehaviour.REJECT_ALWAYS)
    bed.run(lambda: bed.round.number == 2)
    for name in bed.names[:2]:
        bed.behave(name, AgentBehaviour.HONEST)
    bed.run()


def garbage(bed: Bed) -> None:
    """One hospital sends garbage twice: nobody is blamed, the study pauses, and is resumed without it."""
    bed.until(1, Phase.COMMIT)
    bed.behave("north", AgentBehaviour.GARBAGE_UPDATE)
    bed.run()
    bed.behave("north", AgentBehaviour.HONEST)
    bed.require(bed.names[0], "scientist", ResumeStudy(STUDY))
    bed.run()


def broken_half(bed: Bed) -> None:
    """A half does not open for one hospital, which says so: the study closes before anything is masked."""
    bed.run(lambda: bed.study.status == Status.CONFIRMING)
    bed.require("west", "agent", ConfirmPairs(STUDY, b""))
    bed.run()


def unconfirmed(bed: Bed) -> None:
    """One agent stays away at the opening: after the deadline the study closes, and nobody is charged."""
    bed.run(lambda: bed.study.status == Status.CONFIRMING)
    with bed.asleep("west"):
        bed.run(lambda: not bed.step())
        bed.now_ms = bed.study.progress.deadline_ms
        bed.run()


def closed_by_stewards(bed: Bed) -> None:
    """Two of four stewards end a study in its last round: the model of the round before is registered."""
    bed.until(2, Phase.COMMIT)
    for name in ("south", "west"):
        bed.require(name, "steward", CloseStudy(STUDY))
    bed.run()


def refused(bed: Bed) -> None:
    """A steward takes its yes back before the study opens: at the next tick it is over."""
    bed.revoke("west")
    bed.run()


def not_joined(bed: Bed) -> None:
    """One agent never joins: the proposal lapses, and nobody is charged."""
    with bed.asleep("west"):
        bed.run(lambda: not bed.step())
        bed.now_ms = bed.study.progress.deadline_ms
        bed.run()


def not_agreed(bed: Bed) -> None:
    """One agent joins and hands over no halves: after the deadline the study closes."""
    bed.run(lambda: bed.study.status == Status.AGREEING)
    with bed.asleep("west"):
        bed.run(lambda: not bed.step())
        bed.now_ms = bed.study.progress.deadline_ms
        bed.run()


def unattested(bed: Bed) -> None:
    """One hospital binds an update in round 1 and never uploads it: nobody attests it, and it is left out."""
    bed.until(1, Phase.COMMIT)
    bed.hand("west", publish=lambda desk: None)
    bed.run(lambda: bed.round.number == 2)
    bed.behave("west", AgentBehaviour.HONEST)
    bed.run()


def late_reveal(bed: Bed) -> None:
    """A seed arrives when its attempt is void: it is recorded, and the next attempt needs all four again."""
    bed.until(1, Phase.REVEAL)
    (late,) = reveal.reveal(bed.desk("west"))
    transaction = bed.signed("west", late)
    with bed.asleep("west"):
        bed.run(lambda: bed.round.attempt == 1)
        bed.consortium.submit(transaction)
    bed.run()


def no_master(bed: Bed) -> None:
    """Nobody posts in round 1: the ranking is gone through, and begun again over the same set."""
    bed.until(1, Phase.AGGREGATE)
    for name in bed.names:
        bed.behave(name, AgentBehaviour.SILENT_MASTER)
    bed.run(lambda: bool(bed.kinds("round.again")))
    for name in bed.names:
        bed.behave(name, AgentBehaviour.HONEST)
    bed.run()


def hidden_aggregate(bed: Bed) -> None:
    """The master of round 1 posts right roots and stores nothing: those who verify store what they computed."""
    bed.until(1, Phase.AGGREGATE)
    bed.behave(bed.round.master, AgentBehaviour.HIDE_AGGREGATE)
    bed.run()


def revoked(bed: Bed) -> None:
    """A steward takes its approval back in round 1: from the next round on its hospital is not asked."""
    bed.until(1, Phase.REVEAL)
    bed.revoke("west")
    bed.run()


SCENARIOS: tuple[Callable[[Bed], None], ...] = (
    honest, forged_sum, silent_master, dropout, withheld_seed, lasting_dropout, rejected_round, garbage,
    refused, not_joined, not_agreed, broken_half, unconfirmed, unattested, late_reveal, no_master, hidden_aggregate,
    revoked, closed_by_stewards,
)  # fmt: skip


def transcript(bed: Bed, title: str) -> str:
    """Every block with its events and the transactions that it refused; digests are left out."""
    lines = [f"# {title}", ""]
    refused = {height: [code for at, _, code in bed.codes if at == height] for height, _, _ in bed.codes}
    entries = sorted([*bed.events, *((height, None) for height in refused)], key=lambda entry: entry[0])
    for height, found in groupby(entries, key=lambda entry: entry[0]):
        lines.append(f"block {height}")
        for _, event in found:
            if event is not None:
                words = [word for word in event.keys if word != STUDY and len(word) < 64]
                lines.append(f"  {event.kind} {' '.join(words)}".rstrip())
        lines += [f"  refused {code}" for code in refused.get(height, ())]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_scenario(tmp_path: Path, scenario: Callable[[Bed], None]) -> None:
    bed = Bed.found(tmp_path)
    bed.prepare(rounds_=2)
    bed.approve()
    scenario(bed)
    seen = [event for _, event in bed.events]
    assert [event.encode() for event in decode_all(seen)] == seen
    text = transcript(bed, scenario.__doc__ or "")
    bed.close()
    path = FOLDER / f"{scenario.__name__}.txt"
    if os.environ.get("HMCHAIN_REWRITE"):
        path.write_text(text)
    assert text == path.read_text()
