"""A PACS over DIMSE: C-FIND finds what there is, C-GET or C-MOVE brings the objects one by one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from hmchain.records.sources.dicom.dimse_client import DimseClient, Pacs
from hmchain.records.sources.dicom.selection import EVERYTHING, Selection
from hmchain.records.sources.finds import Finds
from hmchain.records.sources.item import DICOM, Item

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_STUDY = ("StudyInstanceUID", "PatientID", "StudyDate", "StudyDescription", "NumberOfStudyRelatedInstances")
_SERIES = ("StudyInstanceUID", "SeriesInstanceUID", "Modality")
_OBJECT = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")


class Dimse:
    """The objects of a PACS (a `Source`).

    An item's name is `STUDY/SERIES/OBJECT`, of their UIDs. Of the studies only the UIDs are kept, on disk in a file
    without a name, so that no query stays open while objects are fetched.
    """

    def __init__(self, pacs: Pacs, selection: Selection = EVERYTHING) -> None:
        self._client = DimseClient(pacs)
        self._selection = selection
        self.finds = Finds(answers=True)
        """What the last run of `items` came upon."""

    def close(self) -> None:
        """Close connections, and stop listening."""
        self._client.close()

    def check(self) -> None:
        """See whether the PACS answers (C-ECHO); raises `SourceError`."""
        self._client.echo()

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        """The selected objects, study by study, but for those that are `done`; each is fetched when it is opened."""
        self.finds.clear()
        with tempfile.TemporaryFile("w+") as studies:
            studies.writelines(f"{_text(match, 'StudyInstanceUID')}\n" for match in self._matching_studies())
            studies.seek(0)
            for line in studies:
                yield from self._study(line.strip(), done)

    def count(self) -> int | None:
        """Count the selected studies' objects, if the PACS says it; None if only some modalities are taken."""
        if self._selection.modalities:
            return None
        total = 0
        for match in self._matching_studies():
            objects = _text(match, "NumberOfStudyRelatedInstances")
            if not objects.isdigit():
                return None
            total += int(objects)
        return total

    def _study(self, study: str, done: Callable[[str], bool]) -> Iterator[Item]:
        # Whole answers, so that a query is over before the first object is fetched: they are as long as one study has
        # series, and one series objects.
        for series in self._client.find(_query("SERIES", _SERIES, StudyInstanceUID=study)):
            if not self._selection.takes_series(_text(series, "Modality")):
                continue
            uid = _text(series, "SeriesInstanceUID")
            query = _query("IMAGE", _OBJECT, StudyInstanceUID=study, SeriesInstanceUID=uid)
            objects = {
                _text(match, "SOPInstanceUID"): _text(match, "SOPClassUID") for match in self._client.find(query)
            }
            for object_uid, sop_class in objects.items():
                name = f"{study}/{uid}/{object_uid}"
                self.finds.file(name)
                if self.finds.wants(done, name):
                    yield Item(name, DICOM, partial(self._client.retrieve, study, uid, object_uid, sop_class))

    def _matching_studies(self) -> Iterator[Dataset]:
        """The studies that are selected. A PACS may ignore conditions that it does not know: all are checked here."""
        patients = self._selection.patients
        conditions = {"StudyDate": self._selection.study_dates}
        if len(self._selection.modalities) == 1:
            conditions["ModalitiesInStudy"] = next(iter(self._selection.modalities))
        for patient in [""] if patients is None else sorted(patients):
            for match in self._client.find_each(_query("STUDY", _STUDY, PatientID=patient, **conditions)):
                told = (_text(match, keyword) for keyword in ("PatientID", "StudyDate", "StudyDescription"))
                if self._selection.takes_study(*told):
                    yield match


def _query(level: str, wanted: tuple[str, ...], **conditions: str) -> Dataset:
    """A query for the attributes `wanted`, all of them returned; those with a condition matched."""
    from pydicom.config import disable_value_validation
    from pydicom.dataset import Dataset

    query = Dataset()
    query.QueryRetrieveLevel = level
    with disable_value_validation():  # which would print the patient ID of a condition that it finds too long
        for keyword in wanted:
            setattr(query, keyword, None if keyword.startswith("Number") else "")
        for keyword, condition in conditions.items():
            setattr(query, keyword, condition)
    return query


def _text(match: Dataset, keyword: str) -> str:
    value = match.get(keyword)
    return "" if value is None else str(value)
