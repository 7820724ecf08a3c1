"""Studies as they go on: phase, master and why it leads, who is waited for, who took part, how good the model is."""

from __future__ import annotations

from collections.abc import Sequence

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance.purposes import purpose_words
from hmchain.application.models import curves
from hmchain.application.models.curves import Curve
from hmchain.application.models.machine import MachineUse, used_here
from hmchain.application.pages.markup import definitions, table, tiles
from hmchain.application.site.run import RunFolder
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import (
    BAD,
    GOOD,
    WARN,
    badge,
    empty,
    fresh,
    progress,
    section,
)
from hmchain.interfaces.portal.components import pages as paging
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages import codes, drawings
from hmchain.interfaces.portal.pages.codes.studies import PHASES
from hmchain.interfaces.portal.pages.studies import deciding
from hmchain.interfaces.portal.pages.words import at, is_own, standing, terms, until
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.texts import amount, later, say, say_n, share, theirs
from hmchain.ledger.readers import study_rounds
from hmchain.ledger.readers.datasets import count_words
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.study_rounds import ElectionView, RoundView
from hmchain.ledger.readers.study_status import CurrentRound, StudyStatus

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
CHANGES = ("study.", "round.", "model.", "count.")
_PAGE = 20
"""A study is read round by round."""

pages = Pages()


@pages.show("/studies", VIEW, later("Studies"))
def studies(call: Call, offset: int = 0) -> Page:
    """All studies, the newest names last."""
    offset = max(offset, 0)
    with call.ledger() as ledger:
        known = ledger.studies()
        found, total = list(known[offset : offset + _PAGE]), len(known)
    nothing = empty(say("There is no study yet. One begins when the hospitals that a request asks have allowed it."))
    shown = _listed(found, offset, total) if total else nothing
    lead = say("What hospitals compute together, under whose permission, and how far it is.")
    return Page(say("Studies"), fresh("studies", f"/studies?offset={offset}", CHANGES, shown), lead=lead)


def _listed(found: Sequence[StudyStatus], offset: int, total: int) -> list[h.Node]:
    head = (
        say("Study"),
        say("Stands"),
        say("Rounds"),
        say("Accepted"),
        say("Rejected"),
        say("Proposed by"),
        say("Next"),
    )
    rows = [
        (
            h.a(href=at("studies", each.name))[each.name],
            standing(each.status),
            say("{done} of {all}", done=amount(each.accepted + each.rejected), all=amount(each.rounds)),
            amount(each.accepted),
            amount(each.rejected),
            each.proposer,
            theirs(each.next),
        )
        for each in found
    ]
    compare = h.p[h.a(href="/studies-compared")[say("Compare studies")]] if total > 1 else None
    return [
        table(head, rows, caption=say("Studies"), folds=True),
        paging("/studies", {}, offset, _PAGE, total),
        compare,
    ]


@pages.show("/studies/{name}", VIEW)
def study(call: Call, name: str) -> Page:
    """One study as it stands now."""
    with call.ledger() as ledger:
        found = ledger.study(name)
        state = ledger.verified.state
        rounds = study_rounds.study_rounds(state, name)
        number = found.current.number if found.current else (rounds[-1].number if rounds else 0)
        drawn = study_rounds.drawn_master(state, name, number)
        curve = curve_of(call, ledger, name)
        proposal = ledger.proposal(call.organisation, name)
        words = deciding.words_of(call, ledger, proposal)
    deeds, waits = deciding.deeds(call, found, proposal, words), found.status in ("proposed", "paused")
    used = used_here(call.own_folder, name) if call.own_folder is not None else None
    return Page(
        name,
        fresh(
            "study",
            at("studies", name),
            CHANGES,
            deeds if waits else None,
            content(found, rounds, drawn, curve, used, request=proposal.asked.request),
            deciding.pins(proposal, words),
            deeds if not waits else None,
        ),
        lead=[
            standing(found.status),
            f" {found.reason} · " if found.reason else " ",
            say("Next:"),
            " ",
            h.b[theirs(found.next)],
        ],
        crumbs=((say("Studies"), "/studies"),),
        active="/studies",
    )


def curve_of(call: Call, ledger: LedgerReader, name: str) -> Curve | None:
    """The scores that whoever looks may know: the hospital's own; of a run what it measured."""
    if call.site.is_read_only:
        return curves.of_run(RunFolder(call.site.place))
    return curves.of_hospital(call.folder, ledger, name) if is_own(call) else None


def content(
    found: StudyStatus,
    rounds: Sequence[RoundView],
    drawn: ElectionView | None,
    curve: Curve | None,
    used: MachineUse | None,
    *,
    request: str,
) -> list[h.Node]:
    """All of it: what happens now first."""
    done = found.accepted + found.rejected
    return [
        progress(say("Rounds"), done, found.rounds),
        _setbacks(found),
        _now(found.current) if found.current else None,
        _figures(found, curve),
        _curves(curve),
        _participation(found, rounds),
        _election(drawn) if drawn and drawn.standings else None,
        _participants(found),
        section(
            say("Facts"),
            terms(
                (
                    ("for", purpose_words(found.purpose)),
                    ("proposed by", found.proposer),
                    *((("used here", str(used)),) if used else ()),
                )
            ),
            _links(found, request),
            anchor="facts",
        ),
    ]


def _links(found: StudyStatus, request: str) -> h.Element:
    links = [h.a(href=at("requests", request))[say("Its request, with all decisions")]] if request else []
    if found.model_root:
        links.append(h.a(href=at("models", found.name))[say("Its model")])
    return h.ul[[h.li[link] for link in links]]


def _setbacks(found: StudyStatus) -> h.Node:
    if not found.went_wrong:
        return None
    title = say("Why it waits") if found.status == "paused" else say("What went wrong since the last accepted round")
    return section(title, h.ul[[h.li[theirs(str(each))] for each in found.went_wrong]], anchor="setbacks")


def _now(current: CurrentRound) -> h.Element:
    phase = codes.word(PHASES, current.phase)
    again = say("attempt {number}", number=current.attempt + 1) if current.attempt else None
    return section(
        say("Now: round {number}", number=amount(current.number))
        if current.number
        else say("Now: classes are counted"),
        definitions(
            (
                (say("phase"), [phase, f", {again}" if again else None]),
                (say("until"), until(current.deadline_ms)),
                (say("master"), current.master or say("none")),
                (say("backups"), ", ".join(current.backups)),
                (say("held up by"), h.b[", ".join(current.waits_for)] if current.waits_for else say("nobody")),
            )
        ),
        anchor="now",
    )


def _figures(found: StudyStatus, curve: Curve | None) -> h.Node:
    figures = [
        (
            amount(found.accepted),
            say("rounds accepted"),
            say_n("{count} was voted down", "{count} were voted down", found.rejected),
        ),
        (amount(len(found.participants)), say("hospitals"), ""),
    ]
    if curve is not None and curve.last is not None:
        figures.append((f"{curve.last:.3f}", curve.measure, whose(curve)))
    return tiles(figures)


def whose(curve: Curve) -> str:
    """On whose images it was measured."""
    if curve.whose:
        return say(
            "on {images} validation images of {hospital}: nobody else sees it",
            images=amount(curve.images),
            hospital=curve.whose,
        )
    return say("on test images that no hospital learned from")


def _curves(curve: Curve | None) -> h.Node:
    if curve is None:
        return None
    label = say(
        "{measure} by round, at the end {value}",
        measure=curve.measure,
        value=f"{curve.last:.3f}" if curve.last else "–",
    )
    charts = [
        drawings.curve(curve.measure, [(curve.measure, curve.points)], label),
        drawings.curve(say("Accuracy"), [(say("Accuracy"), curve.accuracy)], say("Accuracy by round")),
    ]
    return section(say("How good the model is"), h.p(".quiet")[whose(curve)], h.div(".pair")[charts], anchor="scores")


def _participation(found: StudyStatus, rounds: Sequence[RoundView]) -> h.Node:
    if not rounds:
        return None
    names = [each.organisation for each in found.participants]
    led = len({each.master for each in rounds})
    label = say("Who took part in which round; {count} hospitals led", count=led)
    return section(
        say("Who took part, and who led"), drawings.lanes(say("Rounds"), names, rounds, label), anchor="participation"
    )


def _election(drawn: ElectionView) -> h.Element:
    head = (say("Hospital"), say("Consensus"), say("Learning"), say("Chance to be drawn first"), say("Place"))
    rows = [
        (
            each.organisation,
            amount(each.consensus),
            amount(each.learning),
            say("rests: it was drawn lately") if each.rests else share(each.chance),
            amount(drawn.ranking.index(each.organisation) + 1) if each.organisation in drawn.ranking else "–",
        )
        for each in drawn.standings
    ]
    checked = (
        badge(say("drawn again here: the same"), GOOD) if drawn.agrees else badge(say("drawn again here: other"), BAD)
    )
    why = say(
        "A draw among all that stand: the lower of a hospital's two scores, squared, is its weight, and none has "
        "more than a bounded share. The seed comes from secrets that all bound before any was known."
    )
    return section(
        say("Why {master} leads round {number}", master=drawn.master, number=amount(drawn.number)),
        h.p[why, " ", checked],
        [
            h.p[
                badge(say("replaced"), WARN),
                " ",
                say("{names} came before, and failed or could not lead.", names=", ".join(drawn.replaced)),
            ]
        ]
        if drawn.replaced
        else None,
        table(head, rows, caption=say("Who stood"), folds=True),
        anchor="election",
    )


def _participants(found: StudyStatus) -> h.Element:
    head = (
        say("Hospital"),
        say("Name"),
        say("Dataset"),
        say("Records"),
        say("Permission"),
        say("Until"),
        say("Consensus"),
        say("Learning"),
        say("Standing"),
    )
    scores = {each.organisation: each for each in found.reputation}
    rows = []
    for each in found.participants:
        its = scores[each.organisation]
        marks = [
            badge(words, BAD)
            for words, holds in (
                (say("jailed: silent too long"), its.jailed),
                (say("barred: proven fraud"), its.barred),
                (say("no validator any more"), its.tombstoned),
            )
            if holds
        ]
        rows.append(
            (
                each.organisation,
                each.title,
                f"{each.dataset} v{each.version}",
                theirs(count_words(each.records)) if each.records else "–",
                [badge(say("left: {what} used up", what=each.left), WARN)] if each.left else standing(each.approval),
                until(each.expires_ms),
                amount(its.consensus),
                amount(its.learning),
                marks or badge(say("good"), GOOD),
            )
        )
    return section(say("Hospitals"), table(head, rows, caption=say("Hospitals"), folds=True), anchor="hospitals")
