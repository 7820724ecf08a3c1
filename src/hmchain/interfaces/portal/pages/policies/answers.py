"""A policy's answers as fields of a form, and fields as answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import htpy as h

from hmchain.application.governance.policies.file import PolicyFile, conditions
from hmchain.application.governance.purposes import PURPOSES, terms
from hmchain.interfaces.portal.components import check_field, text_field, tick_box
from hmchain.interfaces.portal.pages import codes
from hmchain.interfaces.portal.pages.bodies import body
from hmchain.interfaces.portal.pages.codes.requests import KINDS_EXPLAINED
from hmchain.interfaces.portal.pages.numbers import number, whole
from hmchain.interfaces.portal.registry import Fields
from hmchain.interfaces.portal.texts import Later, later, of_later, say, theirs

_LISTS: dict[str, tuple[Later, Later]] = {
    "diseases": (later("Which diseases"), later("With research on a disease. Codes of Mondo, as MONDO:0005070.")),
    "regions": (later("Results may go to"), later("Countries, as DE, FI; empty for any.")),
    "people": (later("Persons who alone may ask"), later("As north/s1; empty for all.")),
    "institutions": (later("Organisations whose people alone may ask"), later("Empty for all.")),
    "not_for_profit": (later("Known not to be for profit"), later("With NPU and NPUNCU. Others wait for a person.")),
    "fields": (later("Fields that alone may be asked for"), later("As age, sex; empty for all.")),
    "labels": (later("Labels that alone may be asked for"), later("Empty for all.")),
    "break_glass": (
        later("Organisations whose clinicians may ask in an emergency"),
        later("They are given one patient's records at once, and you judge afterwards."),
    ),
    "codes": (
        later("Code that somebody has looked at"),
        later("64 hexadecimal digits. Other code waits for a person."),
    ),
    "licences": (
        later("Terms that whoever asks accepts first"),
        later("Their digests: 64 hexadecimal digits. Put their files there first, below."),
    ),
}
_NUMBERS: dict[str, tuple[Later, Later]] = {
    "approvers": (later("So many persons approve a request, and replace this policy"), later("1 or more.")),
    "minimum_cohort": (later("Fewest records that may be asked about"), later("0 for any.")),
    "colluders": (
        later("So many participants may pool what they know"),
        later("And learn nothing of this hospital alone."),
    ),
    "days": (later("Longest time of an approval, in days"), later("0 for any.")),
    "rounds": (later("Most rounds of a study"), later("0 for any.")),
}
_DUTIES: dict[str, Later] = {
    "delete": later("what was received is deleted"),
    "moratorium": later("nothing is published before"),
    "publish": later("results are published"),
    "report": later("it is said how far the work is"),
    "return": later("results are returned to this hospital"),
}
_CHECKS: dict[str, Later] = {
    "person_looks": later("A person looks at every request"),
    "automatic": later("What needs no person is approved at once"),
    "release_counts": later("The agent answers when a count is to leave"),
}
_MANY = 10**9


def fields_of(file: PolicyFile) -> list[h.Node]:
    """The fields of a form that hold these answers."""
    return [
        _boxes("uses", say("What it may be used for"), {code: terms()[code] for code in PURPOSES.values()},
               [PURPOSES.get(each, each) for each in file.uses]),
        _texts(file, "diseases"),
        _boxes("kinds", say("What may be done with it"), codes.choices(KINDS_EXPLAINED),
               file.kinds),
        h.div(".inline.field")[[_number(name, getattr(file, name)) for name in _NUMBERS]],
        text_field("epsilon", say("Privacy budget of all counts together"), f"{file.epsilon:g}",
                   help=say("0 for no counts."), inputmode="decimal"),
        [check_field(name, of_later(words), checked=getattr(file, name)) for name, words in _CHECKS.items()],
        h.details(open=bool(file.conditions))[
            h.summary[say("Conditions of the Data Use Ontology (DUO)")],
            _boxes("conditions", say("Conditions"),
                   {short: f"{short}: {terms()[code]}" for short, code in sorted(conditions().items())},
                   [each.upper() for each in file.conditions]),
            _texts(file, "not_for_profit"),
        ],
        h.details(open=bool(file.duties))[
            h.summary[say("What is owed after an approval")],
            [text_field(f"duty.{kind}", of_later(words), str(file.duties.get(kind, "")), inputmode="numeric",
                        help=say("Within so many days; empty for nothing."))
             for kind, words in _DUTIES.items()],
        ],
        h.details(open=any(getattr(file, name) for name in _REST))[
            h.summary[say("Who may ask, for what parts, and in an emergency")],
            [_texts(file, name) for name in _REST],
        ],
        h.details(open=bool(file.rules))[
            h.summary[say("Rules of your own, in Cedar")],
            [_rule(place, *each) for place, each in enumerate([*file.rules.items(), ("", "")])],
        ],
    ]  # fmt: skip


_REST = ("regions", "people", "institutions", "fields", "labels", "break_glass", "codes", "licences")


def _boxes(name: str, title: str, choices: Mapping[str, str], chosen: Sequence[str]) -> h.Element:
    boxes = [tick_box(name, code, " ", theirs(words), checked=code in chosen) for code, words in choices.items()]
    return h.fieldset(".field")[h.legend[title], boxes]


def _texts(file: PolicyFile, name: str) -> h.Element:
    title, help = _LISTS[name]
    return text_field(name, of_later(title), ", ".join(getattr(file, name)), help=of_later(help), spellcheck="false")


def _number(name: str, value: int) -> h.Element:
    title, help = _NUMBERS[name]
    return text_field(name, of_later(title), str(value), help=of_later(help), inputmode="numeric")


def _rule(place: int, name: str, text: str) -> h.Element:
    return h.div[
        text_field(f"rule@{place}", say("Its name"), name, spellcheck="false"),
        text_field(f"cedar@{place}", say("The rule"), text, lines=3, spellcheck="false",
                   help=say("forbid or permit, as Cedar has it; an empty one is left out.")),
    ]  # fmt: skip


def file_of(fields: Fields, dataset: str) -> PolicyFile:
    """The answers that a form holds. Raises `FieldError`."""
    lists = {name: _split(fields.text(name)) for name in _LISTS}
    numbers = {name: whole(name, fields.text(name), 0, _MANY) for name in _NUMBERS}
    said: dict[str, Any] = {
        "uses": fields.texts("uses"),
        "kinds": fields.texts("kinds"),
        "conditions": fields.texts("conditions"),
        "epsilon": number("epsilon", fields.text("epsilon")),
        "duties": {kind: whole(kind, text) for kind in _DUTIES if (text := fields.text(f"duty.{kind}").strip())},
        "rules": {
            name.strip(): text
            for name, text in zip(fields.texts("rule"), fields.texts("cedar"), strict=False)
            if name.strip() and text.strip()
        },
        **{name: fields.text(name) == "yes" for name in _CHECKS},
    }
    return body(PolicyFile, dataset=dataset, **lists, **numbers, **said)


def _split(text: str) -> list[str]:
    return text.replace(",", " ").replace(";", " ").split()
