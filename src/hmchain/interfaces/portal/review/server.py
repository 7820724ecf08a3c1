"""The socket of the portal: on this machine alone, on a free port, bounded in what it takes, and silent.

It writes no log: addresses and errors of requests are nobody's business. It ends with its process, or once nobody has
asked anything for a while.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from hmchain.interfaces.portal.review.exchange import Request, Response
from hmchain.interfaces.portal.review.neighbours import is_own

HOST = "127.0.0.1"
BODY_BYTES_MAX = 256 << 10
FIELDS_MAX = 2000
_STRANGER_SECONDS, _WAIT_SECONDS = 2.0, 20.0
"""A connection may be silent for so long before an answer told it anything, and after."""
_CONNECTIONS_MAX = 64
_POLL_SECONDS = 0.5

Answer = Callable[[Request], Response]


class _Standing(IntEnum):
    """How far a connection is known."""

    STRANGER = 0
    OWN = 1
    """Of a program of our own user, and not let in yet."""
    LET_IN = 2


class PortalServer(ThreadingHTTPServer):
    """Listens on loopback; `answer` is called by one thread at a time."""

    daemon_threads = True
    allow_reuse_address = False
    request_queue_size = 128

    def __init__(self, port: int = 0) -> None:
        """`port` 0 is a free one. Raises `OSError` if another is in use."""
        super().__init__((HOST, port), _Handler)
        self._answer: Answer = lambda request: Response(503)
        self._turn = threading.Lock()
        self._doors = threading.Lock()
        self._connections: dict[socket, _Standing] = {}
        """The open ones, the oldest first."""
        self._idle_seconds = 0.0
        self._asked = time.monotonic()

    @property
    def authority(self) -> str:
        """The name and port as browsers write them."""
        return f"{HOST}:{self.server_address[1]}"

    def run(self, answer: Answer, idle_seconds: float) -> None:
        """Answer until `stop` is called, or nobody has asked anything for so long."""
        self._answer, self._idle_seconds, self._asked = answer, idle_seconds, time.monotonic()
        try:
            self.serve_forever(_POLL_SECONDS)
        finally:
            self.server_close()

    def stop(self) -> None:
        """Have `run` return; from any thread, a signal's handler too."""
        threading.Thread(target=self.shutdown, daemon=True).start()

    def answer(self, request: Request) -> Response:
        """Answer one request, and no other meanwhile."""
        with self._turn:
            try:
                found = self._answer(request)
            except Exception:  # what went wrong may quote what was asked, and what was asked may name somebody
                return Response(500, b"That went wrong.", "text/plain")
            if found.status < 400:  # strangers who knock do not keep it up
                self._asked = time.monotonic()
            return found

    def service_actions(self) -> None:
        """End when nobody has asked anything for long; the loop calls it again and again."""
        if time.monotonic() - self._asked > self._idle_seconds:
            self.stop()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a connection; if there are too many, in the place of the one that has been a stranger for longest.

        Those of other users of this machine go first.
        """
        standing = _Standing.OWN if is_own(client_address, self.server_address[1]) else _Standing.STRANGER
        with self._doors:
            known = self._connections
            if len(known) >= _CONNECTIONS_MAX:
                oldest = min(known, key=lambda each: known[each])  # the first of those that stand lowest
                if known[oldest] > standing:
                    self.shutdown_request(request)
                    return
                del known[oldest]
                with suppress(OSError):  # its thread may be closing it
                    oldest.shutdown(SHUT_RDWR)
            known[request] = standing
        super().process_request(request, client_address)

    def let_in(self, request: socket) -> None:
        """Note that who speaks on a connection is no stranger."""
        with self._doors:
            if request in self._connections:
                self._connections[request] = _Standing.LET_IN
                request.settimeout(_WAIT_SECONDS)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._doors:
                self._connections.pop(request, None)

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        """Say nothing of a connection that broke: what it asked for may name somebody."""


class _Handler(BaseHTTPRequestHandler):
    """Turns what comes over the socket into a `Request`."""

    server: PortalServer
    protocol_version = "HTTP/1.1"
    timeout = _STRANGER_SECONDS
    server_version, sys_version = "hmchain", ""

    def do_GET(self) -> None:
        """Answer a GET."""
        self._do({})

    def do_POST(self) -> None:
        """Answer a POST of a form."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > BODY_BYTES_MAX or self.headers.get("Transfer-Encoding"):
            self.send_error(413)
            return
        body = self.rfile.read(int(length))
        if len(body) != int(length):
            self.close_connection = True
            return
        try:
            form = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX)
        except ValueError:
            self.send_error(400)
            return
        self._do(form)

    def _do(self, form: dict[str, list[str]]) -> None:
        try:
            asked = urlsplit(self.path)
            query = parse_qs(asked.query, max_num_fields=FIELDS_MAX)
        except ValueError:
            self.send_error(400)
            return
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            if name.lower() in headers and name.lower() in ("host", "origin", "cookie", "content-length"):
                self.send_error(400)  # two of them: nobody knows which one counts
                return
            headers[name.lower()] = value
        found = self.server.answer(Request(self.command, unquote(asked.path), headers, query, form))
        if found.status < 400:
            self.server.let_in(self.connection)
        self._send(found)

    def _send(self, answer: Response) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse without a word of what was asked, and end the connection."""
        self.close_connection = True
        self._send(Response(int(code), kind="text/plain", more={"Connection": "close"}))

    def version_string(self) -> str:
        """The program's name alone."""
        return self.server_version

    def log_message(self, format: str, *args: object) -> None:
        """Write no log."""
