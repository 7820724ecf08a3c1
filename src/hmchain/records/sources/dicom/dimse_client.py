"""Requests to a PACS over DIMSE (PS3.7): echo, find, and one object at a time by C-GET or C-MOVE."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from hmchain.records.sources.dicom.arrivals import Arrivals
from hmchain.records.sources.http import PATIENT, MomentaryError, Patience, trust
from hmchain.records.sources.item import ItemUnavailableError, SourceError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pynetdicom.ae import ApplicationEntity
    from pynetdicom.association import Association
    from pynetdicom.presentation import PresentationContext
    from pynetdicom.transport import ThreadedAssociationServer

_TITLE_MAX = 16
_FAILURES_MAX = 5
_PDU_BYTES = 1 << 17
_CONTEXTS_MAX = 128
_SUCCESS, _PENDING = 0x0000, (0xFF00, 0xFF01)
_REJECTED_FOR_NOW = 0x02
_UNKNOWN_DESTINATION = 0xA801
_MOMENTARY = {0xA700, 0xA701}  # out of resources

T = TypeVar("T")


@dataclass(frozen=True)
class Receiver:
    """The place where we take in what a PACS sends at our request (C-MOVE); the PACS must know it under our title."""

    host: str
    """The address to listen at, for instance `0.0.0.0` for all of this machine's."""
    port: int


@dataclass(frozen=True)
class Pacs:
    """A PACS, and how it is asked."""

    host: str
    port: int
    title: str
    """Its application entity title."""
    own_title: str = "HMCHAIN"
    """Ours, which its administrator has allowed."""
    receiver: Receiver | None = None
    """With it objects come by C-MOVE, without by C-GET over the connection that asks for them."""
    ca_file: Path | None = None
    """With it the connection is encrypted, and the PACS must have a certificate of this authority."""
    timeout_s: float = 30.0
    """How long it may stay silent."""
    patience: Patience = PATIENT

    def __post_init__(self) -> None:
        for title in (self.title, self.own_title):
            if not 0 < len(title.strip()) <= _TITLE_MAX or not title.isascii() or not title.isprintable():
                raise SourceError(f"{title!r} is no AE title", "it has 1 to 16 letters, digits or signs")
        if self.receiver is not None and self.ca_file is not None:
            raise SourceError("what a PACS sends by C-MOVE comes unencrypted", "use C-GET where TLS is wanted")

    def __str__(self) -> str:
        return f"{self.title} at {self.host}:{self.port}"


class DimseClient:
    """Associations with a PACS, made when they are needed; safe to use from several threads, which take turns."""

    def __init__(self, pacs: Pacs) -> None:
        self._pacs = pacs
        self._turn = threading.RLock()
        self._arrivals = Arrivals()
        self._entity = _entity(pacs)
        self._server: ThreadedAssociationServer | None = None
        self._open: Association | None = None
        self._open_for = ""
        self._failed = 0  # objects in a row that did not come

    def close(self) -> None:
        """End the association and stop listening."""
        with self._turn:
            self._release()
            if self._server is not None:
                self._server.shutdown()
                self._server = None
            self._arrivals.close()

    def echo(self) -> None:
        """See whether the PACS answers (C-ECHO); raises `SourceError`."""
        from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

        def attempt() -> None:
            with self._association([_context(Verification)]) as association:
                self._check(association.send_c_echo(), "C-ECHO")

        self._insist(attempt)

    def find(self, query: Dataset) -> list[Dataset]:
        """The matches of a query in the study root model; raises `SourceError`."""

        def attempt() -> list[Dataset]:
            with self._association([_find_context()]) as association:
                return list(self._matches(association, query))

        return self._insist(attempt)

    def find_each(self, query: Dataset) -> Iterator[Dataset]:
        """The same while they come in, for long answers. One that breaks off in the middle is not tried again."""
        association = self._insist(lambda: self._associate([_find_context()]))
        try:
            yield from self._matches(association, query)
        except MomentaryError as error:
            raise self._gave_up(error) from error
        finally:
            _end(association)

    def _matches(self, association: Association, query: Dataset) -> Iterator[Dataset]:
        for status, match in association.send_c_find(query, str(_find_context().abstract_syntax)):
            if self._check(status, "C-FIND") in _PENDING and match is not None:
                yield match

    def retrieve(self, study: str, series: str, uid: str, sop_class: str) -> BinaryIO:
        """One object, from its start. `sop_class` is its class where the PACS told it, else nothing.

        Raises `ItemUnavailableError` if the PACS cannot give this one, `SourceError` if it gives nothing at all.
        """
        from pydicom.dataset import Dataset

        wanted = Dataset()
        wanted.QueryRetrieveLevel = "IMAGE"
        wanted.StudyInstanceUID, wanted.SeriesInstanceUID, wanted.SOPInstanceUID = study, series, uid
        ask = self._get if self._pacs.receiver is None else self._move
        with self._turn:
            try:
                file = self._insist(lambda: self._received(uid, lambda: ask(wanted, sop_class)))
            except ItemUnavailableError as error:
                self._failed += 1
                if self._failed < _FAILURES_MAX:
                    raise
                receiver = self._pacs.receiver
                hint = (
                    f"see whether it reaches this machine's port {receiver.port}" if receiver else "look into its log"
                )
                raise SourceError(f"{self._pacs} sent none of {self._failed} objects in a row", hint) from error
            self._failed = 0
            return file

    def _received(self, uid: str, ask: Callable[[], None]) -> BinaryIO:
        """The object that arrives because of `ask`."""
        self._arrivals.expect(uid)
        try:
            ask()
        except (MomentaryError, SourceError) as error:
            arrived = self._arrivals.take(uid, 0.0)
            if arrived is not None and isinstance(error, ItemUnavailableError):
                return arrived  # whole, whatever the PACS says of it: it may say so of a warning
            if arrived is not None:
                arrived.close()
            if isinstance(error, MomentaryError):
                self._release()
            raise
        # By C-MOVE it comes over a connection of its own, which may be behind the answer.
        file = self._arrivals.take(uid, self._pacs.timeout_s if self._pacs.receiver else 0.0)
        if file is None:
            raise ItemUnavailableError(f"{self._pacs} lists an object that it does not send", "ask about it there")
        return file

    def _get(self, wanted: Dataset, sop_class: str) -> None:
        from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet  # type: ignore[attr-defined]

        model = StudyRootQueryRetrieveInformationModelGet
        association = self._standing(sop_class, [_context(model), *_storage_contexts(sop_class)])
        for status, _ in association.send_c_get(wanted, model):
            self._check(status, "C-GET")

    def _move(self, wanted: Dataset, sop_class: str) -> None:
        from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove  # type: ignore[attr-defined]

        self._listen()
        model = StudyRootQueryRetrieveInformationModelMove
        association = self._standing("move", [_context(model)])
        for status, _ in association.send_c_move(wanted, self._pacs.own_title, model):
            self._check(status, "C-MOVE")

    def _listen(self) -> None:
        receiver = self._pacs.receiver
        if self._server is not None or receiver is None:
            return
        address = (receiver.host, receiver.port)
        try:
            self._server = self._entity.start_server(address, block=False, evt_handlers=self._arrivals.handlers)
        except OSError as error:
            what = f"nothing can be taken in at {receiver.host}:{receiver.port}"
            raise SourceError(what, "another program listens there, or the address is not this machine's") from error

    def _standing(self, purpose: str, contexts: list[PresentationContext]) -> Association:
        """The association that is open, if it is for the same purpose, or a new one."""
        if self._open is None or not self._open.is_established or self._open_for != purpose:
            self._release()
            self._open, self._open_for = self._associate(contexts), purpose
        return self._open

    def _release(self) -> None:
        if self._open is not None:
            _end(self._open)
            self._open = None

    @contextmanager
    def _association(self, contexts: list[PresentationContext]) -> Iterator[Association]:
        association = self._associate(contexts)
        try:
            yield association
        finally:
            _end(association)

    def _associate(self, contexts: list[PresentationContext]) -> Association:
        from pynetdicom import build_role

        storage = {str(context.abstract_syntax) for context in contexts[1:]}
        encryption = encryption_of(self._pacs)
        try:
            association = self._entity.associate(
                self._pacs.host,
                self._pacs.port,
                contexts=contexts,
                ae_title=self._pacs.title,
                max_pdu=_PDU_BYTES,
                ext_neg=[build_role(kind, scp_role=True) for kind in sorted(storage)],
                tls_args=encryption,
                evt_handlers=self._arrivals.handlers,
            )
        except socket.gaierror as error:
            raise MomentaryError("cannot be reached: no machine of that name is known") from error
        offered = {context.abstract_syntax for context in association.accepted_contexts}
        if association.is_established and contexts[0].abstract_syntax in offered:
            return association
        _end(association)
        if association.accepted_contexts or association.rejected_contexts:
            raise SourceError(f"{self._pacs} does not offer what is needed", "choose another way: C-GET, C-MOVE or web")
        if association.is_rejected and getattr(association.acceptor.primitive, "result", 0) != _REJECTED_FOR_NOW:
            hint = f"its administrator must allow the title {self._pacs.own_title} from this machine, and "
            raise SourceError(f"{self._pacs} rejects us", hint + f"{self._pacs.title} must be its own title")
        trust = f", or has no certificate of {self._pacs.ca_file}" if self._pacs.ca_file else ""
        raise MomentaryError(f"cannot be reached, or is too busy for a connection{trust}")

    def _check(self, status: Dataset, what: str) -> int:
        """Return an answer's code; raise what a failure means. Its comment is not repeated: it may name a patient."""
        if "Status" not in status:
            raise MomentaryError(f"broke off a {what}, or was silent for {self._pacs.timeout_s:g} s")
        code = int(status.Status)
        if code in (_SUCCESS, *_PENDING):
            return code
        if code in _MOMENTARY:
            raise MomentaryError(f"cannot answer a {what} now (status {code:#06x})")
        if code == _UNKNOWN_DESTINATION and self._pacs.receiver is not None:
            hint = f"its administrator must enter it with this machine's address and port {self._pacs.receiver.port}"
            raise SourceError(f"{self._pacs} does not know {self._pacs.own_title} as a destination", hint)
        if what in ("C-GET", "C-MOVE"):
            raise ItemUnavailableError(f"{self._pacs} could not send an object (status {code:#06x})", "see its log")
        raise SourceError(f"{self._pacs} refuses a {what} (status {code:#06x})", "look into its log")

    def _insist(self, attempt: Callable[[], T]) -> T:
        try:
            return self._pacs.patience.insist(attempt)
        except MomentaryError as error:
            raise self._gave_up(error) from error

    def _gave_up(self, error: MomentaryError) -> SourceError:
        hint = "once it answers again, the same command goes on; what was extracted stays"
        return SourceError(f"{self._pacs} {error}", hint)


def _entity(pacs: Pacs) -> ApplicationEntity:
    from pynetdicom import AE, AllStoragePresentationContexts

    entity = AE(ae_title=pacs.own_title)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = pacs.timeout_s
    entity.connection_timeout = pacs.timeout_s
    entity.maximum_pdu_size = _PDU_BYTES
    if pacs.receiver is not None:
        entity.require_called_aet = True
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(str(context.abstract_syntax), _transfer_syntaxes())
    return entity


def _transfer_syntaxes() -> list[str]:
    from pydicom.uid import AllTransferSyntaxes

    return [str(syntax) for syntax in AllTransferSyntaxes]


def _context(abstract: object, *syntaxes: str) -> PresentationContext:
    from pynetdicom import build_context

    return build_context(str(abstract), list(syntaxes) or None)


def _find_context() -> PresentationContext:
    from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]

    return _context(StudyRootQueryRetrieveInformationModelFind)


def _storage_contexts(sop_class: str) -> list[PresentationContext]:
    """Choose contexts for C-GET: with a class each of its transfer syntaxes, so that the PACS sends it as it has it.

    Without one the usual classes, in the syntaxes that every PACS can give: 128 contexts are all that can be offered.
    """
    from pynetdicom import StoragePresentationContexts

    if sop_class:
        return [_context(sop_class, syntax) for syntax in _transfer_syntaxes()]
    return [_context(context.abstract_syntax) for context in StoragePresentationContexts[: _CONTEXTS_MAX - 1]]


def encryption_of(pacs: Pacs) -> tuple[ssl.SSLContext, str] | None:
    """What an association is encrypted with; None if it is not. Raises `SourceError`."""
    if pacs.ca_file is None:
        return None
    try:
        return trust(pacs.ca_file), pacs.host
    except OSError as error:
        raise SourceError(f"{pacs.ca_file} is not a certificate file", "give one in PEM form") from error


def _end(association: Association) -> None:
    with contextlib.suppress(Exception):  # whatever the connection has come to, we are done with it
        if association.is_established:
            association.release()
