"""One hospital's agent in a running study: crashes, lost files, and what it leaves behind (protocol-attacks.md)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.agent.exchange import Exchange
from hmchain.application.agent.faults import AgentBehaviour
from hmchain.application.agent.kept import GateChoice, MaskedUpdate
from hmchain.application.learning.ratchet import RatchetError
from hmchain.errors import DataError
from hmchain.ledger.contracts.learning import models, rounds, studies
from hmchain.ledger.contracts.learning.rounds import Phase
from hmchain.ledger.contracts.learning.studies import Status
from hmchain.records.objects import MissingObjectError
from support.study_bed import STUDY, Bed

PHASES = (Phase.COMMIT, Phase.ATTEST, Phase.REVEAL, Phase.AGGREGATE, Phase.VERIFY)
PHASES += (Phase.GATE_COMMIT, Phase.GATE_REVEAL)


def found(directory: Path, rounds_: int = 2, n: int = 4) -> Bed:
    bed = Bed.found(directory, n)
    bed.prepare(rounds_=rounds_)
    bed.approve()
    return bed


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    bed = found(tmp_path)
    yield bed
    bed.close()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Root of the final model of a study that nothing disturbs."""
    bed = found(tmp_path_factory.mktemp("undisturbed"))
    bed.run()
    root = final_root(bed)
    bed.close()
    return root


def final_root(bed: Bed) -> bytes:
    model = models.model(bed.state, STUDY)
    assert model is not None and bed.study.status == Status.FINISHED
    return model.root


def masked(bed: Bed, name: str) -> list[MaskedUpdate]:
    return [made for _, made in bed.agent(name).store.all(f"{STUDY}/masked/", MaskedUpdate)]


# Crashes


@pytest.mark.network
def test_killed_after_every_step_the_study_ends_with_the_same_model(tmp_path: Path, undisturbed: bytes) -> None:
    bed = found(tmp_path)
    for _ in range(200):
        if bed.study.status == Status.FINISHED:
            break
        bed.step()
        bed.reopen()
    assert final_root(bed) == undisturbed
    assert not bed.codes, "no transaction was sent twice"
    bed.step()
    assert left_behind(bed) == expected_objects(bed)
    bed.close()


@pytest.mark.network
@pytest.mark.parametrize("phase", PHASES)
def test_killed_in_a_phase_nothing_is_sent_twice(tmp_path: Path, undisturbed: bytes, phase: str) -> None:
    bed = found(tmp_path)
    bed.until(1, phase)
    for hospital in bed.consortium.hospitals.values():
        hospital.agent.publish()
        hospital.agent.step()  # did its work, and died before a word of it left
    bed.reopen()
    bed.run()
    assert all(bed.at(number).frozen == bed.names for number in range(3))
    assert final_root(bed) == undisturbed and not bed.codes
    bed.close()


def test_two_time_pad_killed_after_durable_before_sent(bed: Bed) -> None:
    """A crash that trained again under the same seeds would give away the difference of two updates."""
    bed.until(1, Phase.COMMIT)
    agents = {name: bed.agent(name) for name in bed.names}
    for agent in agents.values():
        agent.step()
    before = {name: masked(bed, name) for name in bed.names}
    trained = {name: list(trainer.fitted) for name, trainer in bed.trainers.items()}
    assert all(len(made) == 1 for made in before.values())
    bed.reopen()
    bed.step()
    assert {name: masked(bed, name) for name in bed.names} == before
    assert {name: trainer.fitted for name, trainer in bed.trainers.items()} == trained, "nobody trained again"
    for name, update in bed.contributions().items():
        assert (update.digest, update.object) == (before[name][0].digest, before[name][0].object)


def test_two_time_pad_an_update_that_a_power_cut_takes_costs_its_author_the_attempt(bed: Bed) -> None:
    """Neither record nor bytes were on the disk, and the digest was on the ledger."""
    bed.until(1, Phase.COMMIT)
    bed.step()
    store = bed.agent("north").store
    with store.batch():
        store.erase(f"{STUDY}/masked/")
    shutil.rmtree(bed.directory / "hospitals" / "north" / "cache")
    before, trained = bed.contributions()["north"], list(bed.trainers["north"].fitted)
    bed.reopen()
    bed.run(lambda: bed.round.number == 2)
    after = bed.contributions(bed.at(1))["north"]
    assert (after.digest, after.self_seed) == (before.digest, b"") and bed.at(1).frozen == ("east", "south", "west")
    assert bed.trainers["north"].fitted == trained, "it trained no other for it"
    assert before.object not in set(bed.consortium.objects.list())


def test_two_time_pad_no_bytes_leave_before_the_record_of_them_is_on_disk(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ledger a hospital wakes to after a power cut, put back from a backup say: it makes no second update."""
    bed.until(1, Phase.COMMIT)
    publish, published = Exchange.publish, list[bytes]()
    owners = {str(bed.directory / "hospitals" / name / "cache" / STUDY): name for name in bed.names}

    def checked(exchange: Exchange, address: bytes) -> None:
        store = bed.agent(owners[str(exchange.cache.folder)]).store
        assert store.is_settled and any(
            made.object == address for _, made in store.all(f"{STUDY}/masked/", MaskedUpdate)
        )
        published.append(address)
        publish(exchange, address)

    monkeypatch.setattr(Exchange, "publish", checked)
    bed.run(lambda: bed.round.phase == Phase.REVEAL)
    assert len(published) == len(bed.names)


def test_two_time_pad_killed_between_send_and_upload(bed: Bed) -> None:
    bed.until(1, Phase.COMMIT)
    bed.step()  # digests are on the ledger, no object is in the store
    sent = {update.object for update in bed.contributions().values()}
    assert len(sent) == 4 and not sent & set(bed.consortium.objects.list())
    bed.reopen()
    bed.run(lambda: bed.round.phase == Phase.REVEAL)
    assert sent <= set(bed.consortium.objects.list()) and bed.round.frozen == bed.names


def test_two_time_pad_an_agent_that_lost_its_store_sits_out(bed: Bed) -> None:
    bed.until(2, Phase.COMMIT)
    bed.step()
    before = bed.contributions()["north"]
    bed.lose_files("north")
    trained = list(bed.trainers["north"].fitted)
    bed.run()
    assert bed.study.status == Status.FINISHED
    assert bed.at(2).frozen == ("east", "south", "west")
    after = bed.contributions(bed.at(2))["north"]
    assert (after.digest, after.self_seed, after.attested) == (before.digest, b"", ())
    assert bed.trainers["north"].fitted == trained
    assert "lost" in bed.agent("north").refusals[STUDY]


def test_two_time_pad_an_agent_that_lost_only_the_bytes_sits_the_attempt_out(bed: Bed) -> None:
    bed.until(1, Phase.COMMIT)
    bed.step()
    shutil.rmtree(bed.directory / "hospitals" / "north" / "cache")
    bed.reopen()
    bed.run(lambda: bed.round.number == 2)
    assert bed.at(1).frozen == ("east", "south", "west")
    bed.run()
    assert bed.at(2).frozen == bed.names, "from the next round on it takes part again"


def test_never_two_vectors_under_one_round_and_attempt(tmp_path: Path) -> None:
    bed = found(tmp_path)
    seen: dict[tuple[str, int, int], set[bytes]] = {}
    bed.behave("south", AgentBehaviour.GARBAGE_UPDATE)  # makes attempts void
    for step in range(60):
        bed.step()
        for name in bed.names:
            for made in masked(bed, name):
                seen.setdefault((name, made.round, made.attempt), set()).add(made.digest)
        if step % 3 == 0:
            bed.reopen()
    assert bed.study.status == Status.PAUSED
    assert {place[1:] for place in seen} == {(0, 0), (0, 1)}
    assert all(len(digests) == 1 for digests in seen.values())
    bed.close()


def test_a_vote_is_the_same_after_a_restart(bed: Bed) -> None:
    bed.until(1, Phase.GATE_COMMIT)
    bed.step()
    bed.reopen()
    bed.run(lambda: bed.round.number == 2)
    assert all(ballot.verdict == "accepted" for ballot in rounds.gate_ballots(bed.state, bed.at(1)))
    assert not bed.codes


def test_a_restart_in_round_10_keeps_the_vote_of_round_10(tmp_path: Path) -> None:
    """Round 1 is closed again after a restart; what belongs to round 10 has a name that begins alike."""
    bed = found(tmp_path, rounds_=10, n=3)
    bed.until(10, Phase.GATE_REVEAL)
    bed.reopen()
    bed.run()
    assert all(ballot.verdict == "accepted" for ballot in rounds.gate_ballots(bed.state, bed.at(10)))
    bed.close()


# What stays


def left_behind(bed: Bed) -> set[bytes]:
    return set(bed.consortium.objects.list())


def expected_objects(bed: Bed) -> set[bytes]:
    """The sum of class counts and the final model: nothing else outlives a study."""
    counts, model = bed.at(0).posted, models.model(bed.state, STUDY)
    assert counts is not None and model is not None
    return {counts.object, model.object}


@pytest.mark.network
@pytest.mark.parametrize("restarts", [False, True])
def test_files_do_not_grow_with_the_rounds(tmp_path: Path, restarts: bool) -> None:
    bed = found(tmp_path, rounds_=8)
    sizes = []
    for number in range(1, 9):
        bed.until(number, Phase.ATTEST)
        if restarts:
            bed.reopen()
        hospitals = tmp_path / "hospitals"
        cached = sum(path.is_file() for name in bed.names for path in (hospitals / name / "cache").rglob("*"))
        kept = sum((hospitals / name / "agent.db").stat().st_size for name in bed.names)
        sizes.append((len(left_behind(bed)), cached, kept))
    objects, cached, kept = zip(*sizes, strict=True)
    assert max(objects) <= 4 + 2, "one update each, the class counts and the base model"
    assert max(cached) <= 4 * (4 + 2) and max(kept[3:]) <= max(kept[:3])
    bed.run()
    bed.step()
    assert left_behind(bed) == expected_objects(bed)
    bed.close()


def test_objects_of_void_attempts_rejected_rounds_and_liars_are_withdrawn(tmp_path: Path) -> None:
    bed = found(tmp_path, rounds_=4)
    bed.until(1, Phase.COMMIT)
    bed.behave("south", AgentBehaviour.WITHHOLD_SEED)
    bed.run(lambda: bed.round.attempt == 1)
    bed.behave("south", AgentBehaviour.HONEST)
    bed.until(2, Phase.AGGREGATE)
    bed.behave(bed.round.master, AgentBehaviour.FORGE_SUM)
    bed.until(3, Phase.GATE_COMMIT)
    for name in bed.names[:2]:
        bed.behave(name, AgentBehaviour.REJECT_ALWAYS)
    bed.run(lambda: bed.round.number == 4)
    for name in bed.names[:2]:
        bed.behave(name, AgentBehaviour.HONEST)
    bed.run()
    bed.step()
    assert left_behind(bed) == expected_objects(bed)
    assert all(masked(bed, name) == [] for name in bed.names)
    assert all(not list(bed.agent(name).store.all(f"{STUDY}/gate/", GateChoice)) for name in bed.names)
    bed.close()


# Keys


def test_long_term_key_stolen_later_opens_nothing_that_went_before(bed: Bed) -> None:
    """The key that opens the halves on the ledger, and the chains of final rounds, are gone from every file."""
    bed.until(0, Phase.COMMIT)
    store = bed.agent("east").store
    bed.step()
    assert list(store.all(f"{STUDY}/drawn", MaskedUpdate)) == [], "KEM key and halves are erased after agreement"
    bed.until(1, Phase.REVEAL)
    chains = {number: bed.agent("east").keys.require(STUDY) for number in (1,)}
    bed.run(lambda: bed.round.number == 2)
    bed.step()
    for keys in (bed.agent("east").keys.require(STUDY), chains[1]):
        with pytest.raises(RatchetError):
            keys.seeds(0, 0, bed.at(0).base_root)
    with pytest.raises(RatchetError):
        bed.agent("east").keys.require(STUDY).seeds(1, 0, bed.at(1).base_root)


def test_the_last_rounds_seeds_are_erased_when_the_study_is_over(bed: Bed) -> None:
    bed.run()
    for name in bed.names:
        keys = bed.agent(name).keys.require(STUDY)
        assert keys.own.round == 2
    bed.step()
    for name in bed.names:
        with pytest.raises(RatchetError):
            bed.agent(name).keys.require(STUDY).seeds(2, 0, bed.at(2).base_root)
        assert bed.agent(name).study_key(STUDY) is not None, "the key of the final model stays"


def test_closing_a_study_needs_no_data(bed: Bed) -> None:
    bed.run()
    learners = bed.learners
    bed.reopen()
    bed.step()
    assert bed.learners == learners
    assert left_behind(bed) == expected_objects(bed)


# Trouble


def test_an_agent_that_cannot_fetch_waits_and_the_others_go_on(bed: Bed) -> None:
    bed.until(1, Phase.COMMIT)
    agent = bed.agent("south")
    bed.reopen()
    bed.until(1, Phase.AGGREGATE)
    agent = bed.agent("south")

    def broken(address: bytes, size: int, *, keep: bool = True) -> bytes:
        raise MissingObjectError("object is not in the store")

    desk = bed.desk("south")
    desk.exchange.fetch = broken  # type: ignore[method-assign]
    desk.clear()
    bed.run(lambda: bed.round.number == 2)
    bed.step()
    assert "not in the store" in agent.troubles[STUDY]
    del desk.exchange.fetch
    bed.run()
    assert bed.study.status == Status.FINISHED and agent.troubles == {}


def test_an_update_that_cannot_be_sent_sits_the_attempt_out_and_is_not_trained_again(bed: Bed) -> None:
    bed.until(1, Phase.COMMIT)
    trainer = bed.trainers["west"]
    trainer.delta = lambda round_, size: float("nan")  # type: ignore[method-assign, assignment]
    bed.run(lambda: bed.round.number == 2)
    assert bed.at(1).frozen == ("east", "north", "south")
    assert trainer.fitted.count(0) == 1 and "finite" in bed.agent("west").troubles[STUDY]


def test_an_unreadable_dataset_holds_up_one_hospital_only(bed: Bed) -> None:
    """An error of one agent must not keep the others from acting."""
    bed.until(1, Phase.COMMIT)
    bed.reopen()
    agent = bed.agent("west")

    def unreadable(spec: studies.StudySpec) -> None:
        raise DataError("the images cannot be read")

    agent.learner_factory = unreadable
    bed.run()
    assert bed.study.status == Status.FINISHED
    assert bed.at(1).frozen == ("east", "north", "south")
    assert "cannot be read" in agent.troubles[STUDY]


def test_lost_object_before_freeze_a_silent_designated_attester_is_stood_in_for(bed: Bed) -> None:
    """The f + 1 after an update's maker attest first; where one of them is silent, the others do it after a while."""
    bed.until(1, Phase.COMMIT)
    bed.run(lambda: len(bed.contributions()) == 4)
    bed.agent("north").publish()  # its own update is in the store
    with bed.asleep("north"):  # designated for east's and west's updates, with one other each
        bed.run(lambda: bed.round.phase != Phase.ATTEST)
        assert bed.round.phase == Phase.REVEAL
        attested = {name: update.attested for name, update in bed.contributions().items()}
        assert all(len(names) >= 2 and "north" not in names for names in attested.values())
        assert bed.round.frozen == ("east", "north", "south", "west")
    bed.run()
    assert bed.study.status == Status.FINISHED
