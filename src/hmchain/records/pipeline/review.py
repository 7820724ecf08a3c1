"""Quarantine: people look at what no program may decide, and let it through or reject it.

Whatever the decision, the item as it came is then erased from the vault; what stays is the decision and who took it.
Where a profile wants two people, the first one's release waits beside the item for the second one's.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from hmchain.errors import InputError
from hmchain.keys import ED25519, PublicKey, SigningKey
from hmchain.records.catalogue import Catalogue, HeldItem
from hmchain.records.catalogue.decisions import Decision, Vote
from hmchain.records.catalogue.entries import PENDING, REJECTED, RELEASED, Decided, Place
from hmchain.records.deidentification.outcome import Finding
from hmchain.records.objects import DiskFullError
from hmchain.records.pipeline.decided import CONFLICT
from hmchain.records.pipeline.extraction import Extraction, ExtractionTally, name_record, quarantine_of
from hmchain.records.pipeline.storing import read, sha256_of
from hmchain.records.pipeline.workers import Deidentifiers
from hmchain.records.sources.item import Item, Rectangles
from hmchain.records.sources.spool import spooled
from hmchain.records.vault import Vault


class NotHeldError(InputError):
    """No item that waits in quarantine, or more than one, begins with what was given."""

    code = "not_held"


class NotReleasableError(InputError):
    """An item in quarantine is damaged or contradicts another: looking at it cannot mend that."""

    code = "not_releasable"


@dataclass(frozen=True)
class Reviewer:
    """A person who decides, and the key that this person signs with, if there is one."""

    name: str
    key: SigningKey | None = None

    @property
    def public(self) -> bytes:
        """The public key that this person signs with; empty without one."""
        return self.key.public.raw if self.key else b""

    def vote(self, held: HeldItem, state: str, now_ms: int, regions: Rectangles = ()) -> Vote:
        """What this person says of an item, signed."""
        if self.key is None:
            return Vote(state, self.name, now_ms, regions)
        vote = Vote(state, self.name, now_ms, regions, self.key.public.raw)
        return replace(vote, signature=self.key.sign(vote.message(held)))


@dataclass(frozen=True)
class SignedElsewhere(Reviewer):
    """A person whose key is elsewhere, and what it signed there of items, by their places."""

    sender: bytes = b""
    votes: Mapping[Place, Vote] = field(default_factory=dict)

    @property
    def public(self) -> bytes:
        """The public key whose signatures these are."""
        return self.sender

    def vote(self, held: HeldItem, state: str, now_ms: int, regions: Rectangles = ()) -> Vote:
        """What this person signed of an item; of something else nothing is signed, and it does not count."""
        signed = self.votes.get(held.place)
        is_this = signed is not None and (signed.state, signed.regions) == (state, regions)
        return signed if signed is not None and is_this else Vote(state, self.name, now_ms, regions)


@dataclass(frozen=True)
class Needs:
    """The people whom it takes to let an item through."""

    persons: int = 1
    people: frozenset[bytes] = frozenset()
    """The public keys that count where it takes several."""


@dataclass(frozen=True)
class Released:
    """The results of releasing some items."""

    tallies: tuple[ExtractionTally, ...] = ()
    """Of those that became records, or are held for another reason now."""
    seconded: tuple[HeldItem, ...] = ()
    """Those that another person must release too."""


def find_held(catalogue: Catalogue, prefix: str) -> HeldItem:
    """The waiting item whose id begins with `prefix`. Raises `NotHeldError`."""
    found = catalogue.quarantine.waiting(prefix.lower()) if prefix else []
    if len(found) > 1:
        raise NotHeldError(f"several waiting items begin with {prefix!r}", "give more letters of the item's id")
    if not found:
        raise NotHeldError(f"no waiting item begins with {prefix!r}", "`hmchain data quarantine list` shows them")
    return found[0]


def original_name(vault: Vault, held: HeldItem) -> str:
    """Read what the source calls the item: for the reviewer's eyes, since it may name the patient."""
    return vault.get(quarantine_of(held.dataset), held.version, name_record(held.item)).decode()


def is_kept(vault: Vault, held: HeldItem) -> bool:
    """Tell whether the item as it came is here: nothing is kept of what is about somebody who opted out."""
    return vault.has(quarantine_of(held.dataset), held.version, held.item.hex())


def write_content(vault: Vault, held: HeldItem, path: Path) -> None:
    """Write the item as it came into a new file that only its owner can read: it shows a patient.

    Raises `InputError` if there is such a file, or `DiskFullError` if it cannot be written: then none is left.
    Raises `NotHeldError` if the item was not kept, since it is about somebody who opted out.
    """
    if not is_kept(vault, held):
        raise NotHeldError("nothing of this item was kept: it is about somebody who opted out", "look at its source")
    try:
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            try:
                for piece in vault.get_stream(quarantine_of(held.dataset), held.version, held.item.hex()):
                    file.write(piece)
                file.flush()
            except BaseException:
                path.unlink()
                raise
    except FileExistsError as error:
        raise InputError(f"{path} exists", "give the name of a new file") from error
    except OSError as error:
        raise DiskFullError(f"{path} cannot be written", "check its folder and the free space") from error


def held_content(vault: Vault, held: HeldItem) -> BinaryIO:
    """The item as it came, from its start: in memory, or in a file without a name that no crash leaves behind."""
    return spooled(vault.get_stream(quarantine_of(held.dataset), held.version, held.item.hex()))


def is_conflict(held: HeldItem) -> bool:
    """Tell whether a person must say which of two contents of one identifier to take."""
    return CONFLICT in held.code


def held_item_again(vault: Vault, held: HeldItem, blank: Rectangles = (), keep: frozenset[str] = frozenset()) -> Item:
    """An item from quarantine as its source gave it."""
    name = original_name(vault, held)
    return Item(name, held.kind, lambda: held_content(vault, held), held.label, blank=blank, keep=keep)


def require_releasable(held: HeldItem, *, replacing: bool = False) -> None:
    """Raise `NotReleasableError` for what no reviewer can let through, or only by saying which of two to take."""
    if not held.releasable:
        hint = "mend it at its source and extract it again, or reject it"
        raise NotReleasableError(f"item {held.item.hex()[:12]} is held: {held.reason}", hint)
    if is_conflict(held) and not replacing:
        what = f"item {held.item.hex()[:12]} has an identifier of which other content was kept"
        raise NotReleasableError(
            what, "say which to take: release it with --replace, or reject it to stay with the other"
        )


def findings(rules: Deidentifiers, vault: Vault, held: HeldItem) -> tuple[Finding, ...]:
    """What would stay of an item and tells who it is about: for the reviewer's eyes, and written down nowhere."""
    item = Item(held.item.hex(), held.kind, lambda: held_content(vault, held), held.label)
    return rules[held.kind].findings(item)


def release(
    extraction: Extraction,
    catalogue: Catalogue,
    vault: Vault,
    held: HeldItem,
    reviewer: str,
    now_ms: int,
    *,
    replacing: bool = False,
    blank: Rectangles = (),
) -> ExtractionTally:
    """Let one item through on one person's word; as `release_all`. Raises `NotReleasableError`."""
    require_releasable(held, replacing=replacing)
    chosen = [(held, blank)]
    done = release_all(extraction, catalogue, vault, chosen, [Reviewer(reviewer)], now_ms, replacing=replacing)
    return done.tallies[0]


def release_all(
    extraction: Extraction,
    catalogue: Catalogue,
    vault: Vault,
    items: Sequence[tuple[HeldItem, Rectangles]],
    who: Sequence[Reviewer],
    now_ms: int,
    *,
    needs: Needs = Needs(),
    replacing: bool = False,
    keep: frozenset[str] = frozenset(),
) -> Released:
    """Let items of one version through: each is de-identified like any other, and becomes records.

    The rectangles beside an item are set to 0 in every frame of its images first: `held.regions`, say, or what the
    reviewer drew. Of the people whom it `needs` the last one's word lets it through, without all that any
    of them wanted blanked. What `findings` tells is removed but at the places to `keep`; where it takes several people,
    everywhere. `replacing` says of one with the identifier of other records that it takes their place.
    """
    voted = [(held, [each.vote(held, RELEASED, now_ms, blank) for each in who]) for held, blank in items]
    if needs.persons > 1 or any(each.public for each in who):
        catalogue.quarantine.vote((held, vote) for held, votes in voted for vote in votes)
    agreed, seconded = [], []
    for held, said in voted:
        votes = _votes(catalogue, held, needs.people) if needs.persons > 1 else said
        if len({vote.public for vote in votes}) >= needs.persons or needs.persons == 1:
            agreed.append((held, votes))
        else:
            seconded.append(held)
    keep = keep if needs.persons == 1 else frozenset()
    tallies = _release(extraction, catalogue, vault, agreed, now_ms, replacing=replacing, keep=keep)
    return Released(tallies, tuple(seconded))


def reject(catalogue: Catalogue, vault: Vault, held: HeldItem, reviewer: str, now_ms: int) -> None:
    """Keep an item out for good."""
    reject_all(catalogue, vault, [held], [Reviewer(reviewer)], now_ms)


def reject_all(
    catalogue: Catalogue, vault: Vault, items: Iterable[HeldItem], who: Sequence[Reviewer], now_ms: int
) -> None:
    """Keep items out for good: one person is enough."""
    known = [_known(catalogue, vault, held) for held in items]
    signing = [each for each in who if each.key]
    catalogue.quarantine.vote((held, each.vote(held, REJECTED, now_ms)) for each in signing for held in known)
    names = " and ".join(each.name for each in who)
    _close(catalogue, vault, [(held, Decision(REJECTED, names, len(who), now_ms)) for held in known])


def erase_decided(catalogue: Catalogue, vault: Vault, dataset: str, version: int) -> int:
    """Erase what is left here of items that were decided: who decides may be killed before the copies are erased."""
    decided = catalogue.quarantine.decided(dataset, version)
    place = quarantine_of(dataset)
    names = vault.records(place, version) if decided else ()
    left = [name for name in names if bytes.fromhex(name.partition(".")[0]) in decided]
    vault.erase_many(place, version, left)
    return len(left)


def forget(catalogue: Catalogue, vault: Vault, held: HeldItem) -> None:
    """Erase an item and all that is written of it: its patient is erased."""
    _erase(vault, [held])
    catalogue.quarantine.forget(held)


def _votes(catalogue: Catalogue, held: HeldItem, people: Container[bytes]) -> list[Vote]:
    """What known people said for letting an item through, each with a signature that is right."""
    said = catalogue.quarantine.decisions.votes(held)
    counting = [vote for vote in said if vote.state == RELEASED and vote.public in people]
    return [vote for vote in counting if PublicKey(ED25519, vote.public).verify(vote.signature, vote.message(held))]


def _release(
    extraction: Extraction,
    catalogue: Catalogue,
    vault: Vault,
    agreed: Sequence[tuple[HeldItem, list[Vote]]],
    now_ms: int,
    *,
    replacing: bool,
    keep: frozenset[str],
) -> tuple[ExtractionTally, ...]:
    if not agreed:
        return ()
    given = []
    for held, votes in agreed:
        blank = tuple(dict.fromkeys(region for vote in votes for region in vote.regions))
        given.append((_known(catalogue, vault, held), blank, votes))
    lasting = not replacing and not keep
    tallies = extraction.release_all(
        (
            (held_item_again(vault, held, blank, keep), _let_through(held, blank, votes, now_ms, lasting=lasting))
            for held, blank, votes in given
        ),
        replacing=replacing,
    )
    _erase(vault, [held for (held, _, _), tally in zip(given, tallies, strict=True) if tally.held == 0])
    return tuple(tallies)


def _let_through(held: HeldItem, blank: Rectangles, votes: Sequence[Vote], now_ms: int, *, lasting: bool) -> Decided:
    names = " and ".join(vote.reviewer for vote in votes)
    return Decided(held, Decision(RELEASED, names, len(votes), now_ms, blank), lasting)


def _known(catalogue: Catalogue, vault: Vault, held: HeldItem) -> HeldItem:
    """The same with the digest of its content, which items that wait since an earlier version of hmchain lack."""
    if held.content or held.state != PENDING or not is_kept(vault, held):
        return held
    with held_content(vault, held) as file:
        content = catalogue.quarantine.decisions.content(held.kind, sha256_of(read(file)))
    return replace(held, content=content)


def _close(catalogue: Catalogue, vault: Vault, decided: Sequence[tuple[HeldItem, Decision]]) -> None:
    # First: an item whose content is erased must not seem to wait.
    catalogue.quarantine.decide_all(decided)
    _erase(vault, [held for held, _ in decided])


def _erase(vault: Vault, items: Sequence[HeldItem]) -> None:
    places: dict[tuple[str, int], list[str]] = {}
    for held in items:
        places.setdefault((held.dataset, held.version), []).extend((held.item.hex(), name_record(held.item)))
    for (dataset, version), records in places.items():
        vault.erase_many(quarantine_of(dataset), version, records)
