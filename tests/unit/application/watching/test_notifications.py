"""Notifications: for the right people, the same as long as they say the same, told of once, and never what they say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hmchain.application.access.principal import Principal
from hmchain.application.site.outgoing import MailSettings, WebhookSettings
from hmchain.application.watching.delivery import DeliveryError
from hmchain.application.watching.dispatch import GATHERED_MS, Dispatch
from hmchain.application.watching.findings import Subject, fail
from hmchain.application.watching.lines import LineLog
from hmchain.application.watching.mail import MailServer
from hmchain.application.watching.notifications import NOTHING, Facts, Kind, of_hospital, of_person
from hmchain.application.watching.outbox import GIVEN_UP_MS, KEPT_MS, PAUSE_MS, Channel, Outbox
from hmchain.application.watching.personal import Personal
from hmchain.application.watching.webhook import Webhook
from hmchain.clock import DAY_MS
from hmchain.ledger.contracts.members.incidents import AcknowledgeIncident, OpenIncident
from hmchain.ledger.contracts.members.membership import ProposeAction, SetParameters
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.contracts.members.people import PersonRef
from support import sharing_life
from support.ledger_network import Network
from support.still_ledger import StillDirectory

INCIDENT = "breach"
STEWARD, SCIENTIST = PersonRef("a", "steward"), PersonRef("a", "scientist")


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    made = Network.found(tmp_path / "ledger")
    sharing_life.begin(made)
    yield made
    made.ledger.close()


def open_incident(network: Network) -> None:
    body = OpenIncident(INCIDENT, "malware", "high", ("b",), (), network.send.clock.ms, bytes(32))
    network.block(network.send("c", body))


def state_of(network: Network):  # type: ignore[no-untyped-def]
    return network.ledger.validators["a"].state


def kinds(network: Network, who: PersonRef, facts: Facts = NOTHING) -> list[Kind]:
    return [each.kind for each in of_person(state_of(network), who, facts)]


def test_what_waits_reaches_whoever_can_do_it(network: Network) -> None:
    assert not of_hospital(state_of(network), "a")
    open_incident(network)
    network.block(network.send("b", ProposeAction(SetParameters(Parameters(round_trip_ms=300)))))
    assert kinds(network, STEWARD) == [Kind.INCIDENT, Kind.BALLOT]
    assert kinds(network, SCIENTIST) == []
    assert kinds(network, PersonRef("b", "steward")) == [Kind.INCIDENT, Kind.INCIDENT], "b voted, and is affected"
    (ballot,) = [each for each in of_hospital(state_of(network), "a") if each.kind is Kind.BALLOT]
    assert ballot.command == f"network vote {ballot.about}" and ballot.due_ms > network.send.clock.ms


def test_a_machine_tells_whoever_runs_it(network: Network) -> None:
    broken = fail(Subject.STORE, "objects", "the store does not answer", "see that it runs")
    facts = Facts(held=2048, failures=(broken,))
    assert kinds(network, STEWARD, facts) == [Kind.MACHINE, Kind.QUARANTINE], "where nobody is named operator"
    assert kinds(network, STEWARD, Facts(held=512)) == []
    again = fail(Subject.STORE, "objects", "it does not answer for 7 min", "see that it runs")
    ids = {of_person(state_of(network), STEWARD, Facts(failures=(each,)))[0].id for each in (broken, again)}
    assert len(ids) == 1, "it is one as long as it fails"


def test_one_is_the_same_until_it_says_something_else(network: Network) -> None:
    open_incident(network)
    before = of_person(state_of(network), STEWARD)
    network.block(network.send("d", AcknowledgeIncident(INCIDENT, b"")))
    assert of_person(state_of(network), STEWARD) == before
    network.send.clock.ms += 2 * DAY_MS
    network.block(network.send.dataset("d", "later"))
    (late,) = of_person(state_of(network), STEWARD)
    assert late.overdue and late.id != before[0].id, "that it is late now is said anew"


def test_everybody_marks_for_themselves(network: Network, tmp_path: Path) -> None:
    open_incident(network)
    outbox = Outbox(tmp_path / "portal" / "portal.db")
    network.ledger.close()
    personal = Personal(StillDirectory(network.directory), "a", outbox)
    steward, other = (Principal(name, "steward", frozenset({"steward"})) for name in "ab")
    (shown,) = personal.of(steward)
    assert not shown.seen
    assert personal.mark(steward, [shown.notification.id, "f" * 32]) == 1, "what is not theirs is passed over"
    assert personal.of(steward)[0].seen and not any(each.seen for each in personal.of(other))
    assert not Personal(personal.live, "a").of(steward)[0].seen
    assert len(personal.of_everybody("a")) == 1
    assert (tmp_path / "portal" / "portal.db").stat().st_mode & 0o777 == 0o600
    outbox.close()


# -- what leaves ------------------------------------------------------------------------------------------------------


@dataclass
class Ways:
    """Where messages arrive, and fail to."""

    fails: bool = False
    mails: list[str] = field(default_factory=list)
    told: list[tuple[str, bytes]] = field(default_factory=list)
    counted: list[tuple[str, str]] = field(default_factory=list)
    now_ms: int = 1_000_000


@dataclass
class Desk:
    """A hospital whose steward has mail and whose chat has a webhook."""

    network: Network
    ways: Ways
    make: Callable[[], Dispatch]

    def step(self, later_ms: int = 0) -> None:
        self.ways.now_ms += later_ms
        self.make().step()


@pytest.fixture
def desk(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    ways = Ways()

    def send_mail(_server: MailServer, message: object) -> None:
        if ways.fails:
            raise DeliveryError("no")
        ways.mails.append(str(message))

    def tell(_way: Webhook, body: bytes, key: str, _at_ms: int) -> None:
        if ways.fails:
            raise DeliveryError("no")
        ways.told.append((key, body))

    monkeypatch.setattr(MailServer, "send", send_mail)
    monkeypatch.setattr(Webhook, "send", tell)
    people = {"steward": "steward@a.example", "scientist": "science@a.example"}
    mail = MailServer(MailSettings(host="mail.a.example", sender="portal@a.example", people=people))
    webhook = Webhook(WebhookSettings(url="https://chat.example/hook", secret_file="w"), "secret")

    def make() -> Dispatch:
        """As after a crash: all that is remembered is in the file."""
        return Dispatch(
            StillDirectory(network.directory), "a", "https://portal.a.example", Outbox(tmp_path / "portal.db"),
            LineLog(tmp_path / "portal.log"), mail, webhook, clock_ms=lambda: ways.now_ms,
            counted=lambda channel, outcome, _count: ways.counted.append((channel, outcome)),
        )  # fmt: skip

    return Desk(network, ways, make)


def test_it_is_told_once_and_says_nothing_of_what_it_is(desk: Desk) -> None:
    open_incident(desk.network)
    for _ in range(3):
        desk.step(DAY_MS // 4)
    (mail,) = desk.ways.mails
    assert "To: steward@a.example" in mail and "urgent" in mail and "https://portal.a.example/notifications" in mail
    ((key, body),) = desk.ways.told
    told = json.loads(body)
    assert (
        set(told) == {"id", "kind", "urgent", "overdue", "organisation", "link", "at_ms"} and told["kind"] == "incident"
    )
    assert len(key) == 32
    assert not [word for word in (INCIDENT, "malware", "c/steward") if word in mail or word.encode() in body]
    assert desk.ways.counted == [("mail", "sent"), ("webhook", "sent")]


def test_what_did_not_arrive_is_tried_ever_more_rarely_until_it_does(desk: Desk) -> None:
    open_incident(desk.network)
    desk.ways.fails = True
    for _ in range(5):
        desk.step()
    assert desk.ways.counted == [("mail", "failed"), ("webhook", "failed")], "not before its pause is over"
    desk.step(PAUSE_MS)
    desk.step(PAUSE_MS)
    assert len(desk.ways.counted) == 4, "the second pause is longer"
    desk.ways.fails = False
    desk.step(2 * PAUSE_MS)
    assert len(desk.ways.mails) == len(desk.ways.told) == 1


def test_it_is_given_up_in_the_end(desk: Desk) -> None:
    open_incident(desk.network)
    desk.ways.fails = True
    desk.step()
    desk.step(GIVEN_UP_MS)
    assert desk.ways.counted[-2:] == [("mail", "given_up"), ("webhook", "given_up")]
    assert desk.make().outbox.waiting() == 0
    desk.ways.fails = False
    desk.step(DAY_MS)
    assert not desk.ways.mails, "it is not begun anew"


def test_what_is_done_before_it_is_told_is_not_told(desk: Desk) -> None:
    open_incident(desk.network)
    desk.ways.fails = True
    desk.step()
    desk.ways.fails = False
    desk.network.block(desk.network.send("a", AcknowledgeIncident(INCIDENT, b"")))
    desk.step(PAUSE_MS)
    assert not desk.ways.mails and desk.ways.counted[-1][1] == "moot"


def test_what_is_not_urgent_is_gathered_into_one_mail(desk: Desk) -> None:
    for name, milliseconds in (("b", 300), ("c", 400)):
        asked = ProposeAction(SetParameters(Parameters(round_trip_ms=milliseconds)))
        desk.network.block(desk.network.send(name, asked))
        desk.step(1000)
    assert not desk.ways.mails and len(desk.ways.told) == 2
    desk.step(GATHERED_MS)
    (mail,) = desk.ways.mails
    assert "urgent" not in mail


def test_marks_are_forgotten_after_a_while(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "portal.db")
    outbox.mark_seen(STEWARD, ["waits", "gone"], 0)
    outbox.queue(Channel.MAIL, "steward", ["waits", "gone"], 0)
    outbox.forget({"waits"}, KEPT_MS + 1)
    assert outbox.seen(STEWARD) == {"waits"}
    assert outbox.queue(Channel.MAIL, "steward", ["waits", "gone"], KEPT_MS + 1) == 1
