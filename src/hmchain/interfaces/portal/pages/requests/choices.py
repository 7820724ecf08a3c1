"""What somebody can do with a request now: a form for each, folded away but for the first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import htpy as h

from hmchain.application.access.permissions import allowed
from hmchain.application.governance.requests import decisions
from hmchain.application.governance.requests.reading import RequestInWords
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import after_field, check_field, choice_field, form, section, text_field
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.pages import codes
from hmchain.interfaces.portal.pages.codes.requests import ANSWERS, REASONS
from hmchain.interfaces.portal.pages.requests import duties, further
from hmchain.interfaces.portal.pages.requests.rules import APPLY, DECIDE, SPEAK
from hmchain.interfaces.portal.pages.words import at, until
from hmchain.interfaces.portal.texts import say, say_n
from hmchain.ledger.readers.requests import HospitalWord, RequestView, Word


@dataclass(frozen=True)
class _Desk:
    """A request before whoever looks at it."""

    view: RequestView
    call: Call
    steps: tuple[tuple[str, str], ...]
    """What the hospital's people can do now, in words, and with which command."""
    is_lost: bool
    """Whether what its applicant says of it cannot be shown."""

    @property
    def own(self) -> tuple[HospitalWord, ...]:
        return self.view.of(self.call.organisation)

    def stands(self, *statuses: str) -> tuple[HospitalWord, ...]:
        return tuple(word for word in self.own if word.status in statuses)

    @property
    def may_decide(self) -> bool:
        return allowed(DECIDE, self.call.person, self.call.organisation)

    @property
    def asked_for(self) -> tuple[Word, ...]:
        """Where this person is asked for a review or a decision."""
        who, asked = self.call.person.name, ("invited", "asked")
        return tuple(
            word for word in self.view.words if word.by == who and word.kind in decisions.ANSWERS and word.said in asked
        )

    def form(self, deed: str, words: str, *content: h.Node) -> h.Element:
        """A form that does something with the request, and comes back to it."""
        here = at("requests", self.view.request)
        return form(
            f"{here}/{deed}",
            csrf_of(self.call.request),
            after_field(here),
            h.input(type="hidden", name="version", value=str(self.view.version)),
            content,
            label=words,
            sends=words,
        )


def choices(found: RequestInWords, call: Call) -> h.Node:
    """All that whoever asks can do now; nothing where one only looks."""
    desk = _Desk(found.view, call, found.steps, found.is_lost)
    if call.site.is_read_only or call.who is None:
        return None
    forms = [*_forms(desk), *further.forms(found.view, call), *duties.forms(found, call)]
    if not forms:
        return None
    (words, first), rest = forms[0], forms[1:]
    return section(
        say("What you can do"),
        h.div(".panel")[h.h3[words], first],
        [h.details(".deed")[h.summary[words], each] for words, each in rest],
        anchor="do",
    )


def decides(found: RequestInWords, call: Call) -> bool:
    """Whether whoever asks is to say yes or no to what is shown."""
    desk = _Desk(found.view, call, found.steps, found.is_lost)
    return call.who is not None and (any(desk.asked_for) or bool(desk.stands("waiting") and desk.may_decide))


def _forms(desk: _Desk) -> Iterator[tuple[str, h.Node]]:
    who, call, view = desk.call.person, desk.call, desk.view
    if view.is_over:
        return
    if who.name in (view.applicant, *view.members, *view.invited) and allowed(APPLY, who, call.organisation):
        yield from _of_applicant(desk)
    for word in desk.asked_for:
        yield _answer(desk, word)
    if desk.own and desk.may_decide:
        yield from _of_steward(desk)
    if view.status != "draft" and allowed(SPEAK, who, call.organisation):
        yield say("Write something beside it"), _comment(desk)
    if who.name in (view.applicant, *view.members) and allowed(SPEAK, who, call.organisation):
        reason = _select("reason@close", say("Why"), decisions.CLOSE_REASONS)
        what = say("It ends for all hospitals, and what it allows. What is owed for it stays owed.")
        yield say("Close it for good"), desk.form("close", say("Close it"), h.p[what], reason)


def _of_steward(desk: _Desk) -> Iterator[tuple[str, h.Element]]:
    view, waiting = desk.view, desk.stands("waiting")
    if view.status == "submitted" and waiting:
        yield say("Decide"), _approve(desk, waiting)
        yield (
            say("Give it back to be changed"),
            desk.form(
                "return",
                say("Give it back"),
                h.p[say("For all hospitals: a new version comes, and is decided on anew.")],
                _select("reason@return", say("Why"), decisions.REASONS),
                _letter("return", say("What is to be changed"), required=True),
            ),
        )
        yield (
            say("Say no"),
            desk.form(
                "reject",
                say("Say no"),
                h.p[
                    say("To this version, here. Other hospitals decide for themselves. The reason stays on the ledger.")
                ],
                _which("reject", waiting),
                _select("reason@reject", say("Why"), decisions.REASONS),
                _letter("reject", say("A letter to the applicant")),
            ),
        )
    if approved := desk.stands("approved"):
        if view.content is not None and str(view.content.kind) == "transfer":
            yield (
                say("Give the records"),
                h.p[h.a(".button", href=at("requests", view.request, "give"))[say("See what goes, and give it")]],
            )
        yield (
            say("Take the approval back"),
            desk.form(
                "revoke",
                say("Take it back for good"),
                h.p[say("From the next step of whatever runs. What was made before stays made.")],
                _which("revoke", approved),
                _select("reason@revoke", say("Why"), decisions.REVOKE_REASONS),
                _letter("revoke", say("A letter to the applicant")),
            ),
        )
    if view.status == "submitted" and waiting:
        yield from _opinions(desk, waiting)


def _opinions(desk: _Desk, waiting: tuple[HospitalWord, ...]) -> Iterator[tuple[str, h.Element]]:
    yield (
        say("Ask somebody for a review or for advice"),
        desk.form(
            "ask",
            say("Ask"),
            text_field(
                "person@ask",
                say("Who"),
                help=say("A person of your hospital, or ORGANISATION/PERSON of another."),
                required=True,
            ),
            choice_field(
                "deed",
                say("For what"),
                {decisions.REVIEW: say("a review"), decisions.ADVICE: say("advice on what to decide")},
            ),
        ),
    )
    yield (
        say("Vote, without deciding"),
        desk.form(
            "vote",
            say("Vote"),
            h.p[say("To say to those who decide what you think.")],
            _which("vote", waiting),
            _select("said@vote", say("Your vote"), decisions.VOTES),
        ),
    )


def _approve(desk: _Desk, waiting: tuple[HospitalWord, ...]) -> h.Element:
    mine = desk.call.person.name
    others = [word for word in waiting if len(word.approvals) + (mine not in word.approvals) < word.needed]
    said = [word for word in waiting if mine in word.approvals]
    content = desk.view.content
    return desk.form(
        "approve",
        say("Allow it"),
        h.p[
            say(
                "You allow the use of {data}, for what is asked below and nothing else.",
                data=", ".join(word.dataset for word in waiting),
            )
        ],
        h.p[say("You have said yes; it takes another person of your hospital.")] if said else None,
        h.p[
            say_n(
                "After you, {count} more person says yes.",
                "After you, {count} more persons say yes.",
                max(word.needed - len(word.approvals) - 1 for word in others),
            )
        ]
        if others and not said
        else None,
        _which("approve", waiting),
        text_field(
            "days",
            say("For how many days"),
            kind="number",
            min="1",
            max="3650",
            help=say("Left empty: as long as it is asked for and your policy lets it."),
        ),
        h.p(".quiet")[say("It is asked for until"), " ", until(content.until_ms if content else 0)],
        check_field("unread", say("I decide without what the applicant says of it, which cannot be read here"))
        if desk.is_lost
        else None,
    )


def _answer(desk: _Desk, word: Word) -> tuple[str, h.Element]:
    is_review = word.kind == decisions.REVIEW
    title = (
        say("You are asked for a review, by {hospital}", hospital=word.hospital)
        if is_review
        else say("You are asked what to decide, by {hospital}", hospital=word.hospital)
    )
    hidden = [
        h.input(type="hidden", name="deed", value=word.kind),
        h.input(type="hidden", name="hospital", value=word.hospital),
    ]
    return title, desk.form(
        "answer",
        say("Answer"),
        hidden,
        _select("said@answer", say("What you say"), decisions.ANSWERS[word.kind]),
        _letter("answer", say("Your words")),
    )


def _comment(desk: _Desk) -> h.Element:
    return desk.form(
        "comment",
        say("Write it"),
        _letter("comment", say("Your words"), required=True),
        check_field(
            "private@comment", say("For my own organisation alone"), help=say("Else all who take part may read it.")
        ),
    )


def _of_applicant(desk: _Desk) -> Iterator[tuple[str, h.Element]]:
    view, who = desk.view, desk.call.person.name
    if who in view.invited:
        yield say("Take part"), desk.form("join", say("Take part"), h.p[say("Who takes part never decides on it.")])
        return
    mine = next((due for person, due in view.unaccepted if person == who), ())
    if mine:
        count = say_n("{count} term waits for you.", "{count} terms wait for you.", len(mine))
        yield (
            say("Accept terms"),
            h.p[count, " ", h.a(href=at("requests", view.request, "terms"))[say("Read them, and accept")]],
        )
    if who != view.applicant:
        return
    if any(command.startswith("study propose") for _, command in desk.steps):
        words = say("What all that were asked have allowed begins, with those that allowed it.")
        yield say("Begin the study"), desk.form("begin", say("Begin the study"), h.p[words])
    if view.status == "draft" or view.status == "returned":
        edit = at("scientist", "editor", view.request)
        yield say("Change it and hand it in"), h.p[h.a(".button", href=edit)[say("Open it in the editor")]]
        yield (
            say("Hand it in as it stands"),
            desk.form("hand-in", say("Hand it in"), h.p[say("As the ledger has it now.")]),
        )
    if view.status == "submitted":
        yield (
            say("Take it back to change it"),
            desk.form(
                "take-back", say("Take it back"), h.p[say("What was decided stands until it is handed in anew.")]
            ),
        )
    yield (
        say("Invite somebody"),
        desk.form(
            "invite", say("Invite"), text_field("person@invite", say("Who"), help="ORGANISATION/PERSON", required=True)
        ),
    )
    if view.status == "draft":
        yield say("Forget this draft"), desk.form("forget", say("Forget it"))


def _which(deed: str, words: tuple[HospitalWord, ...]) -> h.Node:
    """The choice of one of several datasets."""
    if len(words) < 2:
        return None
    return choice_field(
        f"dataset@{deed}",
        say("Of which dataset"),
        {"": say("all of them"), **{each.dataset: each.dataset for each in words}},
    )


def _select(name: str, title: str, known: Iterable[str]) -> h.Element:
    return choice_field(name, title, codes.choices({**REASONS, **ANSWERS}, tuple(known)))


def _letter(deed: str, title: str, *, required: bool = False) -> h.Element:
    return text_field(
        f"letter@{deed}",
        title,
        lines=4,
        required=required,
        maxlength="20000",
        help=say("Sealed to those who take part; the ledger has its digest alone."),
    )
