"""Why policies answer as they do, in plain words: the one list for those who set them and those who ask."""

from __future__ import annotations

from hmchain.ledger.contracts.data import policies

_WORDS = {
    policies.ANYTHING: "anything may be asked for",
    "uses": "the purpose is one that is permitted",
    "diseases": "the disease is one that is permitted",
    "kinds": "this kind of use is not permitted",
    "commercial": "commercial use is not permitted",
    "regions": "results would go to a country that is not permitted",
    "region-unsaid": "it names no country to which results go",
    "people": "somebody of the request is not among the people who may ask",
    "institutions": "somebody of the request is of an institution that may not ask",
    "ethics-letter": "the letter of an ethics committee is missing",
    "publication": "results must be published, and the request does not say so",
    "ancestry": "research on origins or ancestry is not permitted",
    "ancestry-possible": "the purpose is wide enough to take in ancestry",
    "fields": "a field is asked for that may not be",
    "field-unsaid": "it names no fields, and so asks for all of them",
    "labels": "a label is asked for that may not be",
    "label-unsaid": "it names no labels, and so asks for all of them",
    "rounds": "it asks for more rounds than are permitted",
    policies.PERSON_LOOKS: "a person looks at every request",
    "organisation": "a person must look whether the organisation is not for profit",
    "ethics-unread": "a person must read the letter of the ethics committee",
    "project": "a person must look whether it is the project",
    "research-type": "a person must look whether it is the type of research that is permitted",
    "methods": "a person must look whether it is research on methods",
    "genetic": "a person must look whether it is a genetic study",
    "collaboration": "it does not promise to work together with the hospital",
    "code": "its code is not among that which was looked at before",
    "break-glass": "it is an emergency, and its clinician's hospital is one that may",
    "release-counts": "counts may be released by the hospital's agent",
    policies.FEW_COLLUDERS: "it withstands fewer colluders than the hospital demands",
    policies.NOTHING_PERMITS: "nothing in the policy permits this purpose",
    policies.POLICY_ERROR: "the policy itself could not be evaluated; its hospital must mend it",
    policies.SMALL_COHORT: "the dataset has fewer records than may be asked about",
    policies.TOO_LONG: "it asks for a longer time than is permitted",
    policies.TOO_MUCH: "it names too many purposes and diseases to be judged: ask for less at a time",
}
"""By the id of a rule of ours (`policies/rules`), or the code of a bound."""


def reason_words(code: str) -> str:
    """Why a policy answered as it did."""
    return _WORDS.get(code, f"a rule of the hospital's own, {code!r}, says so")
