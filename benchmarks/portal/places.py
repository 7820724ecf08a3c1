"""What there is to look at in a portal: pages by role, reads of the API, and what fills their paths."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hmchain.interfaces.api.app import ROUTES
from hmchain.interfaces.portal.pages import ALL

ROLES = ("steward", "scientist", "operator", "auditor")
_NAMED = re.compile(r"(\w+)/\{(\w+)(?::\w+)?\}")

Known = Mapping[str, Sequence[str]]
"""Values of the parameters of paths, by name, or with the part of the path before it: `requests/name`."""


@dataclass(frozen=True)
class Places:
    """Paths, with parameters still in them."""

    pages: Mapping[str, tuple[str, ...]]
    """By role; everybody's under an empty one."""
    reads: tuple[str, ...]
    left_out: tuple[str, ...]
    """Whose parameters nobody knows here."""

    def page(self, chance: random.Random, role: str) -> str:
        """A page that somebody of a role opens next: three times in four one of the role's own."""
        own, others = self.pages[role], self.pages[""]
        return chance.choice(own if own and (not others or chance.random() < 0.75) else others)


def places(known: Known) -> Places:
    """All pages and reads whose parameters are known."""
    pages: dict[str, list[str]] = {role: [] for role in ("", *ROLES)}
    left_out = []
    for shown in (each for room in ALL for each in room.all if each.method == "GET"):
        first = shown.path.strip("/").partition("/")[0]
        if _is_known(shown.path, known):
            pages[first if first in ROLES else ""].append(shown.path)
        else:
            left_out.append(shown.path)
    reads = []
    for route in ROUTES:
        if route.method == "GET" and route.answer == "application/json":
            (reads if _is_known(route.path, known) else left_out).append(route.path)
    return Places({role: tuple(found) for role, found in pages.items()}, tuple(reads), tuple(left_out))


def filled(path: str, chance: random.Random, known: Known) -> str:
    """A path with values for its parameters."""

    def value(found: re.Match[str]) -> str:
        return f"{found[1]}/{chance.choice(_values(*found.groups(), known))}"

    return _NAMED.sub(value, path)


def _values(before: str, name: str, known: Known) -> Sequence[str]:
    return known.get(f"{before}/{name}") or known.get(name) or ()


def _is_known(path: str, known: Known) -> bool:
    return all(_values(*found, known) for found in _NAMED.findall(path))
