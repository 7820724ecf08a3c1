"""Between CometBFT's blocks and the state machine's: names for addresses, inputs from a block, answers from results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from google.protobuf.timestamp_pb2 import Timestamp
from msgspec.structs import replace

from hmchain.canonical import encode
from hmchain.ledger.blocks import OK, BlockInput, BlockResult, EngineReport, Event, Receipt, Vote
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.contracts.members.validator_set import Change
from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.engines.cometbft.server import CODESPACE
from hmchain.ledger.proposer import Validators, address
from hmchain.ledger.state import State

_MS_A_SECOND, _NS_A_MS = 1000, 1_000_000


def milliseconds(time: Timestamp) -> int:
    """A time rounded down; CometBFT's block times are at least a millisecond apart, so these still increase."""
    return time.seconds * _MS_A_SECOND + time.nanos // _NS_A_MS


def block_input(
    state: State, request: abci.RequestFinalizeBlock | abci.RequestProcessProposal, last_commit: abci.CommitInfo
) -> BlockInput:
    """The input that a decided or proposed block is to the state machine; `state` is the one before it."""
    height = request.height
    voters = _names(standings.validators_at(state, height - 1)) if height > 1 else {}
    members = voters | _names(standings.validators_at(state, height))
    votes = sorted(
        (voters[vote.validator.address], vote.block_id_flag)
        for vote in last_commit.votes
        if vote.validator.address in voters
    )
    return BlockInput(
        height=height,
        time_ms=milliseconds(request.time),
        proposer=members.get(request.proposer_address, request.proposer_address.hex()),
        last_round=last_commit.round,
        last_votes=tuple(Vote(name, flag) for name, flag in votes),
        evidence=_reports(request.misbehavior, standings.former_owners(state) | members) if request.misbehavior else (),
        transactions=tuple(request.txs),
    )


def _names(validators: Validators) -> dict[bytes, str]:
    return {validator.address: validator.id for validator in validators}


def _reports(misbehaviour: Iterable[abci.Misbehavior], members: Mapping[bytes, str]) -> tuple[EngineReport, ...]:
    """The engine's evidence. A validator that has left is tombstoned already and has nothing to lose."""
    found = {
        EngineReport(members[item.validator.address], item.height, milliseconds(item.time))
        for item in misbehaviour
        if item.validator.address in members
    }
    return tuple(sorted(found, key=lambda report: (report.validator, report.height, report.time_ms)))


def block_answer(state: State, height: int, result: BlockResult) -> abci.ResponseFinalizeBlock:
    """The answer to CometBFT for an executed block: results, events, changes of power, the state's commitment."""
    changes = lawful(standings.validators_at(state, height + 1), standings.changes_at(state, height + 2))
    return abci.ResponseFinalizeBlock(
        events=_events(result.events),
        tx_results=[_tx_result(receipt) for receipt in result.receipts],
        validator_updates=validator_updates(changes),
        app_hash=state.commitment(),
    )


def validator_updates(changes: Iterable[Change]) -> list[abci.ValidatorUpdate]:
    """Powers of organisations as CometBFT takes them: by key, so that a new key takes power from the former one."""
    powers = [(change.key, change.power) for change in changes]
    powers += [(change.former, 0) for change in changes if change.former]
    return [abci.ValidatorUpdate(pub_key=abci.PublicKey(ed25519=key), power=power) for key, power in powers]


def lawful(validators: Validators, changes: Sequence[Change]) -> list[Change]:
    """The changes without what halts every CometBFT node: duplicates, unknown removals, an emptied set.

    The reputation rules never send such a set; this is the second lock on that door.
    """
    known = {validator.id: validator for validator in validators}
    last = {c.organisation: c for c in changes if c.power > 0 or (c.power == 0 and c.organisation in known)}
    if not any(last[name].power if name in last else known[name].power for name in known.keys() | last.keys()):
        last = {name: change for name, change in last.items() if change.power}
    kept = []
    for name, change in sorted(last.items()):
        holds = name in known and known[name].address == address(change.former)
        kept.append(change if holds else replace(change, former=b""))
    return kept


def _tx_result(receipt: Receipt) -> abci.ExecTxResult:
    """The whole receipt is `data`, which CometBFT hashes into the next header; code 0 is success."""
    refused = receipt.code != OK
    return abci.ExecTxResult(
        code=int(refused),
        data=encode(receipt),
        log=receipt.code if refused else "",
        codespace=CODESPACE if refused else "",
        events=_events(receipt.events),
    )


def _events(events: Iterable[Event]) -> list[abci.Event]:
    """Events to subscribe to, as in `member.admitted.key0='north'`."""
    return [
        abci.Event(
            type=event.kind,
            attributes=[
                abci.EventAttribute(key=f"key{number}", value=key, index=True) for number, key in enumerate(event.keys)
            ],
        )
        for event in events
    ]
