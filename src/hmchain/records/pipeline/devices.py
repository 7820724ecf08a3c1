"""Devices whose images are blanked because people said so: each signs what is to be blanked, as each signs a release.

Images of such a device pass unseen, in every dataset: a rule holds once as many people have signed as it takes, and
blanks all that any of them wanted blanked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import msgspec

from hmchain.keys import ED25519, PublicKey
from hmchain.records.catalogue.decisions import DeviceVote
from hmchain.records.deidentification.profile import BlankedDevice, ReviewedDevice
from hmchain.records.pipeline.review import Needs, Reviewer

LETTER = 8
"""Pixels each way: what is smaller than this blanks no writing."""


@dataclass(frozen=True)
class DeviceRule:
    """A device on the hospital's own list, and who put it there."""

    device: ReviewedDevice
    reviewer: str
    """All of them."""
    since_ms: int
    signed: int
    """How many of them signed with a key that counts."""
    in_force: bool
    """Whether so many did as it takes."""
    votes: tuple[DeviceVote, ...] = ()


def refused(device: BlankedDevice) -> str:
    """Say why places cannot be those where a device writes; nothing if they can."""
    for left, top, width, height in device.rectangles:
        if min(width, device.columns - left, height, device.rows - top) < LETTER:
            return f"no writing fits into less than {LETTER} x {LETTER} pixels of the picture"
    return ""


def votes(device: BlankedDevice, who: Iterable[Reviewer], now_ms: int) -> tuple[DeviceVote, ...]:
    """What people say of a device, signed by those who have a key."""
    said = []
    for each in who:
        vote = DeviceVote(device, each.name, now_ms, each.key.public.raw if each.key else b"")
        said.append(replace(vote, signature=each.key.sign(vote.message())) if each.key else vote)
    return tuple(said)


def rules(said: Iterable[DeviceVote], needs: Needs) -> tuple[DeviceRule, ...]:
    """The rules that come of what people said, the oldest first."""
    by_device: dict[tuple[object, ...], list[DeviceVote]] = {}
    for vote in said:
        if not refused(vote.device):
            device = vote.device
            named = (device.modality, device.manufacturer, device.model, device.rows, device.columns)
            by_device.setdefault(named, []).append(vote)
    return tuple(_rule(each, needs) for each in by_device.values())


def _rule(said: Sequence[DeviceVote], needs: Needs) -> DeviceRule:
    signed = [vote for vote in said if vote.public in needs.people and _is_signed(vote)]
    counting = {vote.public for vote in signed}
    believed = signed if needs.persons > 1 and signed else said
    rectangles = dict.fromkeys(one for vote in believed for one in vote.device.rectangles)
    return DeviceRule(
        ReviewedDevice(**msgspec.structs.asdict(said[0].device) | {"rectangles": tuple(rectangles)}),
        " and ".join(dict.fromkeys(vote.reviewer for vote in said)),
        said[0].at_ms,
        len(counting),
        needs.persons == 1 or len(counting) >= needs.persons,
        tuple(said),
    )


def _is_signed(vote: DeviceVote) -> bool:
    return PublicKey(ED25519, vote.public).verify(vote.signature, vote.message())
