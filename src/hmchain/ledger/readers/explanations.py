"""Why a hospital's policy said what it said: by the version that judged, which is asked again.

Each version of a policy, each submission and each word stays on the ledger, so a policy that is replaced explains its
past decisions as before.
"""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.ledger.contracts.data import judging, policies, requests
from hmchain.ledger.contracts.data.requests import Handling, Submission
from hmchain.ledger.readers.requests import require_request
from hmchain.ledger.state import State


@dataclass(frozen=True)
class Explanation:
    """What a policy said of one version of a request, and what that version of it says when it is asked again."""

    request: str
    submission: int
    organisation: str
    dataset: str
    policy: int
    """The version that judged; 0 is what holds where none was set."""
    answer: str
    reasons: tuple[str, ...]
    set_by: tuple[str, ...]
    """Whose word the policy is."""
    again: str
    """What the same version answers now; empty where nothing was judged since an earlier yes had ended."""
    reasons_again: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether the answer is the same with the same reasons.

        Where it is not, whoever asked has other roles, or other members, than when it was judged.
        """
        return not self.again or (self.answer, self.reasons) == (self.again, self.reasons_again)


def explain(state: State, request: str, submission: int, organisation: str, dataset: str) -> Explanation | None:
    """Why a policy said what it said of a dataset in a version of a request; None if that asked for no such thing."""
    word = requests.HANDLINGS.get(state, request, submission, organisation, dataset)
    content, made = requests.content(state, request, submission), requests.submission(state, request, submission)
    if word is None or content is None or made is None:
        return None
    use = next(use for use in content.of(organisation) if use.dataset == dataset)
    policy = policies.at(state, organisation, dataset, word.policy)
    assert policy is not None, "every version of a policy is kept"
    again = None if _was_over(word, made) else policies.judge(policy, judging.asked(state, made, content, use))
    return Explanation(
        request, submission, organisation, dataset, word.policy, word.answer, word.reasons,
        tuple(map(str, policy.persons)), again.answer if again else "", again.reasons if again else (),
    )  # fmt: skip


def explanations(state: State, request: str) -> list[Explanation]:
    """Why policies said what they said of each version of a request, in order. Raises `UnknownRequestError`."""
    entry = require_request(state, request)
    words = (word for version in range(1, entry.version + 1) for word in requests.handlings(state, request, version))
    found = (explain(state, request, word.version, word.organisation, word.dataset) for word in words)
    return [each for each in found if each is not None]


def _was_over(word: Handling, made: Submission) -> bool:
    """A yes to an earlier version had ended: the word on this one is that it does not come back."""
    return word.time_ms < made.time_ms
