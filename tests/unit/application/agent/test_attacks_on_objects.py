"""What attacks on the objects of a study found: too large, lost, or hidden; each test bears its finding's number."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from hmchain.application.agent import contents
from hmchain.application.agent.desk import RoundDesk
from hmchain.application.agent.phases import commit
from hmchain.application.models import registry
from hmchain.ledger.contracts.learning import conduct, models
from hmchain.ledger.contracts.learning.participation import CommitUpdate
from hmchain.ledger.contracts.learning.rounds import Phase
from hmchain.ledger.contracts.learning.studies import Status
from hmchain.records.objects.folder import Folder
from support.study_bed import START_MS, STUDY, Bed


def cached(bed: Bed, address: bytes) -> list[str]:
    folder = bed.directory / "hospitals"
    return [name for name in bed.names if (folder / name / "cache" / STUDY / address.hex()).exists()]


# Size


def send_instead(bed: Bed, name: str, address: bytes) -> None:
    """A hospital binds an object to its update that is none."""

    def dishonest(desk: RoundDesk) -> list[CommitUpdate]:
        return [replace(body, object=address) for body in commit.commit(desk)]

    bed.hand(name, commit=dishonest, publish=lambda desk: None)


@pytest.mark.parametrize(("surplus", "reads_each"), [(1 << 20, 0), (-1, 0), (0, 1)])
def test_l1_an_object_of_any_size_costs_the_others_a_look(
    bed: Bed, monkeypatch: pytest.MonkeyPatch, surplus: int, reads_each: int
) -> None:
    """One of another size is never read, and one of the right size that is none is read once, not at every step."""
    bed.until(1, Phase.COMMIT)
    size = contents.update_size(bed.study.rule(1)) + surplus
    junk = bed.consortium.objects.put(secrets.token_bytes(size))
    send_instead(bed, "east", junk)
    reads: list[str] = []
    read = Folder.read

    def counted(self: Folder, name: str, limit: int | None = None) -> bytes:
        reads.append(name)
        return read(self, name, limit)

    monkeypatch.setattr(Folder, "read", counted)
    bed.run(lambda: bed.round.phase == Phase.REVEAL)
    assert bed.round.frozen == ("north", "south", "west")
    of_junk = [name for name in reads if name.endswith(junk.hex())]
    assert len(of_junk) == 3 * reads_each
    assert not cached(bed, junk) or not surplus, "what has the wrong size is in no cache either"


# What is lost


def test_l2_a_lost_model_is_put_back_by_whoever_has_it(bed: Bed) -> None:
    """Between two rounds it lies in one object: a store that lost it, and a restart, stopped the study for ever."""
    bed.run(lambda: bed.running and bed.round.number == 2)
    lost = bed.round.base_object
    assert bed.at(1).master in cached(bed, lost), "its master keeps its own"
    bed.consortium.objects.delete(lost)
    bed.reopen()
    bed.run()
    assert bed.study.status == Status.FINISHED
    assert not bed.kinds("round.void")


def test_l2_a_truncated_model_is_put_back_too(bed: Bed) -> None:
    bed.run(lambda: bed.running and bed.round.number == 2)
    lost = bed.round.base_object
    path = next(path for path in bed.directory.rglob(lost.hex()) if "cache" not in path.parts)
    path.write_bytes(path.read_bytes()[:-1])
    bed.reopen()
    bed.run()
    assert bed.study.status == Status.FINISHED


def test_l2_a_lost_finished_model_is_put_back(bed: Bed) -> None:
    bed.run()
    bed.step()
    model = models.model(bed.state, STUDY)
    assert model is not None and cached(bed, model.object)
    bed.consortium.objects.delete(model.object)
    bed.reopen()
    bed.step()
    assert bed.consortium.objects.exists(model.object)


# What is hidden


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Addresses that the store shows to nobody, however often they are put."""
    names: set[str] = set()

    def hiding(method: Callable[..., object]) -> Callable[..., object]:
        def ask(self: Folder, name: str, *more: object) -> object:
            if name.partition("/")[2] in names:
                raise FileNotFoundError(name)
            return method(self, name, *more)

        return ask

    for method in ("read", "size"):
        monkeypatch.setattr(Folder, method, hiding(getattr(Folder, method)))
    return names


def test_s10_a_store_that_hides_aggregates_decides_nothing(bed: Bed, hidden: set[str]) -> None:
    """Every honest master but its friend was passed over and charged, though each verifier held every byte."""
    bed.until(1, Phase.COMMIT)
    before = {name: conduct.learning_score(bed.state, STUDY, name, START_MS) for name in bed.names}

    def hide() -> None:
        if bed.running and bed.round.posted and bed.round.posted.master != "west":
            hidden.add(bed.round.posted.object.hex())

    bed.consortium.before_step = hide
    bed.run()
    assert bed.study.status == Status.FINISHED and hidden
    assert not bed.kinds("round.takeover", "round.void")
    for name in bed.names:
        assert conduct.learning_score(bed.state, STUDY, name, START_MS) >= before[name]
    made = [bed.at(number) for number in range(1, 4)]
    assert all(bool(entry.copies) == (entry.objects[0].hex() in hidden) for entry in made)
    key = bed.agent("east").study_key(STUDY)
    assert key is not None
    assert len(registry.accepted_model(bed.state, bed.consortium.objects, key, STUDY, 3)) == bed.study.spec.rule.size


def test_s10_a_study_goes_on_from_a_verifiers_copy_after_everyone_restarted(bed: Bed, hidden: set[str]) -> None:
    bed.until(1, Phase.VERIFY)
    posted = bed.round.posted
    assert posted is not None
    hidden.add(posted.object.hex())
    bed.run(lambda: bed.round.number == 2)
    assert len(bed.at(1).copies) == 2, "each verifier stored its own"
    for name in bed.names:
        (bed.directory / "hospitals" / name / "cache" / STUDY / posted.object.hex()).unlink(missing_ok=True)
    bed.reopen()
    bed.run()
    assert bed.study.status == Status.FINISHED
    bed.step()
    needed = {address for number in (0, 3) for address in bed.at(number).objects}
    assert set(bed.consortium.objects.list()) == needed, "copies of rounds that are over are withdrawn"
