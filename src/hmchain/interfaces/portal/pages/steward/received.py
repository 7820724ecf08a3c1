"""What a steward does with a transfer: take it in, have it erased with a receipt, and clear the members' store."""

from __future__ import annotations

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.routes import sharing
from hmchain.interfaces.portal.components import confirmed, form, name_field, section
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.pages.bodies import body
from hmchain.interfaces.portal.pages.words import at, may, until
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import say
from hmchain.interfaces.portal.working import work
from hmchain.ledger.readers.transfers import Standing, TransferView

DECIDE = Rule(Operation.DECIDE, Scope.HOSPITAL, ("steward",))
RECEIVE, ERASE = "share receive", "share erase"
_ERASABLE = (Standing.RECEIVED, Standing.WAITS, Standing.TO_ERASE, Standing.OVERDUE)

pages = Pages("steward")


def deeds(call: Call, found: TransferView) -> h.Node:
    """What this hospital's steward can do with a transfer now, and how far it is."""
    here = at("steward", "transfers", found.name)
    if found.grantee == call.organisation and may(call, DECIDE):
        return [_receiving(call, found, here), _erasing(call, found, here)]
    if found.giver == call.organisation and found.is_over and may(call, DECIDE):
        return _clearing(call, found, here)
    return None


def _receiving(call: Call, found: TransferView, here: str) -> h.Node:
    if found.standing is not Standing.OFFERED or not found.request:
        return None
    return section(
        say("Take it in"),
        h.p[say("First all of it is held against what {giver} published; what does not fit is refused, and nothing is "
                "kept. Then you sign that it came.", giver=found.giver)],
        work(call, RECEIVE, found.name, here, say("It is taken in: bytes so far"), f"{here}/receive"),
        form(
            f"{here}/receive", csrf_of(call.request),
            name_field(
                "into", say("As the dataset"), found.name, help=say("A name that no dataset of this hospital has.")
            ),
            sends=say("Take it in"),
        ),
        anchor="receive",
    )  # fmt: skip


def _erasing(call: Call, found: TransferView, here: str) -> h.Node:
    if found.standing not in _ERASABLE:
        return None
    csrf = csrf_of(call.request)
    question = say("The keys of all its records are destroyed, and of all that was made of them; nobody brings them "
                   "back. Backups of the vault can: destroy them too. Then you sign the receipt.")  # fmt: skip
    lost = say("You sign that no key was destroyed, since the vault that received it is lost. All members read it so, "
               "for ever. Where the records are in this vault after all, their keys are destroyed, and the receipt "
               "says that.")  # fmt: skip
    return section(
        say("Erase it"),
        [h.p[say("The receipt is owed by"), " ", until(found.due_ms)]] if found.due_ms else None,
        work(call, ERASE, found.name, here, say("It is erased"), f"{here}/erase"),
        confirmed(say("Erase it, and sign the receipt"), question, f"{here}/erase", csrf, say("Erase it for good")),
        confirmed(
            say("The vault that received it is lost"), lost, f"{here}/erase", csrf, say("Say that it is lost"),
            h.input(type="hidden", name="lost", value="yes"),
        ) if found.received_ms else None,
        anchor="erase",
    )  # fmt: skip


def _clearing(call: Call, found: TransferView, here: str) -> h.Element:
    words = say("The agent clears the members' store of what lies there for a transfer that is over. Where no agent "
                "runs, you do.")  # fmt: skip
    return section(
        say("In the members' store"),
        h.p[words],
        work(call, ERASE, found.name, here, say("It is cleared"), f"{here}/erase"),
        form(f"{here}/erase", csrf_of(call.request), label=say("Clear the store"), sends=say("Clear the store")),
        anchor="clear",
    )


@pages.do("/steward/transfers/{name}/receive", DECIDE)
def receive(call: Call, name: str, fields: Fields) -> Next:
    """Take in what another hospital gave."""
    sharing.receive_records(call, name, body(sharing.Received, into=fields.text("into").strip()))
    return Next(f"{at('steward', 'transfers', name)}#receive")


@pages.do("/steward/transfers/{name}/erase", DECIDE)
def erase(call: Call, name: str, fields: Fields) -> Next:
    """Destroy what came, and sign the receipt; at its giver clear the members' store."""
    sharing.erase_records(call, name, sharing.Erased(fields.text("lost") == "yes"))
    return Next(f"{at('steward', 'transfers', name)}#erase")
