"""CometBFT's home of one node: its configuration, genesis and keys, written from ours.

Only what differs from CometBFT's defaults is in `config.toml`. Timeouts must be equal on all nodes; `timeout_commit` is
at least twice the largest round trip between two of them, else a distant member's votes always come too late.
"""

from __future__ import annotations

import base64
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from hmchain import decoding, files
from hmchain.keys import PublicKey, SigningKey
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.chain import BLOCK_BYTES_MAX
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.engines.cometbft.damage import DATA, SIGNED, signed_nothing
from hmchain.ledger.engines.cometbft.mempool import MEMPOOL_BYTES_MAX, MEMPOOL_TRANSACTIONS_MAX
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.proposer import address
from hmchain.ledger.state import State
from hmchain.ledger.transactions import TRANSACTION_BYTES_MAX

_BLOCK_ROOM_BYTES = 1 << 20
"""For a block's header, commit and evidence."""
INBOUND_STRANGERS_MAX = 20
"""Connections that a node takes from nodes it does not know: members admitted later, followers, whoever finds it."""
_EVIDENCE_AGE_BLOCKS = 100_000
_EVIDENCE_AGE_NS = 48 * 3600 * 1_000_000_000


@dataclass(frozen=True)
class Timing:
    """Pace of the chain, in milliseconds."""

    propose: int = 500
    vote: int = 250
    commit: int = 100
    gossip: int = 10
    """Pause between two looks at what a peer lacks; CometBFT's default of 100 costs 0.6 s a transaction."""
    empty_blocks: int = 60_000
    """Between two blocks of an idle chain. A block's time is that of the votes before it, so this is also how stale it
    may be after a pause."""

    @classmethod
    def for_round_trip(cls, milliseconds: int) -> Timing:
        """The pace at which votes still count over such a round trip; over 50 ms it is the default's.

        A distant member hears of a proposal half a round trip late and is heard as much later: its votes need one round
        trip, and as much again for what they wait for on the way.
        """
        return cls(
            propose=max(cls.propose, 4 * milliseconds),
            vote=max(cls.vote, 2 * milliseconds),
            commit=2 * milliseconds,
        )


@dataclass(frozen=True)
class StateSync:
    """Where a new node finds what it may trust: two RPC servers, and a block that somebody vouches for."""

    rpc_servers: tuple[str, ...]
    trust_height: int
    trust_hash: str
    trust_hours: int = 168


@dataclass(frozen=True)
class HomeSettings:
    """The settings that differ between nodes. Addresses are `host:port`, peers `NODE_ID@host:port`."""

    moniker: str
    app: str
    """Where the application listens: `unix:///path` or `tcp://host:port`."""
    rpc_listen: str
    p2p_listen: str
    peers: tuple[str, ...] = ()
    external_address: str = ""
    timing: Timing = field(default_factory=Timing)
    log_level: str = "error"
    state_sync: StateSync | None = None
    peer_exchange: bool = False


class ConsensusConfig(msgspec.Struct):
    """CometBFT's pace."""

    timeout_commit: str


class ListenerConfig(msgspec.Struct):
    """Where CometBFT answers."""

    laddr: str


class PeersConfig(msgspec.Struct):
    """CometBFT's connections to other nodes."""

    unconditional_peer_ids: str


class Config(msgspec.Struct):
    """The part of CometBFT's settings that is read again."""

    consensus: ConsensusConfig
    rpc: ListenerConfig
    p2p: PeersConfig


def write_home(
    home: Path, genesis: Genesis, validator_key: SigningKey, node_key: SigningKey, settings: HomeSettings
) -> None:
    """Write a home, or write an existing one again, but for the record of what the validator has signed.

    That one begins with the key (`begin_record`), and is CometBFT's from then on. Key files have mode 0600.
    """
    files.make_folder(home / DATA)
    founding = msgspec.json.format(genesis_json(genesis), indent=1)
    files.write_whole(config_file(home), config_toml(settings).encode(), durable=True)
    files.write_whole(home / "config" / "genesis.json", founding, durable=True)
    _write_json(_validator_file(home), _validator_json(validator_key))
    _write_json(home / "config" / "node_key.json", {"priv_key": _private_json(node_key)})


def config_file(home: Path) -> Path:
    """CometBFT's settings; without them a home was never made."""
    return home / "config" / "config.toml"


def read_config(home: Path) -> Config:
    """Read the settings of a home that `write_home` has written."""
    return decoding.from_toml(config_file(home).read_bytes(), Config)


def _validator_file(home: Path) -> Path:
    return home / "config" / "priv_validator_key.json"


def begin_record(home: Path) -> None:
    """Begin the record of what a validator has signed; only for a key that was just made, and has signed nothing."""
    write_secret(home / DATA / SIGNED, signed_nothing())


def validator_key_of(home: Path) -> bytes:
    """The file of the key by which CometBFT signs, as it is now; it is only ever replaced whole."""
    return _validator_file(home).read_bytes()


def commit_pause_ms(home: Path) -> int:
    """`timeout_commit` of a home that `write_home` has written, in milliseconds."""
    return int(read_config(home).consensus.timeout_commit.removesuffix("ms"))


def node_id(node_key: PublicKey) -> str:
    """CometBFT's name of a node (40 hex digits), from the key that its connections are proven with."""
    return address(node_key.raw).hex()


def config_toml(settings: HomeSettings) -> str:
    """`config.toml`: what differs from CometBFT's defaults."""
    timing = settings.timing
    tables: dict[str, dict[str, str | int | bool]] = {
        "": {"moniker": settings.moniker, "proxy_app": settings.app, "abci": "socket", "log_level": settings.log_level},
        "rpc": {"laddr": f"tcp://{settings.rpc_listen}", "max_body_bytes": BLOCK_BYTES_MAX},
        "p2p": {
            "laddr": f"tcp://{settings.p2p_listen}",
            "external_address": settings.external_address,
            "persistent_peers": ",".join(settings.peers),
            # Strangers may follow the chain, so many at once; members' nodes are let in whoever else is there.
            "unconditional_peer_ids": ",".join(peer.partition("@")[0] for peer in settings.peers),
            "max_num_inbound_peers": INBOUND_STRANGERS_MAX,
            "persistent_peers_max_dial_period": "5s",  # a peer that was away is found again soon
            "addr_book_strict": False,  # hospitals may sit in private networks
            "allow_duplicate_ip": True,  # and several nodes behind one address
            "pex": settings.peer_exchange,
            "flush_throttle_timeout": f"{timing.gossip}ms",
            "send_rate": 20_000_000,
            "recv_rate": 20_000_000,
        },
        "mempool": {
            "size": MEMPOOL_TRANSACTIONS_MAX,
            "cache_size": 50_000,
            "max_tx_bytes": TRANSACTION_BYTES_MAX,
            "max_txs_bytes": MEMPOOL_BYTES_MAX,
        },
        "consensus": {
            "timeout_propose": f"{timing.propose}ms",
            "timeout_propose_delta": f"{timing.propose // 2}ms",
            "timeout_prevote": f"{timing.vote}ms",
            "timeout_prevote_delta": f"{timing.vote // 2}ms",
            "timeout_precommit": f"{timing.vote}ms",
            "timeout_precommit_delta": f"{timing.vote // 2}ms",
            "timeout_commit": f"{timing.commit}ms",
            "create_empty_blocks": False,
            "create_empty_blocks_interval": f"{timing.empty_blocks}ms",
            "peer_gossip_sleep_duration": f"{timing.gossip}ms",
        },
        "statesync": _state_sync(settings.state_sync),
    }
    return "\n".join(_table(name, values) for name, values in tables.items())


def _state_sync(settings: StateSync | None) -> dict[str, str | int | bool]:
    if settings is None:
        return {"enable": False}
    return {
        "enable": True,
        "rpc_servers": ",".join(settings.rpc_servers),
        "trust_height": settings.trust_height,
        "trust_hash": settings.trust_hash,
        "trust_period": f"{settings.trust_hours}h0m0s",
        "discovery_time": "5s",
    }


def _table(name: str, values: dict[str, str | int | bool]) -> str:
    """One TOML table; JSON's strings, integers and truth values are TOML's too."""
    head = f"[{name}]\n" if name else ""
    return head + "".join(f"{key} = {msgspec.json.encode(value).decode()}\n" for key, value in values.items())


def genesis_json(genesis: Genesis) -> bytes:
    """CometBFT's genesis: validators as our genesis gives them, and our genesis itself as `app_state`."""
    powers = founding_powers(genesis)
    when = datetime.fromtimestamp(genesis.time_ms // 1000, UTC)
    content = {
        "genesis_time": f"{when:%Y-%m-%dT%H:%M:%S}.{genesis.time_ms % 1000:03}Z",
        "chain_id": genesis.chain_id,
        "initial_height": str(genesis.height + 1),
        "consensus_params": {
            "block": {"max_bytes": str(BLOCK_BYTES_MAX + _BLOCK_ROOM_BYTES), "max_gas": "-1"},
            "evidence": {
                "max_age_num_blocks": str(_EVIDENCE_AGE_BLOCKS),
                "max_age_duration": str(_EVIDENCE_AGE_NS),
                "max_bytes": str(_BLOCK_ROOM_BYTES // 2),
            },
            "validator": {"pub_key_types": ["ed25519"]},
            "version": {"app": str(genesis.protocol)},
            "abci": {"vote_extensions_enable_height": "0"},
        },
        "validators": [
            {
                "address": address(member.validator).hex().upper(),
                "pub_key": _public_json(member.validator),
                "power": str(powers[member.organisation]),
                "name": member.organisation,
            }
            for member in genesis.members
            if powers[member.organisation]
        ],
        "app_hash": "",
        "app_state": msgspec.Raw(msgspec.json.encode(genesis)),
    }
    return msgspec.json.encode(content)


def founding_powers(genesis: Genesis) -> dict[str, int]:
    """The voting power of each founding member."""
    if genesis.before is not None:
        return dict(zip((member.organisation for member in genesis.members), genesis.before.powers, strict=True))
    with closing(State()) as founding:
        genesis_file.initialise(founding, genesis)
        return {validator.id: validator.power for validator in standings.validators_at(founding, 1)}


def _validator_json(key: SigningKey) -> dict[str, Any]:
    public = key.public.raw
    return {
        "address": address(public).hex().upper(),
        "pub_key": _public_json(public),
        "priv_key": _private_json(key),
    }


def _public_json(raw: bytes) -> dict[str, str]:
    return {"type": "tendermint/PubKeyEd25519", "value": base64.b64encode(raw).decode()}


def _private_json(key: SigningKey) -> dict[str, str]:
    value = base64.b64encode(key.secret_bytes() + key.public.raw).decode()
    return {"type": "tendermint/PrivKeyEd25519", "value": value}


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_secret(path, msgspec.json.format(msgspec.json.encode(content), indent=1))


def write_secret(path: Path, content: bytes) -> None:
    """Write a file whole, on disk when this returns, readable by the owner alone."""
    files.write_whole(path, content, durable=True, mode=files.PRIVATE)
