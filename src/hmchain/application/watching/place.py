"""The folder that is looked at: a node's with its hospital, a hospital's by itself, or one that holds neither."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from hmchain.application.node.reading import verified_state
from hmchain.application.node.status import NodeStatus, node_status
from hmchain.application.site.hospital import HospitalFolder, NoHospitalError, locate
from hmchain.application.site.network import Network
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.settings import NodeSettings
from hmchain.errors import HMChainError
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.members import anchors, membership, standings
from hmchain.ledger.contracts.members.anchors import Anchor
from hmchain.ledger.contracts.members.membership import Membership
from hmchain.ledger.contracts.members.upgrades import Upgrade, has_sharing
from hmchain.ledger.readers.members import BallotView, ballots


@dataclass(frozen=True)
class Known:
    """What the verified state of a ledger says of one member."""

    membership: Membership | None
    anchor: Anchor | None
    """None too where the rules know none."""
    studies: tuple[str, ...]
    """Its open ones."""
    members: int
    upgrades: tuple[BallotView, ...]
    """Open ballots on other rules."""
    block_ms: int
    """The time of the last block."""


@dataclass(frozen=True)
class Place:
    """One folder; what is read of it is read once. Its properties raise what is wrong with it."""

    path: Path
    passphrase: str | None = field(default=None, repr=False)

    @cached_property
    def node(self) -> NodeFolder | None:
        """The node in it, if there is one."""
        folder = NodeFolder(self.path)
        return folder if folder.toml.exists() else None

    @cached_property
    def settings(self) -> NodeSettings | None:
        """The node's settings. Raises `NodeSettingsError`."""
        return self.node.settings() if self.node else None

    @cached_property
    def hospital(self) -> HospitalFolder | None:
        """The hospital in it; None where there is none, or the settings that name it cannot be read."""
        try:
            return locate(self.path)
        except (NoHospitalError, HMChainError):
            return None

    @cached_property
    def organisation(self) -> str:
        """Whose folder it is, as far as it says."""
        return self.hospital.organisation if self.hospital else ""

    @cached_property
    def network(self) -> Network | None:
        """The network that the node has joined; None where it has not. Raises `NetworkFileError`."""
        return self.node.joined() if self.node and self.node.network.is_file() else None

    @cached_property
    def status(self) -> NodeStatus | None:
        """How the node stands, as `hmchain node status` has it; None where it has joined no network.

        Raises what `node_status` raises.
        """
        return node_status(self.node) if self.node and self.network else None

    @cached_property
    def known(self) -> Known | None:
        """What the ledger says of this member; None before the first block. Raises what `open_state` raises."""
        if self.node is None or self.network is None or not self.node.state.exists():
            return None
        with verified_state(self.node.ledger) as found:
            state = found.state
            if state.is_new or not state.height:
                return None
            return Known(
                membership.membership(state, self.organisation),
                anchors.anchor(state, self.organisation) if has_sharing(state) else None,
                tuple(studies.open_studies(state, self.organisation)),
                len(membership.active_members(state)),
                tuple(each for each in ballots(state, Upgrade) if each.open),
                standings.time_ms(state),
            )  # fmt: skip

    @property
    def known_if_sound(self) -> Known | None:
        """The same, and None of a ledger that cannot be read, which is told of once."""
        try:
            return self.known
        except (HMChainError, OSError):
            return None
