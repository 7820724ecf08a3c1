"""One sentence for each role, and whether all is well. Green is what was measured to be so, nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from hmchain.interfaces.report.history import History
from hmchain.interfaces.report.parts import Audit, Metrics, Results, Verdict


def verdicts(results: Results, rounds: int, history: History, audit: Audit) -> tuple[Verdict, ...]:
    """The last screen's sentences, of a run that was to have so many rounds."""
    accepted = sum(entry.outcome == "accepted" for entry in history.rounds)
    return (
        Verdict(
            role="steward",
            good=True,
            sentence="No image left a hospital; every use was allowed by its hospital, a policy denied one request, "
            "and its study was turned away; the model left only with evidence.",
        ),
        of_model(results),
        Verdict(
            role="operator",
            good=accepted > 0,
            sentence=f"{accepted} of {rounds} rounds accepted, {history.blocks:,} blocks logged; "
            f"{len(history.all_incidents)} incidents answered and worked around without anybody's help.",
        ),
        Verdict(
            role="auditor",
            good=audit.passed and (audit.tamper is None or audit.tamper.found),
            sentence="The whole record replays against the genesis digest, and one flipped bit in a copy is named.",
        ),
    )


def of_model(results: Results) -> Verdict:
    """For the scientist: a hospital gains where the interval of its paired gain lies above 0, and nowhere else.

    All is well if some hospital gains, and none loses, in AUC or in accuracy.
    """
    gain = results.whose_gain_is(1, "auc")
    lose = sorted({*results.whose_gain_is(-1, "auc"), *results.whose_gain_is(-1, "acc")})
    sentence = f"{_scores('AUC', results.own_mean, results.federated)}, "
    sentence += f"{_scores('ACC', results.own_mean, results.federated)}; {_count(gain, results)}{_least(results)}."
    if lose:
        sentence += f" {', '.join(lose)} would do better alone."
    return Verdict(role="scientist", good=bool(gain) and not lose, sentence=sentence)


def _scores(name: str, own: Metrics, joint: Metrics) -> str:
    metric = name.lower()
    alone, together = getattr(own, metric).value, getattr(joint, metric).value
    if alone is None or together is None:
        return f"{name} undefined"
    return f"{name} {together:.3f} against {alone:.3f} alone"


def _count(gain: Sequence[str], results: Results) -> str:
    of = len(results.hospitals)
    if len(gain) == of:
        return f"all {of} hospitals gain"
    return f"{len(gain)} of {of} hospitals {'gains' if len(gain) == 1 else 'gain'} more than chance explains"


def _least(results: Results) -> str:
    gains = {one.hospital: value for one in results.hospitals if (value := one.gain("auc").value) is not None}
    if not gains:
        return ""
    least = min(gains, key=lambda name: gains[name])
    return f", least {least} ({gains[least]:+.3f} AUC)"
