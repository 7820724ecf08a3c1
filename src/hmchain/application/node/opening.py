"""A running node's ledger, and the hospital that acts through it.

Two processes serve a hospital. The *node* (`hmchain node start`) keeps the ledger and votes; the *agent*
(`hmchain node agent`) trains and takes part in studies. Training can take every processor there is, and must never
hold up a vote.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from hmchain.application.agent.phases import PATIENT
from hmchain.application.hospital.hospital import Hospital, Learn
from hmchain.application.hospital.learner import cnn_learner
from hmchain.application.hospital.node_hospital import NodeHospital
from hmchain.application.node.link import STARTING_SECONDS, connected
from hmchain.application.node.node_watch import NodeWatch
from hmchain.application.node.reading import NodeHeaders
from hmchain.application.site.hospital import locate, only_agent
from hmchain.application.site.keyring import Keyring
from hmchain.application.site.node import NodeFolder, shared_objects
from hmchain.ledger.engines.cometbft.ledger import CometLedger
from hmchain.ledger.engines.ledger import OwnNode
from hmchain.ledger.readers.follower import follow
from hmchain.records.objects import ObjectStore


def open_ledger(
    folder: NodeFolder,
    patience_seconds: float = STARTING_SECONDS,
    is_lost: Callable[[], bool] = lambda: False,
) -> CometLedger:
    """The ledger through a running node; one that is just starting is waited for a little.

    For `is_lost` see `CometLedger`.

    Agents and people act on its state, so that is verified whole first and followed by decided blocks from then on.
    Raises `NotJoinedError`, `OtherNodeError`, `NoEndpointError` if the node does not run, `DamagedStateError`, and
    `UnsignedError` while no header signs its state.
    """
    network = folder.joined()
    with ExitStack() as stack:
        client = connected(folder, patience_seconds)
        stack.callback(client.close)
        follower = follow(folder.ledger, NodeHeaders(client))
        stack.callback(follower.close)
        ledger = CometLedger(client, network.genesis, follower, is_lost=is_lost)
        stack.pop_all()
        return ledger


def open_hospital(
    folder: NodeFolder,
    *,
    passphrase: str | None = None,
    learn: Learn = cnn_learner,
    patience_seconds: float = STARTING_SECONDS,
) -> NodeHospital:
    """The hospital of a running node, whose agent and people act through it: for this process alone.

    Raises what `open_ledger` raises, `AgentRunningError` while another process acts as its agent, and what keys and
    store complain of.
    """
    settings, place = folder.settings(), locate(folder.path)
    with ExitStack() as held:
        held.enter_context(only_agent(place))
        keys = Keyring.load(folder.keys, passphrase)
        shared = shared_objects(folder)
        objects = shared or ObjectStore.directory(folder.objects)
        # What need not survive a power cut is cheaper to write, where the store is our own.
        relay = None if shared else ObjectStore.directory(folder.objects, durable=False)
        with ExitStack() as stack:
            ledger = open_ledger(folder, patience_seconds, NodeWatch(folder).has_ended)
            stack.callback(ledger.close)
            hospital = Hospital(place, keys, objects, OwnNode(ledger, settings.organisation), learn, relay)
            hospital.agent.colluders_min = settings.colluders_min
            hospital.agent.confirmed = settings.confirmed
            hospital.agent.phases = PATIENT
            stack.pop_all()
        return NodeHospital(hospital, ledger, held.pop_all())
