"""All that a study's specification pins, in the words in which its stewards read it before they decide."""

from __future__ import annotations

from hmchain.application.agent.turns import PATIENCE_WORDS
from hmchain.application.cohort.grammar import written
from hmchain.application.cohort.words import words
from hmchain.application.governance.purposes import purpose_words
from hmchain.application.learning.pinned import cnn_plan, read_training
from hmchain.application.learning.schedule import MILLION, Q16
from hmchain.application.learning.trainer_study import pins_own_trainer, read_pins
from hmchain.application.learning.trainers.architecture import Architecture
from hmchain.application.learning.trainers.trainer import is_rows
from hmchain.canonical import decode
from hmchain.errors import HMChainError
from hmchain.ledger.blocks import OK
from hmchain.ledger.contracts.data.queries import plan_of
from hmchain.ledger.contracts.learning.permitted import ProposeUnderPermit
from hmchain.ledger.contracts.learning.studies import Deadlines, ProposeStudy, StudySpec
from hmchain.ledger.readers.transactions import TransactionView
from hmchain.ledger.transactions import Refusal

Term = tuple[str, str]
"""A thing that is pinned, and how."""

OWN_CODE = (
    "NOT OURS. It runs with all rights of your hospital's agent, which decrypts your data: nothing confines it. Read "
    "it before you approve. `hmchain node trainers FILE.py:CLASS` shows whether a file is this one; your agent runs it "
    "only once it is accepted there too. Digest"
)
"""What a steward is told of a trainer that somebody brings."""


def terms(spec: StudySpec) -> tuple[Term, ...]:
    """Every field of a specification, in plain words."""
    if spec.is_count:
        return _count_terms(spec)
    schema, rule, n = spec.schema, spec.rule, len(spec.uses)
    images = f"{schema.height} x {schema.width} images of {schema.channels} channel(s)"
    inputs = f"rows of {schema.width} numbers" if is_rows(schema) else images
    own = pins_own_trainer(spec)
    return (
        ("purpose", purpose_words(spec.purpose)),
        ("data", ", ".join(f"{use.organisation}: {use.dataset} version {use.version}" for use in spec.uses)),
        ("learns", f"{', '.join(schema.classes)} from {inputs} ({schema.modality})"),
        ("model", _model(spec)),
        ("first model", f"{spec.initial_root.hex()}, as float32 {spec.initial_weights.hex()}" if spec.initial_root
                        else "follows from this, the network's salt and the study's name"),
        ("rounds", f"{spec.rounds}, after one that sums noised class counts"),
        *(_trainer_plan(spec) if own else _plan(spec.training)),
        ("update", f"L2 norm at most {spec.clip_norm_millionths / MILLION:g}, sent as {rule.bits}-bit integers"),
        ("next model", f"the server's learning rate is {rule.learning_rate / Q16:g}, its momentum "
                       f"{rule.momentum / Q16:.4g}; the lower the rate, the more alike the sums of two rounds"),
        ("sums", f"of at least {spec.threshold} of the {n} hospitals; each can take its own part out of a sum"),
        ("withstands", _withstood(spec)),
        ("gate", f"a hospital votes against a model whose {'score' if own else 'AUC'} on its own validation "
                 f"{'records, by the trainer,' if own else 'images'} is lower than the best "
                 f"accepted by more than {spec.gate_tolerance_permyriad / 100:g} points"),
        ("deadlines", _deadlines(spec.deadlines)),
        ("description", _description(spec.training)),
        ("training code", f"{OWN_CODE if own else 'digest'} {spec.code.hex()}"),
        *((("specification", f"{spec.digest.hex()}: what an approval binds"),) if spec.initial_root else ()),
    )  # fmt: skip


def _count_terms(spec: StudySpec) -> tuple[Term, ...]:
    """The same of a count: all else follows from its plan."""
    try:
        plan = plan_of(spec.training)
    except Refusal:
        return (("counts", "nobody can tell: the query is not one that this version reads"),)
    return (
        ("purpose", purpose_words(spec.purpose)),
        ("data", ", ".join(f"{use.organisation}: {use.dataset} version {use.version}" for use in spec.uses)),
        ("counts", words(plan.query)),
        ("query", written(plan.query)),
        ("noise", f"of each hospital, for good: epsilon {plan.epsilon_millionths / MILLION:g} for one person"),
        ("sums", f"of at least {spec.threshold} of the {len(spec.uses)} hospitals; who has too few people sits out"),
        ("withstands", _withstood(spec)),
        ("deadlines", _deadlines(spec.deadlines)),
    )  # fmt: skip


def terms_of(found: TransactionView) -> tuple[Term, ...]:
    """The terms of a study in the transaction that proposed it; none of other kinds, nor of one that was refused."""
    body = found.body
    return terms(body.spec) if isinstance(body, ProposeStudy | ProposeUnderPermit) and found.receipt.code == OK else ()


def _model(spec: StudySpec) -> str:
    weights = f"{spec.rule.size} weights in {len(spec.rule.layers)} tensors"
    if pins_own_trainer(spec):
        return f"{weights}, of a trainer of somebody's own: {read_training(spec.training).trainer!r}"
    try:
        network = decode(spec.architecture, Architecture)
    except HMChainError:
        return f"{weights}, as encoded: {spec.architecture.hex()}"
    return f"{network.name}, {network.filters} filters, stem stride {network.stem_stride}; {weights}"


def _withstood(spec: StudySpec) -> str:
    """The meaning of the number of colluders for each hospital."""
    if spec.colluders == 0:
        return "0 colluders: any one participant may learn what a hospital sent"
    together = f"{spec.colluders} of {len(spec.uses)} participants that pool all they know"
    promise = "they see what two others or more sent, added up, never one alone"
    return f"{together}: {promise}. Of {spec.colluders + 1} nothing is promised"


def _description(training: bytes) -> str:
    words = read_training(training).words
    if words is None:
        return "none"
    return (
        f"digest {words.digest.hex()}; {words.size} bytes sealed to the members, in their store as {words.object.hex()}"
    )


def _trainer_plan(spec: StudySpec) -> tuple[Term, ...]:
    try:
        _, plan = read_pins(spec)
    except HMChainError:
        return (("plan", "not one that this version can read: its agent will take no part"),)
    return (
        ("plan", "each round the trainer gets an eighth of the training records, drawn anew, and does what it does"),
        ("absence", "a hospital that misses rounds tells the others of its records, more with each: stay in, or out"),
        ("options", plan.options),
    )  # fmt: skip


def _plan(training: bytes) -> tuple[Term, ...]:
    try:
        plan = cnn_plan(training)
    except HMChainError:
        return (("plan", "not one that this version can read: its agent will take no part"),)
    rates = [rate / MILLION for rate in plan.learning_rates_millionths]
    extras = (
        ("FedProx", plan.prox_mu_millionths > 0),
        ("logit adjustment", plan.logit_adjustment),
        ("augmentation", plan.augmentation),
    )
    used = ", ".join(name for name, is_used in extras if is_used)
    return (
        ("plan", f"each round {plan.steps} steps of {plan.batch_size} images at each hospital; learning rate "
                 f"{rates[0]:g} in the first round, {rates[-1]:g} in the last, {min(rates):g} to {max(rates):g} in all "
                 f"(half of the rounds at most {sorted(rates)[(len(rates) - 1) // 2]:g}); momentum "
                 f"{plan.momentum_millionths / MILLION:g}, weight decay {plan.weight_decay_millionths / MILLION:g}"),
        ("with", used or "no more"),
    )  # fmt: skip


def _deadlines(deadlines: Deadlines) -> str:
    spans_ms = (
        ("train", deadlines.commit_ms),
        ("fetch and attest", deadlines.attest_ms),
        ("reveal seeds", deadlines.reveal_ms),
        ("sum", deadlines.aggregate_ms),
        ("verify", deadlines.verify_ms),
        ("vote on the model", deadlines.gate_ms),
    )
    within = ", ".join(f"{what} within {span_ms / 1000:g} s" for what, span_ms in spans_ms)
    return f"{within}; who is late is charged, but {PATIENCE_WORDS}"
