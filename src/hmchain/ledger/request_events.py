"""Events of requests, of the decisions on them and of what is owed afterwards: see `events`."""

from __future__ import annotations

from hmchain.ledger.ledger_event import LedgerEvent


class AboutRequest(LedgerEvent, frozen=True):
    """Something that a person did with a request."""

    request: str
    organisation: str
    """Of the person who did it."""
    person: str


# -- the applicant's ---------------------------------------------------------------------------------------------------


class RequestCreated(AboutRequest, frozen=True, tag="request.created"):
    """A draft was begun."""


class RequestCopied(AboutRequest, frozen=True, tag="request.copied"):
    """A draft was begun as a copy."""

    source: str


class RequestSaved(AboutRequest, frozen=True, tag="request.saved"):
    """A draft has another content."""


class RequestDeleted(AboutRequest, frozen=True, tag="request.deleted"):
    """A draft that was never submitted is gone."""


class RequestSubmitted(AboutRequest, frozen=True, tag="request.submitted"):
    """A version was put before the hospitals."""

    version: int
    content: bytes


class RequestTakenBack(AboutRequest, frozen=True, tag="request.taken_back"):
    """The applicant goes over it again."""

    version: int


class RequestClosed(AboutRequest, frozen=True, tag="request.closed"):
    """Nothing is allowed under it any more."""

    reason: str


class ApplicantChanged(AboutRequest, frozen=True, tag="request.applicant"):
    """Another person answers for it."""

    of: str
    """That person's organisation."""
    applicant: str


class AboutMemberOfRequest(AboutRequest, frozen=True):
    """Something about one more person."""

    of: str
    """That person's organisation."""
    member: str


class RequestMemberInvited(AboutMemberOfRequest, frozen=True, tag="request.invited"):
    """Somebody was asked to take part."""


class RequestMemberUninvited(AboutMemberOfRequest, frozen=True, tag="request.uninvited"):
    """An invitation was taken back."""


class RequestMemberAdded(AboutMemberOfRequest, frozen=True, tag="request.member_added"):
    """Somebody takes part."""


class RequestMemberRemoved(AboutMemberOfRequest, frozen=True, tag="request.member_removed"):
    """Somebody takes part no more."""


class LicencesAccepted(AboutRequest, frozen=True, tag="request.licences_accepted"):
    """A person accepted terms."""

    count: int
    """Of all terms that the person has accepted."""


# -- the hospitals' ----------------------------------------------------------------------------------------------------


class AboutDataset(LedgerEvent, frozen=True):
    """What became of a request for one dataset."""

    request: str
    organisation: str
    """The hospital."""
    dataset: str
    version: int
    """Of the request."""


class RequestJudged(AboutDataset, frozen=True, tag="request.judged"):
    """The hospital's policy answered."""

    policy: int
    answer: str
    reasons: tuple[str, ...]


class RequestEndedBefore(AboutDataset, frozen=True, tag="request.ended_before"):
    """A yes to an earlier version had ended, and does not come back with a later one."""


class Decided(AboutDataset, frozen=True):
    """A person of the hospital, or its policy, decided."""

    person: str
    """Empty where the policy did."""


class ApprovalGiven(Decided, frozen=True, tag="request.approval"):
    """A person said yes; more are needed."""


class RequestApproved(Decided, frozen=True, tag="request.approved"):
    """As many said yes as the policy asks for."""

    until_ms: int


class RequestRejected(Decided, frozen=True, tag="request.rejected"):
    """The hospital says no."""

    reason: str


class RequestRevoked(Decided, frozen=True, tag="request.revoked"):
    """The hospital's yes is taken back."""

    reason: str


class RequestVoted(Decided, frozen=True, tag="request.voted"):
    """A person of the hospital gave a vote that others may heed."""

    vote: str


class LicencesAdded(Decided, frozen=True, tag="request.licences_added"):
    """There are more terms to accept."""


class ProcessingChanged(Decided, frozen=True, tag="request.processing"):
    """The hospital says how far it is."""

    state: str


class RequestReturned(AboutRequest, frozen=True, tag="request.returned"):
    """A hospital asks for changes."""

    version: int
    reason: str


class WordAsked(AboutMemberOfRequest, frozen=True, tag="request.word_asked"):
    """A hospital asked a person for a review or a decision."""

    deed: str
    """`review` or `decide`."""


class WordPromised(AboutRequest, frozen=True, tag="request.word_promised"):
    """Who was invited for a review or a decision accepted to give it."""

    of: str
    """The hospital that asked."""
    deed: str


class WordGiven(AboutRequest, frozen=True, tag="request.word_given"):
    """Who was asked for a review or a decision gave it."""

    of: str
    """The hospital that asked."""
    deed: str
    answer: str


class RequestRemarked(AboutRequest, frozen=True, tag="request.remarked"):
    """A person wrote something beside it."""

    public: str
    """`public`, or `private` among the hospitals."""


class ExternalAssigned(AboutRequest, frozen=True, tag="request.external"):
    """An office outside keeps it under a number of its own."""

    external: str


class DocumentRedacted(AboutRequest, frozen=True, tag="request.redacted"):
    """A document is not to be read any more: its key was destroyed."""

    document: bytes


class ExpiryNoted(AboutRequest, frozen=True, tag="request.expiry_noted"):
    """The applicant was told that the end is near."""

    until_ms: int


# -- obligations -------------------------------------------------------------------------------------------------------


class AboutDuty(LedgerEvent, frozen=True):
    """Something about what is owed to a hospital."""

    request: str
    organisation: str
    dataset: str
    duty: str


class DutyIncurred(AboutDuty, frozen=True, tag="duty.incurred"):
    """An approval brought it."""

    due_ms: int


class DutyShown(AboutDuty, frozen=True, tag="duty.shown"):
    """Who owes it showed that it was done."""


class DutyMet(AboutDuty, frozen=True, tag="duty.met"):
    """The hospital confirmed it."""


class DutyContested(AboutDuty, frozen=True, tag="duty.contested"):
    """What was shown does not do."""


class DutyWaived(AboutDuty, frozen=True, tag="duty.waived"):
    """The hospital asks for it no more."""
