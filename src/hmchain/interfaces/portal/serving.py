"""The portal's process: one ledger followed, one application, one port, until it is told to stop.

It lives beside the node and apart from it: the node never waits for it, and does not notice when it ends.
"""

from __future__ import annotations

import socket
import sys
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from os import environ
from pathlib import Path

import uvicorn
from msgspec.structs import replace
from starlette.types import ASGIApp

from hmchain.application.access.settings import DEFAULT_LISTEN, load
from hmchain.application.access.sign_in import Access
from hmchain.application.jobs.answers import Answers
from hmchain.application.jobs.jobs import Jobs
from hmchain.application.node.live import open_live
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.run import RunFolder
from hmchain.errors import InputError
from hmchain.interfaces.api.signed_in import by_session_or_token
from hmchain.interfaces.api.site import Site, anybody
from hmchain.interfaces.portal import app
from hmchain.interfaces.portal.connections import OneLength, Prompt
from hmchain.interfaces.portal.hosts import OwnNames
from hmchain.interfaces.portal.watching import Outgoing, watched
from hmchain.plain import Progress
from hmchain.processes import ended_by_signals, open_files, share_memory
from hmchain.records.sources.http import is_loopback

_GRACE_SECONDS = 2
"""For what is being answered when it is told to stop; whoever follows events is cut off then."""
_KEPT_SECONDS = 30
_HEAD_BYTES_MAX = 64 << 10
_FILES_MAX, _CONNECTIONS_MAX = 4096, 1000
"""A connection may have a file that it brings; a third is for all else."""
_BACKLOG = 512
"""As many come at once, before one makes room for another."""
_DESKTOPS = ("DISPLAY", "WAYLAND_DISPLAY")


class PortalListenError(InputError):
    """The portal cannot listen where it was told to."""

    code = "portal_listen"


class PortalPlaceError(InputError):
    """A portal shows hospitals, and there are none in the folder that was named."""

    code = "portal_place"


@dataclass(frozen=True)
class Served:
    """What a portal was, once it has ended."""

    place: Path
    address: str


class Portal:
    """A portal that is ready to answer. What goes wrong is in its own log; a server's would quote what was asked."""

    def __init__(
        self,
        application: ASGIApp,
        listening: socket.socket,
        address: str,
        certificate: tuple[Path, Path] | None = None,
        ends: Callable[[], None] = lambda: None,
    ) -> None:
        """`listening` is bound; from `run` on it answers. With a certificate and its key, over HTTPS.

        `ends` is called once it is told to stop, before it waits for what is being answered.
        """
        self.address = address
        self._socket = listening
        chain, key = certificate or (None, None)
        settings = uvicorn.Config(
            OneLength(application), log_config=None, log_level="critical", access_log=False, server_header=False,
            lifespan="off", proxy_headers=False, timeout_graceful_shutdown=_GRACE_SECONDS,
            timeout_keep_alive=_KEPT_SECONDS, ssl_certfile=chain, ssl_keyfile=key,
            h11_max_incomplete_event_size=_HEAD_BYTES_MAX, http=Prompt, ws="none", backlog=_BACKLOG,
        )  # fmt: skip
        Prompt.connections_max = min(_CONNECTIONS_MAX, open_files(_FILES_MAX) // 3)
        self._server = _Server(settings)
        self._server.ends = ends

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Answer until SIGTERM, Ctrl-C or `stop`; `ready` is called once it does."""
        self._server.ready = ready
        with ended_by_signals(self.stop):
            self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Have `run` return."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """Uvicorn, which leaves signals to us: it would die of them once more after it has ended."""

    ready: Callable[[], None] = staticmethod(lambda: None)
    ends: Callable[[], None] = staticmethod(lambda: None)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets)
        self.ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let go of who follows events, which would go on for ever; then end as usual."""
        self.ends()
        await super().shutdown(sockets)


@contextmanager
def opened(
    place: Path, listen: str = "", passphrase: str | None = None, progress: Progress | None = None
) -> Iterator[Portal]:
    """The portal of a node's folder, for its hospital's people; or of a run's, for whoever sits at this machine.

    `listen` is where it listens if not where its settings say; `passphrase` opens the hospital's key files; `progress`
    is told of blocks that are executed first. Raises `PortalPlaceError`, `PortalListenError`, `PortalSettingsError`,
    `PortalStoreError`, and what opening a ledger raises.
    """
    share_memory()
    folder = NodeFolder(place)
    with ExitStack() as held:
        if folder.toml.is_file():
            yield held.enter_context(_of_node(folder, listen, passphrase))
        else:
            yield held.enter_context(_of_run(place, listen, progress))


@contextmanager
def _of_run(place: Path, listen: str, progress: Progress | None) -> Iterator[Portal]:
    host, port = _host_and_port(listen or DEFAULT_LISTEN)
    hospitals = _hospitals(place)
    if not is_loopback(host):
        raise PortalListenError(f"a run is shown on this machine alone, and not at {host}", "127.0.0.1, or nothing")
    with open_live(place, progress) as live, _bound(host, port, is_wish=not listen) as listening:
        port = listening.getsockname()[1]
        with closing(Jobs()) as jobs:
            site = Site(place, live, hospitals, anybody(hospitals[0]), jobs=jobs)
            yield Portal(OwnNames(app.create(site), port), listening, f"http://localhost:{port}", ends=site.end)


@contextmanager
def _of_node(folder: NodeFolder, listen: str, passphrase: str | None) -> Iterator[Portal]:
    settings = load(folder)
    host, port = _host_and_port(listen or settings.listen)
    with ExitStack() as held:
        listening = held.enter_context(_bound(host, port, is_wish=False))
        where = f"[{host}]" if ":" in host else host
        settings = replace(settings, listen=f"{where}:{listening.getsockname()[1]}")
        live = held.enter_context(open_live(folder.path))
        access = held.enter_context(closing(Access(folder, settings, live)))
        jobs = held.enter_context(closing(Jobs(folder.portal)))
        given = held.enter_context(closing(Answers(folder.portal)))
        site = Site(
            place=folder.path,
            live=live,
            hospitals=(access.organisation,),
            authenticate=by_session_or_token(access),
            passphrase=lambda: passphrase,
            second_factor=frozenset(settings.second_factor),
            access=access,
            jobs=jobs,
            answers=given,
            signs_here=settings.signs_here,
            sources=settings.sources,
            destinations=settings.destinations,
        )
        outgoing = Outgoing(settings.address, settings.mail, settings.webhook)
        watch = held.enter_context(watched(site, outgoing, folder.portal_store))
        application = app.create(site, language=settings.language, watch=watch)
        certificate = (folder.path / settings.certificate, folder.path / settings.key) if settings.certificate else None
        yield Portal(application, listening, settings.address, certificate, site.end)


def show(address: str) -> None:
    """Open an address in the browser of this desktop, if somebody sits at one."""
    has_desktop = sys.platform != "linux" or any(environ.get(name) for name in _DESKTOPS)
    if has_desktop and sys.stdout.isatty():
        webbrowser.open(address)


def _hospitals(place: Path) -> tuple[str, ...]:
    """Those whose folders lie in a run's. Raises `PortalPlaceError`."""
    folder = RunFolder(place).hospitals
    found = tuple(sorted(each.name for each in folder.iterdir() if each.is_dir())) if folder.is_dir() else ()
    if not found:
        hint = "name a run's or a node's; of a ledger alone `hmchain ledger blocks` and `hmchain report` tell"
        raise PortalPlaceError(f"there is no hospital in {place}", hint)
    return found


def _host_and_port(text: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdecimal() or int(port) > 65535:
        raise PortalListenError(f"{text!r} is no place to listen at", f"HOST:PORT, such as {DEFAULT_LISTEN}")
    return host.strip("[]"), int(port)


def _bound(host: str, port: int, *, is_wish: bool) -> socket.socket:
    """A socket bound there; where the port is a mere wish and taken, at a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError as error:
        found.close()
        if is_wish:
            return _bound(host, 0, is_wish=False)
        what = f"the portal cannot listen at {host}:{port}: {error.strerror or error}"
        raise PortalListenError(what, "stop what is there, or give another port by --listen") from error
    return found
