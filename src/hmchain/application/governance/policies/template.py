"""A policy's file to be filled in: question by question, or with what is usual."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from hmchain import decoding, files
from hmchain.application.governance.policies.file import PolicyFile, PolicyFileError, conditions, terms_of
from hmchain.application.governance.purposes import PURPOSES, terms
from hmchain.ledger import purposes
from hmchain.ledger.context import is_name
from hmchain.ledger.contracts.data.policies import DUTIES
from hmchain.plain import number


@dataclass(frozen=True)
class Question:
    """One thing that a steward is asked."""

    entry: str
    """Of the file."""
    text: str
    help: str
    """What stands beside the key in the file."""


QUESTIONS = (
    Question("uses", f"What may it be used for ({', '.join(PURPOSES)})",
             f"{', '.join(PURPOSES)}; or codes of the Data Use Ontology (DUO)"),
    Question("diseases", "Which diseases (codes of Mondo; `hmchain policy codes WORD` finds them; empty for any)",
             "with disease-research: codes of Mondo, each with all below it; `hmchain policy codes WORD`"),
    Question("conditions", "Under which conditions of DUO (NPUNCU: not commercial, IRB: ethics letter, PUB: published)",
             "of DUO, listed at the end of this file"),
    Question("regions", "To which countries may results go (DE, FI, ...; empty for any)",
             "countries to which results may go; empty for any"),
    Question("kinds", "What may be done with it (count, train, statistics, evaluate, transfer)",
             "count, train, statistics, evaluate, transfer"),
    Question("person_looks", "Does a person look at every request (yes, no)",
             "whether a person looks at every request"),
    Question("automatic", "Is approved at once what needs no person (yes, no)",
             "whether what needs no person is approved at once"),
    Question("approvers", "How many persons approve a request, and replace this policy",
             "so many persons approve a request, and replace this policy"),
    Question("minimum_cohort", "Fewest records that may be asked about",
             "fewest records, as published, that may be asked about; 0 for any"),
    Question("colluders", "How many participants that pool what they know must learn nothing of this hospital",
             "so many participants may pool what they know and learn nothing of this hospital alone"),
    Question("days", "Longest time of an approval in days", "longest time of an approval; 0 for any"),
    Question("epsilon", "Privacy budget of all counts together (0: no counts)",
             "privacy budget of all counts together; 0 for no counts"),
    Question("licences", "Files of terms that whoever asks accepts first (beside the policy; empty for none)",
             "terms that whoever asks accepts first: files beside this one, which the members then read"),
)  # fmt: skip
"""In the order in which they are asked."""

_DISEASE_RESEARCH = {"DISEASE-RESEARCH", "DS", purposes.DISEASE_SPECIFIC}

_HEAD = """# The policy of a dataset. Change it, and try it: `hmchain policy test FILE`
# What the ledger gets is rules, numbers and codes: nothing that stands behind a # leaves this file.
# docs/how-to/policy.md goes through all of it.

dataset = {dataset}
"""
_LISTS = """
# people = ["north/s1"]          # persons who alone may ask
# institutions = ["north"]       # hospitals whose people alone may ask
# not_for_profit = ["north"]     # with NPU and NPUNCU: known not to be for profit
# fields = ["age", "sex"]        # fields that alone may be asked for; who names none waits for a person
# labels = ["diagnosis"]         # labels that alone may be asked for; who names none waits for a person
# break_glass = ["north"]        # hospitals whose clinicians are given a patient's records in an emergency
# codes = ["<64 hex digits>"]    # code that was looked at; other code waits for a person
# rounds = 600                   # most rounds of a study
# release_counts = true          # the agent answers when a count is to leave, where a person would
"""


def template(file: PolicyFile) -> str:
    """The text of a file with these answers, and a word on each key."""
    lines = [f"{f'{each.entry} = {_toml(getattr(file, each.entry))}':40} # {each.help}\n" for each in QUESTIONS]
    duties = "".join(f"{kind} = {days}\n" for kind, days in sorted(file.duties.items()))
    listed = "".join(f"# {short:7} {terms()[code]}\n" for short, code in sorted(conditions().items()))
    return "".join((
        _HEAD.format(dataset=_toml(file.dataset)), "\n", *lines, _LISTS,
        f"\n[duties]   # due so many days after an approval: {', '.join(DUTIES)}\n", duties,
        "\n[rules]    # rules of your own in Cedar, by name\n", "\n# Conditions of DUO:\n", listed,
    ))  # fmt: skip


def _toml(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def begun(dataset: str) -> PolicyFile:
    """The answers that are usual, for a dataset. Raises `PolicyFileError` for what is no name."""
    if not is_name(dataset):
        raise PolicyFileError(f"{dataset!r} is no dataset's name", "`hmchain data list` names them")
    return PolicyFile(dataset=dataset)


def is_idle(file: PolicyFile, question: Question) -> bool:
    """Whether a question asks for nothing, after the answers before it."""
    if question.entry == "diseases":
        return not {each.upper() for each in file.uses} & _DISEASE_RESEARCH
    return question.entry == "automatic" and file.person_looks


def usual(file: PolicyFile, question: Question) -> str:
    """The answer that stands if none is given."""
    value = getattr(file, question.entry)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list | tuple) else number(value)


def answered(file: PolicyFile, question: Question, text: str, folder: Path = Path()) -> PolicyFile:
    """The file, which is to lie in a folder, with one more answer; an empty one lets stand what is there.

    Raises `PolicyFileError` for an answer that makes no policy, whatever the next ones are.
    """
    filled = _filled(file, question, text) if text else file
    terms_of(_completed(filled) if question.entry in ("uses", "conditions") else filled, folder)
    return filled


def _completed(file: PolicyFile) -> PolicyFile:
    """The file as the next questions may complete it: with regions, where a condition needs some."""
    return file if file.regions else msgspec.structs.replace(file, regions=["DE"])


def _filled(file: PolicyFile, question: Question, text: str) -> PolicyFile:
    old = getattr(file, question.entry)
    value: Any = text
    if isinstance(old, bool):
        value = {"yes": True, "y": True, "no": False, "n": False}.get(text.lower(), text)
    elif isinstance(old, int | float):
        value = float(text) if text.replace(".", "", 1).isdigit() else text
        value = int(value) if isinstance(old, int) and isinstance(value, float) and value == int(value) else value
    else:
        value = [part for part in text.replace(",", " ").split() if part]
    try:
        found = decoding.converted({**msgspec.to_builtins(file), question.entry: value}, PolicyFile)
    except msgspec.ValidationError as error:
        wanted = "yes or no" if isinstance(old, bool) else "a whole number" if isinstance(old, int) else "a number: 0.5"
        raise PolicyFileError(f"{text!r} is no answer to that", f"give {wanted}") from error
    return _with_duties(found)


def _with_duties(file: PolicyFile) -> PolicyFile:
    """Conditions that are duties, with usual days where none are given."""
    usual_days = {"PUB": ("publish", 730), "MOR": ("moratorium", 180), "RTN": ("return", 365)}
    owed = dict(days for short, days in usual_days.items() if short in {each.upper() for each in file.conditions})
    return msgspec.structs.replace(file, duties={**owed, **file.duties})


def require_new(path: Path) -> None:
    """Raise `PolicyFileError` where a new file cannot be, before somebody answers a dozen questions."""
    if path.exists():
        raise _there_already(path)
    if not path.parent.is_dir():
        raise PolicyFileError(f"there is no folder {path.parent}", "make it, or name another file by --output")


def write(path: Path, file: PolicyFile) -> None:
    """Write a file that is new. Raises `PolicyFileError` where there is one already."""
    try:
        files.write_whole(path, template(file).encode(), durable=False, new=True)
    except FileExistsError as error:
        raise _there_already(path) from error


def _there_already(path: Path) -> PolicyFileError:
    return PolicyFileError(f"{path} is there already", "name another by --output, or change that one")
