"""Views of a network, its members and what they decide."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from hmchain.application.governance.admission import AnswerMade, Challenged
from hmchain.application.governance.members import Motion
from hmchain.application.node.joining import FoundedNetwork, JoinedNetwork
from hmchain.application.node.sent import Sent
from hmchain.application.node.status import NetworkStatus
from hmchain.application.pages.figures import plural
from hmchain.application.site import network
from hmchain.application.site.network import Introduction
from hmchain.application.site.node import NodeFolder
from hmchain.clock import now_ms
from hmchain.interfaces.cli import output
from hmchain.ledger.readers.members import BallotView, ValidatorStatus
from hmchain.ledger.readers.rules import PARAMETER_RANGES, ParametersView, RulesView

FOUNDER_COLUMNS = ("hospital", "name", "address", "fingerprint")
VALIDATOR_COLUMNS = ("hospital", "name", "power#", "share#", "consensus#", "learning#", "blocks proposed#", "remarks")
BALLOT_COLUMNS = ("ballot", "proposal", "outcome", "yes", "opened in block#")
PARAMETER_COLUMNS = ("parameter", "value#", "may be")


def show_founded(founded: FoundedNetwork, file: Path) -> None:
    """Say who founded a network, and how each of them joins it."""
    genesis, members = founded.network.genesis, founded.introductions
    rows = ((each.member.organisation, each.member.title, each.address, each.fingerprint) for each in members)
    output.table(FOUNDER_COLUMNS, rows)
    output.say(f"The chain is {genesis.chain_id}: the name, and 80 bits of the digest below.")
    output.say(f"{len(members)} members: the network goes on while at most {founded.tolerated} of them fail or lie.")
    output.say(f"Compare the fingerprints by telephone, then send {file} to every member, with this digest beside it:")
    output.say(f"genesis {genesis.digest.hex()}", style="bold")
    output.say(f"hmchain network join {shlex.quote(str(file))} --genesis {genesis.digest.hex()}", style="bold")


def show_joined(joined: JoinedNetwork, folder: NodeFolder, *, compare: bool) -> None:
    """Say what is left to do after joining; `compare` if nobody named the genesis digest."""
    output.say(f"{folder.settings().organisation} has joined {joined.network}.")
    if not joined.founder:
        read_out = network.load_introduction(folder.introduction).fingerprint
        output.say(f"Its fingerprint, for whoever telephones: {read_out}")
        output.say(f"It is no founder: send {folder.introduction} to a member: `hmchain network challenge FILE` there.")
    if compare:
        question = f"Ask the founder by telephone whether this is the genesis digest: {joined.genesis.hex()}"
        output.say(question, style="bold")
    output.say("Start the node: `hmchain node start`")


def show_network(found: NetworkStatus) -> None:
    """Show the validators of a network."""
    output.heading(f"Network {found.chain_id}, block {found.height}, {found.vouched}")
    output.say(f"{found.health}." if found.health else "Whether it goes on only a running node can say.")
    rows = (
        (each.organisation, each.title, each.power, f"{each.share_permyriad / 100:.1f} %", each.consensus,
         each.learning, each.proposed, _standing(each))
        for each in found.validators
    )  # fmt: skip
    output.table(VALIDATOR_COLUMNS, rows, drop=("blocks proposed#", "name", "learning#"))
    counted = "" if found.health else " with transactions"
    output.say(f"Proposers of the last {plural(found.blocks, 'block')}{counted}. "
               f"At most {plural(found.tolerated, 'member')} may fail or lie.")  # fmt: skip


def _standing(found: ValidatorStatus) -> str:
    if found.tombstoned:
        return "no longer a validator"
    if found.jailed and found.maintenance_until_ms > now_ms():
        return f"maintenance until {output.when(found.maintenance_until_ms)} UTC"
    return "jailed" if found.jailed else ""


def show_challenged(asked: Challenged) -> None:
    """Say what becomes of a challenge."""
    name = asked.candidate.member.organisation
    output.say(f"Compare {name}'s fingerprint by telephone: {asked.candidate.fingerprint}")
    output.say(
        f"Send {asked.file} to {name}, which gives `hmchain network answer FILE` and sends back what that writes:"
    )
    output.say("hmchain network admit answer.json", style="bold")


def show_answer(made: AnswerMade) -> None:
    """Say what becomes of an answer."""
    output.say(f"{made.organisation} has shown that it holds its keys. Send {made.file} to {made.challenger}.")


def show_motion(motion: Motion, newcomer: Introduction | None = None) -> None:
    """Show what the members are to vote on; of a `newcomer` also what is to be compared by telephone."""
    rows: list[tuple[str, object]] = [("proposal", motion.words)]
    if newcomer is not None:
        rows += [
            ("name", newcomer.member.title),
            ("address", newcomer.address),
            ("fingerprint", f"{newcomer.fingerprint}, to be compared by telephone"),
        ]
    output.fields((*rows, ("carried by", f"{motion.needed} of {motion.members} members")))


def show_ballots(found: Sequence[BallotView]) -> None:
    """List ballots."""
    output.table(BALLOT_COLUMNS, map(_row, found))


def show_all_ballots(found: Sequence[BallotView], undecided: Sequence[Sent]) -> None:
    """List ballots, and what this hospital sent about the network that was undecided when its command ended."""
    show_ballots(found)
    for ballot in found:
        if ballot.open and ballot.details:
            output.heading(f"{output.short(ballot.id)}: {ballot.action}")
            output.fields(_details(ballot))
    for each in undecided:
        output.say(f"{each}.")


def show_question(ballot: BallotView) -> None:
    """Show what a yes would be a yes to."""
    output.fields((
        ("proposal", ballot.action),
        *_details(ballot),
        ("yes so far", output.listed(ballot.yes)),
        ("carried by", f"{ballot.needed} members"),
        ("open until", f"{output.when(ballot.until_ms)} UTC; then it lapses"),
    ))  # fmt: skip


def _details(ballot: BallotView) -> tuple[tuple[str, str], ...]:
    notes = {"fingerprint": ": ask there by telephone what node init printed"}
    return tuple((name, value + notes.get(name, "")) for name, value in ballot.details)


def show_ballot(ballot: BallotView) -> None:
    """Show one ballot, and how others agree with it."""
    show_ballots([ballot])
    if ballot.open:
        output.say(f"Other members agree with: `hmchain network vote {output.short(ballot.id)}`")
        output.say(f"It lapses on {output.when(ballot.until_ms)} UTC. Take a yes back until it is carried: "
                   f"`hmchain network withdraw {output.short(ballot.id)}`")  # fmt: skip


def _row(ballot: BallotView) -> tuple[object, ...]:
    return output.short(ballot.id), ballot.action, _outcome(ballot), output.listed(ballot.yes), ballot.opened_height


def _outcome(ballot: BallotView) -> str:
    if ballot.passed:
        return "passed"
    if ballot.withdrawn:
        return "withdrawn"
    if ballot.lapsed:
        return f"lapsed on {output.when(ballot.until_ms)} UTC"
    return f"open: {len(ballot.yes)} of {ballot.needed} needed"


def show_parameters(found: ParametersView) -> None:
    """Show the parameters in force, and the open ballots that would change them."""
    rows = ((name, value, "{} to {}".format(*PARAMETER_RANGES[name])) for name, value in found.parameters.items())
    output.table(PARAMETER_COLUMNS, rows)
    if found.ballots:
        show_ballots(found.ballots)


def rules_words(found: RulesView) -> str:
    """The rules in force and those that come, in a line or two."""
    said = str(found.protocol)
    if found.protocol not in found.known:
        said += ", which this program does not know: install the version that the other members run"
    if found.next is not None:
        said += f"\n{found.next} after {output.when(found.after_ms)} UTC and block {found.after_height}"
        if found.next not in found.known:
            said += "; this program does not know it and will stop there: install the next version before"
    return said


def show_rules(found: RulesView) -> None:
    """Show which rules are in force, and which ones this program knows."""
    output.fields((("protocol", rules_words(found)), ("this program", f"knows {output.listed(map(str, found.known))}")))
