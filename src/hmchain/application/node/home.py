"""CometBFT's home of a node: made when it joins, its settings written again whenever it starts."""

from __future__ import annotations

from hmchain.application.node import pace, snapshot_join
from hmchain.application.site.keyring import key_file
from hmchain.application.site.network import Network
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.settings import NodeSettings
from hmchain.keys import SigningKey, load_key
from hmchain.ledger.engines.cometbft.home import HomeSettings, Timing, write_home
from hmchain.ledger.engines.cometbft.process import SOCKET


def validator_key(folder: NodeFolder, passphrase: str | None = None) -> SigningKey:
    """The key that the node votes with. Raises `KeyFileError` or `WrongPassphraseError`."""
    return load_key(SigningKey, key_file(folder.keys, "validator"), passphrase)


def make_home(folder: NodeFolder, passphrase: str | None = None, validator: SigningKey | None = None) -> None:
    """Write CometBFT's home of a node that has joined, for its validator's key or a new one.

    What its validator has signed is never touched.

    CometBFT knows no passphrase: the validator's key lies there readable by the node's user alone. Raises
    `NotJoinedError`, `KeyFileError` or `WrongPassphraseError`.
    """
    network = folder.joined()
    validator = validator or validator_key(folder, passphrase)
    node_key = load_key(SigningKey, folder.node_key)
    write_home(folder.engine, network.genesis, validator, node_key, home_settings(folder, network))


def home_settings(folder: NodeFolder, network: Network) -> HomeSettings:
    """The settings of its home, as `node.toml` and the network say them now."""
    settings = folder.settings()
    return HomeSettings(
        moniker=settings.organisation,
        app=f"unix://{folder.path.resolve()}/{SOCKET}",  # in effect: what the node tells CometBFT when it starts it
        rpc_listen=settings.rpc_listen,
        p2p_listen=settings.p2p_listen,
        peers=_peers(settings, network),
        external_address=settings.address,
        timing=Timing.for_round_trip(pace.round_trip_ms(folder, network)),
        log_level=settings.log_level,
        state_sync=snapshot_join.pending(folder),
    )


def _peers(settings: NodeSettings, network: Network) -> tuple[str, ...]:
    """The other founders, where `node.toml` says that they have moved, and whoever it names besides."""
    peers = {
        peer.node_id: f"{peer.node_id}@{peer.address}"
        for peer in network.peers
        if peer.organisation != settings.organisation
    }
    peers |= {peer.partition("@")[0]: peer for peer in settings.peers}
    return tuple(peers.values())
