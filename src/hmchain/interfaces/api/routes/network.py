"""The network: its validators and their standing, the rules in force, and what the members decide together."""

from __future__ import annotations

from typing import Annotated

import msgspec

from hmchain.application.access.permissions import STEWARD, Operation, Rule, Scope
from hmchain.application.governance import admission, members
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.members import Motion
from hmchain.application.node.status import NetworkStatus
from hmchain.interfaces.api import watch
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Digits, LedgerName, Nothing
from hmchain.interfaces.api.routing import Routes, Upload
from hmchain.ledger.readers.members import BallotView
from hmchain.ledger.readers.rules import ParametersView, RulesView

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
DECIDE = Rule(Operation.DECIDE, Scope.HOSPITAL, (STEWARD,))

FILE_BYTES_MAX = 1 << 20
_VALUE_MAX = 2**53

routes = Routes("network")


class Proposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """Something to put to the members' vote, with this hospital's yes."""


class Removal(Proposal, frozen=True, forbid_unknown_fields=True, tag="remove"):
    """A member leaves, for good."""

    member: LedgerName


class Settings(Proposal, frozen=True, forbid_unknown_fields=True, tag="set"):
    """Other network parameters."""

    parameters: dict[Annotated[str, msgspec.Meta(max_length=64)], Annotated[int, msgspec.Meta(ge=0, le=_VALUE_MAX)]]


class NextRules(Proposal, frozen=True, forbid_unknown_fields=True, tag="upgrade"):
    """The next rules, from a time and a block on."""

    protocol: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    after_ms: Annotated[int, msgspec.Meta(ge=0, le=_VALUE_MAX)] | None = None
    """Not before; an hour after the notice that is due, if it is left out."""
    after_block: Annotated[int, msgspec.Meta(ge=0, le=_VALUE_MAX)] = 0


class CallingOff(Proposal, frozen=True, forbid_unknown_fields=True, tag="call-off"):
    """The agreed upgrade does not take place."""


class Motions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is proposed."""

    proposal: Removal | Settings | NextRules | CallingOff


@routes.get("/network", VIEW, commands=("network status",))
def show_network(call: Call) -> NetworkStatus:
    """Whether the network goes on; validators with power, reputation and jail; who proposed the last blocks."""
    return watch.of_app(call.request.app).network.get()


@routes.get("/network/rules", VIEW, commands=("network upgrade show",))
def show_rules(call: Call) -> RulesView:
    """The protocol in force, the one that comes, and whether this program knows them."""
    with call.ledger() as ledger:
        return ledger.rules()


@routes.get("/network/parameters", VIEW, commands=("network parameters",))
def show_parameters(call: Call) -> ParametersView:
    """The parameters that the members agreed on, and what is proposed to change them."""
    with call.ledger() as ledger:
        return ledger.parameters()


@routes.get("/network/ballots", VIEW, commands=("network ballots",))
def list_ballots(call: Call) -> list[BallotView]:
    """What the members were asked to decide, the newest first."""
    with call.ledger() as ledger:
        return ledger.ballots()


@routes.post("/network/ballots", DECIDE, signs=True, example=Motions(Settings({"round_trip_ms": 160})), commands=(
    "network remove", "network set", "network upgrade propose", "network upgrade call-off",
))  # fmt: skip
def propose_to_members(call: Call, body: Motions) -> BallotView:
    """Put something to the members' vote, with this hospital's yes; two thirds carry it."""
    with call.user() as steward:
        return members.propose(steward, _moved(steward, body.proposal))


def _moved(steward: LedgerUser, proposal: Removal | Settings | NextRules | CallingOff) -> Motion:
    match proposal:
        case Removal(member):
            return members.removal(steward, member)
        case Settings(parameters):
            return members.setting(steward, [f"{name}={value}" for name, value in parameters.items()])
        case NextRules(protocol, after_ms, after_block):
            return members.upgrade(steward, protocol, after_ms, after_block)
        case CallingOff():
            return members.calling_off(steward)


@routes.post("/network/ballots/{digest}/vote", DECIDE, signs=True, commands=("network vote",), example=Nothing())
def vote_on_ballot(call: Call, digest: Digits, body: Nothing) -> BallotView:
    """Vote yes, as this hospital's steward. Once two thirds did, it is done."""
    with call.user() as steward:
        return members.vote(steward, members.open_ballot(steward, digest))


@routes.post("/network/ballots/{digest}/withdrawal", DECIDE, signs=True, commands=("network withdraw",),
             example=Nothing())  # fmt: skip
def withdraw_vote(call: Call, digest: Digits, body: Nothing) -> BallotView:
    """Take this hospital's yes back, as long as the ballot is open."""
    with call.user() as steward:
        return members.withdraw(steward, digest)


@routes.post("/network/admissions", DECIDE, signs=True, bytes_max=FILE_BYTES_MAX, commands=("network admit",))
def propose_admission(call: Call, upload: Upload) -> BallotView:
    """Propose that a hospital joins: the file is its answer to this hospital's challenge."""
    found = admission.candidate(call.node, upload.path)
    with call.user() as steward:
        return members.propose(steward, admission.motion(steward, found))
