"""`hmchain data`: a steward's commands, from the hospital's systems to datasets on the ledger."""

from __future__ import annotations

import typer

from hmchain.interfaces.cli.lazy import LazyCommand, LazyGroup


class DataCommands(LazyGroup):
    """The commands in the order of a steward's work; a command's module, and its services, are imported when called."""

    deferred = tuple(LazyCommand("", name, f"data.{module}", text) for name, module, text in (
        ("init", "extract",
         "Make the folder of a hospital that is in no network yet; a node's folder needs no such step."),
        ("extract", "extract",
         "Extract, de-identify, encrypt and catalogue what a source holds. The same command goes on where "
         "it stopped."),
        ("inspect", "extract", "Show what a source holds and what de-identification would do to it. Nothing is kept."),
        ("deidentify", "extract",
         "Write clean files into a folder, with a report of what was done. Held items are left out and "
         "counted."),
        ("label", "prepare",
         "Label records from a table: by the hospital's patient identifier, or by SOP Instance UID "
         "(object)."),
        ("prepare", "prepare",
         "Make images for a federated CNN of a dataset's DICOM objects or pictures, all of one size."),
        ("list", "datasets", "List datasets and their versions, or find records."),
        ("show", "datasets",
         "Show what a version holds and what was done to it, or one record's entry; all of that with "
         "--wide."),
        ("card", "written",
         "Look at all records of a version and write its dataset card: a page and a JSON file, for the "
         "hospital's eyes."),
        ("export", "written",
         "Write the records of a version, de-identified but decrypted, into a folder, with an index."),
        ("register", "register",
         "Fix a version for good, write its card and FHIR Provenance, and put its root and rounded count "
         "on the ledger."),
        ("verify", "register",
         "Read every record and compare them with what was registered; exit status 7 if they are not the "
         "same."),
        ("prove", "register",
         "Prove that a registered version holds a record, to an auditor who has the ledger or the "
         "version's root."),
        ("send", "send",
         "Send the DICOM records of a version to a PACS or an archive, de-identified but decrypted; it "
         "asks first."),
        ("erase", "erase",
         "Destroy the keys of a record or of a patient's records, then the ciphertext: nobody can bring "
         "them back."),
        ("withdraw", "erase",
         "Have the ledger say of which versions records were erased: what `data erase` does, if the node "
         "ran then."),
        ("opt-out", "erase",
         "Let no use begin with a patient's records or a record, nor an extraction take them."),
        ("log", "log", "Say what was done with the hospital's data, by whom and when, and what left the hospital."),
        ("selftest", "selftest",
         "De-identify made-up records full of planted identifiers, and score DICOM by MIDI-B's ten "
         "actions."),
        ("quarantine", "quarantine", "Items that were held back: look at them, let them through or reject them."),
        ("patients", "patients", "Whom patients' numbers mean, merged patients, and the way back from a pseudonym."),
        ("person", "person", "People of the hospital who decide, each with a key file of their own."),
        ("vault", "vault", "Check, mirror, repair and back up the encrypted records; replace keys."),
    ))  # fmt: skip


app = typer.Typer(cls=DataCommands, no_args_is_help=True)
