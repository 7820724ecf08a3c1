"""Nothing on the ledger holds free text: what a member's own program writes into any field of any body is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from hmchain.application.learning.pinned import WordsPin, pin_training
from hmchain.application.learning.schedule import TrainingPlan
from hmchain.application.learning.trainer_study import TrainerModel, TrainerPlan
from hmchain.application.learning.trainers.architecture import Architecture
from hmchain.application.learning.trainers.own import TrainerLayer
from hmchain.canonical import decode, encode
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger import phrases, protocols
from hmchain.ledger.arithmetic import Layer, ModelRule
from hmchain.ledger.blocks import BlockInput
from hmchain.ledger.context import Context
from hmchain.ledger.contracts.data import break_glass, transfers
from hmchain.ledger.contracts.data.applying import CreateRequest, SaveDraft
from hmchain.ledger.contracts.data.datasets import RecordSchema, RegisterDataset
from hmchain.ledger.contracts.data.requests import Kind
from hmchain.ledger.contracts.learning import planning, studies
from hmchain.ledger.state import State
from hmchain.ledger.transition import Machine
from hmchain.records.pictures.medmnist import CLASSES
from support.ledger_texts import TEXT, taken
from support.paths import VECTORS
from support.request_bench import CODE, PLAN, REQUEST, RequestBench, content
from support.study_bed import SCHEMA, make_spec

LETTER = TEXT.encode() * 60


class Watched:
    """Stands in for `protocols.apply`: of what will be taken, once of each kind, it tries texts first."""

    def __init__(self) -> None:
        self.apply, self.tried, self.taken = protocols.apply, set[type](), set[tuple[str, tuple[int, ...]]]()

    def __call__(self, rules: protocols.Rules, context: Context, body: Any) -> None:
        mark = context.state.savepoint()
        self.apply(rules, replace(context, events=[]), body)
        context.state.rollback(mark)
        if type(body) not in self.tried:
            self.taken |= taken(self.apply, rules, context, body)
            self.tried.add(type(body))
        self.apply(rules, context, body)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    found = Watched()
    monkeypatch.setattr(protocols, "apply", found)
    return found


@pytest.mark.parametrize(
    ("vector_of", "bodies"),
    [
        ("3", {RegisterDataset, SaveDraft}),
        ("4", {RegisterDataset, *transfers.HANDLERS, *break_glass.HANDLERS}),
    ],
)
def test_a_sentence_is_taken_in_no_field_of_any_body_of_a_network_s_life(
    watched: Watched, vector_of: str, bodies: set[type]
) -> None:
    vector, state = json.loads((VECTORS / f"ledger_{vector_of}.json").read_text()), State()
    founded = decode(bytes.fromhex(vector["genesis"]), genesis_file.Genesis)
    genesis_file.initialise(state, founded)
    machine = Machine(state, founded.chain_id)
    machine.commit(0)
    for block in vector["blocks"]:
        inputs = decode(bytes.fromhex(block["input"]), BlockInput)
        machine.execute(inputs)
        machine.commit(inputs.height)
    assert bodies < watched.tried
    assert watched.taken == set()


@pytest.mark.parametrize("kind", [Kind.STATISTICS, Kind.EVALUATE])
def test_a_kind_without_an_engine_has_no_plan(kind: Kind) -> None:
    bench = RequestBench()
    bench.must("a/scientist", CreateRequest(REQUEST))
    assert bench.do("a/scientist", SaveDraft(REQUEST, content("b", kind=kind, plan=PLAN))) == "bad_plan"
    assert bench.do("a/scientist", SaveDraft(REQUEST, content("b", kind=kind))) == "ok"


def in_pieces(text: bytes, size: int) -> list[bytes]:
    return [text[at : at + size].ljust(size) for at in range(0, len(text), size)]


def in_numbers(text: bytes, size: int = 6) -> list[int]:
    return [int.from_bytes(piece) for piece in in_pieces(text, size)]


def in_layers(text: bytes) -> ModelRule:
    return structs.replace(make_spec(tuple("abc")).rule, layers=tuple(Layer(1, step) for step in in_numbers(text, 4)))


@pytest.mark.parametrize(
    ("plan", "code"),
    [
        (b"", "bad_plan"),
        (b"plan", "bad_plan"),
        (PLAN + b"\0", "bad_plan"),
        (encode(make_spec(tuple("abc"), code=CODE)), "bad_plan"),
        (studies.plan_of(make_spec(tuple("abc"), purpose=TEXT)), "bad_purpose"),
        (studies.plan_of(make_spec(tuple("abc"), schema=structs.replace(SCHEMA, classes=("no", TEXT)))), "bad_schema"),
        (studies.plan_of(make_spec(tuple("abc"), architecture=TEXT.encode())), "bad_plan"),
        (studies.plan_of(make_spec(tuple("abc"), training=encode([1, [2, TEXT]]))), "bad_plan"),
        (studies.plan_of(make_spec(tuple("abc"), training=encode(encode(encode(TEXT))))), "bad_plan"),
        (studies.plan_of(make_spec(tuple("abc"), training=encode(["tumour"] * 1000))), "bad_plan"),
        (studies.plan_of(make_spec(tuple("abc"), training=b"\x91" * 20_000 + b"\0")), "bad_plan"),
        (studies.plan_of(make_spec(tuple("abc"), training=encode(in_pieces(LETTER, 32)))), "bad_plan"),
        (studies.plan_of(make_spec(tuple("abc"), training=encode(in_numbers(LETTER)))), "bad_plan"),
        (studies.plan_of(make_spec(tuple("abc"), rule=in_layers(LETTER * 2))), "bad_plan"),
    ],
)
def test_a_training_s_plan_is_a_study_s_and_holds_no_text(plan: bytes, code: str) -> None:
    bench = RequestBench()
    bench.must("a/scientist", CreateRequest(REQUEST))
    assert bench.do("a/scientist", SaveDraft(REQUEST, content("b", plan=plan))) == code


def test_what_people_do_pin_and_call_things_is_taken() -> None:
    plan = TrainingPlan.cosine(
        300, 50_000, steps=60, batch_size=16, momentum_millionths=900_000, weight_decay_millionths=100,
        prox_mu_millionths=0, logit_adjustment=True, augmentation=True, server_momentum_q16=1 << 15,
        server_learning_rate_q16=1 << 16,
    )  # fmt: skip
    options = {"depth": 3, "rate": 1e-05, "loss": "log_loss", "sizes": [64, 32], "bias": True}
    own = TrainerPlan.of(40, options)
    layers = tuple(TrainerLayer(f"encoder.layer.{number}.attention.weight", (64, 64)) for number in range(60))
    words = WordsPin(bytes(range(32)), bytes(range(32)), 900)
    for pinned in (
        encode(plan),
        pin_training(encode(plan), words=words),
        pin_training(encode(own), trainer="TwoLayerPerceptron", words=words),
        encode(Architecture.for_images(64, 64, 1, 4)),
        encode(TrainerModel("TwoLayerPerceptron", layers)),
    ):
        assert phrases.holds_no_text(pinned, planning.TEXT_MAX)
    names = {name for classes in CLASSES.values() for name in classes}
    for name in (
        *names,
        "no tumour",
        "Ödem",
        "Stage IV",
        "ICD-10: C50.9",
        "< 65 years",
        "MR",
        "table 9f3a07b1c2d4e5f6",
    ):
        assert phrases.is_phrase(name), name
    for title in (
        "Universitätsklinikum Köln",
        "Hôpital Pitié-Salpêtrière (AP-HP)",
        "St. Mary's & Sons",
        "Νοσοκομείο Αθηνών 1",
    ):
        assert phrases.is_phrase(title, 120, 12), title


@pytest.mark.parametrize("schema", [RecordSchema(("fhir",), (TEXT[:70],)), structs.replace(SCHEMA, modality="m\nr")])
def test_media_types_and_modalities_are_no_texts(schema: Any) -> None:
    assert RequestBench().do("a", RegisterDataset("other", schema)) == "bad_schema"
