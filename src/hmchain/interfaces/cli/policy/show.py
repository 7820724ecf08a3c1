"""Policies as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hmchain.application.governance.policies.setting import DeniedPermit, PolicyChange, PolicyView, WaitingPolicy
from hmchain.application.governance.policies.trials import Trial
from hmchain.application.governance.policies.words import Difference
from hmchain.interfaces.cli import output


def show_policy(found: PolicyView, *, is_own: bool) -> None:
    """All sentences of a policy, and what waits beside it, for whose people can stand behind that."""
    output.heading(_title(found))
    for rule in found.rules:
        output.say(f"  {rule.words}")
        if rule.cedar:
            output.say(f"    {rule.id}: {rule.cedar}")
    for sentence in found.bounds:
        output.say(f"  {sentence}")
    if found.waiting is not None:
        output.say()
        show_waiting(found.waiting)
        if is_own:
            output.say(f"Another steward: `hmchain policy confirm {found.dataset} --as NAME`")


def _title(found: PolicyView) -> str:
    if found.version < 0:
        return f"Policy of {found.dataset}, of a file"
    whose = f"{found.hospital}: {found.dataset}"
    if found.version == 0:
        return f"{whose} has no policy of its own, so this holds"
    return f"{whose}, policy version {found.version}, since block {found.height}, by {', '.join(found.persons)}"


def show_waiting(found: WaitingPolicy) -> None:
    """A policy that waits for other persons, by what it changes."""
    behind = ", ".join(found.persons)
    output.say(f"Another policy waits: {len(found.persons)} of {found.needed} persons stand behind it ({behind}).")
    show_difference(Difference(found.gone, found.new))


def show_history(found: Iterable[PolicyView]) -> None:
    """All versions, the newest first."""
    rows = [
        (each.version, each.height or "", ", ".join(each.persons) or "nobody", len(each.rules)) for each in found
    ]  # fmt: skip
    output.table(("version #", "block #", "set by", "rules #"), rows)


def show_difference(found: Difference) -> None:
    """What is no more said, and what is new."""
    for sentence in found.gone:
        output.say(f"  - {sentence}")
    for sentence in found.new:
        output.say(f"  + {sentence}")
    if not found.gone and not found.new:
        output.say("  Nothing is said otherwise.")


def show_change(found: PolicyChange) -> None:
    """What setting a policy would change."""
    output.heading(f"{found.hospital}: {found.dataset}, in the place of version {found.before}")
    show_difference(Difference(found.gone, found.new))
    if found.needed > 1:
        output.say(f"It comes into force when {found.needed} persons stand behind it.")
    if found.too_few:
        output.say("Your hospital has fewer stewards than it asks for: nothing could be approved until one is added.")
    show_denied(found.denied)


def show_denied(found: Iterable[DeniedPermit]) -> None:
    """Approvals that stay, though the policy would not give them any more."""
    for each in found:
        until = output.when(each.until_ms)
        output.say(f"{each.request} is approved until {until} UTC and would be denied: {'; '.join(each.reasons)}.")
        output.say(f"  It stays approved. To take it back: `{each.revoke}`")


def show_trials(found: Iterable[Trial]) -> None:
    """What a policy says to requests."""
    rows = [(each.asked, each.answer_words, "; ".join(each.because)) for each in found]
    output.table(("a request", "answer", "because"), rows)


def show_codes(found: Mapping[str, str], word: str) -> None:
    """Codes with their names, or how to look otherwise where none fits."""
    if found:
        output.table(("code", "name"), found.items())
        return
    output.say(f"No purpose, condition or disease has {word!r} in its name.")
    output.say("Names are English. Look for a part of the word, or for a wider one: `hmchain policy codes carcinoma`")
