"""Codes of requests, decisions and what is owed for them."""

from __future__ import annotations

from hmchain.interfaces.portal.texts import Later, later

KINDS: dict[str, Later] = {
    "train": later("train a model"),
    "count": later("count people"),
    "statistics": later("statistics"),
    "evaluate": later("evaluate a model"),
    "transfer": later("send records"),
}
"""What a request is to, in a word."""
KINDS_EXPLAINED: dict[str, Later] = {
    "train": later("train a model: records stay where they are"),
    "count": later("count people: one sum, with noise"),
    "statistics": later("compute statistics: sums over all hospitals"),
    "evaluate": later("measure a finished model"),
    "transfer": later("have records sent"),
}
REASONS: dict[str, Later] = {
    "code": later("the code"),
    "data-quality": later("quality of the data"),
    "documents": later("documents are missing"),
    "ethics": later("ethics"),
    "incomplete": later("it is incomplete"),
    "privacy": later("privacy"),
    "purpose": later("the purpose"),
    "too-broad": later("it asks for too much"),
    "other": later("another reason"),
    "consent": later("consent"),
    "misuse": later("misuse"),
    "person": later("a person who takes part"),
    "policy": later("our policy"),
    "security": later("security"),
    "finished": later("it is finished"),
    "withdrawn": later("it is withdrawn"),
    "superseded": later("another one takes its place"),
    "applicant-gone": later("its applicant is gone"),
    "disclosure": later("it would tell of people"),
    "quality": later("its quality"),
    "recipients": later("who would get it"),
    "error": later("an error"),
    "danger-to-life": later("danger to life"),
    "lasting-harm": later("lasting harm"),
    "urgent-treatment": later("urgent treatment"),
    "cannot-consent": later("cannot consent"),
}
"""Why somebody says no, takes something back, ends it, or asks in an emergency."""
ANSWERS: dict[str, Later] = {
    "accept": later("allow it"),
    "reject": later("say no"),
    "abstain": later("abstain"),
    "favourable": later("favourable"),
    "unfavourable": later("unfavourable"),
    "no-view": later("no view"),
    "approve": later("allow it"),
}
"""What people vote, and answer to those who ask them."""
DEEDS: dict[str, Later] = {
    "vote": later("votes"),
    "review": later("reviews"),
    "decide": later("advises"),
    "remark": later("writes"),
    "letter": later("writes with the decision"),
}
"""What somebody did beside a request."""
DUTIES: dict[str, Later] = {
    "delete": later("delete what was received"),
    "moratorium": later("publish nothing yet"),
    "publish": later("publish results"),
    "report": later("say how far it is"),
    "return": later("return results"),
}
PAPERS: dict[str, Later] = {
    "ethics": later("ethics letter"),
    "protocol": later("protocol"),
    "code": later("code"),
    "data-protection": later("impact assessment"),
    "form": later("form"),
    "decision": later("letter with a decision"),
    "evidence": later("evidence"),
}
STAGES: dict[str, Later] = {
    "received": later("received"),
    "in-ethics": later("before the ethics committee"),
    "in-protection": later("before data protection"),
    "in-code": later("its code is looked at"),
    "in-committee": later("before the committee"),
    "waits-for-applicant": later("waits for the applicant"),
    "ready": later("ready to decide"),
}
"""How far a hospital is with a request."""
