"""Views of consents, for the hospital's own people; no patient is named in any."""

from __future__ import annotations

from collections.abc import Sequence

from hmchain.application.consent.taking import AddedConsents
from hmchain.application.data.consents import ConsentCheck, ConsentLine, ConsentShown, Withdrawn
from hmchain.interfaces.cli import output
from hmchain.records.consents.optout_lists import OptOutList
from hmchain.records.consents.purposes import RESEARCH
from hmchain.records.consents.register import Basis, DatasetBasis

COLUMNS = ("consent", "given", "stands", "rule", "for", "exceptions", "until")
BASES = {
    Basis.OPT_OUT: "opt-out: all records but those of patients who object",
    Basis.CONSENT: "consent: the records alone of patients who permit it",
}


def show_added(done: AddedConsents) -> None:
    """Say what became of consents that were given."""
    output.fields((
        ("new", done.new), ("changed", done.changed), ("known already", done.same),
        ("older than what is known", done.older),
    ))  # fmt: skip
    if done.undecided:
        output.say(f"{done.undecided} cannot be decided, so these patients' records are not used:")
        for doubt in done.doubts:
            output.say(f"  {doubt}")
    if done.strangers:
        output.say(
            f"{done.strangers} of patients of whom no record is known here: if there is one, compare how consents "
            "name a patient, and whose numbers `patients.toml` calls the hospital's own."
        )
    output.say("What it means for a dataset: `hmchain consent check DATASET`")


def show_withdrawn(done: Withdrawn) -> None:
    """Say what a withdrawal means, and which datasets should get a next version."""
    if not done.withdrawn:
        output.say("It was withdrawn before; nothing was changed.")
        return
    output.say(
        f"{done.withdrawn} withdrawn. The next round of each study, and each count, export, transfer and version from "
        "now on, is without what it permitted. A finished model keeps what it learnt from all patients together."
    )
    output.say("If the patient objects to what no consent spoke of, too: `hmchain data opt-out --patient -`")
    for dataset, command in done.next.items():
        output.say(
            f"{dataset} was published with them; put a version without them in its place when you can: {command}"
        )
    output.say("In which studies they were used: `hmchain uses patient - --person a.key --person b.key`")


def show_list(found: Sequence[ConsentLine]) -> None:
    """List consents."""
    if not found:
        output.say("The hospital keeps no consent. Take some in: `hmchain consent add FILE`")
        return
    output.table(COLUMNS, map(_row, found), drop=("exceptions", "until"))


def _row(each: ConsentLine) -> tuple[object, ...]:
    return (
        each.id, _day(each.given_ms), _stands(each), each.rule or "-", output.listed(each.purposes, "all uses"),
        each.exceptions, _day(each.until_ms),
    )  # fmt: skip


def _stands(each: ConsentLine) -> str:
    if each.is_withdrawn:
        return "withdrawn"
    return f"{each.status}, undecided" if each.doubts else each.status


def show_consent(found: ConsentShown) -> None:
    """Show one consent, rule by rule."""
    output.fields((
        ("consent", found.line.id), ("stands", _stands(found.line)), ("given", _day(found.line.given_ms)),
        ("policies", output.listed(found.line.policies)),
    ))  # fmt: skip
    for sentence in found.rules:
        output.say(sentence)
    for doubt in found.line.doubts:
        output.say(f"It cannot be decided: {doubt}.")


def show_check(found: ConsentCheck) -> None:
    """Say what a use may have of a version."""
    output.fields((
        ("dataset", f"{found.dataset}, version {found.version}"),
        ("goes by", BASES[Basis(found.basis)]),
        ("use", f"{found.use} for {output.listed(found.purposes)}"),
        ("asked by", output.listed(found.recipients, "nobody in particular")),
        ("may be used", f"{found.records:,} of {found.of:,} records, of {_patients(found.patients)}"),
    ))  # fmt: skip
    for reason, count in found.left_out.items():
        output.say(f"  {count:,} not: {reason}")


def show_basis(found: DatasetBasis) -> None:
    """Say by what a dataset is used."""
    output.fields((
        ("goes by", BASES[found.basis]), ("is kept for", output.listed(found.purposes or (RESEARCH,))),
    ))  # fmt: skip


def basis(found: DatasetBasis) -> dict[str, object]:
    """The same as JSON."""
    return {"basis": found.basis.value, "purposes": found.purposes or (RESEARCH,)}


def show_lists(found: Sequence[OptOutList]) -> None:
    """List the lists that others keep."""
    if not found:
        output.say("No list is kept here. Take one in: `hmchain consent optouts NAME FILE --as-of DAY`")
        return
    rows = (
        (each.name, each.issuer or "-", each.numbers, each.here, _day(each.as_of_ms), output.when(each.reconciled_ms))
        for each in found
    )
    output.table(("list", "issuer", "numbers", "known here", "of", "reconciled (UTC)"), rows)
    if strange := [each.name for each in found if not each.here]:
        output.say(f"Nobody on {', '.join(strange)} is known here: compare how its numbers are written, and --issuer.")


def _patients(count: int) -> str:
    return f"{count:,} patient{'' if count == 1 else 's'}"


def _day(time_ms: int | None) -> str:
    """The day in UTC: most consents say no more."""
    return "-" if time_ms is None else output.when(time_ms).partition(" ")[0]
