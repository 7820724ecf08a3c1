"""A policy in plain words: what is in force, what waits for another person, and every version before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import htpy as h
from fastapi import Query

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance.policies import setting
from hmchain.application.governance.policies.setting import PolicyView, WaitingPolicy
from hmchain.application.governance.policies.words import Difference
from hmchain.application.governance.requests.licences import Wording
from hmchain.application.pages.markup import definitions, table
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Dataset, Nothing, Organisation, Version
from hmchain.interfaces.api.routes import policies as routes
from hmchain.interfaces.portal.components import WARN, after_field, badge, confirmed, empty, section, tabs
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.bodies import body
from hmchain.interfaces.portal.pages.words import at, may
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import amount, later, say, theirs
from hmchain.ledger.readers import datasets as reader
from hmchain.plain import size

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
DECIDE = Rule(Operation.DECIDE, Scope.HOSPITAL, ("steward",))
PATH = "/policies"

pages = Pages("steward")

Before = Annotated[int | None, Query(ge=0, le=2**31)]


def to_confirm(call: Call) -> int:
    """How many policies of this hospital wait for another person."""
    with call.ledger() as ledger:
        return len(setting.all_waiting(ledger.verified.state, call.organisation))


@pages.show(PATH, VIEW, later("Policies"), to_confirm)
def own_policies(call: Call) -> Page:
    """This hospital's policies."""
    return _listed(call, call.organisation)


@pages.show(f"{PATH}/{{organisation}}", VIEW)
def policies(call: Call, organisation: Organisation) -> Page:
    """A member's policies."""
    return _listed(call, organisation)


def _listed(call: Call, organisation: str) -> Page:
    with call.ledger() as ledger:
        state = ledger.verified.state
        members = [each.organisation for each in ledger.members()]
        names = [each.name for each in reader.datasets(state) if each.organisation == organisation]
        found = [(setting.shown(state, organisation, name)) for name in names]
    lead = say("A hospital's standing answer to whoever asks for a dataset. All members read it, in every version.")
    head = (say("Dataset"), say("In force"), say("Set by"), say("Says"), say("Waits"))
    rows = [
        (
            h.a(href=at("policies", organisation, each.dataset))[each.dataset],
            _version(each.version),
            ", ".join(each.persons) or "–",
            [h.p[theirs(rule.words)] for rule in each.rules[:2]],
            badge(say("for another person"), WARN) if each.waiting else "–",
        )
        for each in found
    ]
    none = say("No dataset is registered. A dataset that is stands here, with what may be asked of it.")
    return Page(
        say("Policies of {organisation}", organisation=organisation),
        [
            tabs(say("Members"), [(name, at("policies", name)) for name in members], at("policies", organisation)),
            table(head, rows, caption=say("Policies"), folds=True) if rows else empty(none),
        ],
        lead=lead,
        active=PATH,
    )


def _version(number: int) -> str:
    return say("version {number}", number=amount(number)) if number else say("none was set: a person looks at all")


@pages.show(f"{PATH}/{{organisation}}/{{dataset}}", VIEW)
def policy(
    call: Call, organisation: Organisation, dataset: Dataset, version: Version = None, before: Before = None
) -> Page:
    """One policy: what is in force, or an older version, or how two of them differ."""
    with call.ledger() as ledger:
        state = ledger.verified.state
        found = setting.shown(state, organisation, dataset, version)
        history = setting.history(state, organisation, dataset)
        compared = setting.compared(state, organisation, dataset, before, found.version) if before is not None else None
        terms = setting.terms_to_accept(state, call.objects, organisation, dataset)
    here, edit = at("policies", organisation, dataset), at("policies", organisation, dataset, "edit")
    is_own = organisation == call.organisation and may(call, DECIDE)
    return Page(
        say("Policy of {dataset}", dataset=f"{organisation}/{dataset}"),
        [
            h.p[h.a(".button", href=edit)[say("Change it")]] if is_own and not found.waiting else None,
            _waiting(call, found.waiting, here, is_own=is_own) if found.waiting else None,
            _differences(compared, before or 0, found.version) if compared else None,
            section(say("What it says"), _says(found), anchor="says"),
            section(say("Terms that whoever asks accepts first"), map(_terms, terms), anchor="terms")
            if terms and version is None
            else None,
            section(say("Every version"), _history(history, here), anchor="history"),
        ],
        lead=_version(found.version),
        crumbs=((say("Policies of {organisation}", organisation=organisation), at("policies", organisation)),),
        active=PATH,
    )


def _says(found: PolicyView) -> h.Element:
    return h.ul[
        [h.li[theirs(rule.words), h.pre(".raw")[rule.cedar] if rule.cedar else None] for rule in found.rules],
        [h.li[theirs(bound)] for bound in found.bounds],
    ]


def differing(gone: Sequence[str], new: Sequence[str]) -> h.Node:
    """The sentences that go, and those that come."""
    if not gone and not new:
        return h.p[say("They say the same.")]
    return h.ul(".changes")[
        [h.li[h.b[say("no more:")], " ", h.del_[theirs(each)]] for each in gone],
        [h.li[h.b[say("new:")], " ", h.ins[theirs(each)]] for each in new],
    ]


def _differences(found: Difference, before: int, after: int) -> h.Element:
    title = say("From version {before} to version {after}", before=amount(before), after=amount(after))
    return section(title, differing(found.gone, found.new), anchor="differences")


def _waiting(call: Call, found: WaitingPolicy, here: str, *, is_own: bool) -> h.Element:
    who = say("{names} stand behind it: {count} of {needed} persons.", names=", ".join(found.persons),
              count=amount(len(found.persons)), needed=amount(found.needed))  # fmt: skip
    return section(
        say("Another policy waits for a second person"),
        h.p[who],
        differing(found.gone, found.new),
        _answers(call, found, here) if is_own else None,
        anchor="waiting",
    )


def _answers(call: Call, found: WaitingPolicy, here: str) -> h.Node:
    csrf, after = csrf_of(call.request), after_field(here)
    let_go = confirmed(
        say("Let it go"), say("What is in force stays."), f"{here}/withdraw", csrf, say("Let it go"), after
    )
    if call.person.name in found.persons:
        return [h.p[say("You stand behind it; another steward reads it, and does too.")], let_go]
    stand = confirmed(
        say("Stand behind it"), say("It is in force at once, as soon as enough persons do. You read it above."),
        f"{here}/confirm", csrf, say("Stand behind it"), after,
        h.input(type="hidden", name="digest", value=found.digest.hex()),
    )  # fmt: skip
    return [stand, let_go]


def _terms(found: Wording) -> h.Element:
    return h.div[
        definitions(
            (
                (say("digest"), h.code[found.digest.hex()]),
                (say("file"), theirs(found.reason) if found.reason else f"{found.media}, {size(found.size)}"),
            )
        ),
        h.pre(".letter")[found.text] if found.text else None,
    ]


def _history(found: Sequence[PolicyView], here: str) -> h.Element:
    head = (say("Version"), say("Set by"), say("In block"), say("Compare"))
    rows = [
        (
            h.a(href=f"{here}?version={each.version}")[_version(each.version)],
            ", ".join(each.persons) or "–",
            h.a(href=f"/auditor/blocks/{each.height}")[amount(each.height)] if each.height else "–",
            h.a(href=f"{here}?version={each.version}&before={each.version - 1}#differences")[
                say("with version {number}", number=amount(each.version - 1))
            ]
            if each.version
            else "–",
        )
        for each in found
    ]
    return table(head, rows, caption=say("Every version"), folds=True)


@pages.do(f"{PATH}/{{organisation}}/{{dataset}}/confirm", DECIDE)
def confirm(call: Call, organisation: Organisation, dataset: Dataset, fields: Fields) -> Next:
    """Stand behind what another person proposed, just as it was read."""
    routes.confirm_policy(call, dataset, body(routes.SeenPolicy, digest=fields.text("digest")))
    return Next(at("policies", organisation, dataset), say("You stand behind it."))


@pages.do(f"{PATH}/{{organisation}}/{{dataset}}/withdraw", DECIDE)
def withdraw(call: Call, organisation: Organisation, dataset: Dataset, fields: Fields) -> Next:
    """Let a policy that waits go."""
    routes.withdraw_policy(call, dataset, Nothing())
    return Next(at("policies", organisation, dataset), say("What is in force stays."))
