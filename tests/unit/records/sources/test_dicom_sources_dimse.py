"""DIMSE against a PACS that misbehaves, played by pynetdicom: refusals, aborts, silence, objects nobody asked for."""

from __future__ import annotations

import logging
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from hmchain.records.sources.dicom.arrivals import Arrivals
from hmchain.records.sources.dicom.dimse import Dimse
from hmchain.records.sources.dicom.dimse_client import Pacs, Receiver
from hmchain.records.sources.http import Patience
from hmchain.records.sources.item import ItemUnavailableError, SourceError
from support.certificates import authority

NOBODY: Callable[[str], bool] = lambda name: False  # noqa: E731
HASTY = Patience((0.01, 0.01))
CT = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))


def found(event: Any) -> Iterator[tuple[int, Dataset | None]]:
    """One study of one series of one object, with all its identifiers."""
    yield 0xFF00, CT[0x00080005:0x00200013]
    yield 0x0000, None


def given(event: Any) -> Iterator[Any]:
    yield 1
    yield 0xFF00, CT


@contextmanager
def pacs(
    *handlers: Any, title: str = "PACS", contexts: tuple[Any, ...] | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    entity = AE(ae_title=title)
    entity.require_called_aet = True
    models = (
        Verification,
        StudyRootQueryRetrieveInformationModelFind,
        StudyRootQueryRetrieveInformationModelGet,
        StudyRootQueryRetrieveInformationModelMove,
    )
    for model in contexts or models:
        entity.add_supported_context(model)
    entity.add_supported_context(CTImageStorage, scu_role=True, scp_role=True)
    server = entity.start_server(("127.0.0.1", 0), block=False, ssl_context=tls, evt_handlers=list(handlers))
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


def source(port: int, **settings: Any) -> Dimse:
    return Dimse(Pacs("127.0.0.1", port, "PACS", **{"patience": HASTY, "timeout_s": 2.0, **settings}))


def test_one_object_by_c_get() -> None:
    with pacs((evt.EVT_C_FIND, found), (evt.EVT_C_GET, given)) as port:
        dimse = source(port)
        (item,) = dimse.items(NOBODY)
        assert item.name == f"{CT.StudyInstanceUID}/{CT.SeriesInstanceUID}/{CT.SOPInstanceUID}"
        with item.open() as file:
            assert pydicom.dcmread(file).PixelData == CT.PixelData
        dimse.close()


def watched_arrivals(monkeypatch: pytest.MonkeyPatch, before: Callable[[], None]) -> list[tuple[Arrivals, int]]:
    """The answers to all objects that come in, and who gave them; `before` is called with each."""
    handlers, answers = vars(Arrivals)["handlers"].fget, list[tuple[Arrivals, int]]()

    def watching(arrivals: Arrivals) -> list[Any]:
        *others, (kind, store) = handlers(arrivals)

        def watched(event: Any) -> int:
            before()
            answers.append((arrivals, store(event)))
            return answers[-1][1]

        return [*others, (kind, watched)]

    monkeypatch.setattr(Arrivals, "handlers", property(watching))
    return answers


def test_nothing_of_an_object_lies_under_a_name_while_it_comes_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[list[str]] = []
    watched_arrivals(monkeypatch, lambda: seen.append([path.name for path in tmp_path.iterdir()]))
    large = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    large.Rows = large.Columns = 1024
    large.PixelData = bytes(2 << 20)

    def give(event: Any) -> Iterator[Any]:
        yield 1
        yield 0xFF00, large

    with pacs((evt.EVT_C_FIND, found), (evt.EVT_C_GET, give)) as port:
        dimse = source(port)
        with next(dimse.items(NOBODY)).open() as file:
            assert seen == [[]] and list(tmp_path.iterdir()) == []
            assert len(pydicom.dcmread(file).PixelData) == 2 << 20
        dimse.close()


def test_an_object_that_was_not_asked_for_is_not_taken_in(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = watched_arrivals(monkeypatch, lambda: None)
    other = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = "1.2.3"

    def push(event: Any) -> Iterator[Any]:
        yield 1
        yield 0xFF00, other

    with pacs((evt.EVT_C_FIND, found), (evt.EVT_C_GET, push)) as port:
        dimse = source(port)
        with pytest.raises(ItemUnavailableError):
            next(dimse.items(NOBODY)).open()
        ((arrivals, status),) = answers
        assert status == 0x0124 and arrivals.take("1.2.3", 0.0) is None
        dimse.close()


def test_an_object_that_the_pacs_cannot_send_is_one_item_less() -> None:
    def refuse(event: Any) -> Iterator[Any]:
        yield 0
        yield 0xC001, None

    def empty(event: Any) -> Iterator[Any]:
        yield 0

    for handler in (refuse, empty):
        with pacs((evt.EVT_C_FIND, found), (evt.EVT_C_GET, handler)) as port:
            dimse = source(port)
            item = next(dimse.items(NOBODY))
            for _ in range(4):
                with pytest.raises(ItemUnavailableError):
                    item.open()
            with pytest.raises(SourceError, match="none of 5 objects") as failure:  # then it is not the object
                item.open()
            assert not isinstance(failure.value, ItemUnavailableError)
            dimse.close()


def test_a_pacs_that_calls_itself_otherwise() -> None:
    with pacs(title="OTHER") as port, pytest.raises(SourceError, match="rejects us") as failure:
        source(port).check()
    assert "HMCHAIN" in failure.value.hint


def test_a_pacs_that_cannot_do_c_get() -> None:
    models = (Verification, StudyRootQueryRetrieveInformationModelFind)
    with pacs((evt.EVT_C_FIND, found), contexts=models) as port:
        dimse = source(port)
        dimse.check()
        with pytest.raises(SourceError) as failure:
            next(dimse.items(NOBODY)).open()
        assert "C-MOVE" in failure.value.hint
        dimse.close()


def test_a_pacs_that_aborts_is_asked_again() -> None:
    tries: list[int] = []

    def aborting(event: Any) -> Iterator[Any]:
        tries.append(1)
        if len(tries) < 3:
            event.assoc.abort()
            return
        yield from given(event)

    with pacs((evt.EVT_C_FIND, found), (evt.EVT_C_GET, aborting)) as port:
        dimse = source(port)
        with next(dimse.items(NOBODY)).open() as file:
            assert pydicom.dcmread(file).PatientID == CT.PatientID
        dimse.close()
    assert len(tries) == 3


def test_a_short_query_that_breaks_off_is_asked_again() -> None:
    tries: list[str] = []

    def breaking(event: Any) -> Iterator[Any]:
        tries.append(event.identifier.QueryRetrieveLevel)
        if tries.count("IMAGE") == 1 and tries[-1] == "IMAGE":
            event.assoc.abort()
            return
        yield from found(event)

    with pacs((evt.EVT_C_FIND, breaking)) as port:
        dimse = source(port)
        assert len(list(dimse.items(NOBODY))) == 1
        dimse.close()
    assert tries.count("IMAGE") == 2


def test_a_query_that_breaks_off_in_the_middle_is_no_short_answer() -> None:
    def breaking(event: Any) -> Iterator[Any]:
        yield 0xFF00, CT[0x00080005:0x00200013]
        event.assoc.abort()
        yield 0x0000, None

    with pacs((evt.EVT_C_FIND, breaking)) as port, pytest.raises(SourceError, match="broke off a C-FIND") as failure:
        list(source(port).items(NOBODY))
    assert "same command" in failure.value.hint


def test_a_silent_pacs_is_not_waited_for_for_ever() -> None:
    release, answered = threading.Event(), threading.Event()

    def silent(event: Any) -> int:
        release.wait(60)
        answered.set()
        return 0x0000

    with pacs((evt.EVT_C_ECHO, silent)) as port:
        with pytest.raises(SourceError, match="silent"):
            source(port, timeout_s=0.3, patience=Patience(())).check()
        assert not answered.is_set()
        release.set()


def test_a_pacs_that_is_not_there() -> None:
    with pacs() as port:
        pass
    waited: list[float] = []
    with pytest.raises(SourceError, match="cannot be reached"):
        source(port, patience=Patience((1.0, 2.0), waited.append)).check()
    assert waited == [1.0, 2.0]


@pytest.mark.parametrize(
    ("status", "what", "again"),
    [(0xA900, "refuses a C-FIND", False), (0xC001, "refuses a C-FIND", False), (0xA700, "cannot answer", True)],
)
def test_a_query_that_is_refused(status: int, what: str, again: bool) -> None:
    def refuse(event: Any) -> Iterator[Any]:
        refusal = Dataset()
        refusal.Status, refusal.ErrorComment = status, "Doe^John"
        yield refusal, None

    with pacs((evt.EVT_C_FIND, refuse)) as port, pytest.raises(SourceError, match=what) as failure:
        list(source(port).items(NOBODY))
    assert "Doe" not in str(failure.value) and ("same command" in failure.value.hint) is again


def test_a_destination_that_the_pacs_does_not_know() -> None:
    def unknown(event: Any) -> Iterator[Any]:
        yield None, None

    with pacs((evt.EVT_C_FIND, found), (evt.EVT_C_MOVE, unknown)) as port:
        with pacs() as taken:
            pass
        dimse = source(port, receiver=Receiver("127.0.0.1", taken))
        with pytest.raises(SourceError, match="does not know HMCHAIN as a destination") as failure:
            next(dimse.items(NOBODY)).open()
        assert str(taken) in failure.value.hint
        dimse.close()


def test_a_port_that_is_taken() -> None:
    with pacs((evt.EVT_C_FIND, found)) as port:
        dimse = source(port, receiver=Receiver("127.0.0.1", port))
        with pytest.raises(SourceError, match="nothing can be taken in"):
            next(dimse.items(NOBODY)).open()
        dimse.close()


def test_queries_and_answers_stay_out_of_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pacs((evt.EVT_C_FIND, found), (evt.EVT_C_GET, given)) as port:
        dimse = source(port)
        next(dimse.items(NOBODY)).open().close()
        dimse.close()
    assert str(CT.PatientName) not in caplog.text and str(CT.PatientID) not in caplog.text


def test_a_pacs_must_prove_who_it_is_where_an_authority_is_given(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    tls, _ = authority(tmp_path), authority(tmp_path / "other")
    with pacs((evt.EVT_C_FIND, found), (evt.EVT_C_GET, given), tls=tls) as port:
        dimse = source(port, ca_file=tmp_path / "ca.pem")
        dimse.check()
        next(dimse.items(NOBODY)).open().close()
        dimse.close()
        with pytest.raises(SourceError, match="certificate"):
            source(port, ca_file=tmp_path / "other" / "ca.pem").check()
    with pytest.raises(SourceError, match="not a certificate file"):
        source(port, ca_file=tmp_path / "nothing.pem").check()


@pytest.mark.parametrize("title", ["", "  ", "SEVENTEEN LETTERS", "ÄE"])
def test_titles_are_checked(title: str) -> None:
    with pytest.raises(SourceError, match="AE title"):
        Pacs("127.0.0.1", 104, title)


def test_c_move_does_not_pretend_to_be_encrypted(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="unencrypted"):
        Pacs("127.0.0.1", 104, "PACS", receiver=Receiver("127.0.0.1", 105), ca_file=tmp_path / "ca.pem")
