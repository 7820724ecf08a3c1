"""What an attacker would do with requests: signed decisions sent again, and sentences in every field."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hmchain.canonical import Record, encode
from hmchain.ledger.contracts.data import permits
from hmchain.ledger.contracts.data.applicants import (
    AcceptLicences,
    AddMember,
    ChangeApplicant,
    InviteMember,
    JoinRequest,
)
from hmchain.ledger.contracts.data.applying import (
    ChangeDatasets,
    CloseRequest,
    CopyRequest,
    CreateRequest,
    DeleteDraft,
    SaveDraft,
    SubmitRequest,
    TakeBackRequest,
)
from hmchain.ledger.contracts.data.attachments import RedactDocument
from hmchain.ledger.contracts.data.datasets import PublishVersion, RegisterDataset
from hmchain.ledger.contracts.data.deciding import (
    AddLicences,
    ApproveRequest,
    RejectRequest,
    ReturnRequest,
    RevokeRequest,
    SetProcessing,
    VoteRequest,
)
from hmchain.ledger.contracts.data.obligations import ShowDuty, WaiveDuty
from hmchain.ledger.contracts.data.policies import Duty, SetPolicy
from hmchain.ledger.contracts.data.reviewing import (
    AcceptCall,
    AssignExternal,
    Deed,
    InviteReviewer,
    RemarkRequest,
    RequestReview,
    ReviewRequest,
)
from hmchain.ledger.engines.ledger import RefusedError
from hmchain.ledger.protocols import KNOWN
from hmchain.ledger.transactions import Refusal
from support.ledger_network import SCHEMA, Network
from support.request_bench import BRAIN, CODE, REQUEST, UNTIL_MS, RequestBench, content, ref, terms

APPLICANT, LICENCE, PAPER = "a/scientist", bytes([1]) * 32, bytes([2]) * 32
SENTENCE = "Mrs Jones, born 1957-03-02, has cancer of the lung."


# -- signed decisions --------------------------------------------------------------------------------------------------


def asked(directory: Path, names: str = "abcd") -> tuple[Network, ApproveRequest]:
    """A chain with a request to b, and b's yes that nobody has sent."""
    network = Network.found(directory, names, protocol=3)
    network.block(network.send("b", RegisterDataset(BRAIN, SCHEMA)))
    network.block(network.send("b", PublishVersion(BRAIN, 1, bytes(32), 512)))
    wanted = content("b")
    for body in (CreateRequest(REQUEST), SaveDraft(REQUEST, wanted), SubmitRequest(REQUEST, wanted.digest)):
        network.block(network.send("a", body, "scientist"))
    return network, ApproveRequest(REQUEST, 1, wanted.digest, BRAIN, UNTIL_MS)


def codes(network: Network, *wires: bytes) -> list[str]:
    return [receipt.code for receipt in network.block(*wires).receipts]


def test_a_decision_that_is_sent_again_is_refused(tmp_path: Path) -> None:
    """After the very same content was submitted again too: it is another version."""
    network, yes = asked(tmp_path)
    signed = network.send("b", yes)
    assert codes(network, signed) == ["ok"]
    for body in (TakeBackRequest(REQUEST), SubmitRequest(REQUEST, yes.content)):
        assert codes(network, network.send("a", body, "scientist")) == ["ok"]
    with pytest.raises(RefusedError, match="replayed"):
        network.ledger.submit(signed)
    assert codes(network, network.send("b", yes)) == ["wrong_content"], "signed anew, it is about another version"
    assert permits.permit(network.ledger.state, REQUEST, network.send.clock.ms) is None
    network.ledger.close()


def test_a_decision_for_another_chain_is_refused(tmp_path: Path) -> None:
    """Of the same name, people, keys and request: only its members differ."""
    network, yes = asked(tmp_path / "one")
    other, same = asked(tmp_path / "other", "abcde")
    assert yes == same
    with pytest.raises(RefusedError, match="wrong_chain"):
        other.ledger.submit(network.send("b", yes))
    network.ledger.close()
    other.ledger.close()


def test_a_decision_that_was_kept_back_too_long_is_refused(tmp_path: Path) -> None:
    network, yes = asked(tmp_path)
    signed = network.send("b", yes, life_ms=1000)
    network.send.clock.ms += 1001
    with pytest.raises(RefusedError, match="expired"):
        network.ledger.submit(signed)
    network.ledger.close()


# -- sentences ---------------------------------------------------------------------------------------------------------


def life(bench: RequestBench) -> Iterator[tuple[str, Record]]:
    """One of nearly every transaction, each of which holds where it stands."""
    yield "b", SetPolicy(BRAIN, terms(duties=(Duty("publish", 60),), licences=(LICENCE,)))
    yield APPLICANT, CreateRequest("draft")
    yield APPLICANT, DeleteDraft("draft")
    yield APPLICANT, CreateRequest(REQUEST)
    yield (
        APPLICANT,
        SaveDraft(REQUEST, content("b", "c", fields=("age",), labels=("tumour",), diseases=("MONDO:0000001",))),
    )
    yield APPLICANT, ChangeDatasets(REQUEST, content("b", "c").datasets)
    yield APPLICANT, InviteMember(REQUEST, ref("d/scientist"))
    yield "d/scientist", JoinRequest(REQUEST)
    yield APPLICANT, AddMember(REQUEST, "steward")
    yield APPLICANT, SaveDraft(REQUEST, content("b", "c"))
    yield APPLICANT, SubmitRequest(REQUEST, content("b", "c").digest)
    about: dict[str, Any] = bench.about()
    yield "b", SetProcessing(**about, dataset=BRAIN, processing="in-ethics")
    yield "b", RequestReview(REQUEST, 1, "steward")
    yield "b", ReviewRequest(**about, hospital="b", answer="favourable", document=PAPER)
    yield "c", InviteReviewer(REQUEST, 1, ref("b"))
    yield "b", AcceptCall(REQUEST, 1, "c", Deed.REVIEW)
    yield "b", VoteRequest(**about, dataset=BRAIN, vote="accept")
    yield "b", AddLicences(**about, dataset=BRAIN, licences=(CODE,))
    yield "b", ApproveRequest(**about, dataset=BRAIN, until_ms=UNTIL_MS)
    yield APPLICANT, AcceptLicences(REQUEST, (CODE, LICENCE))
    yield APPLICANT, ShowDuty(REQUEST, "b", BRAIN, "publish", PAPER)
    yield "b", WaiveDuty(REQUEST, BRAIN, "publish")
    yield "b", RemarkRequest(REQUEST, True, LICENCE)
    yield "b", AssignExternal(REQUEST, "findata-7")
    yield "b", RevokeRequest(**about, dataset=BRAIN, reason="misuse", document=CODE)
    yield "c", RejectRequest(**about, dataset=BRAIN, reason="ethics", document=bytes([3]) * 32)
    yield "c", ReturnRequest(**about, reason="ethics", document=bytes([4]) * 32)
    yield APPLICANT, ChangeApplicant(REQUEST, ref("d/scientist"))
    yield "b", RedactDocument(REQUEST, PAPER)
    yield APPLICANT, CopyRequest("again", REQUEST)
    yield "d/scientist", CloseRequest(REQUEST, "other")


def tampered(value: Any) -> Iterator[Any]:
    """The same with a sentence in one place, for each place that holds a text or bytes, a plan's own too."""
    if isinstance(value, str):
        yield SENTENCE
    elif isinstance(value, bytes):
        yield SENTENCE.encode()
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            if isinstance(inner := msgspec.msgpack.decode(value), list):
                yield from map(encode, tampered(inner))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            for other in tampered(item):
                yield [*value[:place], other, *value[place + 1 :]]


def test_no_field_of_any_transaction_takes_a_sentence() -> None:
    """Nor bytes of one in a digest's place."""
    bench, tried = RequestBench(), 0
    for who, body in life(bench):
        tag, *fields = msgspec.msgpack.decode(encode(body))
        for other in tampered(fields):
            try:
                made = KNOWN[3].decode_body(encode([tag, *other]))
            except Refusal:
                tried += 1
                continue
            before = bench.state.commitment()
            assert bench.do(who, made) != "ok", f"{tag} takes {other}"
            assert bench.state.commitment() == before
            tried += 1
        said = len(bench.events)
        bench.must(who, body)
        assert len(bench.events) > said, f"{tag} changes something, and nobody who follows hears of it"
    assert tried > 100
    bench.state.commit(bench.height)
    assert not any(SENTENCE.encode() in key + value for key, value in bench.state.snapshot())
