"""The form of a request: what its applicant says in words, with the fields of an EHDS permit application.

Articles, paragraphs and letters are of Regulation (EU) 2025/327, the European Health Data Space (OJ L, 5.3.2025).
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import asdict

from hmchain.application.governance.requests.documents import Document, DocumentError, Media, OtherDocumentError
from hmchain.canonical import NotCanonicalError, Record, decode, encode
from hmchain.plain import readable

TITLE_CHARACTERS_MAX, FIELD_CHARACTERS_MAX = 120, 8_000


class Form(Record, frozen=True, kw_only=True):
    """A request in the words of its applicant; what is left out is empty."""

    title: str
    use: str
    contact: str
    benefit: str = ""
    applicant: str = ""
    user_organisations: str = ""
    staff: str = ""
    data: str = ""
    form_of_data: str = ""
    own_data: str = ""
    legal_basis: str = ""
    ethics: str = ""
    safeguards: str = ""
    opt_outs: str = ""
    period: str = ""
    tools: str = ""
    publication: str = ""
    retention: str = ""
    funding: str = ""


@dataclass(frozen=True)
class FormField:
    """A question of the form."""

    name: str
    asks: str
    """In plain words."""
    article: str = ""
    """Of the Regulation; empty for what it does not ask."""
    needed: bool = False
    """Whether a request is refused without it."""

    @property
    def is_long(self) -> bool:
        """Whether its answer may have several lines."""
        return self.name not in ("title", "contact")


FIELDS = (
    FormField("title", "what this is, in one line", needed=True),
    FormField(
        "use", "what you want to find out and how, for people who know nothing of it yet", "67(2)(c)", needed=True
    ),
    FormField("contact", "who answers questions, and how they are reached", needed=True),
    FormField(
        "benefit", "what good is expected of it, for whom, and why that is in the public interest", "67(2)(c), 53(1)"
    ),
    FormField("applicant", "who you are: your organisation, its tasks, your function in it", "67(2)(a), 68(1)(d)"),
    FormField("user_organisations", "all organisations whose people will use the data or its results", "67(2)(a)"),
    FormField("staff", "who will have access, by name and function", "67(2)(a), 68(10)(d)"),
    FormField("data", "which data you need: of whom, from when to when, in which form, from which sources", "67(2)(d)"),
    FormField(
        "form_of_data",
        "anonymised or pseudonymised; if pseudonymised, why anonymised data will not do",
        "67(2)(e), 66(2)-(3), 68(1)(c)",
    ),
    FormField("own_data", "data of your own that you bring together with these", "67(2)(f)"),
    FormField("legal_basis", "the legal basis of the processing (GDPR, Art. 6 and 9; national law)", "67(4), 68(1)(c)"),
    FormField("ethics", "ethics assessment: committee, number, or why none is needed", "67(2)(j), 68(1)(f)"),
    FormField("safeguards", "what prevents misuse, and that anybody is identified again", "67(2)(g), 68(1)(e), 61(3)"),
    FormField("opt_outs", "if data of people who opted out are asked for: the law that allows it", "67(2)(k), 71(4)"),
    FormField("period", "how long the data are needed, and why so long", "67(2)(h), 68(12)"),
    FormField("tools", "software and computing that are needed", "67(2)(i), 73"),
    FormField("publication", "what will be published, where, and when (18 months at most)", "61(4)"),
    FormField("retention", "what is kept afterwards, where, how long, and when it is deleted", "68(12)"),
    FormField("funding", "who pays for it, and what interests they have"),
)
"""All questions, in the order in which a person answers them."""


def form_of(table: dict[str, str]) -> Form:
    """A form from its table in a file. Raises `DocumentError`, which names the key."""
    known = {field.name: field for field in FIELDS}
    if unknown := sorted(table.keys() - known.keys()):
        raise DocumentError(f"a form has no {unknown[0]!r}", f"it has {', '.join(known)}")
    kept = {name: readable(text, lines=known[name].is_long) for name, text in table.items()}
    form = Form(**({"title": "", "use": "", "contact": ""} | kept))
    require_answered(form)
    return form


def require_answered(form: Form) -> None:
    """Refuse a form without what people ask first, or with an answer too long. Raises `DocumentError`."""
    answers = asdict(form)
    for field in FIELDS:
        text, most = answers[field.name], FIELD_CHARACTERS_MAX if field.is_long else TITLE_CHARACTERS_MAX
        if field.needed and not text.strip():
            raise DocumentError(f"form.{field.name} is empty", f"say {field.asks}")
        if len(text) > most:
            raise DocumentError(f"form.{field.name} has {len(text)} characters", f"at most {most}: attach a file")


def unanswered(form: Form) -> tuple[FormField, ...]:
    """What an application under the Regulation asks for, and the form does not say."""
    return tuple(field for field in FIELDS if field.article and not asdict(form)[field.name])


def answered(form: Form) -> tuple[tuple[str, str], ...]:
    """Questions and answers, where there is one, harmless on a terminal whoever wrote them."""
    answers = asdict(form)
    kept = ((field.name.replace("_", " "), readable(answers[field.name], lines=field.is_long)) for field in FIELDS)
    return tuple((name, text) for name, text in kept if text)


def as_document(form: Form) -> Document:
    """A form as a document of its request."""
    return Document(Media.FORM, "", encode(form))


def from_document(document: Document) -> Form:
    """The form in a document. Raises `OtherDocumentError`."""
    try:
        form = decode(document.data, Form)
        require_answered(form)
    except (NotCanonicalError, DocumentError) as error:
        raise OtherDocumentError("a request's form cannot be read", "ask its applicant to submit it again") from error
    return form
