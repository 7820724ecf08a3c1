"""A run's summary made up from a seed, for tests of what shows it. None of its figures was ever measured."""

from __future__ import annotations

import base64
import hashlib
import io
import random

import numpy as np
from PIL import Image

from hmchain.interfaces.report.parts import (
    Approval,
    Audit,
    Calibration,
    CalibrationBin,
    Check,
    ClassResult,
    Count,
    Departure,
    Estimate,
    Exposure,
    Fact,
    FailedMaster,
    Hospital,
    HospitalResult,
    Incident,
    LedgerStatistics,
    Lineage,
    LineageDataset,
    Metrics,
    Performance,
    Proposer,
    Release,
    ReputationPoint,
    Results,
    Returned,
    RocCurve,
    Round,
    RunIdentity,
    Split,
    TamperTest,
    Timing,
    TrainingPlan,
    Verdict,
    Withdrawal,
    Word,
)
from hmchain.interfaces.report.summary import RunSummary

NOTICE = "Synthetic figures: this page was made by a test from a random seed. Nothing on it was measured."
CITIES = ("Aarhus", "Bilbao", "Cork", "Dresden", "Espoo", "Faro", "Graz", "Haarlem")


def synthetic_summary(hospitals: int = 4, classes: int = 2, rounds: int = 12, seed: int = 1) -> RunSummary:
    """Return a full, consistent summary with every section filled."""
    chance = random.Random(seed)
    names = [CITIES[i] if i < len(CITIES) else f"{CITIES[i % 8]} {i // 8 + 1}" for i in range(hospitals)]
    labels = ("no tumour", "tumour") if classes == 2 else tuple(f"class {number}" for number in range(classes))
    wards = tuple(_hospital(chance, name, classes) for name in names)
    turns = tuple(_round(chance, names, number, rounds) for number in range(1, rounds + 1))
    blocks = [chance.randint(20, 60) for _ in names]
    return RunSummary(
        title="Brain tumours in MRI",
        notice=NOTICE,
        identity=RunIdentity(
            dataset="br35h",
            seed=seed,
            classes=labels,
            chain_id=f"hmchain-br35h-{seed}",
            genesis_digest=_hex("genesis"),
            model_digest=_hex("model"),
            finished="2025-01-31T12:00:00Z",
            software="hmchain 0.1.0",
            machine="2 cores, no accelerator",
        ),
        hospitals=wards,
        verdicts=(
            Verdict(
                role="steward",
                good=True,
                sentence="No image left your hospital; one study was refused for want of approval.",
            ),
            Verdict(
                role="scientist",
                good=True,
                sentence="Every hospital gains; the worst interval of a gain still lies above zero.",
            ),
            Verdict(
                role="operator",
                good=True,
                sentence="Two dishonest acts were answered within their round; nothing waits for you.",
            ),
            Verdict(
                role="auditor",
                good=True,
                sentence="The ledger replays to the printed commitment and every vote checks.",
            ),
        ),
        metadata=(Count(name="EXIF", count=sum(ward.metadata_removed for ward in wards)), Count(name="XMP", count=12)),
        approvals=(
            *(_approval(name, number) for number, name in enumerate(names)),
            Approval(
                hospital=names[0],
                study="commercial-screening",
                decision="refused",
                reason="no approval on the ledger",
                height=11,
                transaction=_hex("refused"),
            ),
        ),
        returned=(
            Returned(request="brain-tumour-1", version=1, by=f"{names[1]}/steward", reason="documents", height=4),
        ),
        withdrawal=Withdrawal(hospital=names[1], images=3, last_round=max(1, rounds // 2), rounds=rounds),
        release=_release(chance, names),
        split=Split(
            description="Label skew (Dirichlet, alpha 0.5) with unequal sizes; near-duplicate groups stay whole.",
            images_found=3000,
            near_duplicates_dropped=41,
            groups=1111,
            training=2103,
            validation=240,
            test=616,
            redraws=1,
        ),
        plan=TrainingPlan(
            architecture="GroupNorm CNN, 64 x 64, stride-2 stem",
            parameters=297_346,
            rounds=rounds,
            algorithm="FedAvg with logit adjustment and server momentum 0.9",
            schedule="cosine, 0.05 to 0.001",
            bits=16,
            code_digest=_hex("code"),
            comparison="all methods see the same number of image presentations",
            more=(Fact(name="Local epochs", text="1"), Fact(name="Batch", text="32")),
        ),
        rounds=turns,
        results=_results(chance, names),
        performance=_performance(chance, labels),
        reputation=_reputation(chance, hospitals, rounds),
        proposers=tuple(
            Proposer(hospital=name, committed=blocks[number], failed=int(number == 1))
            for number, name in enumerate(names)
        ),
        incidents=(
            Incident(
                title="A block proposer signed an invalid block",
                hospital=names[1],
                round=2,
                height=37,
                transaction=_hex("proposer"),
                sentence=f"{names[1]} proposed block 37 with a state commitment that nobody else could reproduce; "
                "it was voted down and the next proposer took over.",
                score="consensus score",
                before=6240,
                after=3120,
                consequence="Its voting power follows at the next epoch.",
            ),
            Incident(
                title="A master altered the sum",
                hospital=names[2],
                round=3,
                height=58,
                chunk=417,
                transaction=_hex("master"),
                evidence_bytes=5312,
                sentence=f"{names[2]} posted a wrong sum as master of round 3; one chunk proved it, and the next "
                "in rank finished the same round over the same objects.",
                score="learning score",
                before=7600,
                after=2900,
                consequence="Barred from mastership; the members vote on its removal.",
            ),
        ),
        departures=tuple(
            Departure(
                hospital=name, update_bytes=rounds * 1_190_000, transaction_bytes=rounds * chance.randint(2000, 2400)
            )
            for name in names
        ),
        exposure=Exposure(
            original=_png(_phantom()),
            store=_png(_noise(seed)),
            master=_png(_noise(seed + 1)),
            caption="The original is drawn by the test; it is no patient's image.",
        ),
        audit=Audit(
            passed=True,
            anchor=_hex("genesis"),
            seconds=1.37,
            command="hmchain audit verify runs/latest --genesis " + _hex("genesis"),
            checks=(
                Check(name="Blocks linked", count=142),
                Check(name="Signatures", count=1290),
                Check(name="State commitments", count=142),
                Check(name="Transaction roots", count=142),
            ),
            not_proven=(
                "That the hospitals are who they say: the anchor must reach you by another way.",
                "That an approval was given by a person of sound judgement.",
            ),
            tamper=TamperTest(
                where="block 57, byte 1203",
                found=True,
                finding="block 57: transaction 3 does not match the block's transaction root",
            ),
        ),
        lineage=Lineage(
            study="brain-tumour-1",
            code_digest=_hex("code"),
            rounds_accepted=rounds,
            model_digest=_hex("model"),
            model_transaction=_hex("model tx"),
            datasets=tuple(
                LineageDataset(hospital=name, digest=_hex("data", name), approval=_hex("approval", name))
                for name in names
            ),
            masters=tuple(
                Count(name=name, count=led) for name in names if (led := sum(turn.master == name for turn in turns))
            ),
        ),
        ledger=LedgerStatistics(
            blocks=142,
            transactions=611,
            bytes=1_480_331,
            validators=hospitals,
            tolerated=(hospitals - 1) // 3,
            refused=3,
            kinds=(Count(name="Commit update", count=48), Count(name="Vote", count=96)),
        ),
        timings=(
            Timing(stage="Read and strip images", seconds=4.2),
            Timing(stage="Rounds", seconds=71.4),
            Timing(stage="Baselines", seconds=63.0),
            Timing(stage="Audit", seconds=1.37),
        ),
        next_commands=(
            Fact(name="hmchain model predict IMAGE", text="classify an image"),
            Fact(name="hmchain audit trace", text="who made this model, on whose permission"),
            Fact(name="hmchain ledger blocks", text="read the blocks"),
        ),
    )


def _release(chance: random.Random, names: list[str]) -> Release:
    def word(name: str) -> Word:
        auc = 0.5 + chance.random() / 20
        return Word(
            hospital=name,
            decision="granted",
            evidence=_hex(f"evidence of {name}"),
            members=chance.randint(200, 900),
            others=616,
            auc=Estimate(value=auc, low=auc - 0.02, high=auc + 0.02),
            rate=Estimate(value=0.012, low=0.004, high=0.031),
        )

    return Release(
        release="brain-tumour-1",
        asked_by=f"{names[0]}/scientist",
        audience="members",
        refused_by=names[1],
        reason="disclosure",
        attack="RMIA offline",
        words=tuple(map(word, names)),
        height=61,
        file="released.safetensors",
    )


def _hospital(chance: random.Random, name: str, classes: int) -> Hospital:
    counts = tuple(chance.randint(4, 600 // classes + 4) for _ in range(classes))
    images = sum(counts) + 60
    return Hospital(
        name=name,
        class_counts=counts,
        validation=60,
        metadata_removed=chance.randint(0, 40),
        images_encrypted=images,
        bytes_encrypted=images * 4196,
    )


def _round(chance: random.Random, names: list[str], number: int, last: int) -> Round:
    learned = 1 - 0.45 * (0.02 ** (number / last))
    failed = (FailedMaster(hospital=names[2], fault="fraud"),) if number == 3 else ()
    if number == 8:
        failed = (FailedMaster(hospital=names[0], fault="silent"),)
    honest = [name for name in names if name != names[2]] if number >= 3 else names
    return Round(
        number=number,
        master=chance.choice(honest),
        failed=failed,
        outcome="rejected" if number == 6 else "accepted",
        auc=min(0.995, learned - 0.02 + chance.uniform(-0.01, 0.01)),
        acc=learned - 0.07 + chance.uniform(-0.015, 0.015),
        accepts=1 if number == 6 else len(names),
        rejects=len(names) - 1 if number == 6 else 0,
        seconds=chance.uniform(3, 6),
    )


def _results(chance: random.Random, names: list[str]) -> Results:
    rows = []
    for name in names:
        own, joint = chance.uniform(0.86, 0.945), chance.uniform(0.955, 0.972)
        rows.append(
            HospitalResult(
                hospital=name,
                own=_metrics(own, own - 0.1),
                federated=_metrics(joint, joint - 0.055),
                gain_auc=Estimate(value=joint - own, low=joint - own - 0.02, high=joint - own + 0.02),
            )
        )
    own = sum(row.own.auc.value or 0 for row in rows) / len(rows)
    return Results(
        hospitals=tuple(rows),
        federated=_metrics(0.964, 0.909),
        own_mean=_metrics(own, own - 0.1),
        fedavg=_metrics(0.951, 0.868),
        pooled=_metrics(0.969, 0.914),
        intervals="95 % bootstrap, 1000 resamples of the test images",
    )


def _metrics(auc: float, acc: float) -> Metrics:
    return Metrics(
        auc=Estimate(value=auc, low=auc - 0.014, high=auc + 0.012),
        acc=Estimate(value=acc, low=acc - 0.024, high=acc + 0.022),
    )


def _performance(chance: random.Random, labels: tuple[str, ...]) -> Performance:
    confusion = tuple(
        tuple(
            chance.randint(260, 300) if row == column else chance.randint(4, 40) // max(1, len(labels) // 3)
            for column in range(len(labels))
        )
        for row in range(len(labels))
    )
    rates = [step / 40 for step in range(41)]
    curves = tuple(
        RocCurve(
            method=name,
            false_positive_rate=tuple(rates),
            true_positive_rate=tuple(rate**power for rate in rates),
            auc=1 / (1 + power),
        )
        for name, power in (("FL-CNN-HMChain", 0.037), ("own CNN, mean", 0.11), ("pooled", 0.032))
    )
    bins = tuple(
        CalibrationBin(
            count=20 + 14 * step, confidence=0.5 + step / 22, accuracy=0.5 + step / 22 - chance.uniform(0, 0.06)
        )
        for step in range(11)
    )
    return Performance(
        confusion=confusion,
        classes=tuple(
            ClassResult(
                name=label,
                support=sum(row),
                sensitivity=Estimate(value=row[number] / sum(row), low=0.85, high=0.97),
                specificity=Estimate(value=0.93, low=0.9, high=0.95),
            )
            for number, (label, row) in enumerate(zip(labels, confusion, strict=True))
        ),
        roc=curves,
        calibration=(Calibration(method="FL-CNN-HMChain", expected_error=0.031, bins=bins),),
    )


def _reputation(chance: random.Random, hospitals: int, rounds: int) -> tuple[ReputationPoint, ...]:
    consensus, learning, points = [5000] * hospitals, [5000] * hospitals, []
    for number in range(rounds + 1):
        if number:
            consensus = [min(10_000, score + chance.randint(60, 200)) for score in consensus]
            learning = [score + (10_000 - score) // chance.randint(6, 9) for score in learning]
        if number == 2:
            consensus[1] //= 2
        if number == 3:
            learning[2] = 2900
        points.append(
            ReputationPoint(
                round=number,
                consensus=tuple(consensus),
                learning=tuple(learning),
                power=tuple(667 + score // 31 for score in consensus),
            )
        )
    return tuple(points)


def _approval(name: str, number: int) -> Approval:
    return Approval(
        hospital=name,
        study="brain-tumour-1",
        decision="approved",
        height=5 + number,
        transaction=_hex("approval", name),
    )


def _hex(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def _png(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return base64.b64encode(file.getvalue()).decode()


def _noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (64, 64), dtype=np.uint8)


def _phantom() -> np.ndarray:
    """Draw a few ellipses: what stands in for an image."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    picture = np.zeros((64, 64))
    for a, b, dx, dy, value in (
        (0.8, 0.95, 0, 0, 150),
        (0.7, 0.85, 0, 0, -90),
        (0.2, 0.35, 0.25, 0.1, 50),
        (0.18, 0.3, -0.25, 0.1, 40),
    ):
        picture[((x - dx) / a) ** 2 + ((y - dy) / b) ** 2 < 1] += value
    return picture.astype(np.uint8)
