"""A page and what stands around it, as values: pages are functions of views, and know no request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import htpy as h

from hmchain.interfaces.portal.texts import ENGLISH, Later

SYSTEM, LIGHT, DARK = "system", "light", "dark"
THEMES = (SYSTEM, LIGHT, DARK)
_LOCAL = re.compile(r"/(?![/\\])[^\x00-\x20\\]*")


@dataclass(frozen=True)
class Page:
    """One page: its title and content, which no frame has changed yet."""

    title: str
    content: h.Node
    lead: h.Node = None
    """A sentence under the title: what the page is for."""
    crumbs: tuple[tuple[str, str], ...] = ()
    """The way here: (title, path) of the pages above this one."""
    active: str = ""
    """The path of the entry of the navigation that it belongs to; the page's own path where it is empty."""
    status: int = 200


@dataclass(frozen=True)
class Entry:
    """A page in the navigation."""

    title: Later
    path: str
    role: str = ""
    """In whose navigation it stands; everybody's where it is empty."""


@dataclass(frozen=True)
class AsOf:
    """The block as of which a page speaks, and who vouches for it."""

    height: int
    words: str
    """A reader's words on who signed it, or that nobody did yet."""


@dataclass(frozen=True)
class Look:
    """How somebody wants pages to be."""

    language: str = ENGLISH
    theme: str = SYSTEM


@dataclass(frozen=True)
class Frame:
    """What stands around every page that somebody sees."""

    here: str
    """This page's path, with what was asked."""
    organisation: str = ""
    """The hospital whose portal this is."""
    person: str = ""
    """Who is signed in; nobody where it is empty."""
    role: str = ""
    """The role whose pages are shown."""
    roles: tuple[str, ...] = ()
    """All that whoever is signed in can look as."""
    hospitals: tuple[str, ...] = ()
    """Of a finished run: those one can look as."""
    entries: tuple[Entry, ...] = ()
    """The pages that whoever is signed in may open."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How much waits on a page, by its path."""
    as_of: AsOf | None = None
    trouble: str = ""
    """Why nothing new comes from the node; empty while it does."""
    since: str = ""
    """The place in the ledger from which on what happens is not in the page yet."""
    look: Look = Look()
    csrf: str = ""
    """What a form of ours sends, and no other page knows."""
    signs_here: bool = False
    read_only: bool = False
    said: tuple[str, ...] = ()
    """What whoever comes from another page is told, once."""


def local(path: str, otherwise: str = "/") -> str:
    """A path of this portal; `otherwise` for an address of anybody else's."""
    return path if _LOCAL.fullmatch(path) else otherwise
