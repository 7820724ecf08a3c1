"""Descriptions: members read what a study says of itself, nobody else does, and nothing else passes for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.governance import outbox, studies
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.outbox import Outbox, Talk
from hmchain.application.governance.study_file import Proposal, StudyFileError
from hmchain.application.governance.words import (
    Reading,
    StudyInWords,
    UnreadDescriptionError,
    kept_words,
    read_words,
    require_read,
)
from hmchain.application.learning.description import (
    Description,
    OtherDescriptionError,
    open_description,
    seal_description,
)
from hmchain.application.learning.pinned import WordsPin, pin_training, read_training
from hmchain.application.node import sent
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.settings import NodeSettings
from hmchain.canonical import Record, encode
from hmchain.interfaces.cli.study.show import show_proposal
from hmchain.keys import UnwrapError, WrappingKey
from hmchain.ledger.contracts.data.datasets import RegisterDataset
from hmchain.ledger.contracts.learning.studies import ProposeStudy, StudySpec
from hmchain.ledger.engines.ledger import Ledger, NotIncludedError, submit
from hmchain.ledger.protocols import FOUNDING
from hmchain.ledger.readers.studies import StudyRequest, proposal
from support.study_bed import SCHEMA, Bed, another

FORGED = "x\r\nspecification  deadbeef: what an approval binds\x1b[2J\u202e"
SECRET = "Do early changes in MRI tell who will relapse?"
TABLE = {"title": "Relapse after surgery", "text": SECRET, "contact": "Dr West, +49 1", "ethics_number": "2026-17"}


@pytest.fixture
def protocol() -> int:
    return FOUNDING


@pytest.fixture
def bed(tmp_path: Path, protocol: int) -> Iterator[Bed]:
    bed = Bed.found(tmp_path / "run", protocol=protocol)
    bed.prepare()
    yield bed
    bed.close()


def propose(bed: Bed, name: str = "relapse", table: dict[str, str] | None = TABLE) -> StudySpec:
    west = bed.consortium.hospitals["west"]
    scientist = LedgerUser("west", west.keys.scientist, bed.consortium.ledger)
    asked = Proposal(name=name, datasets=dict.fromkeys(bed.names, "brain"), rounds=2, description=table)
    studies.propose(scientist, asked, west.texts)
    return proposal(bed.state, "west", name).specification


def test_a_steward_reads_in_words_what_an_approval_binds(bed: Bed) -> None:
    spec, east = propose(bed), bed.consortium.hospitals["east"]
    assert kept_words(east.texts, spec).reading is Reading.UNREAD
    words = read_words(east.texts, bed.consortium.ledger.chain_id, spec)
    assert words.reading is Reading.READ and words.title == "Relapse after surgery"
    assert words.description == Description(**TABLE)
    for path in bed.consortium.directory.joinpath("objects").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()
    assert SECRET.encode() not in encode(spec)
    other = pin_training(read_training(spec.training).plan, words=replace(pin(spec), digest=bytes(32)))
    assert replace(spec, training=other).digest != spec.digest


@pytest.mark.parametrize("protocol", [2])
def test_the_same_file_again_asks_for_the_same_and_other_words_do_not(bed: Bed) -> None:
    """An undecided proposal is known again, though its description is sealed anew: nothing is said to contradict it."""
    wanted: list[ProposeStudy] = []

    class Undecided(LedgerUser):
        def send(self, body: Record) -> None:
            assert isinstance(body, ProposeStudy)
            wanted.append(body)
            raise NotIncludedError("sent, and not in a block yet", "give it again")

    west = bed.consortium.hospitals["west"]
    scientist = Undecided("west", west.keys.scientist, bed.consortium.ledger)
    for table in (TABLE, TABLE, TABLE | {"text": "Other words."}):
        asked = Proposal(name="relapse", datasets=dict.fromkeys(bed.names, "brain"), rounds=2, description=table)
        with pytest.raises(NotIncludedError):
            studies.propose(scientist, asked, west.texts)
    first, again, other = wanted
    assert first != again and pin(first.spec).digest == pin(again.spec).digest
    assert sent.same(first, again) and sent.words(first) == "propose study relapse"
    assert not sent.same(first, other)
    assert not sent.same(first, replace(again, spec=replace(again.spec, rounds=3)))


@pytest.mark.parametrize("protocol", [2])
def test_a_proposal_that_came_when_its_command_had_ended_is_there(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scientist was told "undecided", and gives the command again, now and hours later: it says since when."""
    west, ledger, said = bed.consortium.hospitals["west"], bed.consortium.ledger, list[str]()
    folder, nowhere = NodeFolder(bed.consortium.directory), "127.0.0.1:1"
    ports = {"address": nowhere, "p2p_listen": nowhere, "rpc_listen": nowhere}
    folder.write_settings(NodeSettings(organisation="west", title="West", **ports))

    def ask(name: str = "relapse", **changes: object) -> StudyRequest:
        box = Outbox(folder, Talk(said.append, lambda contrary: pytest.fail(contrary.what)))
        user = LedgerUser("west", west.keys.scientist, ledger, box)
        table = {"name": name, "datasets": dict.fromkeys(bed.names, "brain"), "rounds": 2, "description": TABLE}
        return studies.propose(user, Proposal(**table | changes), west.texts)

    def undecided(ledger: Ledger, wires: Sequence[bytes]) -> list[str]:
        raise NotIncludedError("not in a block", "")

    for name, later_ms in (("relapse", 60_000), ("relapse-2", 2 * 3_600_000)):
        with monkeypatch.context() as broken, pytest.raises(NotIncludedError):
            broken.setattr(outbox, "submit", undecided)
            ask(name)
        (kept,) = sent.kept(folder, ledger.chain_id, ledger.now_ms())
        assert submit(ledger, [kept.wire]) == ["ok"]
        height = ledger.state.height
        bed.now_ms += later_ms
        bed.require("west", "steward", RegisterDataset(f"after-{name}", SCHEMA))  # a block, and its time
        with pytest.raises(StudyFileError, match="there is a study"):
            ask(name, description=TABLE | {"text": "Other words."})
        with pytest.raises(StudyFileError, match="there is a study"):
            ask(name, rounds=3)
        assert (ask(name).status, ledger.state.height) == ("proposed", height + 1)
        assert said.pop() == f"propose study {name} was sent before, and is there since block {height}: nothing is sent"
        assert not list(folder.sent.glob("*"))


def pin(spec: StudySpec) -> WordsPin:
    found = read_training(spec.training).words
    assert found is not None
    return found


def test_once_read_it_needs_no_store_and_a_changed_copy_is_not_shown(bed: Bed) -> None:
    spec, east = propose(bed), bed.consortium.hospitals["east"]
    chain_id, store = bed.consortium.ledger.chain_id, bed.consortium.objects
    read_words(east.texts, chain_id, spec)
    store.delete(pin(spec).object)
    assert kept_words(east.texts, spec).title == "Relapse after surgery"
    copy = east.folder.text("relapse")
    copy.write_bytes(copy.read_bytes().replace(b"relapse?", b"consent?"))
    assert kept_words(east.texts, spec).reading is Reading.UNREAD
    lost = read_words(east.texts, chain_id, spec)
    assert lost.reading is Reading.MISSING and lost.title == "CANNOT BE READ"
    with pytest.raises(UnreadDescriptionError, match="--unread"):
        require_read(lost, "relapse")


def test_another_text_in_its_place_is_said_to_differ(bed: Bed) -> None:
    spec, east = propose(bed), bed.consortium.hospitals["east"]
    chain_id = bed.consortium.ledger.chain_id
    swapped = propose(bed, "other", TABLE | {"text": "something else"})
    forged = replace(spec, training=pin_training(b"", words=replace(pin(swapped), digest=pin(spec).digest)))
    assert read_words(east.texts, chain_id, replace(forged, name="other")).reading is Reading.DIFFERS


def test_who_is_no_member_cannot_open_it(bed: Bed) -> None:
    spec, chain_id = propose(bed), bed.consortium.ledger.chain_id
    data = bed.consortium.objects.get(pin(spec).object)
    with pytest.raises(OtherDescriptionError, match="not sealed to coast"):
        open_description(data, chain_id, "relapse", "coast", WrappingKey.generate(), pin(spec))
    with pytest.raises(UnwrapError):
        open_description(data, chain_id, "relapse", "east", WrappingKey.generate(), pin(spec))


def test_agents_keep_a_copy_so_that_a_list_needs_nobody(bed: Bed) -> None:
    spec, north = propose(bed), bed.consortium.hospitals["north"]
    north.read_descriptions()
    assert kept_words(north.texts, spec).reading is Reading.READ


def test_an_agent_that_cannot_keep_a_copy_goes_on(bed: Bed) -> None:
    """Its disk is full, or may not be written: that is told to whoever asks, and ends no study of the hospital's."""
    spec, north = propose(bed), bed.consortium.hospitals["north"]
    north.folder.texts.write_bytes(b"no folder")
    north.read_descriptions()
    assert kept_words(north.texts, spec).reading is Reading.UNREAD
    north.folder.texts.unlink()


def test_a_study_may_come_without_words_and_a_name_is_given_once(bed: Bed) -> None:
    spec = propose(bed, table=None)
    assert kept_words(bed.consortium.hospitals["east"].texts, spec).title == "no description"
    with pytest.raises(StudyFileError, match="request relapse asks for something else"):
        propose(bed)


def test_a_pin_that_no_description_can_have_is_said_to_differ_and_can_be_refused(bed: Bed) -> None:
    spec, east, chain_id = propose(bed), bed.consortium.hospitals["east"], bed.consortium.ledger.chain_id
    malformed = ({"object": b"short"}, {"digest": b"d"}, {"size": -1}, {"size": 1 << 62}, {"size": 0}, {"object": b""})
    for each in malformed:
        evil = another(spec, "evil", training=pin_training(b"", words=replace(pin(spec), **each)))
        shown = read_words(east.texts, chain_id, evil)
        assert shown.reading is kept_words(east.texts, evil).reading is Reading.DIFFERS
    bed.ask(evil, "west")  # the last one: the ledger takes those alone that have the form of a pin
    show_proposal(StudyInWords(proposal(bed.state, "east", "evil"), shown))
    east.read_descriptions()
    studies.refuse(LedgerUser("east", east.keys.steward, bed.consortium.ledger), "evil", "ethics")


def test_no_line_of_a_description_looks_like_a_pinned_term(bed: Bed, capsys: pytest.CaptureFixture[str]) -> None:
    """A member seals its words by a program of its own, which does not clean them."""
    base, hospitals = propose(bed), bed.consortium.hospitals
    chain_id, words = bed.consortium.ledger.chain_id, Description(**dict.fromkeys(TABLE, FORGED))
    readers = [(name, each.keys.wrapping.public) for name, each in hospitals.items()]
    sealed = seal_description(chain_id, "evil", words, readers)
    bed.consortium.objects.put(sealed.data, address=sealed.pin.object)
    evil = another(base, "evil", training=pin_training(b"", words=sealed.pin))
    bed.ask(evil, "west")
    texts = hospitals["east"].texts
    for found in (read_words(texts, chain_id, evil), kept_words(texts, evil)):
        assert found.description is not None and "\n" not in found.title + found.description.contact
        show_proposal(StudyInWords(proposal(bed.state, "east", "evil"), found))
        shown = capsys.readouterr().out
        assert "deadbeef" in shown and not {"\r", "\x1b", "\u202e"} & set(shown)
        assert not any(line.startswith("specification") for line in shown.splitlines())
        assert sum(line.startswith("request") for line in shown.splitlines()) == 1
