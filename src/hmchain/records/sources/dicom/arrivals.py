"""Objects that a PACS sends us by C-STORE: only those that were asked for, and never under a name on disk for long.

pynetdicom writes an object that comes in to a file of its own, so that memory does not grow with the object's size.
Here that file loses its name as soon as its first bytes are in: nothing is left of it when it is closed, or when the
process ends in the middle.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.events import Event, EventHandlerType

_SUCCESS, _REFUSED, _UNABLE = 0x0000, 0x0124, 0xC000


class Arrivals:
    """Takes the objects in; safe to use from the threads that pynetdicom runs."""

    def __init__(self) -> None:
        from pynetdicom import _config

        _config.STORE_RECV_CHUNKED_DATASET = True
        # What is asked for and answered names patients: it stays out of logs, whatever their level.
        _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
        self._changed = threading.Condition()
        self._expected: set[str] = set()
        self._arrived: dict[str, BinaryIO] = {}
        self._nameless: dict[Association, tuple[Path, BinaryIO]] = {}  # of objects that are coming in

    @property
    def handlers(self) -> list[EventHandlerType]:
        """The handlers that pynetdicom is to call."""
        from pynetdicom import evt

        return [
            (evt.EVT_CONN_OPEN, _hurry),
            (evt.EVT_DATA_SENT, _hurry),
            (evt.EVT_DATA_RECV, _hurry),
            (evt.EVT_PDU_RECV, self._hide),
            (evt.EVT_CONN_CLOSE, self._drop),
            (evt.EVT_C_STORE, self._store),
        ]

    def expect(self, uid: str) -> None:
        """Allow the object `uid` to be sent."""
        with self._changed:
            self._expected.add(uid)

    def take(self, uid: str, within_s: float) -> BinaryIO | None:
        """The object `uid`, from its start, if it arrives in time; it is no longer expected."""
        with self._changed:
            self._changed.wait_for(lambda: uid in self._arrived, within_s)
            self._expected.discard(uid)
            return self._arrived.pop(uid, None)

    def close(self) -> None:
        """Let go of what nobody took."""
        with self._changed:
            for file in self._arrived.values():
                file.close()
            self._arrived.clear()

    def _hide(self, event: Event) -> None:
        """Take the name from a file that is still being written. What is open is still written and read."""
        # Not part of pynetdicom's interface: should it be gone one day, files lose their names when they are whole.
        path = getattr(getattr(event.assoc.dimse, "message", None), "_data_set_path", None)
        if isinstance(path, Path) and self._nameless.get(event.assoc, (None,))[0] != path:
            self._open_and_unlink(event, path)

    def _open_and_unlink(self, event: Event, path: Path) -> None:
        self._drop(event)
        with suppress(OSError):
            self._nameless[event.assoc] = path, path.open("rb")
            path.unlink()

    def _drop(self, event: Event) -> None:
        """Let go of what the connection was bringing when it broke."""
        if (coming := self._nameless.pop(event.assoc, None)) is not None:
            coming[1].close()

    def _store(self, event: Event) -> int:
        path = event.dataset_path
        if self._nameless.get(event.assoc, (None,))[0] != path:
            self._open_and_unlink(event, path)
        _, file = self._nameless.pop(event.assoc, (path, None))
        uid = str(getattr(event.request, "AffectedSOPInstanceUID", ""))
        with self._changed:
            if file is None:
                return _UNABLE
            if uid not in self._expected or uid in self._arrived:
                file.close()
                return _REFUSED
            self._arrived[uid] = file
            self._changed.notify_all()
        return _SUCCESS


def _hurry(event: Event) -> None:
    """Keep the system from holding small messages and acknowledgements back, some 40 ms each: objects are many.

    DCMTK, which many PACS are built on, writes a message in two pieces, and its system sends the second only when the
    first is acknowledged; that Linux does so at once has to be asked for after every message.
    """
    connection = getattr(event.assoc.dul.socket, "socket", None)
    if connection is not None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_QUICKACK"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
