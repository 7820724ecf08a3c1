"""Commands by which a person decides: as whom, with which key, or into a file that is signed elsewhere."""

from __future__ import annotations

from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from hmchain.interfaces.cli.command import ReadCommand, ResumedCommand, WriteCommand

_handle: ContextVar[str] = ContextVar("as whom", default="")
_key: ContextVar[Path | None] = ContextVar("with which key", default=None)
_prepare: ContextVar[Path | None] = ContextVar("into which file", default=None)


class PersonCommand(WriteCommand):
    """A command by which a person decides something on the ledger."""

    def __init__(self, name: str | None, **settings: Any) -> None:
        super().__init__(name, **settings)
        if not any("--as" in option.opts for option in self.params):
            self.params += _who_acts()


class PortalPersonCommand(PersonCommand):
    """The same of one that a portal is asked for, where `--dir` names its address."""

    asks_portals: ClassVar[bool] = True


class PortalReadCommand(ReadCommand):
    """A command that looks: in a folder, or at a portal, which wants to know who asks."""

    asks_portals: ClassVar[bool] = True

    def __init__(self, name: str | None, **settings: Any) -> None:
        super().__init__(name, **settings)
        taken = {name for option in self.params for name in option.opts}
        self.params += [option for option in _who_asks() if not taken & set(option.opts)]


class ResumedPersonCommand(PersonCommand, ResumedCommand):
    """The same of one that goes on where it stopped."""

    interrupted: ClassVar[str] = ResumedCommand.interrupted


def handle() -> str:
    """The person that was named; empty if none was."""
    return _handle.get()


def key() -> Path | None:
    """The key file that was given."""
    return _key.get()


def prepare() -> Path | None:
    """The file that what is to be signed goes to, if it is signed elsewhere."""
    return _prepare.get()


def _take_handle(given: str) -> str:
    _handle.set(given)
    return given


def _take_key(given: Path | None) -> Path | None:
    _key.set(given)
    return given


def _take_prepare(given: Path | None) -> Path | None:
    _prepare.set(given)
    return given


@cache
def _who_asks() -> Any:
    app = typer.Typer()

    @app.command()
    def _command(
        as_whom: Annotated[
            str,
            typer.Option(
                "--as", metavar="NAME", help="At a portal: who asks, ORGANISATION/PERSON.",
                show_default="that of HMCHAIN_PERSON", callback=_take_handle, expose_value=False,
            ),
        ] = "",
        key: Annotated[
            Path | None,
            typer.Option(
                "--key", metavar="FILE", help="At a portal: that person's key file.",
                show_default="that of HMCHAIN_KEY", callback=_take_key, expose_value=False,
            ),
        ] = None,
    ) -> None: ...  # fmt: skip

    return typer.main.get_command(app).params[:2]


@cache
def _who_acts() -> Any:
    app = typer.Typer()

    @app.command()
    def _command(
        as_whom: Annotated[
            str,
            typer.Option(
                "--as", metavar="NAME", help="The person, or office, who decides.",
                show_default="`acts_as` in node.toml, else the office", callback=_take_handle, expose_value=False,
            ),
        ] = "",
        key: Annotated[
            Path | None,
            typer.Option(
                "--key", metavar="FILE", help="The person's key file.",
                show_default="keys/people/NAME.key", callback=_take_key, expose_value=False,
            ),
        ] = None,
        prepare: Annotated[
            Path | None,
            typer.Option(
                "--prepare", metavar="FILE", help="Write what is to be signed to a new file; sign and send nothing.",
                callback=_take_prepare, expose_value=False,
            ),
        ] = None,
    ) -> None: ...  # fmt: skip

    return typer.main.get_command(app).params[:3]
