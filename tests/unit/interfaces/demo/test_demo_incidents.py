"""Incidents of the demo: one after the other, once each, and told as the ledger knows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hmchain.interfaces.demo.incidents import DishonestMaster, Incidents
from hmchain.interfaces.report import history
from hmchain.ledger import events
from hmchain.ledger.blocks import BlockResult
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.contracts.members.standings import Unjail
from hmchain.ledger.engines.validator import Behaviour
from hmchain.ledger.events import LedgerEvent
from support.ledger_network import Network
from support.study_bed import STUDY, Bed


@dataclass
class Spoken:
    """A fault that is over with an event of its own."""

    over: LedgerEvent
    first_round: int
    done: bool = False
    pressed: list[int] = field(default_factory=list)
    settled: bool = False

    def press(self, number: int) -> None:
        self.pressed.append(number)

    def on_event(self, event: LedgerEvent) -> None:
        self.done |= event == self.over

    def settle(self) -> None:
        self.settled = True


FIRST, SECOND = events.ValidatorLeft("first"), events.ValidatorLeft("second")


def happened(event: LedgerEvent) -> BlockResult:
    return BlockResult((), (event.encode(),))


def test_one_fault_at_a_time(tmp_path: Path) -> None:
    bed = Bed.found(tmp_path / "run")
    bed.prepare(rounds_=2)
    bed.approve()
    first, second = Spoken(FIRST, 1), Spoken(SECOND, 1)
    incidents = Incidents(bed.consortium, STUDY, 2, [first, second])
    incidents.before_step()
    assert first.pressed == []  # the study has not begun
    bed.consortium.before_step = incidents.before_step
    bed.consortium.run(STUDY)
    assert set(first.pressed) == {1, 2}
    assert second.pressed == []
    incidents.on_block(happened(FIRST))
    incidents.settle()
    assert (first.settled, second.settled) == (False, True)
    bed.close()


def test_what_the_ledger_shows_is_not_done_again(tmp_path: Path) -> None:
    bed = Bed.found(tmp_path / "run")
    bed.prepare(rounds_=2)
    bed.approve()
    incidents = Incidents(bed.consortium, STUDY, 1, [DishonestMaster(bed.consortium, STUDY)])
    bed.consortium.before_step = incidents.before_step
    bed.consortium.on_block = lambda block, result: incidents.on_block(result)
    bed.consortium.run(STUDY)
    told = history.read(tmp_path / "run" / "ledger", STUDY)
    assert [incident.title for incident in told.all_incidents] == ["Dishonest master"]
    assert all(told.updates[name] and told.transaction_bytes[name] for name in bed.names)
    other = history.read(tmp_path / "run" / "ledger", "another study")
    assert not other.updates
    assert not other.transaction_bytes
    again = DishonestMaster(bed.consortium, STUDY)
    Incidents(bed.consortium, STUDY, 1, [again]).recall(tmp_path / "run" / "ledger")
    assert again.done
    bed.close()


def test_a_validator_that_fell_silent_is_told_with_its_price(tmp_path: Path) -> None:
    network = Network.found(tmp_path, parameters=Parameters(40, 1, jail_blocks_per_member=3, jail_ms=1_000))
    network.fill(3)
    network.ledger.set_behaviour("d", Behaviour.SILENT)
    network.fill(14, first=3)
    open_ = history.read(tmp_path, "none")
    assert open_.incidents == []
    (still_away,) = open_.unsettled
    assert (still_away.hospital, still_away.before, still_away.after) == ("d", 5000, None)
    assert "fell silent after block 3." in still_away.sentence
    assert "wait for it" in still_away.sentence
    network.ledger.set_behaviour("d", Behaviour.HONEST)
    network.block(network.send("d", Unjail()))
    network.fill(24, first=17)
    told = history.read(tmp_path, "none")
    assert told.unsettled == []
    (incident,) = told.incidents
    assert (incident.hospital, incident.before, incident.after) == ("d", 5000, 2500)
    assert "took it back in block 18" in incident.sentence
    assert "833 → 1 from block 16 to block 18" in incident.consequence
    assert told.failed == {"d": told.failed["d"]}
    network.ledger.close()
