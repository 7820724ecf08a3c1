"""The editor of a policy: its answers, what they would decide, and the way to put it in force."""

from __future__ import annotations

import htpy as h
import msgspec

from hmchain import decoding
from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance.policies import answers as reading
from hmchain.application.governance.policies import file as policy_file
from hmchain.application.governance.policies import setting, trials
from hmchain.application.governance.policies.file import PolicyFile
from hmchain.application.governance.policies.setting import Foreseen, PolicyChange
from hmchain.application.governance.policies.template import begun
from hmchain.application.governance.policies.trials import Trial
from hmchain.application.governance.purposes import found_by_word
from hmchain.application.governance.requests import licences
from hmchain.application.governance.requests.documents import FILE_BYTES_MAX, data_document
from hmchain.application.pages.markup import definitions, table
from hmchain.errors import HMChainError
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Dataset, Organisation
from hmchain.interfaces.api.routes import policies as routes
from hmchain.interfaces.portal.components import after_field, empty, file_field, form, problem, section, text_field
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.numbers import FieldError
from hmchain.interfaces.portal.pages.policies.answers import fields_of, file_of
from hmchain.interfaces.portal.pages.policies.policy import DECIDE, PATH, differing
from hmchain.interfaces.portal.pages.words import at, standing
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import amount, say, say_n, theirs

EDIT = Rule(Operation.VIEW, Scope.HOSPITAL, ("steward",))
_WORD_LETTERS_MIN = 2

pages = Pages("steward")


@pages.show("/policy-codes", Rule(Operation.VIEW, Scope.NETWORK))
def codes(call: Call, word: str = "") -> Page:
    """Codes of purposes, conditions and diseases, by a word of their names."""
    found = found_by_word(word) if len(word) >= _WORD_LETTERS_MIN else {}
    rows = [(h.code[code], theirs(name)) for code, name in found.items()]
    title = say("Codes of uses, conditions and diseases")
    return Page(
        title,
        [
            h.form(".entry.inline", method="get", action="/policy-codes", role="search")[
                text_field("word", say("A part of the name"), word, help=say("English, as glioma."), minlength="2"),
                h.p(".send")[h.button(type="submit")[say("Find")]],
            ],
            table((say("Code"), say("Means")), rows, caption=title)
            if rows
            else empty(say("Nothing is called so.") if word else say("Say a word of at least two letters.")),
        ],
        lead=say("Uses and conditions are of the Data Use Ontology (DUO), diseases of Mondo."),
        active=PATH,
    )


@pages.show(f"{PATH}/{{organisation}}/{{dataset}}/edit", EDIT)
def edit(call: Call, organisation: Organisation, dataset: Dataset) -> Page:
    """The answers that are in force, to be changed."""
    with call.ledger() as ledger:
        state = ledger.verified.state
        is_set = setting.shown(state, call.organisation, dataset).version > 0
        file = reading.answers_in_force(state, call.organisation, dataset)
    told = None
    if file is None and is_set:
        told = h.p(".caution")[
            say("No answers make the policy in force, so these are the usual ones. Setting them replaces all of it.")
        ]
    return _page(call, dataset, file or begun(dataset), told)


def _page(call: Call, dataset: str, file: PolicyFile, *before: h.Node) -> Page:
    here = at("policies", call.organisation, dataset)
    more = h.p[h.a(href="/policy-codes", target="_blank")[say("Find codes of diseases")]]
    return Page(
        say("Change the policy of {dataset}", dataset=dataset),
        [
            before,
            section(
                say("Its answers"), more,
                form(f"{here}/check", csrf_of(call.request), fields_of(file), sends=say("Check it, and see")),
                anchor="answers",
            ),
            _more_terms(call, here),
        ],
        lead=say("Nothing is sent before you sign. What the ledger gets are rules, numbers and codes."),
        crumbs=((say("Policies of {organisation}", organisation=call.organisation), PATH), (dataset, here)),
        active=PATH,
    )  # fmt: skip


def _more_terms(call: Call, here: str) -> h.Element:
    return section(
        say("A file of terms"),
        h.p[say("It lies in clear where all members read it, under its digest. Do this before you write the rest.")],
        form(
            f"{here}/terms",
            csrf_of(call.request),
            file_field("terms", say("PDF, text, PNG or JPEG")),
            sends=say("Put it there"),
            has_file=True,
        ),
        anchor="terms",
    )


@pages.do(f"{PATH}/{{organisation}}/{{dataset}}/terms", DECIDE, file_bytes=FILE_BYTES_MAX)
def put_terms(call: Call, organisation: Organisation, dataset: Dataset, fields: Fields) -> Next:
    """Put a file of terms where all members read it."""
    sent = fields.file("terms")
    done = licences.put_file(call.objects, data_document("the file", sent.filename or "terms", sent.file.read()))
    said = say("It is there. Its digest: {digest}", digest=done.digest.hex())
    return Next(f"{at('policies', organisation, dataset, 'edit')}#terms", said)


@pages.do(f"{PATH}/{{organisation}}/{{dataset}}/check", EDIT)
def check(call: Call, organisation: Organisation, dataset: Dataset, fields: Fields) -> Page:
    """What these answers make: in words, what changes, and what they would decide."""
    file = file_of(fields, dataset)
    try:
        policy_file.require_alone(file)
        terms = policy_file.terms_of(file)
        with call.ledger() as ledger:
            state = ledger.verified.state
            change = setting.change(state, call.organisation, dataset, terms, call.now_ms())
            waiting = setting.foreseen(state, call.organisation, terms, dataset)
    except HMChainError as error:
        return _page(call, dataset, file, problem(error.code, error.what, error.hint, say("Not yet:")))
    return _page(call, dataset, file, _preview(call, file, change, waiting))


def _preview(call: Call, file: PolicyFile, change: PolicyChange, waiting: tuple[Foreseen, ...]) -> h.Node:
    usual = trials.usual(change.terms, call.organisation, change.dataset)
    return [
        section(say("What changes"), differing(change.gone, change.new), _set(call, file, change), anchor="changes"),
        section(say("Requests that wait for you"), _foreseen(waiting), anchor="waiting"),
        _denied(change),
        section(say("What it says to requests that are usual"), _trials(usual), anchor="usual"),
    ]


def _set(call: Call, file: PolicyFile, change: PolicyChange) -> h.Node:
    if change.is_in_force:
        return None
    here = at("policies", call.organisation, change.dataset)
    more = say_n("{count} person puts it in force: you, once you sign.",
                 "It takes {count} persons: another steward reads it, and confirms it.", change.needed)  # fmt: skip
    return [
        h.p(".caution")[say("This hospital has fewer stewards than the policy asks for: nobody could approve then.")]
        if change.too_few else None,
        form(
            f"{here}/set", csrf_of(call.request),
            after_field(here),
            h.input(type="hidden", name="policy", value=msgspec.json.encode(file).decode()),
            h.p[more], label=say("Put it in force"), sends=say("Put it in force"),
        ),
    ]  # fmt: skip


def _foreseen(found: tuple[Foreseen, ...]) -> h.Element:
    if not found:
        return empty(say("No request waits for this dataset."))
    head = (say("Request"), say("Policy in force"), say("This one"), say("Why"))
    rows = [
        (
            h.a(href=at("requests", each.request))[each.request],
            standing(each.before),
            standing(each.after),
            [h.p[theirs(reason)] for reason in each.reasons] or "–",
        )
        for each in found
    ]
    return table(head, rows, caption=say("Requests that wait for you"), folds=True)


def _denied(change: PolicyChange) -> h.Node:
    if not change.denied:
        return None
    title = say("Approvals that it would not give")
    rows = [
        (h.a(href=at("requests", each.request))[each.request], [h.p[theirs(reason)] for reason in each.reasons])
        for each in change.denied
    ]
    words = h.p[say("They stay as they are. Whoever wants them back takes them back, each on its page.")]
    return section(title, words, table((say("Request"), say("Why")), rows, caption=title), anchor="denied")


def _trials(found: tuple[Trial, ...]) -> h.Element:
    rows = [(theirs(each.asked), standing(each.answer), [h.p[theirs(why)] for why in each.because]) for each in found]
    caption = say("What it says to requests that are usual")
    return h.div[
        definitions(((say("requests tried"), amount(len(found))),)),
        table((say("Asked"), say("Answer"), say("Why")), rows, caption=caption, folds=True),
    ]


@pages.do(f"{PATH}/{{organisation}}/{{dataset}}/set", DECIDE)
def set_policy(call: Call, organisation: Organisation, dataset: Dataset, fields: Fields) -> Next:
    """Put what was checked in force, or before another person."""
    try:
        file = decoding.from_json(fields.text("policy"), PolicyFile)
    except msgspec.DecodeError as error:
        raise FieldError("that is no policy", "check it again") from error
    if file.dataset != dataset:
        raise FieldError("that is another dataset's policy", "check it again")
    routes.set_policy(call, file)
    return Next(at("policies", organisation, dataset), say("It is in force."))
