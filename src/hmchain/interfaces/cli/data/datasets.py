"""`hmchain data`, once records are extracted: look at datasets, register, verify, export and erase."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.data import show as data
from hmchain.interfaces.cli.options import (
    DEFAULT_FOLDER,
    AsJson,
    DatasetArgument,
    HospitalOption,
    VersionOption,
    example,
    passphrase,
)
from hmchain.plain import plain, size

if TYPE_CHECKING:
    from hmchain.application.data.changes import Target

RECORDS_SHOWN = 20

app = typer.Typer()
"""Its commands are those of `hmchain data`."""


@app.command("list", epilog=example('hmchain data list --search "MR head"'))
def list_datasets(
    directory: HospitalOption = DEFAULT_FOLDER,
    search: Annotated[str, typer.Option(metavar="WORDS", help="Records whose entries have all these words.")] = "",
    as_json: AsJson = False,
) -> None:
    """List datasets and their versions, or find records."""
    from hmchain.application.site import hospital

    with hospital.read_records(hospital.locate(directory), passphrase()) as records:
        if search:
            found = records.catalogue.search(search)
            if as_json:
                output.emit([dict(zip(("dataset", "version", "record"), hit, strict=True)) for hit in found])
            elif found:
                output.table(("dataset", "version#", "record"), found)
            else:
                output.say("No record has all these words.")
            return
        versions = [v for entry in records.catalogue.datasets() for v in records.catalogue.versions(entry.name)]
    if as_json:
        output.emit([data.version_fields(version) for version in versions])
    elif versions:
        output.table(
            ("dataset", "version#", "state", "records#", "patients#", "size#", "held#", "from"),
            (
                (v.dataset, v.number, data.state(v), v.records, v.subjects, size(v.size), v.held, v.source)
                for v in versions
            ),
        )
    else:
        output.say("There are no datasets yet: hmchain data extract SOURCE --into DATASET")


@app.command(epilog=example("hmchain data show brain"))
def show(
    dataset: DatasetArgument,
    directory: HospitalOption = DEFAULT_FOLDER,
    number: VersionOption = None,
    record: Annotated[str | None, typer.Option(metavar="ID", help="Show this record.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=0, help="Records to list.")] = RECORDS_SHOWN,
    as_json: AsJson = False,
) -> None:
    """Show what a version holds and what was done to it, or one record's entry."""
    from itertools import islice

    from hmchain.application.data.registered import require_as_registered
    from hmchain.application.site import hospital
    from hmchain.records.catalogue import UnknownVersionError

    with hospital.read_records(hospital.locate(directory), passphrase()) as records:
        catalogue = records.catalogue
        version = catalogue.version(dataset, number)
        require_as_registered(records, version)
        if record is not None:
            entry = catalogue.record(dataset, version.number, record)
            if entry is None:
                raise UnknownVersionError(f"dataset {dataset} has no such record", f"hmchain data show {dataset}")
            if as_json:
                output.emit(entry)
            else:
                pairs = plain(entry)
                output.fields((*((k, v) for k, v in pairs.items() if k != "attributes"), *entry.attributes.items()))
            return
        about = catalogue.dataset(dataset)
        assert about is not None, "a version belongs to a dataset"
        entries = list(islice(catalogue.records(dataset, version.number), limit))
        actions = catalogue.actions(dataset, version.number)
        duplicates = catalogue.duplicates(dataset, version.number)
    if as_json:
        output.emit({**data.version_fields(version), "title": about.title, "project": about.project,
                     "profile": about.profile.name,
                     "duplicates": duplicates, "actions": actions, "entries": entries})  # fmt: skip
        return
    output.fields((
        ("dataset", f"{dataset}, version {version.number}, {data.state(version)}"),
        ("title", about.title),
        ("from", version.source),
        ("records", f"{version.records} of {version.subjects} patients, {size(version.size)}"),
        ("given twice", duplicates),
        ("in quarantine", version.held),
        ("project, profile", f"{about.project}, {about.profile.name}: {about.profile.title}"),
        ("root", version.root.hex() if version.root else "- (open: hmchain data register)"),
    ))  # fmt: skip
    if actions:
        output.heading("What de-identification did")
        output.table(("element", "done", "times#"), ((a.element, a.done, a.count) for a in actions))
    if entries:
        output.heading(f"Records{'' if version.records <= limit else f' (the first {limit})'}")
        output.table(
            ("record", "patient", "type", "size#", "label", "attributes"),
            ((e.record, e.subject[:12], e.media_type, size(e.size), e.label,
              ", ".join(f"{k} {v}" for k, v in e.attributes.items() if k != "label")) for e in entries),
        )  # fmt: skip


@app.command(epilog=example("hmchain data register brain-64"))
def register(
    dataset: DatasetArgument,
    directory: HospitalOption = DEFAULT_FOLDER,
    number: VersionOption = None,
    leave_waiting: Annotated[bool, typer.Option("--leave-waiting", help="Leave out what waits in quarantine.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fix a version for good, write its card and FHIR Provenance, and put its root and rounded count on the ledger."""
    from hmchain.application.data import cards, provenance, publication
    from hmchain.application.site import hospital

    place = hospital.locate(directory)
    with hospital.open_records(place, passphrase()) as records, output.progress_bar("assessing records") as progress:
        version = publication.fix(records, dataset, number, leave_waiting=leave_waiting)
        card, assessment = cards.write_card(records, version, progress)
        done = provenance.write_of_version(records, version)
        schema = publication.schema_of(records, version)
    published = publication.publish_at(place, version, schema, passphrase())
    if as_json:
        output.emit({**plain(published), "card": card, "provenance": done, "findings": assessment.findings})
        return
    output.fields((
        ("dataset", f"{dataset}, version {version.number}"),
        ("records", f"{version.records}, on the ledger as {output.count_range(published.count)}"),
        ("root", (version.root or b"").hex()),
        ("card", card),
        ("provenance", done),
        ("findings", data.findings(assessment)),
        ("ledger", "published" if published.published else "not published: this hospital is in no network yet"),
    ))  # fmt: skip


@app.command(epilog=example("hmchain data card brain"))
def card(
    dataset: DatasetArgument,
    directory: HospitalOption = DEFAULT_FOLDER,
    number: VersionOption = None,
    as_json: AsJson = False,
) -> None:
    """Look at all records of a version and write its dataset card: a page and a JSON file, for the hospital's eyes."""
    from hmchain.application.data import cards
    from hmchain.application.site import hospital

    with hospital.read_records(hospital.locate(directory), passphrase()) as records:
        version = records.catalogue.version(dataset, number)
        with output.progress_bar("assessing records") as progress:
            page, assessment = cards.write_card(records, version, progress)
    if as_json:
        output.emit({"card": page, "findings": assessment.findings})
    else:
        output.fields((("card", page), ("findings", data.findings(assessment))))


@app.command(epilog=example("hmchain data verify brain-64"))
def verify(
    dataset: DatasetArgument,
    directory: HospitalOption = DEFAULT_FOLDER,
    number: VersionOption = None,
    record: Annotated[str | None, typer.Option(metavar="ID", help="Check this record alone.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the ledger.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read every record and compare them with what was registered; exit status 7 if they are not the same."""
    from hmchain.application.data import publication
    from hmchain.application.site import hospital

    place = hospital.locate(directory)
    with hospital.read_records(place, passphrase()) as records:
        version = records.catalogue.version(dataset, number)
        anchor = None if offline else publication.anchor_at(place, version, passphrase())
        with output.progress_bar("reading records") as progress:
            found = publication.check(records, version, anchor, record, progress)
    if as_json:
        output.emit(found)
        return
    compared = "the ledger's root" if found.on_ledger else "the catalogue's root; the ledger was not asked"
    output.say(
        f"{found.records} record(s) of {dataset} version {version.number} are as registered.", style="bold green"
    )
    output.fields((("compared with", compared),))


@app.command(epilog=example("hmchain data prove RECORD --out proof.json"))
def prove(
    record: Annotated[str, typer.Argument(metavar="RECORD", help="The record's id, as `data show` lists it.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="A new file, for the auditor.")],
    directory: HospitalOption = DEFAULT_FOLDER,
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="Its dataset.", show_default="the one that has it")
    ] = None,
    number: VersionOption = None,
    as_json: AsJson = False,
) -> None:
    """Prove that a registered version holds a record, to an auditor who has the ledger or the version's root.

    Think before you hand it over. It shows the record's id, the digest of its ciphertext, the exact number of records
    and the key of the version's root; nothing of other records. It cannot be taken back, not even by erasing.
    """
    from hmchain.application.data import record_proof
    from hmchain.application.site import hospital

    with hospital.read_records(hospital.locate(directory), passphrase()) as records:
        made = record_proof.prove(records, record, dataset, number)
        root = records.catalogue.version(made.proof.dataset, made.proof.version).root
    record_proof.write(made, out)
    if as_json:
        output.emit({"file": out, "dataset": made.proof.dataset, "version": made.proof.version, "root": root})
        return
    output.say(
        f"{out} proves that {made.proof.dataset} version {made.proof.version} holds the record. Check it offline:"
    )
    output.say(f"hmchain audit verify-record {out} --genesis DIGEST --dir LEDGER", style="bold")


@app.command(epilog=example("hmchain data export brain --output brain-files"))
def export(
    dataset: DatasetArgument,
    target: Annotated[Path, typer.Option("--output", metavar="DIR", help="A new folder.")],
    directory: HospitalOption = DEFAULT_FOLDER,
    number: VersionOption = None,
    as_json: AsJson = False,
) -> None:
    """Write the records of a version, de-identified but decrypted, into a folder, with an index.

    If it is cut short, the same command goes on in the same folder.
    """
    from hmchain.application.data import changes
    from hmchain.application.site import hospital

    with hospital.read_records(hospital.locate(directory), passphrase()) as records:
        version = records.catalogue.version(dataset, number)
        with output.progress_bar("writing records") as progress:
            count = changes.export(records, version, target, progress)
    if as_json:
        output.emit({"folder": target, "records": count})
    else:
        output.say(f"{count} records are in {target}, with {changes.INDEX}. They are not encrypted there.")


RecordOption = Annotated[str | None, typer.Option("--record", metavar="ID", help="This record.")]
SubjectOption = Annotated[
    str | None, typer.Option("--subject", metavar="PSEUDONYM", help="The patient with this pseudonym, in its project.")
]
PatientOption = Annotated[
    str | None,
    typer.Option(
        "--patient",
        metavar="ID",
        help="The patient with this identifier of the hospital, in every project; - reads it from standard input.",
    ),
]


@app.command(epilog=example("hmchain data erase --patient -"))
def erase(
    dataset: Annotated[
        str | None, typer.Argument(metavar="[DATASET]", help="Of a record: its dataset. A patient goes from all.")
    ] = None,
    directory: HospitalOption = DEFAULT_FOLDER,
    record: RecordOption = None,
    subject: SubjectOption = None,
    patient: PatientOption = None,
    as_json: AsJson = False,
) -> None:
    """Destroy the keys of a record or of a patient's records, then the ciphertext: nobody can bring them back.

    Later extractions pass over what was erased, until `hmchain data opt-out --lift`. On the ledger the versions that
    had some are withdrawn: no new study may use them.
    """
    from hmchain.application.data import changes, publication
    from hmchain.application.site import hospital
    from hmchain.errors import HMChainError

    target, place = _target(record, subject, patient), hospital.locate(directory)
    with hospital.open_records(place, passphrase()) as records:
        done = changes.erase(records, dataset, target)
        erased = publication.erased_versions(records)
    try:
        withdrawn, pending = publication.withdraw_at(place, erased, passphrase()), None
    except HMChainError as error:  # the records are gone, whatever the node says
        withdrawn, pending = [], error
    data.show_erased(done, withdrawn, pending, as_json=as_json)


@app.command(epilog=example("hmchain data withdraw"))
def withdraw(directory: HospitalOption = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Have the ledger say of which versions records were erased: what `data erase` does, if the node ran then."""
    from hmchain.application.data import publication
    from hmchain.application.site import hospital

    place = hospital.locate(directory)
    with hospital.open_records(place, passphrase()) as records:
        erased = publication.erased_versions(records)
    withdrawn = publication.withdraw_at(place, erased, passphrase())
    if as_json:
        output.emit({"withdrawn": withdrawn})
    elif withdrawn:
        output.say(
            "Withdrawn on the ledger: " + output.listed(f"{name} version {number}" for name, number in withdrawn)
        )
    else:
        output.say("There is nothing to withdraw.")


@app.command("opt-out", epilog=example("hmchain data opt-out --patient - --lift"))
def opt_out(
    directory: HospitalOption = DEFAULT_FOLDER,
    record: RecordOption = None,
    subject: SubjectOption = None,
    patient: PatientOption = None,
    lift: Annotated[bool, typer.Option("--lift", help="Take it back: later extractions take them again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Have later extractions pass over a patient or a record. What is here already stays: `hmchain data erase`."""
    from hmchain.application.data import changes
    from hmchain.application.site import hospital

    target = _target(record, subject, patient)
    with hospital.open_records(hospital.locate(directory), passphrase()) as records:
        lifted = changes.lift_opt_out(records, target) if lift else 0
        if not lift:
            changes.opt_out(records, target)
    if as_json:
        output.emit({"opted_out": not lift, "lifted": lifted})
    elif not lift:
        output.say("Later extractions pass over it. Kept is a keyed digest, no identifier.")
    elif lifted:
        output.say("Later extractions take it again; what an open version had of it comes with the next version.")
    else:
        output.say("Nothing of the kind had opted out.")


def _target(record: str | None, subject: str | None, patient: str | None) -> Target:
    """What is named, by exactly one of the three."""
    import sys

    from hmchain.application.data.changes import Target
    from hmchain.errors import InputError

    known = sys.stdin.readline().strip() if patient == "-" else patient
    if sum(given is not None for given in (record, subject, known)) != 1 or not (record or subject or known):
        raise InputError("nothing, or more than one thing, is named", "give one of --record, --subject and --patient")
    return Target(known, subject, record)
