"""What an API is the face of: a node with its hospital, or a finished run that one can only look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import Any

from starlette.requests import Request

from hmchain import apart
from hmchain.apart import ChildProcess
from hmchain.application.access.permissions import HOSPITAL_ROLES, Operation
from hmchain.application.access.principal import Principal
from hmchain.application.access.sign_in import Access
from hmchain.application.jobs.answers import Answers
from hmchain.application.jobs.jobs import Jobs
from hmchain.application.node.live import LiveLedger
from hmchain.application.site.node import NodeFolder
from hmchain.errors import InputError


class ReadOnlyError(InputError):
    """A finished run, or a ledger alone, is only looked at."""

    code = "read_only"


def only_looked_at() -> ReadOnlyError:
    """The error of whoever would change something in a finished run."""
    return ReadOnlyError("this is a finished run, which one only looks at", "sign in at a hospital's own portal")


Authenticate = Callable[[Request], Principal | None]
"""Whoever a request is of, by its cookie or token; None of nobody. Raises an error of ours for what is forged."""


@dataclass(frozen=True)
class Site:
    """A hospital's folder and its ledger, open; and who may come in."""

    place: Path
    """The folder of a node, or of a finished run."""
    live: LiveLedger
    hospitals: tuple[str, ...]
    """Those whose folders lie here: a node's own, or all of a run; the first where nobody says which."""
    authenticate: Authenticate
    passphrase: Callable[[], str | None] = lambda: None
    """Opens the hospital's key files."""
    second_factor: frozenset[str] = frozenset()
    """Operations that take two factors."""
    access: Access | None = None
    """By which people come in; none where everybody looks."""
    jobs: Jobs = field(default_factory=Jobs)
    """Long work of its people."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where data may be taken from, by name: no request names a place of its own."""
    destinations: Mapping[str, str] = field(default_factory=dict)
    """Where records may go, by name."""
    answers: Answers = field(default_factory=Answers)
    """What was answered to writes, by the keys that their askers chose."""
    signs_here: bool = False
    """The hospital chose that people's keys lie here, and sign here."""
    models: ChildProcess = field(default_factory=ChildProcess)
    """Asks models, in a process of its own."""
    ending: Event = field(default_factory=Event)
    """Set when it is to end: who follows the ledger is told no more."""
    apart: Callable[..., Any] = apart.once
    """Does the work of jobs, each in a process of its own."""

    def end(self) -> None:
        """Let go of all who follow the ledger."""
        self.ending.set()
        self.live.wake()

    @cached_property
    def is_read_only(self) -> bool:
        """True where there is no node to send anything through."""
        return not self.node.toml.is_file()

    @property
    def node(self) -> NodeFolder:
        """The folder, as a node's."""
        return NodeFolder(self.place)


def anybody(organisation: str) -> Authenticate:
    """Everybody who looks at a finished run: in every role, and none of the network's."""
    visitor = Principal(organisation, "visitor", frozenset(HOSPITAL_ROLES), scopes=frozenset({Operation.VIEW}))
    return lambda request: visitor
