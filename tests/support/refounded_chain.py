"""A chain of which two of four hospitals are lost for good, and what the other two found again."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from msgspec.structs import replace

from hmchain.application.hospital.consortium import Consortium
from hmchain.application.hospital.founding import validator_keys as validators_of
from hmchain.canonical import digest
from hmchain.keys import SigningKey
from hmchain.ledger import refounding
from hmchain.ledger.engines.embedded import EmbeddedLedger
from hmchain.ledger.genesis import Genesis, Signature
from hmchain.ledger.state import State
from support.ledger_network import Network, Sender, signing_key, validator_keys
from support.study_bed import Bed, repeatable_keys

LOST = ("c", "d")


def salt_after(height: int) -> bytes:
    """The salt of a chain that is founded again after a block."""
    return digest("the salt of a chain that is founded again", height.to_bytes(8, "big"))


def signatures(genesis: Genesis, keys: Iterable[SigningKey]) -> tuple[Signature, ...]:
    """What officers with these keys sign."""
    made = [Signature(key.public.raw, key.sign(genesis.signed_bytes)) for key in keys]
    return tuple(sorted(made, key=lambda each: each.key))


def signed(genesis: Genesis, signers: Iterable[str] | None = None) -> Genesis:
    """The genesis with the signatures of its founding members, or of some of them."""
    assert genesis.before is not None
    names = [member.organisation for member in genesis.members]
    keys = [signing_key(name, "steward") for name in names if signers is None or name in signers]
    return replace(genesis, origin=replace(genesis.before, signatures=signatures(genesis, keys)))


@contextmanager
def carried_from(state: State, genesis: Genesis) -> Iterator[State]:
    """A copy of the state as the chain of a genesis begins with it."""
    with closing(state.copied()) as copy:
        refounding.carry(copy, genesis)
        copy.commit(genesis.height)
        yield copy


def proposed(state: State, former: Genesis, lost: Iterable[str] = LOST, ms: int = 0) -> Genesis:
    """What a member that is left proposes."""
    with closing(state.copied()) as copy:
        return refounding.propose(copy, former, tuple(lost), salt_after(state.height), ms)


def refound(network: Network, directory: Path, lost: Iterable[str] = LOST) -> Network:
    """Found an embedded chain again, in a new directory."""
    ledger, send = network.ledger, network.send
    send.clock.ms += 3_600_000
    genesis = signed(proposed(ledger.state, ledger.genesis, lost, send.clock.ms))
    keys = {member.organisation: validator_keys()[member.organisation] for member in genesis.members}
    with carried_from(ledger.state, genesis) as carried:
        made = EmbeddedLedger.create(directory, genesis, keys, clock_ms=send.clock, carried=carried)
    return Network(directory, made, Sender(send.clock, genesis.chain_id, send.sent))


def refound_run(run: Path, lost: tuple[str, ...]) -> None:
    """Lose some hospitals of a finished run for good, with their folders; the others found its chain again."""
    with Consortium.open(run) as consortium:
        ledger, hospitals = consortium.ledger, consortium.hospitals
        told = proposed(ledger.state, ledger.genesis, lost, ledger.now_ms())
        assert told.before is not None
        keys = {name: hospital.keys for name, hospital in hospitals.items() if name not in lost}
        given = signatures(told, (keyring.steward for keyring in keys.values()))
        genesis = replace(told, origin=replace(told.before, signatures=given))
        with carried_from(ledger.state, genesis) as carried:
            consortium.close()
            shutil.move(run / "ledger", run / "before")
            EmbeddedLedger.create(run / "ledger", genesis, validators_of(keys), carried=carried).close()
    shutil.move(run / "before", run / "ledger" / "before")
    for name in lost:
        shutil.rmtree(run / "hospitals" / name)


def refound_bed(bed: Bed, lost: tuple[str, ...], state: State | None = None) -> None:
    """Lose some hospitals for good, and go on with the others' folders on a chain that these founded from a state."""
    ledger, directory = bed.consortium.ledger, bed.directory / "ledger"
    bed.now_ms += 60_000
    told = proposed(state or ledger.state, ledger.genesis, lost, bed.now_ms)
    assert told.before is not None
    bed.names = tuple(name for name in bed.names if name not in lost)
    keys = {name: repeatable_keys(name) for name in bed.names}
    given = signatures(told, (keyring.steward for keyring in keys.values()))
    genesis = replace(told, origin=replace(told.before, signatures=given))
    with carried_from(state or ledger.state, genesis) as carried:
        bed.consortium.close()
        shutil.move(directory, bed.directory / "before")
        signers = validators_of(keys)
        made = EmbeddedLedger.create(directory, genesis, signers, clock_ms=bed.clock, carried=carried)
    shutil.move(bed.directory / "before", directory / "before")
    bed.adopt(Consortium(bed.directory, made, keys, bed.learn))
