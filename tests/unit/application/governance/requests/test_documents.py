"""Documents of requests: their readers read them, nobody else does, and with its key a document is gone for good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hmchain import files
from hmchain.application.governance.requests import form
from hmchain.application.governance.requests.documents import (
    FILE_BYTES_MAX,
    Document,
    DocumentError,
    Documents,
    Media,
    NoReaderError,
    OtherDocumentError,
    file_document,
    readers_of,
    require_file,
    text_document,
)
from hmchain.canonical import Record, encode
from hmchain.canonical import digest as digest_of
from hmchain.keys import UnwrapError, WrappingKey
from hmchain.ledger.contracts.members import membership
from hmchain.plain import readable
from hmchain.records.objects import MissingObjectError, ObjectStore
from support.paths import REPOSITORY
from support.study_bed import Bed

CHAIN, REQUEST = "test-1", "relapse"
YES = "Yes."
EVIL = "approved\x1b[2J\x1b]0;pwned\x07 by\u202e east\r\nspecification deadbeef"


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    bed = Bed.found(tmp_path_factory.mktemp("documents") / "run")
    yield bed
    bed.close()


def of(bed: Bed, name: str) -> Documents:
    hospital = bed.consortium.hospitals[name]
    return Documents(hospital.folder, lambda: bed.consortium.objects, hospital.keys.opening)


def put(bed: Bed, document: Document, *readers: str) -> bytes:
    return of(bed, "west").put(CHAIN, REQUEST, document, readers_of(bed.state, readers))


def stored(bed: Bed) -> bytes:
    """All that lies in the store."""
    paths = bed.consortium.directory.joinpath("objects").rglob("*")
    return b"".join(path.read_bytes() for path in paths if path.is_file())


def objects(bed: Bed) -> int:
    return sum(path.is_file() for path in bed.consortium.directory.joinpath("objects").rglob("*"))


def sizes(bed: Bed) -> set[int]:
    paths = bed.consortium.directory.joinpath("objects").rglob("*")
    return {path.stat().st_size for path in paths if path.is_file()}


def test_its_readers_read_it_and_no_other_member_does(bed: Bed) -> None:
    digest = put(bed, text_document("Do early changes tell who will relapse?"), "west", "east")
    for name in ("west", "east"):
        assert of(bed, name).read(CHAIN, REQUEST, digest).text == "Do early changes tell who will relapse?"
    with pytest.raises(NoReaderError, match="not sealed to north"):
        of(bed, "north").read(CHAIN, REQUEST, digest)
    thief = Documents(bed.consortium.hospitals["east"].folder, lambda: bed.consortium.objects, WrappingKey.generate())
    with pytest.raises(UnwrapError):
        thief.read(CHAIN, REQUEST, digest)
    assert b"relapse?" not in stored(bed)


@pytest.mark.parametrize(("place", "name"), [(files, "write_whole"), (ObjectStore, "put_many")])
def test_who_is_killed_as_a_document_is_put_there_leaves_no_second_one(
    bed: Bed, monkeypatch: pytest.MonkeyPatch, place: object, name: str
) -> None:
    """A second one would stand there for its readers, named by no ledger, after the first one was redacted."""
    before, work, document = objects(bed), getattr(place, name), text_document(f"killed after {name}")

    def killed(*given: object, **more: object) -> None:
        work(*given, **more)
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr(place, name, killed)
        with pytest.raises(KeyboardInterrupt):
            put(bed, document, "west", "east")
    digest = put(bed, document, "west", "east")
    assert of(bed, "east").read(CHAIN, REQUEST, digest) == document
    assert objects(bed) - before == 2, "its text and its key"


def test_a_removed_organisation_gets_no_key_of_a_new_document(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [member for member in membership.active_members(bed.state) if member.organisation != "east"]
    monkeypatch.setattr(membership, "active_members", lambda state: left)
    digest = put(bed, text_document("new"), "west", "east", "north")
    with pytest.raises(NoReaderError):
        of(bed, "east").read(CHAIN, REQUEST, digest)
    assert of(bed, "north").read(CHAIN, REQUEST, digest).text == "new"


def test_a_redacted_attachment_opens_for_nobody_though_its_ciphertext_stays(bed: Bed) -> None:
    before, remembered = stored(bed), len(list(of(bed, "west").folder.documents.iterdir()))
    digest = put(bed, text_document("a name that should not be here"), "west", "east")
    of(bed, "west").destroy(CHAIN, REQUEST, digest)
    for name in ("west", "east"):
        with pytest.raises(MissingObjectError):
            of(bed, name).read(CHAIN, REQUEST, digest)
    assert len(stored(bed)) > len(before)
    assert len(list(of(bed, "west").folder.documents.iterdir())) == remembered, "nor is there a trace of what it said"
    assert put(bed, text_document("a name that should not be here"), "west", "east") != digest


def test_a_redaction_destroys_no_object_that_is_no_document_of_its_request(bed: Bed) -> None:
    """Whoever takes part attaches any 32 bytes, a model's or another's document's address, and calls them redacted."""
    model = bed.consortium.objects.put(b"a model that all hospitals made")
    document = put(bed, text_document("what another request says"), "west", "east")
    for digest, request in ((model, REQUEST), (document, "attacker-s"), (bytes(32), REQUEST)):
        of(bed, "east").destroy(CHAIN, request, digest)
    of(bed, "east").destroy("test-2", REQUEST, document)
    assert bed.consortium.objects.exists(model)
    assert of(bed, "east").read(CHAIN, REQUEST, document).text == "what another request says"


def test_a_guessable_comment_cannot_be_confirmed_from_the_ledger(bed: Bed) -> None:
    """Nothing that somebody without a key can compute of a guess is what the ledger or the store has."""
    digests = {put(bed, text_document(YES), *readers) for readers in (("west",), ("west", "east"), ("west", "north"))}
    assert len(digests) == 3
    others = {of(bed, name).put(CHAIN, REQUEST, text_document(YES), readers_of(bed.state, ["west"]))
              for name in bed.names}  # fmt: skip
    assert len(others) == len(bed.names)
    known = sizes(bed)
    put(bed, text_document("No, since the ethics letter says nothing of images."), "west")
    assert sizes(bed) == known, "what is said shows in no size"


def test_the_same_again_for_the_same_readers_is_the_same_digest(bed: Bed) -> None:
    """So a command that was cut short asks for no other when it is given again."""
    digest = put(bed, text_document(YES), "west", "east")
    assert put(bed, text_document(YES), "west", "east") == digest
    bed.consortium.objects.delete(digest)
    assert put(bed, text_document(YES), "west", "east") != digest, "one whose key is gone is sealed anew"


def test_a_reader_with_another_key_is_another_reader(bed: Bed) -> None:
    (east,) = readers_of(bed.state, ["east"])
    renewed = replace(east, wrapping=WrappingKey.generate().public)
    west = of(bed, "west")
    assert len({west.put(CHAIN, REQUEST, text_document(YES), [member]) for member in (east, renewed)}) == 2


class Keys(Record, frozen=True, tag="document keys"):
    """What another program may write in the place of a document's keys."""

    place: bytes
    object: bytes
    size: int
    readers: tuple[bytes, ...]


@pytest.mark.parametrize(("address", "size"), [(bytes(32), 1 << 40), (bytes(32), 0), (b"short", 7)])
def test_keys_to_what_can_be_no_document_open_nothing(bed: Bed, address: bytes, size: int) -> None:
    place = digest_of("hmchain request document", CHAIN.encode(), REQUEST.encode())
    keys = bed.consortium.objects.put(encode(Keys(place, address, size, ())))
    with pytest.raises(OtherDocumentError):
        of(bed, "west").read(CHAIN, REQUEST, keys)


def test_what_is_too_large_to_be_a_document_s_keys_is_not_read(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    large = bed.consortium.objects.put(bytes(5 << 20))
    monkeypatch.setattr(bed.consortium.objects, "get", lambda *asked, **sized: pytest.fail("it is read"))
    with pytest.raises(OtherDocumentError):
        of(bed, "west").read(CHAIN, REQUEST, large)


def test_a_document_of_one_request_passes_for_none_of_another(bed: Bed) -> None:
    digest = put(bed, text_document(YES), "west")
    with pytest.raises(OtherDocumentError):
        of(bed, "west").read(CHAIN, "other", digest)


def test_what_is_found_in_its_place_is_said_to_be_another(bed: Bed) -> None:
    for data in (b"", b"noise", encode([1, 2])):
        digest = bed.consortium.objects.put(data)
        with pytest.raises(OtherDocumentError, match="not what the ledger names"):
            of(bed, "west").read(CHAIN, REQUEST, digest)
    with pytest.raises(OtherDocumentError):
        of(bed, "west").read(CHAIN, REQUEST, b"short")


@pytest.mark.parametrize(
    ("media", "data"),
    [("application/pdf", b"MZ\x90"), ("image/png", b"%PDF-1.7"), ("image/jpeg", b"<svg>"), ("text/html", b"<p>")],
)
def test_a_program_that_another_program_sealed_as_a_document_is_not_read_as_one(
    bed: Bed, media: str, data: bytes
) -> None:
    digest = put(bed, Document(media, "letter.pdf", data), "west", "east")
    with pytest.raises(OtherDocumentError):
        of(bed, "east").read(CHAIN, REQUEST, digest)


def test_escape_sequences_in_a_comment_are_shown_and_not_obeyed(bed: Bed) -> None:
    """Its author's program need not clean it."""
    digest = put(bed, Document(Media.TEXT, f"a\n{EVIL}.txt", EVIL.encode()), "west", "east")
    found = of(bed, "east").read(CHAIN, REQUEST, digest)
    for shown in (found.text, found.title, text_document(EVIL).text):
        assert not {"\r", "\x1b", "\x07", "\u202e"} & set(shown)
    assert "\n" not in found.title
    assert "approved" not in repr(found), "nothing of a text in a log or traceback"


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200), st.booleans())
def test_no_text_of_anybody_moves_a_terminal(text: str, lines: bool) -> None:
    """Whatever letters it has: only line ends stay, where it may have lines, and what was shown is shown the same."""
    shown = readable(text, lines=lines)
    assert all(letter.isprintable() or (lines and letter == "\n") for letter in shown)
    assert readable(shown, lines=lines) == shown


@pytest.mark.parametrize("damage", ["gone", "cut short"])
def test_a_document_that_the_store_lost_is_sealed_anew_when_it_is_asked_again(bed: Bed, damage: str) -> None:
    """The key object alone reads as nothing: the same command again would name what nobody can open, for ever."""
    store, folder = bed.consortium.objects, bed.consortium.directory / "objects"
    document, before = text_document(f"lost: {damage}"), set(store.list())
    digest = put(bed, document, "west", "east")
    assert put(bed, document, "west", "east") == digest
    (sealed,) = set(store.list()) - before - {digest}
    path = folder / sealed.hex()[:2] / sealed.hex()
    path.unlink() if damage == "gone" else path.write_bytes(b"half")
    again = put(bed, document, "west", "east")
    assert again != digest and of(bed, "east").read(CHAIN, REQUEST, again) == document


def test_a_damaged_key_is_destroyed_too(bed: Bed) -> None:
    """Its store could mend it after the redaction."""
    store, digest = bed.consortium.objects, put(bed, text_document("damaged"), "west")
    path = bed.consortium.directory / "objects" / digest.hex()[:2] / digest.hex()
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    of(bed, "west").destroy(CHAIN, REQUEST, digest)
    assert not store.exists(digest)


@pytest.mark.parametrize("media", [Media.TEXT, Media.PDF])
def test_what_steers_a_terminal_or_is_a_program_becomes_no_file(media: Media) -> None:
    require_file(Document(Media.TEXT, "", b"a letter"))
    for data in (b"\x7fELF\x02", b"\x1b[2Japproved"):
        with pytest.raises(OtherDocumentError):
            require_file(Document(media, "protocol.pdf", data))


def test_an_oversized_attachment_is_refused_before_it_is_read_whole(tmp_path: Path) -> None:
    big = tmp_path / "scan.pdf"
    with big.open("wb") as file:
        file.write(b"%PDF-1.7")
        file.truncate(FILE_BYTES_MAX + 1)
    with pytest.raises(DocumentError, match=r"scan\.pdf is too large .*8 MiB"):
        file_document(big)
    with pytest.raises(DocumentError, match="8001 characters"):
        text_document("x" * 8001)


@pytest.mark.parametrize(
    ("data", "media"),
    [
        (b"%PDF-1.7 ...", Media.PDF),
        (b"\x89PNG\r\n\x1a\n...", Media.PNG),
        (b"\xff\xd8\xff...", Media.JPEG),
        ("grüße".encode(), Media.TEXT),
    ],
)
def test_a_file_is_what_it_holds_and_not_what_it_is_called(tmp_path: Path, data: bytes, media: Media) -> None:
    path = tmp_path / "run-me.exe"
    path.write_bytes(data)
    assert file_document(path) == Document(media, "run-me.exe", data)


@pytest.mark.parametrize("data", [b"\x7fELF\x02\x01", b"MZ\x90\x00\x03", b"", b"PK\x03\x04\xff\xfe"])
def test_what_no_person_reads_cannot_be_attached(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "protocol.pdf"
    path.write_bytes(data)
    with pytest.raises(DocumentError, match=r"protocol\.pdf"):
        file_document(path)


def test_a_form_keeps_what_was_answered_and_says_what_was_not() -> None:
    table = {"title": "Relapse  after\nsurgery", "use": "Who relapses?\nBy MRI.", "contact": "Dr West, +49 1"}
    made = form.form_of(table)
    assert made.title == "Relapse after surgery" and made.use == "Who relapses?\nBy MRI."
    assert form.from_document(form.as_document(made)) == made
    assert [field.name for field in form.unanswered(made)][:2] == ["benefit", "applicant"]
    assert dict(form.answered(made))["use"] == "Who relapses?\nBy MRI."
    for wrong, key in (({"title": ""}, r"form\.title is empty"), ({"titel": "x"}, "no 'titel'"),
                       ({"title": "x" * 121}, r"form\.title has 121")):  # fmt: skip
        with pytest.raises(DocumentError, match=key):
            form.form_of(table | wrong)
    with pytest.raises(OtherDocumentError):
        form.from_document(form.as_document(replace(made, contact=" ")))


def test_the_reference_names_every_question_of_the_form_with_its_article() -> None:
    page = (REPOSITORY / "docs" / "reference" / "requests.md").read_text("utf-8")
    for field in form.FIELDS:
        assert f"| `{field.name}` | {field.asks}{' (needed)' * field.needed} | {field.article or '-'} |" in page
