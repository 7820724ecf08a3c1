"""The stores: that the members' is shared, and that both can be written, read and cleared."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from hmchain.application.node.store_watch import OWN
from hmchain.application.site.node import exchanged_objects
from hmchain.application.watching.findings import Finding, Subject, failed, ok, warn
from hmchain.application.watching.place import Place
from hmchain.errors import HMChainError
from hmchain.records.objects import ObjectStore

_SUBJECT = Subject.STORE
_PROBE_BYTES = 64


def stores(place: Place) -> Iterator[Finding]:
    """The members' store of a node that has joined, and the hospital's own."""
    if place.node is not None and place.network is not None:
        yield from _members(place)
    if place.hospital is not None and place.hospital.path.is_dir():
        yield from _tried("records", "the store of the hospital's records", place.hospital.store)


def _members(place: Place) -> Iterator[Finding]:
    assert place.node is not None and place.settings is not None
    known = place.known_if_sound
    if not place.settings.objects and known is not None and known.members > 1:
        what, _, way_out = OWN.partition(": ")
        yield warn(_SUBJECT, "shared", what, way_out)
        return
    node = place.node
    yield from _tried("objects", f"the members' store {place.settings.objects or node.objects}",
                      lambda: exchanged_objects(node))  # fmt: skip


def _tried(name: str, what: str, opened: Callable[[], ObjectStore]) -> Iterator[Finding]:
    """Write an object that nobody has, read it and delete it."""
    try:
        store = opened()
        probe = b"hmchain doctor " + os.urandom(_PROBE_BYTES)
        digest = store.put(probe)
        store.get(digest, size=len(probe))
    except HMChainError as error:
        yield failed(_SUBJECT, name, error)
        return
    try:
        store.delete(digest)
    except HMChainError as error:
        words = f"{what} can be written and read; object {digest.hex()} could not be deleted: {error.what}"
        yield warn(_SUBJECT, name, words, "let this node's credentials delete objects, or what is erased stays there")
    else:
        yield ok(_SUBJECT, name, f"{what} can be written, read and cleared")
