"""The demo on CometBFT: every hospital runs a node of two real processes, and one of the nodes is killed."""

from __future__ import annotations

import importlib
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hmchain.application.hospital.consortium import Consortium
from hmchain.application.hospital.founding import founding, load_keys, make_keys, validator_keys
from hmchain.application.site.keyring import Keyring
from hmchain.clock import now_ms
from hmchain.errors import InputError, LedgerError
from hmchain.interfaces.demo.incidents import LEDGER_ROUND
from hmchain.interfaces.demo.preparation import Prepared, chain_name, salt, titles
from hmchain.interfaces.demo.settings import DemoSettings
from hmchain.interfaces.report.parts import Fact
from hmchain.interfaces.report.summary import ONE_MACHINE
from hmchain.ledger import events
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.learning.studies import Deadlines
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.contracts.members.standings import Unjail
from hmchain.ledger.engines.block_store import hold
from hmchain.ledger.engines.cometbft import archive
from hmchain.ledger.engines.cometbft.home import Timing
from hmchain.ledger.engines.cometbft.ledger import CometLedger, StoredStates
from hmchain.ledger.engines.cometbft.local import LocalNetwork, LocalNode
from hmchain.ledger.engines.cometbft.process import VERSION, find_binary
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError, RpcClient, RpcError
from hmchain.ledger.events import LedgerEvent
from hmchain.ledger.genesis import Genesis
from hmchain.plain import Progress

HOSPITALS_MIN, HOSPITALS_MAX = 4, 10
"""With three nobody may fail; and every hospital takes two processes."""
PARAMETERS = Parameters(
    epoch_blocks_min=40, epoch_ms=1_000, jail_blocks_per_member=4, jail_ms=1_000, deadline_ms_min=5_000
)
"""Reputation moves faster than in a real network, so that a run of minutes shows it."""
TIMING = Timing(commit=40)
"""Over loopback nobody's votes take long."""
START_SECONDS = 60.0
_LIBRARIES = ("google.protobuf", "httpx", "websockets")
"""Of the extra `cometbft`."""
_LOOK_SECONDS = 0.05
_CATCH_UP_BLOCKS = 1


class NodesSilentError(LedgerError):
    """A node of the demo does not come up, or does not come back."""

    code = "nodes_silent"


class KilledValidator:
    """One hospital's machine dies in the middle of the study: node, CometBFT and agent.

    It is started again when the others have jailed it. Once it has caught up its steward asks for its votes to count
    again, and its agent takes part in the study where that is by then.
    """

    first_round = LEDGER_ROUND

    def __init__(self, consortium: Consortium, network: LocalNetwork, say: Callable[[str], None]) -> None:
        self.done = False
        self._consortium, self._network, self._say = consortium, network, say
        # Not the first: its copy of the ledger is the one that the demo itself reads.
        self._victim = list(network.nodes)[-1]
        self._press = self._kill

    def press(self, number: int) -> None:
        """Kill the machine, or see whether it has come back far enough."""
        self._press()

    def on_event(self, event: LedgerEvent) -> None:
        """The others have jailed it: start it again. Or its votes count again."""
        if event == events.ValidatorJailed(self._victim):
            self._restart()
        elif event == events.ValidatorUnjailed(self._victim):
            self.done = True

    def settle(self) -> None:
        """Bring it back, also where the study was over before anybody missed it."""
        if self._victim in self._consortium.asleep:
            self._restart()
        deadline = time.monotonic() + START_SECONDS
        while self._victim in self._consortium.asleep or self._is_jailed:
            if time.monotonic() > deadline:
                log = self._network.nodes[self._victim].files.log
                raise NodesSilentError(f"the node of {self._victim} does not come back", f"see {log}")
            self._press()
            self._consortium.produce_block()
            time.sleep(_LOOK_SECONDS)

    @property
    def _is_jailed(self) -> bool:
        return standings.standing(self._consortium.ledger.state, self._victim).jailed

    # Step by step

    def _kill(self) -> None:
        self._network.nodes[self._victim].kill()
        self._consortium.asleep.add(self._victim)
        self._press = self._wait
        self._say(
            f"[bold red]✗ kill -9[/]: the node of {self._victim}, its CometBFT and its agent are gone. "
            "[dim]The others wait for it until a deadline, then go on without it.[/]"
        )

    def _wait(self) -> None:
        """Nobody can do anything for it but the others, who will jail it."""

    def _restart(self) -> None:
        node = self._network.nodes[self._victim]
        if node.app.pid is None:
            node.start()
        self._press = self._return

    def _return(self) -> None:
        """Join in again once its own copy of the ledger is up to date."""
        ledger = self._consortium.ledger
        if ledger.state_of(self._victim).height < ledger.state.height - _CATCH_UP_BLOCKS:
            return
        self._press = self._wait
        self._consortium.asleep.discard(self._victim)
        self._say(f"[bold green]✓ back[/]: the node of {self._victim} was started again and has caught up by itself.")
        if self._is_jailed:
            ledger.submit(self._consortium.hospitals[self._victim].as_steward(Unjail()))


class CometBFTStage:
    """A consortium on a network of nodes."""

    def __init__(self, consortium: Consortium, network: LocalNetwork) -> None:
        self.consortium = consortium
        self._network = network

    def fault(self, say: Callable[[str], None]) -> KilledValidator:
        """A validator that is killed."""
        return KilledValidator(self.consortium, self._network, say)

    def seal(self, report: Progress) -> None:
        """Keep the headers of all blocks with the votes that decided them, which only a running node gives."""
        node = next(iter(self._network.nodes.values()))
        with RpcClient([node.rpc_url]) as client:
            archive.keep(
                node.files.directory,
                lambda: client.status().sync_info.latest_block_height,
                client.signed_header,
                report,
            )


class CometBFT:
    """A node of two processes for every hospital, over loopback."""

    title = f"CometBFT {VERSION}: a node of two processes for every hospital, over loopback"
    limits: tuple[Fact, ...] = (ONE_MACHINE,)

    def require(self, settings: DemoSettings) -> None:
        """The program and its libraries, and a number of hospitals of which one may fail."""
        if not HOSPITALS_MIN <= settings.hospitals <= HOSPITALS_MAX:
            raise InputError(
                f"{settings.hospitals} hospitals on CometBFT",
                f"give {HOSPITALS_MIN} to {HOSPITALS_MAX}: with fewer the chain stops when a validator is killed, "
                "and each runs two processes",
            )
        for library in _LIBRARIES:
            importlib.import_module(library)  # now, before anything is founded
        find_binary()

    def deadlines(self, prepared: Prepared) -> Deadlines:
        """Short, since one hospital will be away; yet several times what training takes on two busy cores."""
        height, width, _ = prepared.images.shape
        work = prepared.settings.steps * prepared.settings.hospitals * height * width
        return Deadlines(
            commit_ms=6_000 + work // 60, attest_ms=8_000, reveal_ms=8_000, aggregate_ms=8_000, verify_ms=8_000,
            gate_ms=5_000,
        )  # fmt: skip

    @contextmanager
    def stage(self, prepared: Prepared, passphrase: str | None) -> Iterator[CometBFTStage]:
        """Found the consortium, or open the one that is there; the nodes end with the context."""
        folder = prepared.folder
        folder.nodes.mkdir(exist_ok=True)
        with hold(folder.nodes):
            genesis, keys = _founded(prepared, passphrase)
            network = LocalNetwork(folder.nodes, genesis, validator_keys(keys), timing=TIMING)
            with network:
                for node in network.nodes.values():
                    _await(node)
                client = RpcClient([node.rpc_url for node in network.nodes.values()])
                directories = {name: node.files.directory for name, node in network.nodes.items()}
                with Consortium(
                    folder.path, CometLedger(client, genesis, StoredStates(directories)), keys
                ) as consortium:
                    yield CometBFTStage(consortium, network)


def _founded(prepared: Prepared, passphrase: str | None) -> tuple[Genesis, dict[str, Keyring]]:
    """Genesis and keys: those that are there, or new ones."""
    path, written = prepared.folder.path, prepared.folder.ledger / genesis_file.FILE
    if written.exists():
        return genesis_file.load(written), load_keys(path, passphrase)
    # A founding that was cut short left keys that nothing refers to.
    shutil.rmtree(prepared.folder.hospitals, ignore_errors=True)
    keys = make_keys(path, prepared.names, passphrase)
    names = chain_name(prepared), titles(prepared)
    return founding(*names, keys, now_ms(), PARAMETERS, salt(prepared)), keys


def _await(node: LocalNode) -> None:
    """Wait until a node has the chain's blocks. Raises `NodesSilentError`."""
    deadline = time.monotonic() + START_SECONDS
    with RpcClient([node.rpc_url], timeout_seconds=2, shun_seconds=0) as client:
        while time.monotonic() < deadline:
            try:
                sync = client.status().sync_info
            except (NoEndpointError, RpcError):
                pass
            else:
                if sync.latest_block_height > 0 and not sync.catching_up:
                    return
            time.sleep(_LOOK_SECONDS)
    raise NodesSilentError(f"the node of {node.organisation} does not come up", f"see {node.files.log}")
