"""Vectors of protocols: what was executed once gives the same for ever, and bodies are refused as they were."""

from __future__ import annotations

import json
from typing import Any

from hmchain.canonical import Record, decode, encode
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger import protocols
from hmchain.ledger.blocks import BlockInput
from hmchain.ledger.contracts.data.applicants import AcceptLicences, AddMember, InviteMember, JoinRequest
from hmchain.ledger.contracts.data.applying import CloseRequest, CopyRequest, CreateRequest, SaveDraft, SubmitRequest
from hmchain.ledger.contracts.data.attachments import RedactDocument
from hmchain.ledger.contracts.data.deciding import (
    ApproveRequest,
    RejectRequest,
    ReturnRequest,
    RevokeRequest,
    VoteRequest,
)
from hmchain.ledger.contracts.data.obligations import ConfirmDuty, ShowDuty
from hmchain.ledger.contracts.data.policies import Duty, SetPolicy
from hmchain.ledger.contracts.data.reviewing import RemarkRequest, RequestReview, ReviewRequest
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Refusal
from hmchain.ledger.transition import Machine
from support.paths import VECTORS
from support.request_bench import BRAIN, CODE, REQUEST, UNTIL_MS, RequestBench, content, ref, terms

STUDY = VECTORS / "study_of_protocol_2.json"
"""Made by the last program that knew protocol 2 alone; never made anew."""
REQUESTS = VECTORS / "requests.json"
APPLICANT, LICENCE, PAPER = "a/scientist", bytes([1]) * 32, bytes([2]) * 32


def test_a_study_of_protocol_2_gives_the_commitments_that_it_always_gave() -> None:
    vector = json.loads(STUDY.read_text())
    genesis = decode(bytes.fromhex(vector["genesis"]), genesis_file.Genesis)
    assert genesis.protocol == 2
    state = State()
    genesis_file.initialise(state, genesis)
    machine = Machine(state, genesis.chain_id)
    machine.commit(0)
    for block in vector["blocks"]:
        inputs = decode(bytes.fromhex(block["input"]), BlockInput)
        machine.execute(inputs)
        assert state.commitment().hex() == block["commitment"], f"block {inputs.height}"
        machine.commit(inputs.height)


# -- requests ----------------------------------------------------------------------------------------------------------


def steps() -> list[tuple[str, Record]]:
    """A request's life, with what must be refused in between."""
    asked, changed = content("a", "b", "c"), content("a", "b", "c", publishes=False)
    first = {"request": REQUEST, "version": 1, "content": asked.digest}
    second = {"request": REQUEST, "version": 2, "content": changed.digest}
    yes = {"dataset": BRAIN, "until_ms": UNTIL_MS}
    no = {"dataset": BRAIN, "reason": "ethics", "document": b""}
    return [
        ("b", SetPolicy(BRAIN, terms(duties=(Duty("publish", 60),), licences=(LICENCE,)))),
        (APPLICANT, CreateRequest(REQUEST)),
        ("b/scientist", CreateRequest(REQUEST)),
        (APPLICANT, SaveDraft(REQUEST, content("b", fields=("A sentence.",)))),
        (APPLICANT, SaveDraft(REQUEST, asked)),
        (APPLICANT, InviteMember(REQUEST, ref("c/scientist"))),
        ("c/scientist", JoinRequest(REQUEST)),
        (APPLICANT, AddMember(REQUEST, "steward")),
        (APPLICANT, SubmitRequest(REQUEST, changed.digest)),
        (APPLICANT, SubmitRequest(REQUEST, asked.digest)),
        ("b", RequestReview(REQUEST, 1, "steward")),
        ("b", ReviewRequest(**first, hospital="b", answer="favourable", document=PAPER)),
        ("b", VoteRequest(**first, dataset=BRAIN, vote="accept")),
        ("b", ApproveRequest(**second, **yes)),
        ("b", ApproveRequest(**first, **yes)),
        ("c", ReturnRequest(**first, reason="incomplete", document=b"")),
        (APPLICANT, RemarkRequest(REQUEST, True, CODE)),
        (APPLICANT, SaveDraft(REQUEST, changed)),
        (APPLICANT, SubmitRequest(REQUEST, changed.digest)),
        ("b", ApproveRequest(**first, **yes)),
        ("a", ApproveRequest(**second, **yes)),
        ("b", ApproveRequest(**second, **yes)),
        ("c", RejectRequest(**second, **no)),
        ("c", ApproveRequest(**second, **yes)),
        (APPLICANT, AcceptLicences(REQUEST, (LICENCE,))),
        (APPLICANT, ShowDuty(REQUEST, "b", BRAIN, "publish", PAPER)),
        ("b", ConfirmDuty(REQUEST, BRAIN, "publish", CODE)),
        ("b", ConfirmDuty(REQUEST, BRAIN, "publish", PAPER)),
        ("b", RevokeRequest(**second, **{**no, "reason": "consent"})),
        ("b", RedactDocument(REQUEST, PAPER)),
        (APPLICANT, CopyRequest("again", REQUEST)),
        (APPLICANT, CloseRequest(REQUEST, "superseded")),
        ("b", RevokeRequest(**second, **{**no, "reason": "consent"})),
    ]


def lived() -> list[dict[str, Any]]:
    """Each step with its code, what it said, and the state after it."""
    bench = RequestBench(protocol=3)
    found = []
    for who, body in steps():
        said = len(bench.events)
        code = bench.do(who, body)
        events = [[event.encode().kind, *event.encode().keys] for event in bench.events[said:]]
        commitment = bench.state.commitment().hex()
        found.append({"by": who, "body": encode(body).hex(), "code": code, "events": events, "state": commitment})
    return found


def malformed() -> dict[str, str]:
    """Bodies that decode under no rules, by what is wrong with them."""
    whole = encode(CreateRequest(REQUEST))
    draft = encode(SaveDraft(REQUEST, content("b")))
    return {
        "a byte is missing": whole[:-1].hex(),
        "a byte is left over": (whole + b"\0").hex(),
        "one field more": encode(["create_request", REQUEST, 1]).hex(),
        "a number for a name": encode(["create_request", 1]).hex(),
        "another tag": encode(["create_requests", REQUEST]).hex(),
        "a wider form of a text": whole.replace(b"\xa5lungs", b"\xd9\x05lungs").hex(),
        "an unknown kind of use": draft.replace(b"\xa5train", b"\xa5steal").hex(),
        "an unknown kind of document": draft.replace(b"\xa4form", b"\xa4note").hex(),
        "a text for a digest": encode(["redact_document", REQUEST, "what a person wrote"]).hex(),
        "an unknown answer to a duty": encode(["confirm_duty", REQUEST, BRAIN, "publish", None]).hex(),
    }


def test_requests_give_the_codes_events_and_states_that_they_always_gave() -> None:
    vector = json.loads(REQUESTS.read_text())
    assert lived() == vector["steps"]
    assert {step["code"] for step in vector["steps"]} > {"ok", "wrong_content", "own_request", "already_decided"}


def test_a_body_that_was_tampered_with_is_malformed_under_every_protocol() -> None:
    vector = json.loads(REQUESTS.read_text())
    assert vector["malformed"] == malformed()
    for what, body in vector["malformed"].items():
        for number, rules in protocols.KNOWN.items():
            assert _code(rules, bytes.fromhex(body)) == "malformed", f"{what}, protocol {number}"


def test_protocol_2_knows_no_request() -> None:
    for step in json.loads(REQUESTS.read_text())["steps"]:
        body = bytes.fromhex(step["body"])
        assert _code(protocols.KNOWN[2], body) == "malformed" and _code(protocols.KNOWN[3], body) == "ok"


def _code(rules: protocols.Rules, body: bytes) -> str:
    try:
        rules.decode_body(body)
    except Refusal as refusal:
        return refusal.code
    return "ok"


if __name__ == "__main__":
    # When protocol 3 changes on purpose, before any network follows it: `PYTHONPATH=tests python` and this file.
    REQUESTS.write_text(json.dumps({"steps": lived(), "malformed": malformed()}, indent=0) + "\n")
