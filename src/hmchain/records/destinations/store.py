"""C-STORE: objects to a PACS, over one association (PS3.4 annex B, PS3.7 9.1.1)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from hmchain.records.destinations.destination import DestinationError, ObjectRefusedError
from hmchain.records.sources.dicom.dimse_client import Pacs, encryption_of
from hmchain.records.sources.http import MomentaryError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pynetdicom.association import Association

_CONTEXTS_MAX = 128
_PDU_BYTES = 1 << 17
_WARNINGS = range(0xB000, 0xC000)
_OUT_OF_RESOURCES = range(0xA700, 0xA800)


class StoreDestination:
    """A PACS that is sent objects over DIMSE."""

    def __init__(self, pacs: Pacs) -> None:
        self._pacs = pacs
        self._kinds: tuple[tuple[str, str], ...] = ()
        """Classes that were sent, each with a transfer syntax."""
        self._open: Association | None = None

    def send(self, data: bytes) -> None:
        """Send one object, over a new association if the last one broke off, or did not offer what it is."""
        from pydicom import dcmread

        sent = dcmread(io.BytesIO(data))
        kind = (str(sent.SOPClassUID), str(sent.file_meta.TransferSyntaxUID))
        if kind not in self._kinds:
            self.close()
            self._kinds = (*self._kinds[-_CONTEXTS_MAX + 1 :], kind)
        self._insist(lambda: self._store(sent))

    def close(self) -> None:
        """End the association."""
        with contextlib.suppress(Exception):  # whatever the connection has come to, we are done with it
            if self._open is not None:
                self._open.release()
        self._open = None

    def _insist(self, attempt: Callable[[], object]) -> None:
        try:
            self._pacs.patience.insist(attempt)
        except MomentaryError as error:
            hint = "once it answers again, the same command sends everything again"
            raise DestinationError(f"{self._pacs} {error}", hint) from error

    def _associate(self) -> Association:
        if self._open is not None and self._open.is_established:
            return self._open
        from pynetdicom import AE, build_context

        entity = AE(ae_title=self._pacs.own_title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = self._pacs.timeout_s
        entity.connection_timeout = self._pacs.timeout_s
        contexts = [build_context(*kind) for kind in self._kinds]
        made = entity.associate(
            self._pacs.host,
            self._pacs.port,
            contexts=contexts,
            ae_title=self._pacs.title,
            max_pdu=_PDU_BYTES,
            tls_args=encryption_of(self._pacs),
        )
        if made.is_established:
            self._open = made
            return made
        if made.is_rejected:
            hint = f"its administrator must allow the title {self._pacs.own_title} from this machine to store, and "
            hint += f"{self._pacs.title} must be its own title"
            raise DestinationError(f"{self._pacs} rejects us", hint)
        if made.rejected_contexts:
            raise self._unlike()
        raise MomentaryError("cannot be reached, or is too busy for a connection")

    def _store(self, sent: Dataset) -> None:
        association = self._associate()
        try:
            status = association.send_c_store(sent)
        except ValueError as error:  # pynetdicom's, where no context of the object's kind was accepted
            raise self._unlike() from error
        if "Status" not in status:
            raise MomentaryError(f"broke off, or was silent for {self._pacs.timeout_s:g} s")
        code = int(status.Status)
        if code in _OUT_OF_RESOURCES:
            raise MomentaryError(f"has no room now (status {code:#06x})")
        if code and code not in _WARNINGS:
            raise ObjectRefusedError(f"{self._pacs} does not take an object (status {code:#06x})", "its log says why")

    def _unlike(self) -> ObjectRefusedError:
        what = f"{self._pacs} does not take objects of an object's class and transfer syntax"
        return ObjectRefusedError(what, "send them to a DICOMweb archive, or export and convert them")
