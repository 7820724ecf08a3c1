"""HL7 v2 text and files: delimiters, escapes, character sets, and where one message ends and the next begins."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmchain.records.sources.hl7 import message as message_module
from hmchain.records.sources.hl7.files import Hl7Files
from hmchain.records.sources.hl7.message import Delimiters, MessageError, parse, split_messages
from hmchain.records.sources.item import HL7
from support.health_records import admission_message, result_message

STANDARD = Delimiters("|", "^", "~", "\\", "&")


# -- one message -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_segments_end_as_senders_end_them(end: str) -> None:
    message = parse(result_message(1, 1).replace("\r", end).encode())
    assert [segment.name for segment in message.segments] == ["MSH", "PID", "PV1", "OBR", "OBX", "NTE"]
    assert message.delimiters == STANDARD
    assert message.header.field(9) == "ORU^R01^ORU_R01" and message.header.field(1) == "|"
    assert message.segments[1].field(7) == "19560203" and message.segments[1].field(99) == ""


def test_a_message_says_its_own_delimiters() -> None:
    message = parse(b"MSH*%$!@*A*B\rPID***7%x$8%y")
    assert message.delimiters == Delimiters("*", "%", "$", "!", "@")
    assert message.segments[1].field(3) == "7%x$8%y"
    assert message.delimiters.unescape("a!S!b!F!c!E!d\\") == "a%b*c!d\\"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (r"a\T\b\S\c\R\d\F\e\E\f", "a&b^c~d|e\\f"),
        (r"one\.br\two", "one two"),
        (r"\H\bold\N\ ", " bold  "),
        (r"\X41\\Zx1\\C2842\ ", "A  "),
        (r"M\XC3BC\ller\X0D0A\M\XFC\ller", "Müller  Müller"),
        (r"left \ alone", r"left \ alone"),
        ("plain", "plain"),
    ],
)
def test_escape_sequences(text: str, plain: str) -> None:
    assert STANDARD.unescape(text) == plain


@pytest.mark.parametrize(
    ("declared", "encoding", "name"),
    [
        ("", "utf-8", "Müller"),
        ("", "latin-1", "Müller"),
        ("8859/1", "latin-1", "Müller"),
        ("8859/15", "iso8859-15", "Œuvre€"),
        ("8859/5", "iso8859-5", "Иванов"),
        ("UNICODE UTF-8", "utf-8", "山田"),
        ("ISO IR87", "iso2022_jp", "山田太郎"),
        ("GB 18030-2000", "gb18030", "王小明"),
        ("BIG-5", "big5", "功許"),
        ("KS X 1001", "euc_kr", "김철수"),
    ],
)
def test_character_sets(declared: str, encoding: str, name: str) -> None:
    message = parse(result_message(1, 1, charset=declared, name=name).encode(encoding))
    assert message.segments[1].field(5) == name and message.segments[1].field(7) == "19560203"


def test_the_second_byte_of_a_character_is_no_delimiter() -> None:
    """In Big5 the second byte of 功 is 5C, a backslash, and that of 許 could be a field separator if read as bytes."""
    raw = result_message(1, 1, charset="BIG-5", name="功|X").encode("big5")
    assert b"\\" in raw.split(b"PID")[1]
    assert parse(raw).segments[1].field(5) == "功"


@pytest.mark.parametrize(
    "data",
    [
        b"", b"PID|1", b"MSH", b"MSH|^~\\&", b"MSH|||||||||", b"MSHA^~\\&A", b"MSH|^^\\&|A\r", b"MSH|^~\\&|A\rpid|1",
        b"MSH|^~\\&|A\r|||", b"MSH|^~\\&|||||||ORU|1|P|2.5||||||EBCDIC\r",
        b"MSH|^~\\&|||||||ORU|1|P|2.5||||||GB 18030-2000\rPID|\xff",
    ],
)  # fmt: skip
def test_what_is_no_message_is_named_without_its_content(data: bytes) -> None:
    with pytest.raises(MessageError) as caught:
        parse(data)
    assert "EBCDIC" not in str(caught.value)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for beginning in (b"", b"MSH|^~\\&|", b"MSH"):
        with suppress(MessageError):
            parse(beginning + data)


# -- files -------------------------------------------------------------------------------------------------------------


MESSAGES = [result_message(1, 1), admission_message(2, 2), result_message(3, 1)]
BATCH = "FHS|^~\\&|A\rBHS|^~\\&|A\r" + "".join(MESSAGES) + "BTS|3\rFTS|1\r"


@pytest.mark.parametrize(
    "text",
    [
        "".join(MESSAGES),
        BATCH,
        BATCH.replace("\r", "\n"),
        BATCH.replace("\r", "\r\n"),
        "\ufeff" + "".join(MESSAGES),
        "".join(f"\x0b{message}\x1c\r" for message in MESSAGES),
        "# exported today\r" + "".join(MESSAGES),
    ],
    ids=["plain", "batch", "lf", "crlf", "byte order mark", "framed", "preface"],
)
def test_messages_of_a_file_in_whatever_wrapping(text: str) -> None:
    assert list(split_messages(io.BytesIO(text.encode()))) == [message.encode() for message in MESSAGES]


def test_a_message_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_module, "MESSAGE_BYTES_MAX", 1 << 10)
    text = MESSAGES[0] + "OBX|1|TX|||line\r" * 1000 + MESSAGES[1] + "OBX|" + "x" * 300_000
    found = list(split_messages(io.BytesIO(text.encode())))
    assert len(found) == 2 and all(len(message) < 200_000 for message in found)


def test_files_give_a_message_an_item_and_go_on_where_they_stopped(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "batch.hl7").write_text(BATCH, newline="")
    (tmp_path / "a.HL7").write_text(MESSAGES[0], newline="")
    (tmp_path / "c.txt").write_text("nothing of the kind")
    (tmp_path / "d.pdf").write_text("other")
    source = Hl7Files(tmp_path)
    items = {item.name: item for item in source.items(lambda name: False)}
    assert list(items) == ["a.HL7#1", "b/batch.hl7#1", "b/batch.hl7#2", "b/batch.hl7#3"]
    assert source.finds.reasons == {"no HL7 file": 1, "no HL7 message in it": 1}
    assert {item.kind for item in items.values()} == {HL7} and source.count() is None
    with items["b/batch.hl7#2"].open() as file:
        assert file.read() == MESSAGES[1].encode()
    done = {items[name].mark for name in ("a.HL7#1", "b/batch.hl7#2")}
    rest = [item.name for item in source.items(done.__contains__)]
    assert rest == ["b/batch.hl7#1", "b/batch.hl7#3"]
    assert [item.name for item in Hl7Files(tmp_path / "a.HL7").items(lambda name: False)] == ["a.HL7#1"]


def test_acknowledgements_in_a_log_are_passed_over(tmp_path: Path) -> None:
    ack = "MSH|^~\\&|||||20240101||ACK^R01|7|P|2.5\rMSA|AA|1\r"
    (tmp_path / "log.hl7").write_text(MESSAGES[0] + ack + MESSAGES[1] + ack, newline="")
    (tmp_path / "only.hl7").write_text(ack, newline="")
    (tmp_path / "torn.hl7").write_text("PID|1||7\rPV1|1\r" + MESSAGES[0], newline="")
    source = Hl7Files(tmp_path)
    assert [item.name for item in source.items(lambda mark: False)] == ["log.hl7#1", "log.hl7#3", "torn.hl7#1"]
    assert source.finds.reasons == {"an acknowledgement": 3, "lines outside any message": 1}


def test_a_file_called_hl7_without_a_message_is_given_to_be_seen(tmp_path: Path) -> None:
    (tmp_path / "c.hl7").write_text("nothing of the kind")
    assert [item.name for item in Hl7Files(tmp_path).items(lambda name: False)] == ["c.hl7"]


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("UTF-8", "utf-8"), ("UTF8", "utf-8"), ("utf-8", "utf-8"), ("UNICODE UTF-8", "utf-8"), ("UNICODE", "utf-8"),
        ("ISO-8859-1", "latin-1"), ("8859/1", "latin-1"), ("ISO8859-15", "iso8859-15"), ("ISO_8859_2", "iso8859-2"),
        ("WINDOWS-1252", "cp1252"), ("CP1252", "cp1252"), ("win1250", "cp1250"), ("CP850", "cp850"), ("ANSI", "cp1252"),
        ("", "utf-8"), ("", "latin-1"), ("ASCII", "cp1252"), ("8859/1", "utf-8"), ("UTF-8", "cp1252"),
        ("ISO IR100", "latin-1"), ("8859/1~ISO IR87", "latin-1"), ("UNICODE UTF-8~8859/1", "utf-8"),
    ],
)  # fmt: skip
def test_what_engines_declare_is_read_and_what_they_send_in_its_place_too(declared: str, encoding: str) -> None:
    message = parse(result_message(1, 1, charset=declared, name="Jürgens^Zoë").encode(encoding))
    assert message.segments[1].field(5) == "Jürgens^Zoë"


@pytest.mark.parametrize("declared", ["EBCDIC", "ISO 646-IN", "8859/99", "CP500000", "KLINGON"])
def test_a_set_that_is_not_read_is_said_to_be_none(declared: str) -> None:
    with pytest.raises(MessageError, match="in a character set that is not read"):
        parse(result_message(1, 1, charset=declared).encode())


def test_a_file_in_utf_16_is_read_and_so_is_one_of_an_engine_that_escapes_too_much() -> None:
    text = result_message(1, 1, charset="UNICODE UTF-16", name="Jürgens^Zoë")
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        [data] = split_messages(io.BytesIO(text.encode(encoding)))
        assert parse(data).segments[1].field(5) == "Jürgens^Zoë" == parse(text.encode(encoding)).segments[1].field(5)
    assert parse(text.replace("^~\\&", "^~\\\\&").encode()).delimiters.subcomponent == "&"


def test_a_text_that_is_broken_into_lines_belongs_to_its_segment_but_no_patient_is_guessed() -> None:
    text = result_message(1, 1) + "OBX|9|TX|1^x^LN||Seen by\nDr. Huber|mg|4-6\r"
    last = parse(text.encode()).segments[-1]
    assert (last.name, last.field(5), last.field(6)) == ("OBX", "Seen by Dr. Huber", "mg")
    with pytest.raises(MessageError, match="without a name"):
        parse(b"MSH|^~\\&|A\rPID|1\rHuber^Ada|x")
