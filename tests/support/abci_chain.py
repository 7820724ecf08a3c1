"""CometBFT's part, played by hand: decides blocks and hands them to an application, without sockets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from hmchain.ledger import genesis as genesis_file
from hmchain.ledger import proposer
from hmchain.ledger.blocks import COMMIT
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.engines.cometbft.application import Application
from hmchain.ledger.engines.cometbft.home import genesis_json
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.protocols import FOUNDING
from hmchain.ledger.state import State
from support.ledger_network import Clock, Sender, genesis, signing_key
from support.opened import OPENED, closed


def address(name: str) -> bytes:
    return proposer.address(signing_key(name, "validator").public.raw)


def timestamp(ms: int, nanos: int = 0) -> Timestamp:
    return Timestamp(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000 + nanos)


def misbehaviour(name: str, height: int = 1, ms: int = 0) -> abci.Misbehavior:
    validator = abci.Validator(address=address(name), power=1000)
    return abci.Misbehavior(type=abci.DUPLICATE_VOTE, validator=validator, height=height, time=timestamp(ms))


def init_request(founding: Genesis) -> abci.RequestInitChain:
    content = msgspec.json.decode(genesis_json(founding))
    validators = [
        abci.ValidatorUpdate(pub_key=abci.PublicKey(ed25519=member.validator), power=int(entry["power"]))
        for member, entry in zip(founding.members, content["validators"], strict=True)
    ]
    return abci.RequestInitChain(
        time=timestamp(founding.time_ms),
        chain_id=content["chain_id"],
        validators=validators[::-1],  # CometBFT has its own order
        app_state_bytes=msgspec.json.encode(content["app_state"]),
        initial_height=1,
    )


@dataclass
class Chain:
    """One application and the blocks it is given."""

    directory: Path
    founding: Genesis
    send: Sender = field(default_factory=Sender)
    app: Application = field(init=False)
    decided: list[tuple[abci.RequestFinalizeBlock, bytes]] = field(default_factory=list)
    """What was decided, and the commitment after it."""

    def __post_init__(self) -> None:
        self.app = self.opened()
        OPENED.append(self)

    @classmethod
    def found(
        cls, directory: Path, names: str = "abcd", parameters: Parameters | None = None, protocol: int = FOUNDING
    ) -> Chain:
        return cls.of(directory, genesis(names, parameters, protocol))

    @classmethod
    def of(cls, directory: Path, founding: Genesis) -> Chain:
        chain = cls(directory, founding, Sender(chain=founding.chain_id))
        chain.app.init_chain(init_request(chain.founding))
        return chain

    @classmethod
    def from_snapshot(cls, directory: Path, giver: Chain) -> Chain:
        """Another node of a chain, which joins from its last snapshot, after its last block."""
        offer = giver.app.storage.snapshots.offers()[-1]
        taker = cls(directory, giver.founding, giver.send)
        taker.app.offer_snapshot(abci.RequestOfferSnapshot(snapshot=offer, app_hash=giver.app.state.commitment()))
        chunk = giver.app.storage.snapshots.chunk(offer.height, 0)
        taker.app.apply_snapshot_chunk(abci.RequestApplySnapshotChunk(index=0, chunk=chunk))
        taker.decided += giver.decided
        return taker

    def opened(self) -> Application:
        return Application(self.directory, self.founding, clock_ms=self.clock, threads=1, snapshot_blocks=5)

    def reopen(self) -> Application:
        """As after a kill: nothing that was uncommitted is left."""
        self.app.close()
        self.app = self.opened()
        return self.app

    def close(self) -> None:
        closed(self)
        self.app.close()

    @property
    def clock(self) -> Clock:
        return self.send.clock

    @property
    def height(self) -> int:
        return self.app.state.height

    def request(
        self,
        *wires: bytes,
        proposer_name: str = "a",
        votes: Mapping[str, int] | None = None,
        round_: int = 0,
        evidence: Sequence[abci.Misbehavior] = (),
        step_ms: int = 1000,
    ) -> abci.RequestFinalizeBlock:
        """The next decided block; by default everyone voted for the last one."""
        self.clock.ms += step_ms
        height = self.height + 1
        if votes is None:
            votes = {entry.id: COMMIT for entry in standings.validators_at(self.app.state, height - 1)}
        cast = [
            abci.VoteInfo(validator=abci.Validator(address=address(name)), block_id_flag=flag)
            for name, flag in sorted(votes.items(), key=lambda item: address(item[0]))
        ]
        return abci.RequestFinalizeBlock(
            txs=wires,
            decided_last_commit=abci.CommitInfo(round=round_, votes=cast if height > 1 else []),
            misbehavior=evidence,
            height=height,
            time=timestamp(self.clock.ms, 999_999),
            proposer_address=address(proposer_name),
        )

    def decide(self, request: abci.RequestFinalizeBlock) -> abci.ResponseFinalizeBlock:
        answer = self.app.finalize_block(request)
        self.app.commit(abci.RequestCommit())
        self.decided.append((request, answer.app_hash))
        return answer

    def block(self, *wires: bytes, evidence: Sequence[abci.Misbehavior] = ()) -> abci.ResponseFinalizeBlock:
        return self.decide(self.request(*wires, evidence=evidence))

    def fill(self, blocks: int, first: int = 0) -> None:
        for number in range(first, first + blocks):
            self.block(self.send.dataset("abcd"[number % 4], f"d{number}"))

    def check(self, wires: Iterable[bytes], kind: abci.CheckTxType = abci.NEW) -> list[str]:
        return self.app.check_txs([abci.RequestCheckTx(tx=wire, type=kind) for wire in wires])

    def prepare(self, *wires: bytes, max_tx_bytes: int = 1 << 22) -> list[bytes]:
        request = abci.RequestPrepareProposal(
            txs=wires, max_tx_bytes=max_tx_bytes, height=self.height + 1, time=timestamp(self.clock.ms + 1)
        )
        return list(self.app.prepare_proposal(request).txs)

    def accepts(self, *wires: bytes) -> bool:
        request = abci.RequestProcessProposal(txs=wires, height=self.height + 1)
        return self.app.process_proposal(request).status == abci.ResponseProcessProposal.ACCEPT


def founding_commitment(founding: Genesis) -> bytes:
    state = State()
    genesis_file.initialise(state, founding)
    return state.commitment()
