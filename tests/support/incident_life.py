"""A chapter of `sharing_life`: an office's key is stolen, and the members follow it to the end."""

from __future__ import annotations

from hmchain.ledger.contracts.members.enrolment import ReinstatePerson, SuspendPerson
from hmchain.ledger.contracts.members.incidents import (
    AcknowledgeIncident,
    CloseIncident,
    ContainIncident,
    NoteIncident,
    OpenIncident,
)
from support.ledger_network import Network, signing_key

NAME = "lost-token"


def follow(network: Network) -> None:
    """Opened by b, cut off and contained by d, known to all, closed."""
    send, key = network.send, signing_key("d", "scientist").public.raw
    network.block(send("b", OpenIncident(NAME, "key", "high", ("b",), (), send.clock.ms, bytes(32))))
    network.block(send("b", NoteIncident(NAME, (), ("d",), (key,), b"")))
    contained = ContainIncident(NAME, ("key-cut-off",), bytes(32))
    network.block(send("d", contained))  # too early: the key signs still
    network.block(send("d", SuspendPerson("scientist")), send("d", contained))
    network.block(send("b", ContainIncident(NAME, ("not-affected",), b"")))
    network.block(*(send(name, AcknowledgeIncident(NAME, b"")) for name in "ac"))
    network.block(send("b", CloseIncident(NAME, b"")), send("d", ReinstatePerson("scientist")))
