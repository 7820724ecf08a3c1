"""A PACS through DICOMweb: QIDO-RS finds what there is, WADO-RS gives the objects one by one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from hmchain.records.sources.dicom.selection import EVERYTHING, Selection
from hmchain.records.sources.dicom.web_client import WebClient
from hmchain.records.sources.finds import Finds
from hmchain.records.sources.http import WebServer
from hmchain.records.sources.item import DICOM, Item

PAGE = 500

_UID = re.compile(r"[0-9A-Za-z_-][0-9A-Za-z._-]{0,127}")  # wider than PS3.5 allows, and safe in a path

_STUDY, _SERIES, _OBJECT = "0020000D", "0020000E", "00080018"
_PATIENT, _DATE, _DESCRIPTION, _MODALITY, _MODALITIES = "00100020", "00080020", "00081030", "00080060", "00080061"
_OBJECTS_IN_STUDY = "00201208"

Match = Mapping[str, Any]


class DicomWeb:
    """The objects of a DICOMweb server (a `Source`).

    An item's name is `STUDY/SERIES/OBJECT`, of their UIDs: what is extracted is left out of a later run however the
    server orders its answers. Objects that arrive while a run goes on may be left to the next one.
    """

    def __init__(self, server: WebServer, selection: Selection = EVERYTHING, *, page: int = PAGE) -> None:
        self._client = WebClient(server)
        self._selection = selection
        self._page = page
        self.finds = Finds(answers=True)
        """What the last run of `items` came upon."""

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def check(self) -> None:
        """See whether the server answers and lets us in; raises `SourceError`."""
        self._client.search("studies", {"limit": "1"})

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        """The selected objects, study by study, but for those that are `done`; each is fetched when it is opened."""
        self.finds.clear()
        for study in self._studies():
            for series in self._below(f"studies/{study}/series", _SERIES, (_MODALITY,)):
                if self._selection.takes_series(_text(series, _MODALITY)):
                    yield from self._objects(study, _text(series, _SERIES), done)

    def count(self) -> int | None:
        """Count the selected studies' objects, if the server says it; None if only some modalities are taken."""
        if self._selection.modalities:
            return None
        total = 0
        for match in self._matching_studies():
            objects = _text(match, _OBJECTS_IN_STUDY)
            if not objects.isdigit():
                return None
            total += int(objects)
        return total

    def _objects(self, study: str, series: str, done: Callable[[str], bool]) -> Iterator[Item]:
        path = f"studies/{study}/series/{series}/instances"
        for match in self._below(path, _OBJECT, ()):
            uid = _text(match, _OBJECT)
            name = f"{study}/{series}/{uid}"
            self.finds.file(name)
            if self.finds.wants(done, name):
                yield Item(name, DICOM, partial(self._client.retrieve, f"{path}/{uid}"))

    def _studies(self) -> Iterator[str]:
        for match in self._matching_studies():
            yield _text(match, _STUDY)

    def _matching_studies(self) -> Iterator[Match]:
        """The studies that are selected. A server may ignore conditions that it does not know: all are checked here."""
        patients = self._selection.patients
        for patient in [""] if patients is None else sorted(patients):
            query = {"PatientID": patient, "StudyDate": self._selection.study_dates}
            if len(self._selection.modalities) == 1:
                query["ModalitiesInStudy"] = next(iter(self._selection.modalities))
            for match in self._below("studies", _STUDY, (_PATIENT, _DATE, _DESCRIPTION, _OBJECTS_IN_STUDY), query):
                told = (_text(match, tag) for tag in (_PATIENT, _DATE, _DESCRIPTION))
                if self._selection.takes_study(*told):
                    yield match

    def _below(
        self, path: str, key: str, fields: tuple[str, ...], query: Mapping[str, str] | None = None
    ) -> Iterator[Match]:
        """The matches of a query, page by page; `key` is the tag of the UID that tells them apart.

        A page may be shorter than what was asked for, so only an empty one is the end; a server that knows no paging
        gives the same page again.
        """
        conditions: dict[str, str | list[str]] = {name: value for name, value in (query or {}).items() if value}
        conditions["includefield"] = list(fields)
        offset, before = 0, frozenset[str]()
        while True:
            matches = self._client.search(path, conditions | {"limit": str(self._page), "offset": str(offset)})
            uids = frozenset(_text(match, key) for match in matches)
            new = [match for match in matches if _text(match, key) not in before]
            if not new:
                return
            for match in new:
                if _UID.fullmatch(_text(match, key)):
                    yield match
                else:
                    self.finds.file(f"{path}/{_text(match, key)}")
                    self.finds.passed("no valid UID")
            if len(matches) > self._page:
                return  # it gave all at once
            offset, before = offset + len(matches), uids


def _text(match: Match, tag: str) -> str:
    """A match's value of an attribute, the first if there are several (PS3.18 F.2)."""
    element = match.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return str(values[0]) if isinstance(values, list) and values else ""
