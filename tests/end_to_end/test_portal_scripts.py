"""The portal's scripts in a real browser: keys, and what is signed, each held against this program's own."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from msgspec import inspect
from playwright.sync_api import Browser, Page

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.node.meaning import meaning
from hmchain.canonical import Record, encode
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.signing import ToSign, to_sign
from hmchain.interfaces.portal import app, pages
from hmchain.interfaces.portal.page import Page as Content
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.signing import sign_panel
from hmchain.keys import ED25519, PublicKey, SigningKey, load_key, save_key
from hmchain.ledger import contracts
from hmchain.ledger.contracts.members.enrolment import InvitePerson
from hmchain.ledger.contracts.members.maintenance import AnnounceMaintenance
from hmchain.ledger.transactions import Transaction

__all__ = ["run_directory"]
from support.api_client import site_of
from support.browser import needs_browser
from support.chromium import chromium, served, watched
from support.finished_run import run_directory
from support.portal_scripts import ask

pytestmark = [pytest.mark.process, pytest.mark.network, needs_browser]
PASSPHRASE = "correct horse battery"
ANYBODY = Rule(Operation.VIEW, Scope.PUBLIC)
ASKED: list[ToSign] = []
"""What the page of a signature shows."""
room = Pages()


@room.show("/try/sign", ANYBODY)
def try_sign(call: Call) -> Content:
    return Content("Sign", sign_panel(ASKED[0]))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def origin(run_directory: Path) -> Iterator[str]:
    with site_of(run_directory) as site, served(app.create(site, (*pages.ALL, room))) as found:
        yield found


@pytest.fixture
def page(browser: Browser, origin: str) -> Iterator[Page]:
    """A page whose scripts nothing complained of."""
    with watched(browser, base_url=origin) as (found, complaints):
        found.goto("/keys")
        yield found
        assert not complaints, complaints


# -- keys --------------------------------------------------------------------------------------------------------------


def make_key(page: Page, name: str = "anna") -> str:
    """Make a key on the page of keys; its public half in hexadecimal."""
    page.goto("/keys")
    page.fill("#name", name)
    page.fill("#passphrase", PASSPHRASE)
    page.fill("#again", PASSPHRASE)
    page.click("#make button")
    page.wait_for_selector(f".key:has(h3:text-is('{name}'))")
    return str(page.get_attribute(".key", "data-public"))


def saved(page: Page, words: str, place: Path) -> Path:
    with page.expect_download() as download:
        page.click(f".key button:has-text('{words}')")
    download.value.save_as(place)
    place.chmod(0o600)
    return place


def test_a_key_made_here_is_a_key_file_there(page: Page, tmp_path: Path) -> None:
    public = make_key(page)
    key = load_key(SigningKey, saved(page, "Save the key file", tmp_path / "anna.key"), PASSPHRASE)
    assert key.public.raw.hex() == public
    signature = ask(
        page,
        """const ring = await load("keyring.js"), { hex } = await load("bytes.js");
        return hex(await ring.sign(await ring.find(given[0]), new Uint8Array([1, 2, 3])));""",
        public,
    )
    assert bytes.fromhex(signature) == key.sign(bytes([1, 2, 3]))
    kept = ask(
        page,
        """const [key] = await (await load("keyring.js")).all();
        const exported = await crypto.subtle.exportKey("pkcs8", key.privateKey).catch((error) => error.name);
        return [key.privateKey.extractable, exported];""",
    )
    assert kept == [False, "InvalidAccessError"], "no script can read a key"


def take_key(page: Page, key: SigningKey, folder: Path) -> None:
    """Have the browser take a key from its file."""
    save_key(key, folder / "s1.key", PASSPHRASE)
    page.set_input_files("#key-file", folder / "s1.key")
    page.fill("#take-name", "s1")
    page.fill("#take-passphrase", PASSPHRASE)
    page.click("#take button")
    page.wait_for_selector(".key")


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_key_file_of_the_command_line_is_taken(page: Page, tmp_path: Path, passphrase: str | None) -> None:
    key = SigningKey.generate()
    save_key(key, tmp_path / "s1.key", passphrase)
    page.set_input_files("#key-file", tmp_path / "s1.key")
    page.fill("#take-name", "s1")
    for given in ("another passphrase", PASSPHRASE) if passphrase else (PASSPHRASE,):
        page.fill("#take-passphrase", given)
        page.click("#take button")
        page.wait_for_selector("#take .problem" if given != PASSPHRASE else ".key")
    assert page.get_attribute(".key", "data-public") == key.public.raw.hex()
    assert load_key(SigningKey, saved(page, "Save the key file", tmp_path / "out.key"), PASSPHRASE) == key
    page.click(".key summary")
    page.click("text=Yes, forget it")
    page.wait_for_selector("#kept .empty")


def test_what_is_no_key_file_and_a_short_passphrase_are_refused(page: Page, tmp_path: Path) -> None:
    for number, text in enumerate(("", "{}", '{"kind": "secret-256"}', "x" * 5000)):
        (tmp_path / f"{number}.key").write_text(text)
        page.set_input_files("#key-file", tmp_path / f"{number}.key")
        page.fill("#take-name", "s1")
        page.fill("#take-passphrase", PASSPHRASE)
        page.click("#take button")
        page.wait_for_selector("#take .problem")
    page.fill("#name", "anna")
    page.fill("#passphrase", PASSPHRASE)
    page.fill("#again", PASSPHRASE + "!")
    page.click("#make button")
    assert "not the same" in page.inner_text("#make .problem")
    assert "passphrase" not in page.url and page.is_visible("#kept .empty")


def test_scrypt_is_that_of_rfc_7914(page: Page) -> None:
    found = ask(
        page,
        """const { scrypt } = await load("scrypt.js"), { hex, utf8 } = await load("bytes.js");
        const cost = { n: 1024, r: 8, p: 16, bytes: 64 };
        return hex(await scrypt(utf8("password"), utf8("NaCl"), cost));""",
    )
    assert found.startswith("fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162")


# -- what is signed ----------------------------------------------------------------------------------------------------


def value_of(kind: type[Record], chance: random.Random) -> Any:
    """A record with anything in its fields."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(raw(inspect.type_info(kind), chance)), type=kind)


def raw(info: Any, chance: random.Random, depth: int = 0) -> Any:
    if isinstance(info, inspect.IntType):
        return chance.choice([0, 1, 127, 128, 255, 256, 65_535, 65_536, 1 << 31, 1 << 32, (1 << 53) + 1, (1 << 63) - 1])
    if isinstance(info, inspect.StrType):
        return chance.choice(["", "north", 'Ü·\u202e\x00\x1f"\\\n<b>', "x" * 40, "🏥" * 20])
    if isinstance(info, inspect.BytesType):
        return chance.randbytes(chance.choice([0, 1, 32, 300]))
    if isinstance(info, inspect.BoolType):
        return chance.random() < 0.5
    if isinstance(info, inspect.NoneType):
        return None
    if isinstance(info, inspect.EnumType):
        return chance.choice(list(info.cls)).value
    if isinstance(info, inspect.VarTupleType):
        return [raw(info.item_type, chance, depth + 1) for _ in range(chance.choice([0, 1, 3, 17]) if depth < 2 else 1)]
    if isinstance(info, inspect.UnionType):
        return raw(chance.choice(info.types), chance, depth)
    if isinstance(info, inspect.Metadata):
        return raw(info.type, chance, depth)
    assert isinstance(info, inspect.StructType), info
    values = [raw(field.type, chance, depth + 1) for field in info.fields]
    return [info.tag, *values] if info.tag else values


def transaction(body: Record, key: SigningKey, expires_ms: int = 1_800_000_000_000) -> bytes:
    return encode(Transaction("net-abcdefgh", ED25519, key.public.raw, bytes(range(16)), expires_ms, encode(body)))


READ = """const { read } = await load("transaction.js"), { unhex } = await load("bytes.js");
    const forms = await (await fetch(names["bodies.json"])).json();
    const one = (text) => { try { return read(unhex(text), forms); } catch (error) { return error.message; } };
    return given[0].map(one);"""


def test_a_browser_reads_every_kind_of_transaction_as_this_program_does(page: Page) -> None:
    chance, key = random.Random(15), SigningKey.generate()
    messages = [transaction(value_of(kind, chance), key) for kind in get_args(contracts.Body) for _ in range(4)]
    for message, found in zip(messages, ask(page, READ, [each.hex() for each in messages]), strict=True):
        known = meaning(message)
        assert found["fields"] == [list(field) for field in known.fields]
        assert (found["chain"], found["sender"], found["expires"]) == (
            known.chain_id, known.sender.hex(), known.expires_ms
        )  # fmt: skip


def test_bytes_that_are_not_the_one_encoding_are_not_read(page: Page) -> None:
    message = transaction(AnnounceMaintenance(5, 7), SigningKey.generate())
    body = encode(AnnounceMaintenance(5, 7))
    wide = message.replace(body[-2:], b"\xcc\x05\x07").replace(bytes([0xC4, len(body)]), bytes([0xC4, len(body) + 1]))
    assert len(wide) == len(message) + 1
    others = [
        message[:-1], message + b"\x00", wide, b"", b"\xc1", b"\x96" + message[1:-1], b"\x81\xa1a\x01",
        b"\xdc\x00\x06" + message[1:], message.replace(b"announce_", b"denounce_"), b"\x91" * 3000,
        message.replace(ED25519.encode(), b"ed25518"), message.replace(b"net-", b"\xff\xfeet"), b"\xdd\xff\xff\xff\xff",
    ]  # fmt: skip
    found = ask(page, READ, [each.hex() for each in others])
    assert all(isinstance(each, str) for each in found), found


def panel_shown(page: Page, told: ToSign) -> None:
    """Show a page that asks for a signature."""
    ASKED[:] = [told]
    page.goto("/try/sign")


def test_a_transaction_is_read_signed_and_sent(page: Page, tmp_path: Path) -> None:
    take_key(page, key := SigningKey.generate(), tmp_path)
    message, sent = transaction(AnnounceMaintenance(5, 7), key), []
    page.route("**/v1/transactions", lambda route: (sent.append(route.request.post_data_json), route.fulfill(
        json={"digest": "ab" * 32, "words": "x"})))  # fmt: skip
    panel_shown(page, to_sign(message))
    page.wait_for_selector("#sign:visible")
    assert "announce_maintenance" in page.inner_text("#read") and key.public.raw.hex() in page.inner_text("#read")
    page.click("#sign")
    page.wait_for_selector("#signed:has-text('abababababababab')")
    (found,) = sent
    assert found["message"] == message.hex() and key.public.verify(bytes.fromhex(found["signature"]), message)


def test_all_that_one_deed_takes_is_signed_and_sent_in_order(page: Page, tmp_path: Path) -> None:
    take_key(page, key := SigningKey.generate(), tmp_path)
    messages = [transaction(AnnounceMaintenance(number, 7), key) for number in range(3)]
    sent: list[Any] = []
    page.route("**/v1/transactions", lambda route: (sent.append(route.request.post_data_json), route.fulfill(
        json={"digest": "ab" * 32, "words": "x"})))  # fmt: skip
    panel_shown(page, to_sign(*messages))
    page.click("#sign")
    page.wait_for_selector("#signed:has-text('abababababababab')")
    assert [each["message"] for each in sent] == [message.hex() for message in messages]
    assert all(key.public.verify(bytes.fromhex(each["signature"]), bytes.fromhex(each["message"])) for each in sent)
    panel_shown(
        page, dataclasses.replace(to_sign(*messages), more=(dataclasses.replace(to_sign(messages[1]), fields=()),))
    )
    page.wait_for_selector("#read .problem")
    assert not page.is_visible("#sign"), "a lie about one of them is enough"


@pytest.mark.parametrize("lie", ["chain_id", "sender", "expires_ms", "fields", "less", "message"])
def test_nothing_is_signed_that_the_page_says_otherwise(page: Page, lie: str) -> None:
    public = make_key(page)
    key = PublicKey(ED25519, bytes.fromhex(public))
    message = encode(Transaction("net", ED25519, key.raw, bytes(16), 9, encode(AnnounceMaintenance(5, 7))))
    told = to_sign(message)
    lies = {
        "chain_id": {"chain_id": "other"}, "sender": {"sender": bytes(32)}, "expires_ms": {"expires_ms": 10},
        "fields": {"fields": (*told.fields[:-1], ("length_ms", "8"))}, "less": {"fields": (*told.fields, ("x", "y"))},
        "message": {"message": message[:-1]},
    }  # fmt: skip
    panel_shown(page, dataclasses.replace(told, **lies[lie]))
    page.wait_for_selector("#read .problem")
    assert not page.is_visible("#sign")


def test_no_letter_hides_in_what_is_signed(page: Page) -> None:
    body = InvitePerson("anna\u202egpj.\u200b", ("steward",), bytes(32), b"")
    panel_shown(page, to_sign(transaction(body, SigningKey.generate())))
    page.wait_for_selector("#read dl")
    told = page.inner_text("#signing")
    assert "anna\\u{202e}gpj.\\u{200b}" in page.inner_text("#read") and not {"\u202e", "\u200b"} & set(told)


def test_what_is_signed_elsewhere_is_sent_once(page: Page) -> None:
    sent: list[Any] = []
    page.route("**/v1/transactions", lambda route: sent.append(route))
    panel_shown(page, to_sign(transaction(AnnounceMaintenance(5, 7), SigningKey.generate())))
    page.wait_for_selector("#read dl")
    page.click("summary:has-text('My key is elsewhere')")
    page.fill("#signature", "ab" * 64)
    page.dblclick("#send-signature")
    page.wait_for_selector("#signed:has-text('waiting')")
    assert len(sent) == 1 and page.is_disabled("#send-signature")
    sent[0].fulfill(json={"digest": "ab" * 32, "words": "x"})
    page.wait_for_selector("#signed:has-text('abababababababab')")


def test_a_signature_made_elsewhere_is_sent(page: Page) -> None:
    sent: list[Any] = []
    page.route("**/v1/transactions", lambda route: (sent.append(route.request.post_data_json), route.fulfill(
        status=409, content_type="application/problem+json", json={"code": "refused", "detail": "refused: <b>late</b>",
        "hint": "ask again"})))  # fmt: skip
    panel_shown(page, to_sign(transaction(AnnounceMaintenance(5, 7), SigningKey.generate())))
    page.wait_for_selector("#read a")
    assert not page.is_visible("#sign")
    page.click("summary:has-text('My key is elsewhere')")
    page.fill("#signature", "zz")
    page.click("#send-signature")
    page.wait_for_selector("#signed .problem")
    page.fill("#signature", "AB" * 64)
    page.click("#send-signature")
    page.wait_for_selector("#signed:has-text('refused: <b>late</b>')")
    assert sent[0]["signature"] == "ab" * 64
