"""Founding a chain again, when so many validators are lost for good that no block can be decided any more.

Those that are left take the state after the last block that was decided, carry it over without the lost ones, and begin
a chain of another id with it. What they agree on is a genesis (`genesis.Before`): each of them makes it again from its
own state and signs only the very same. Heights go on: the founding stands in the place of the block that was never
decided, so a validator's record of what it has signed holds on both chains, and what a permit or an agent remembers of
heights stays true. Obligations are numbered in `docs/spec.md`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NoReturn

from msgspec.structs import replace

from hmchain.errors import LedgerError
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger import reputation
from hmchain.ledger.context import STEWARD, Context, Credential
from hmchain.ledger.contracts.learning import ending, rounds, studies
from hmchain.ledger.contracts.members import membership, parameters, people, refounded, standings, upgrades
from hmchain.ledger.contracts.members.parameters import Founding
from hmchain.ledger.contracts.members.refounded import Refounded
from hmchain.ledger.genesis import SALT_BYTES, Before, Deciders, Genesis, Past
from hmchain.ledger.protocols import require_known
from hmchain.ledger.state import State

PROTOCOL = upgrades.SHARING
"""A chain that is founded again follows this protocol at least: programs of before would not know its genesis."""
REASON = "refounded"
"""Why a study ended that was open then."""


class RefoundingError(LedgerError):
    """A chain cannot be founded again in this way, or what is proposed does not follow from the chain before it."""

    code = "refounding"


def propose(state: State, former: Genesis, lost: Collection[str], salt: bytes, time_ms: int) -> Genesis:
    """The genesis of the chain that goes on from `state` without its `lost` members; nobody has signed it yet.

    `former` is the genesis of the chain before. The state is carried over, uncommitted. Raises `RefoundingError`.
    """
    _require_founded_anew(state, salt, time_ms)
    left_out = _require_lost(state, lost)
    height, protocol = state.height, max(PROTOCOL, upgrades.at(state, state.height + 1))
    require_known(protocol, former.name)
    past = (*reversed(former.chains[1:]), Past(former.digest, former.chain_id, height))
    members = tuple(member for member in membership.active_members(state) if member.organisation not in left_out)
    deciders = tuple(_deciders(state, member.organisation) for member in members)
    before = Before(salt, past, state.commitment(), b"", (0,) * len(members), left_out, deciders)
    made = Genesis(
        protocol, former.name, time_ms, members, parameters.current(state), before, parameters.founding(state).notice_ms
    )
    carry(state, made)
    powers = standings.powers(state, (member.organisation for member in members))
    if not any(powers):
        _refuse("no member is left whose validator may decide blocks", "those that signed twice stay ended")
    return replace(made, origin=replace(before, founding=state.commitment(), powers=powers))


def require_successor(state: State, former: Genesis, genesis: Genesis) -> None:
    """Raise `RefoundingError` unless a genesis is the one that `propose` gives of this state; signatures aside.

    The state is carried over, uncommitted.
    """
    before = genesis.before
    if before is None:
        _refuse(f"{genesis.chain_id} was not founded again", "give the file that a member proposed")
    known = state.height
    if before.past[-1].genesis != former.digest:
        _refuse(f"it goes on from another chain than {former.chain_id}", "ask its sender for the right file")
    if before.past[-1].height != known:
        what = f"it goes on from block {before.past[-1].height}, and this ledger has {known} blocks"
        _refuse(what, "the member with the most blocks proposes, and the others fetch these first")
    made = propose(state, former, before.left_out, before.salt, genesis.time_ms)
    if made.digest != genesis.digest:
        _refuse(f"it is not what this ledger's state gives: {_difference(made, genesis)}", "sign nothing of it")


def carry(state: State, genesis: Genesis) -> None:
    """Do to the last state of a chain what founding it again does, uncommitted.

    Members that are lost are removed, as by a ballot; studies that are open end, with the last model that was accepted;
    open ballots lapse; validators that are left decide, all of them back from jail. All else is carried over.
    """
    before = genesis.before
    assert before is not None
    past = before.past[-1]
    context = Context(state, past.chain_id, genesis.height, genesis.time_ms, Credential("", STEWARD))
    for study in studies.studies(state):
        if study.status not in studies.OVER:
            has_opened = study.status not in studies.OPENING
            ending.end(context, study, rounds.current(state, study) if has_opened else None, REASON)
    membership.lapse_ballots(state, genesis.time_ms)
    for organisation in before.left_out:
        membership.remove(state, organisation, genesis.height)
    refounded.put(state, Refounded(genesis.height, past.chain_id, before.left_out))
    standings.carry(state, genesis.height + 1, genesis.time_ms)
    upgrades.carry(state, genesis.protocol, genesis.height + 1)
    parameters.found(state, Founding(before.salt, genesis.notice_ms))


def require_signed(genesis: Genesis) -> None:
    """Raise `RefoundingError` unless every founding member of a chain that was founded again has signed its genesis."""
    if missing := genesis.unsigned:
        _refuse(f"{', '.join(missing)} has not signed it" if len(missing) == 1 else f"{', '.join(missing)} have not"
                " signed it", "let each of them run `hmchain network refound sign FILE`")  # fmt: skip


def _deciders(state: State, organisation: str) -> Deciders:
    keys, needed = people.deciding_keys(state, organisation)
    if len(keys) < needed or not keys:
        what = f"{organisation} has {len(keys)} officers whose keys count, and {max(1, needed)} must sign"
        _refuse(what, "it cannot agree to anything: leave it out too, and admit it again afterwards")
    return Deciders(keys, needed)


def _require_lost(state: State, lost: Collection[str]) -> tuple[str, ...]:
    """The lost members in order. Raises `RefoundingError` where the chain can go on, or too few are left."""
    left_out, active = tuple(sorted(set(lost))), [each.organisation for each in membership.active_members(state)]
    unknown = [name for name in left_out if name not in active]
    if unknown:
        _refuse(f"{unknown[0]} is no member", "`hmchain network status` lists the members")
    powers = {entry.id: entry.power for entry in standings.validators_at(state, state.height + 1)}
    remaining = sum(power for name, power in powers.items() if name not in left_out)
    if 3 * remaining > 2 * sum(powers.values()):
        hint = "remove who is lost by a ballot: `hmchain network remove NAME`"
        _refuse("more than two thirds of the voting power is left: the chain goes on as it is", hint)
    needed = reputation.faults_tolerated(len(active)) + 1
    if len(active) - len(left_out) < needed:
        what = f"{len(active) - len(left_out)} of {len(active)} members are left, and {needed} are needed"
        _refuse(what, "fewer than that may all be dishonest: found a new network")
    return left_out


def _require_founded_anew(state: State, salt: bytes, time_ms: int) -> None:
    if len(salt) != SALT_BYTES or salt == parameters.founding(state).salt:
        _refuse("its salt is none, or that of the chain before", "propose it again: a salt is drawn")
    if time_ms <= standings.time_ms(state):
        _refuse("its time is not after the last block's", "set the clock right, and propose it again")


def _difference(made: Genesis, told: Genesis) -> str:
    """The first thing in which two proposals differ, in words."""
    fields = [field for field in genesis_file.Genesis.__struct_fields__ if getattr(made, field) != getattr(told, field)]
    if fields and fields[0] != "origin":
        return f"another {fields[0]}"
    parts = [
        field
        for field in Before.__struct_fields__
        if field != "signatures" and getattr(made.before, field) != getattr(told.before, field)
    ]
    return f"another {parts[0] if parts else 'genesis'}"


def _refuse(what: str, hint: str) -> NoReturn:
    raise RefoundingError(what, hint)
