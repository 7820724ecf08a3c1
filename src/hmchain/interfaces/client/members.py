"""The members, their people, policies, ballots and incidents, as flows."""

from __future__ import annotations

from dataclasses import replace

from hmchain.application.governance.incidents import IncidentInWords
from hmchain.application.governance.policies.setting import PolicyView
from hmchain.application.governance.policies.words import Difference
from hmchain.application.node.status import NetworkStatus
from hmchain.interfaces.client.flows import Flow, listed, read
from hmchain.interfaces.client.whose import of_member
from hmchain.ledger.readers.deeds import KeyDeed
from hmchain.ledger.readers.incidents import IncidentView
from hmchain.ledger.readers.members import BallotView
from hmchain.ledger.readers.people import PeopleView, PersonView
from hmchain.ledger.readers.powers import Powers
from hmchain.ledger.readers.rules import ParametersView, RulesView


def people(of: str = "") -> Flow[PeopleView]:
    """A member's people."""
    return read("/people", PeopleView, of=of)


def person(name: str) -> Flow[PersonView]:
    """One of the hospital's people."""
    return read(f"/people/{name}", PersonView)


def powers(name: str = "", of: str = "") -> Flow[list[Powers]]:
    """What a person of a member may do now, or everybody."""
    return listed("/powers", Powers, person=name, of=of)


def deeds(name: str, since: int = 1) -> Flow[list[KeyDeed]]:
    """All that a person's keys signed from a block on."""
    return listed(f"/people/{name}/deeds", KeyDeed, since=since)


def policy(organisation: str, dataset: str, version: int | None = None) -> Flow[PolicyView]:
    """A policy in words: of a member, or of the hospital if none is named; the one in force, or a version."""
    return of_member(organisation, lambda owner: read(f"/policies/{owner}/{dataset}", PolicyView, version=version))


def policy_history(organisation: str, dataset: str) -> Flow[list[PolicyView]]:
    """All versions of a policy."""
    return of_member(organisation, lambda owner: listed(f"/policies/{owner}/{dataset}/versions", PolicyView))


def policy_difference(organisation: str, dataset: str, before: int, after: int) -> Flow[Difference]:
    """How two versions of a policy differ."""
    versions = f"{dataset}/versions/{before}/{after}"
    return of_member(organisation, lambda owner: read(f"/policies/{owner}/{versions}", Difference))


def network() -> Flow[NetworkStatus]:
    """Whether the network goes on, its validators, and who proposed."""
    return read("/network", NetworkStatus)


def ballots() -> Flow[list[BallotView]]:
    """What the members were asked to decide."""
    return listed("/network/ballots", BallotView)


def parameters() -> Flow[ParametersView]:
    """The parameters that the members agreed on."""
    return read("/network/parameters", ParametersView)


def rules() -> Flow[RulesView]:
    """The protocol in force, and the one that comes."""
    return read("/network/rules", RulesView)


def incidents(*, living: bool = False) -> Flow[list[IncidentView]]:
    """The incidents of all members."""
    return listed("/incidents", IncidentView, living=living or None)


def incident(name: str, *, signed: bool = False, since_ms: int = 0) -> Flow[IncidentInWords]:
    """One incident; where it is asked for with all that stolen keys signed since a time."""
    found = yield from read(f"/incidents/{name}", IncidentInWords, signed=signed or None)
    return replace(found, signed=tuple(each for each in found.signed if each.time_ms >= since_ms))
