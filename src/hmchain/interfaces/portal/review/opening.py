"""Opening the page of a desk, and what is left when it is closed."""

from __future__ import annotations

import tempfile
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path

from hmchain.application.data.reviewing import Desk
from hmchain.application.security.events import Event, Kind
from hmchain.application.site.hospital import HospitalFolder
from hmchain.application.site.recording import note
from hmchain.errors import InputError
from hmchain.interfaces.portal.review.gate import Gate
from hmchain.interfaces.portal.review.layout import decisions
from hmchain.interfaces.portal.review.quarantine import QuarantinePages
from hmchain.interfaces.portal.review.server import PortalServer
from hmchain.records.catalogue.held_filter import HeldFilter
from hmchain.records.pipeline.review import Reviewer


class PortalPortError(InputError):
    """The portal cannot listen on the port that was asked for."""

    code = "portal_port"


@dataclass(frozen=True)
class Ended:
    """What a review was."""

    seen: int
    """Items that were looked at."""
    marks: int
    """Marks that were not applied."""
    said: tuple[str, ...]
    """What the last application did."""


class OpenPage:
    """The page of one desk, while it is open."""

    def __init__(self, desk: Desk, server: PortalServer, scratch: Path, folder: HospitalFolder) -> None:
        self._desk, self._server, self._scratch = desk, server, scratch
        self._folder, self._was_entered = folder, False
        self._gate = Gate(server.authority, self._tried)

    @property
    def address(self) -> str:
        """The address that opens it, once."""
        return self._gate.address

    def open(self) -> None:
        """Open it in the desktop's browser, by a file: what stands on a command line is seen by every user."""
        path = self._scratch / "review.html"
        path.touch(mode=0o600)
        path.write_text(f'<meta http-equiv="refresh" content="0; url={escape(self.address)}">', encoding="utf-8")
        webbrowser.open(path.as_uri())

    def run(self, idle_seconds: float) -> None:
        """Answer until `stop`, or until nobody has asked anything for so long."""
        self._server.run(QuarantinePages(self._desk, self._gate).answer, idle_seconds)

    def _tried(self, let_in: bool) -> None:
        self._was_entered |= let_in
        note(self._folder, Event(Kind.SIGN_IN if let_in else Kind.SIGN_IN_REFUSED, "review"))

    def stop(self) -> None:
        """Have `run` return."""
        self._server.stop()

    def ended(self) -> Ended:
        """What it was, once it is closed."""
        if self._was_entered:
            note(self._folder, Event(Kind.SIGN_OUT, "review"))
        return Ended(self._desk.seen, decisions(self._desk.marks()), self._desk.progress.said)


@contextmanager
def quarantine_review(
    folder: HospitalFolder, passphrase: str | None, who: Sequence[Reviewer], wanted: HeldFilter, port: int = 0
) -> Iterator[OpenPage]:
    """Open the review of a hospital's quarantine on this machine.

    Raises `PortalPortError`, or what `read_records` raises.
    """
    try:
        server = PortalServer(port)
    except OSError as error:
        raise PortalPortError(f"port {port} is in use", "leave --port out: a free one is taken") from error
    with (
        server,
        tempfile.TemporaryDirectory(prefix="hmchain-") as scratch,
        Desk(folder, passphrase, who, wanted) as desk,
    ):
        yield OpenPage(desk, server, Path(scratch), folder)
        desk.finish()
