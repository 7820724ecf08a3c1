"""`hmchain people`, `hmchain sign` and the commands by which a hospital joins, as people give them."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.site import exchanged
from hmchain.interfaces.cli import asking
from hmchain.interfaces.cli.main import main
from hmchain.keys import SigningKey, load_key
from hmchain.ledger.contracts.data.applying import CreateRequest
from hmchain.ledger.contracts.members import membership, people, recovery
from hmchain.ledger.contracts.members.admission import Possession, admission_bytes
from hmchain.ledger.contracts.members.membership import SIGNING_ROLES
from hmchain.ledger.contracts.members.people import PersonRef, Status
from hmchain.ledger.genesis import NOTICE_MS
from support.desk_at_node import DeskAtNode
from support.ledger_network import member, signing_key


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[DeskAtNode]:
    found = DeskAtNode.found(tmp_path, monkeypatch, capsys)
    yield found
    found.close()


def enrol(desk: DeskAtNode, name: str, *roles: str) -> None:
    desk.gives("a", "people", "key", name)
    desk.gives("a", "people", "invite", f"{name}.json", *(word for role in roles for word in ("--role", role)), "--yes")
    desk.gives("a", "people", "accept", "--as", name, "--yes")


def test_a_person_is_invited_acts_and_is_cut_off(desk: DeskAtNode) -> None:
    told = desk.gives("a", "people", "key", "s1")
    assert "hmchain people invite s1.json --role ROLE" in told and "NOT sealed" in told
    assert "person_name" in desk.gives("a", "people", "key", "Anna Meyer", status=2)
    card = Path("s1.json").read_bytes()
    assert "key_file" in desk.gives("a", "people", "key", "s1", status=5), "nothing is lost"
    Path("s1.json").unlink()
    assert desk.gives("a", "people", "key", "s1") == told and Path("s1.json").read_bytes() == card
    assert "Done: invite s1 as auditor and steward" in desk.gives(
        "a", "people", "invite", "s1.json", "--role", "steward", "--role", "auditor", "--yes"
    )
    assert "not_accepted" in desk.gives("a", "node", "maintenance", "--minutes", "5", "--as", "s1", status=8)
    assert "s1 is invited, and accepts: `hmchain people accept --as s1" in desk.gives("a", "people", "list")
    assert "does not exist" in desk.gives("a", "people", "accept", "--as", "s9", "--yes", status=5)
    assert "s1 acts from now on" in desk.gives("a", "people", "accept", "--as", "s1", "--yes")
    assert "s1 accepted already" in desk.gives("a", "people", "accept", "--as", "s1", "--yes", status=2)
    desk.gives("a", "network", "remove", "d", "--as", "s1", "--yes")
    assert "act as auditor, steward" in desk.gives("a", "people", "powers", "s1").replace(" and ", ", ")
    assert "people of a: steward, scientist, s1" in desk.gives("a", "people", "powers", "s9", status=2)
    told = desk.gives("a", "people", "suspend", "s1")
    assert "hmchain people deeds s1" in told
    assert [each["roles"] for each in desk.tells("a", "people", "powers")] == [
        ["officer", "steward"],
        ["scientist"],
        [],
    ]
    assert "suspended" in desk.gives("a", "people", "list")
    (early, joined, proposed) = desk.tells("a", "people", "deeds", "s1")
    assert (early["code"], joined["kind"]) == ("not_accepted", "accept_invitation")
    assert (proposed["kind"], proposed["code"]) == ("propose_action", "ok")
    assert "propose to remove d" in desk.gives("a", "people", "deeds", "s1")
    assert "suspended_person" in desk.gives("a", "network", "remove", "c", "--as", "s1", "--yes", status=8)


def test_two_officers_do_it_together(desk: DeskAtNode) -> None:
    enrol(desk, "o1", "officer")
    desk.gives("a", "people", "key", "s1")
    asked = desk.tells("a", "people", "invite", "s1.json", "--role", "steward", "--yes")
    assert asked["waits"] and asked["officers"] == ["steward", "o1"]
    (waiting,) = desk.tells("a", "people", "list")["changes"]
    assert waiting["officer"] == "steward"
    assert asked["other"] == "o1", "whom the printed command names"
    assert "own_change" in desk.gives("a", "people", "confirm", waiting["id"][:6], "--yes", status=8)
    (told,) = desk.tells("a", "request", "inbox", "--for", "o1")
    assert told["todo"]["command"] == f"people confirm {waiting['id'][:12]}" and told["todo"]["who"] == ["o1"]
    assert "steward asks to invite s1 as steward" in told["todo"]["words"]
    assert "Done: invite s1" in desk.gives("a", "people", "confirm", waiting["id"][:6], "--as", "o1", "--yes")
    assert "Nothing waits" in desk.gives("a", "request", "inbox", "--for", "o1")
    assert "no change begins" in desk.gives("a", "people", "drop", "ffff", "--yes", status=2)


def test_who_gives_up_an_applicant_s_key_reads_which_requests_end(
    desk: DeskAtNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.network.block(desk.network.send("a", CreateRequest("relapse"), "scientist"))
    monkeypatch.setattr(asking, "at_terminal", lambda: True)
    monkeypatch.setattr("sys.stdin", StringIO("n\nn\n"))
    told = desk.gives("a", "people", "hand-over", status=2)
    assert "relapse: what was asked for, what it allows, and its studies" in " ".join(told.split())
    assert "ends for good" not in desk.gives("a", "people", "remove", "s1", status=2)


def test_what_is_prepared_here_is_read_and_signed_elsewhere_and_sent(desk: DeskAtNode, tmp_path: Path) -> None:
    """The key lies on another machine; its person reads there, from the bytes, what the signature is for."""
    enrol(desk, "s1", "steward")
    away = tmp_path / "usb-stick.key"
    (desk.folder("a").keys / "people" / "s1.key").rename(away)
    told = desk.gives("a", "network", "remove", "d", "--as", "s1", "--prepare", "vote.json", "--yes")
    assert "nothing was sent" in told and not membership.ballots(desk.network.ledger.state)
    assert main(["sign", "show", "vote.json"]) == 0
    shown = desk.capsys.readouterr().out
    assert "Whoever signs this asks to propose to remove d." in shown and desk.network.ledger.chain_id in shown
    assert "is not signed yet" in desk.gives("a", "sign", "send", "vote.json", status=2)
    other = desk.folder("b").keys / "steward.key"
    assert main(["sign", "attach", "vote.json", "--key", str(other), "--yes"]) == 2
    assert "waits for another key" in desk.capsys.readouterr().err
    assert main(["sign", "attach", "vote.json", "--key", str(away), "--yes"]) == 0
    desk.capsys.readouterr()
    assert "Done: propose to remove d" in desk.gives("a", "sign", "send", "vote.json")
    ((_, ballot),) = membership.ballots(desk.network.ledger.state)
    assert ballot.yes == ("a",)


def test_a_token_gives_its_signature_in_hex(desk: DeskAtNode) -> None:
    enrol(desk, "s1", "steward")
    token = load_key(SigningKey, desk.folder("a").keys / "people" / "s1.key")
    desk.gives("a", "people", "suspend", "s1", "--as", "s1", "--prepare", "stop.json")
    message = exchanged.load_to_sign(Path("stop.json")).message
    forged = token.sign(message[:-1]).hex()
    assert main(["sign", "attach", "stop.json", "--signature", forged, "--yes"]) == 2
    assert main(["sign", "attach", "stop.json", "--signature", token.sign(message).hex(), "--yes"]) == 0
    desk.capsys.readouterr()
    desk.gives("a", "sign", "send", "stop.json")
    assert people.status(desk.network.ledger.state, PersonRef("a", "s1")) is Status.SUSPENDED


def test_a_hospital_joins_with_one_file_there_and_one_back(desk: DeskAtNode) -> None:
    newcomer = desk.node("e", joined=False)
    assert "hmchain network challenge e.json" in desk.gives(
        "a", "network", "admit", str(newcomer.introduction), "--yes", status=2
    )
    told = desk.gives("a", "network", "challenge", str(newcomer.introduction))
    assert "fingerprint" in told and "hmchain network answer FILE" in told
    desk.gives("e", "network", "answer", "challenge.json")
    assert "is no answer to what this node asked e" in desk.gives(
        "b", "network", "admit", "answer.json", "--yes", status=2
    )
    honest = exchanged.load_answer(Path("answer.json"))
    claimed = replace(honest.introduction.member, wrapping=member("b").wrapping)
    signed = admission_bytes(honest.chain_id, claimed, honest.proof.answer)
    proof = Possession(*(signing_key("e", role).sign(signed) for role in SIGNING_ROLES), honest.proof.answer)
    lie = replace(honest, introduction=replace(honest.introduction, member=claimed), proof=proof)
    exchanged.save(lie, Path("lie.json"))
    assert "is no answer to what this node asked e" in desk.gives(
        "a", "network", "admit", "lie.json", "--yes", status=2
    ), "it opened with its own key, and names another's"
    ballot = desk.tells("a", "network", "admit", "answer.json", "--yes")
    for name in "bc":
        desk.gives(name, "network", "vote", ballot["id"], "--yes")
    assert membership.is_active(desk.network.ledger.state, "e")


def test_a_lost_key_comes_back_by_the_others_vote_and_the_operator_s_word(desk: DeskAtNode) -> None:
    (desk.folder("a").keys / "steward.key").rename(desk.directory / "lost")
    desk.gives("a", "people", "recover", "request")
    ballot = desk.tells("b", "people", "recover", "propose", "recovery.json", "--yes")
    for name in "cd":
        desk.gives(name, "network", "vote", ballot["id"], "--yes")
    assert "recover object" in desk.gives("a", "people", "list")
    assert "not_due" in desk.gives("b", "people", "recover", "complete", "a", status=8)
    assert "nobody gave a" in desk.gives("a", "people", "recover", "trust", "--yes", status=2)
    desk.network.send.clock.ms += 7 * NOTICE_MS
    desk.gives("b", "people", "recover", "complete", "a")
    given = recovery.recovered(desk.network.ledger.state, "a")
    assert given is not None and not desk.folder("a").settings().confirmed
    assert desk.tells("a", "people", "recover", "trust", "--yes")["is_ours"]
    assert desk.folder("a").settings().confirmed == {given.key}
    desk.gives("a", "network", "remove", "d", "--yes")
