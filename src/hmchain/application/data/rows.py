"""Make a dataset of rows, as a trainer of somebody's own learns from, of de-identified tables or FHIR resources.

All rows of a patient lie in one record, so that an erasure takes all of them, and on one side of the split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hmchain import decoding
from hmchain.application.data.extraction import require_name
from hmchain.application.data.preparation import (
    OtherFormError,
    UnfitForLearningError,
    open_prepared,
    permitted_of,
    validating,
)
from hmchain.application.data.received import Act, require_allowed
from hmchain.application.data.registered import require_as_registered
from hmchain.application.data.row_form import Field, RowForm, RowFormError, as_word, is_readable, numbers
from hmchain.application.data.row_reading import Values, row_of_resources, rows_of_table
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import Records
from hmchain.canonical import digest
from hmchain.plain import Progress, tell
from hmchain.records.catalogue import ItemDone, RecordEntry, Version
from hmchain.records.pictures.prepared import TRAIN, VALIDATION
from hmchain.records.prepared_rows import MEDIA_TYPE, RowSet, encode_rows
from hmchain.records.sources.item import FHIR, TABLE

CLASS_PATIENTS_MIN = 2


@dataclass(frozen=True)
class PreparedRows:
    """The dataset that was made."""

    version: Version
    classes: tuple[str, ...]
    features: tuple[str, ...]
    """Names of the numbers in a row."""
    form: bytes
    """Digest of the declaration: that of every hospital of a study must be the same."""
    rows: int
    patients: int
    train: int
    """Patients to train with."""
    validation: int
    left_out: Counter[str]
    """Rows that are not among them, by reason."""


@dataclass(frozen=True)
class _Patient:
    entry: RecordEntry
    """The first of the patient's records, under whose id the rows are kept."""
    rows: RowSet

    @property
    def mark(self) -> bytes:
        """Of what the rows are: ids are drawn anew with every key, and a split must not be."""
        return digest("hmchain prepared rows", self.rows.values.tobytes(), self.rows.labels.tobytes())


def prepare_rows(
    records: Records,
    source: Version,
    name: str,
    form: RowForm,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> PreparedRows:
    """Make the open version of dataset `name` of the records of `source`. The split follows from rows and `seed`.

    Raises `DatasetNameError`, `UnfitForLearningError`, `OtherFormError`, `RowFormError` if the form takes who somebody
    is for a feature, `ChangedDatasetError` if `source` is not what it was registered as, or an error of vault or
    catalogue.
    """
    require_name(name)
    require_allowed(records, source.dataset, Act.PREPARE)
    require_as_registered(records, source)
    _require_nobody(records, source, form)
    left_out: Counter[str] = Counter()
    patients = sorted(_patients(records, source, form, left_out, progress), key=lambda each: each.mark)
    first = np.array([int(each.rows.labels[0]) for each in patients], np.int64)
    for index, label in enumerate(form.classes):
        if (count := int((first == index).sum())) < CLASS_PATIENTS_MIN:
            reasons = "; ".join(f"{many} rows left out: {why}" for why, many in left_out.items()) or "none was left out"
            what = (
                f"dataset {source.dataset} has {count} patients of class {label}, and {CLASS_PATIENTS_MIN} are needed"
            )
            raise UnfitForLearningError(f"{what} ({reasons})", "check columns, label and classes of the declaration")
    validation = validating(np.arange(len(patients)), first, seed)
    with recorded(records.folder.activity, Deed(What.PREPARE, dataset=name)) as deed:
        version = open_prepared(records, source, name, form, "rows")
        _store(records, source, version, form, patients, validation.tolist())
        deed.add(version=version.number, records=len(patients))
    held = int(validation.sum())
    return PreparedRows(
        records.catalogue.version(name, version.number), form.classes, form.names, form.digest,
        sum(len(each.rows.labels) for each in patients), len(patients), len(patients) - held, held, left_out,
    )  # fmt: skip


def _require_nobody(records: Records, source: Version, form: RowForm) -> None:
    """Raise `RowFormError` if a column of the form says, by pseudonym, who somebody is."""
    dataset = records.catalogue.dataset(source.dataset)
    if form.is_fhir or dataset is None or not dataset.schema:
        return
    from hmchain.records.sources.tables import TableSchema  # polars takes a quarter of a second

    tables = decoding.from_json(dataset.schema, TableSchema).tables.values()
    who = {name for table in tables for role in ("subject", "identifier") for name in table.of_role(role)}
    if named := sorted(who & {field.column for field in form.fields}):
        what = f"column {named[0]} says who somebody is: nothing is learnt from it"
        raise RowFormError(what, "take it out of the declaration")


def _patients(
    records: Records, source: Version, form: RowForm, left_out: Counter[str], progress: Progress | None
) -> Iterator[_Patient]:
    """Each patient who gives a row."""
    wanted = FHIR if form.is_fhir else TABLE
    entries: dict[str, list[RecordEntry]] = {}
    permitted, of = permitted_of(records, source)
    left_out += of.reasons
    for entry in permitted:
        if entry.kind == wanted and not entry.subject:
            left_out["a record that is nobody's"] += 1
        elif entry.kind == wanted and entry.subject not in of.whole:
            left_out["a record of a patient of whom others may not be used"] += 1
        elif entry.kind == wanted:
            entries.setdefault(entry.subject, []).append(entry)
        else:
            left_out[f"a record of kind {entry.kind}"] += 1
    for done, mine in enumerate(entries.values(), 1):
        mine.sort(key=lambda entry: entry.record)
        contents = [records.vault.get(source.dataset, source.number, entry.record) for entry in mine]
        made = [row for values in _values(form, contents) if (row := _row(form, values, mine[0], left_out))]
        if made:
            values = np.array([row for row, _ in made], np.float32)
            yield _Patient(mine[0], RowSet(values, np.array([label for _, label in made], np.int64)))
        tell(progress, done, len(entries))


def _values(form: RowForm, contents: Sequence[bytes]) -> Iterator[Values]:
    if form.is_fhir:
        yield row_of_resources(form, contents)
    else:
        for data in contents:
            yield from rows_of_table(form, data)


def _row(form: RowForm, values: Values, entry: RecordEntry, left_out: Counter[str]) -> tuple[list[float], int] | None:
    """Numbers and label of a row, or why there are none."""
    label = _label(form.label, values, entry)
    if label not in form.classes:
        left_out["label of no class" if label else "no label"] += 1
        return None
    row: list[float] = []
    for feature in form.features:
        found = numbers(feature, values[feature])
        if found is None:
            left_out[f"no {feature.name}"] += 1
            return None
        if not all(map(is_readable, found)):
            left_out[f"{feature.name} too large"] += 1
            return None
        row += found
    return row, form.classes.index(label)


def _label(field: Field | None, values: Values, entry: RecordEntry) -> str:
    value = entry.label if field is None else values[field]
    return "" if value is None else as_word(value)


def row_form_of(records: Records, version: Version) -> RowForm:
    """The form of the rows of a dataset that `prepare_rows` made."""
    dataset = records.catalogue.dataset(version.dataset)
    assert dataset is not None, "a version belongs to a dataset"
    return decoding.from_json(dataset.form, RowForm)


def _store(
    records: Records,
    source: Version,
    version: Version,
    form: RowForm,
    patients: Sequence[_Patient],
    validation: Sequence[bool],
) -> None:
    """Encrypt and catalogue the rows, under the ids and patients of the records that they come from."""
    name, number = version.dataset, version.number
    made = [
        (patient, *_made(patient, form, validates)) for patient, validates in zip(patients, validation, strict=True)
    ]
    _require_the_same(records, version, {entry.record: entry for _, entry, _ in made})
    done: list[ItemDone] = []
    with records.vault.writer(name, number) as writer:
        for patient, entry, data in made:
            item = digest("hmchain prepared rows of", source.dataset.encode(), entry.record.encode())
            if records.catalogue.is_done(name, number, item):
                continue
            if not records.vault.has(name, number, entry.record):
                writer.put(entry.record, data, patient.entry.subject)
            elif records.vault.get(name, number, entry.record) != data:  # left by a run with another split
                raise _prepared_otherwise(version)
            done.append(ItemDone(item, (entry,)))
    records.catalogue.add_items(name, number, done)


def _made(patient: _Patient, form: RowForm, validates: bool) -> tuple[RecordEntry, bytes]:
    split = VALIDATION if validates else TRAIN
    data = encode_rows(split, patient.rows)
    labels = {form.classes[label] for label in patient.rows.labels.tolist()}
    attributes = {"split": split, "rows": str(len(patient.rows.labels))}
    entry = patient.entry
    label = labels.pop() if len(labels) == 1 else ""
    return RecordEntry(entry.record, entry.subject, TABLE, MEDIA_TYPE, len(data), label, attributes), data


def _require_the_same(records: Records, version: Version, wanted: Mapping[str, RecordEntry]) -> None:
    """Raise `OtherFormError` if the version holds rows already, and not these: a patient could be on both sides."""
    known = records.catalogue.records(version.dataset, version.number)
    held = {each.record: (each.label, dict(each.attributes)) for each in known}
    if held and held != {record: (each.label, dict(each.attributes)) for record, each in wanted.items()}:
        raise _prepared_otherwise(version)


def _prepared_otherwise(version: Version) -> OtherFormError:
    what = f"version {version.number} of {version.dataset} was prepared of other rows, or split in another way"
    return OtherFormError(what, "register it first, which begins the next version, or choose another name with --into")
